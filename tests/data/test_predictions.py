"""Predictions files: what is read back, and every way in which one can be wrong."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from poseterior.data.predictions import open_predictions, write_predictions
from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_17

M, H, J = 11, 4, 17


def _arrays(seed=0, **changes):
    random = np.random.default_rng(seed)
    arrays = {
        "hypotheses": random.normal(size=(M, H, J, 3)).astype(np.float32),
        "target": random.normal(size=(M, J, 3)).astype(np.float32),
        "weights": random.uniform(0.5, 2, size=(M, H)).astype(np.float32),
        "clip": np.repeat(np.arange(4), 3)[:M],
        "frame": np.arange(M),
        "skeleton": np.array("h36m_17"),
    }
    return {k: v for k, v in (arrays | changes).items() if v is not None}


def _save(path, **changes):
    np.savez(path, **_arrays(**changes))
    return path


def _all(path, rows=4, hypotheses=None, target=None):
    with open_predictions(path, target) as predictions:
        return list(predictions.chunks(rows, hypotheses))


def _with(array, index, value):
    array = np.array(array)
    array[index] = value
    return array


@pytest.mark.parametrize("rows", [1, 4, 11, 100, None])
def test_chunks_joined_are_the_file(tmp_path, rows):
    path, arrays = _save(tmp_path / "p.npz"), _arrays()
    with open_predictions(path) as predictions:
        assert (predictions.poses, predictions.hypotheses) == (M, H)
        assert predictions.skeleton is H36M_17
        assert "target" in predictions.fields
        assert "mode" not in predictions.fields
        chunks = list(predictions.chunks(rows))
    for name in ("hypotheses", "target"):
        joined = torch.cat([getattr(c, name) for c in chunks]).numpy()
        np.testing.assert_array_equal(joined, arrays[name])
    weights = arrays["weights"] / arrays["weights"].sum(1, keepdims=True)
    np.testing.assert_allclose(torch.cat([c.weights for c in chunks]), weights, rtol=1e-6)
    np.testing.assert_array_equal(
        np.concatenate([c.labels["clip"] for c in chunks]), arrays["clip"]
    )
    assert all(c.valid.all() and c.mode is None for c in chunks)
    assert [c.start for c in chunks] == list(range(0, M, rows or M))


def test_the_first_hypotheses_only(tmp_path):
    path, arrays = _save(tmp_path / "p.npz"), _arrays()
    chunks = _all(path, hypotheses=3)
    np.testing.assert_array_equal(
        torch.cat([c.hypotheses for c in chunks]), arrays["hypotheses"][:, :3]
    )
    torch.testing.assert_close(torch.cat([c.weights for c in chunks]).sum(1), torch.ones(M))
    for wanted in (0, 5):
        with pytest.raises(InputError, match=rf"1 to 4 of them, found {wanted}"):
            _all(path, hypotheses=wanted)


def test_rows_and_joints_that_are_not_valid_are_zero_whatever_they_hold(tmp_path):
    arrays = _arrays()
    valid = np.arange(M) != 5
    joints = np.ones((M, J), bool)
    joints[2, 7] = False
    hypotheses = _with(_with(arrays["hypotheses"], 5, np.nan), (2, 1, 7), np.inf)
    path = _save(
        tmp_path / "p.npz", hypotheses=hypotheses, valid=valid,
        valid_joints=joints.astype(np.uint8), weights=_with(arrays["weights"], 5, 0),
        target=_with(arrays["target"], (2, 7), np.nan),
    )  # fmt: skip
    (rows,) = _all(path, rows=M)
    assert rows.valid.tolist() == valid.tolist()
    assert rows.valid_joints.tolist() == joints.tolist()
    assert not rows.hypotheses[5].any()
    assert not rows.hypotheses[2, :, 7].any()
    assert not rows.target[2, 7].any()
    kept = rows.valid[:, None] & rows.valid_joints
    expected = arrays["hypotheses"].transpose(0, 2, 1, 3)[kept]
    np.testing.assert_array_equal(rows.hypotheses.transpose(1, 2)[kept], expected)


def test_float64_stays_and_other_numbers_become_float32(tmp_path):
    for dtype, expected in [("f8", "f8"), (">f8", "f8"), ("f2", "f4"), (">f4", "f4"), ("i4", "f4")]:
        path = _save(tmp_path / "p.npz", hypotheses=_arrays()["hypotheses"].astype(dtype))
        assert _all(path)[0].hypotheses.numpy().dtype == np.dtype(expected)


_BASE = _arrays()
_HYPOTHESES, _TARGET, _WEIGHTS = (_BASE[k] for k in ("hypotheses", "target", "weights"))

BAD = [
    ({"hypotheses": None}, "hypotheses: expected an array"),
    ({"skeleton": None}, "skeleton: expected an array"),
    ({"skeleton": np.array("h37m")}, "skeleton: expected .*h36m_17.*h37m"),
    ({"skeleton": np.array(17)}, "skeleton: expected one name"),
    ({"skeleton": np.array(["a", "b"])}, "skeleton: expected one name"),
    ({"skeleton": np.array(None)}, "skeleton: expected numbers or text, found an object"),
    ({"hypotheses": _HYPOTHESES[:, :, :16]}, r"hypotheses: .*\(M, H, 17, 3\).*\(11, 4, 16, 3\)"),
    ({"hypotheses": _HYPOTHESES[:, 0]}, r"hypotheses: .*found shape \(11, 17, 3\)"),
    ({"hypotheses": _HYPOTHESES[:0]}, r"hypotheses: .*at least 1.*\(0, 4, 17, 3\)"),
    ({"hypotheses": _HYPOTHESES[:, :0]}, "hypotheses: .*at least 1"),
    ({"hypotheses": _HYPOTHESES.astype(object)}, "hypotheses: .*object array"),
    ({"hypotheses": _HYPOTHESES.astype(complex)}, "hypotheses: .*complex128"),
    ({"hypotheses": np.asfortranarray(_HYPOTHESES)}, "hypotheses: .*Fortran"),
    ({"hypotheses": _with(_HYPOTHESES, (6, 1, 2, 0), np.nan)}, r"ses: .*nan at \[6, 1, 2, 0\]"),
    ({"hypotheses": _with(_HYPOTHESES, (9, 3, 0, 2), np.inf)}, r"ses: .*inf at \[9, 3, 0, 2\]"),
    ({"target": _TARGET[:5]}, r"target: expected shape \(11, 17, 3\), found \(5, 17, 3\)"),
    ({"target": _with(_TARGET, (8, 1, 1), np.nan)}, r"target: .*nan at \[8, 1, 1\]"),
    ({"mode": _TARGET[:, :3]}, "mode: expected shape"),
    ({"latent_centre": _with(_TARGET, 3, -np.inf)}, r"latent_centre: .*-inf at \[3, 0, 0\]"),
    ({"weights": _WEIGHTS[:, :2]}, "weights: expected shape"),
    ({"weights": _with(_WEIGHTS, (7, 2), -0.1)}, r"weights: .*0 or more, found -0.1 at \[7, 2\]"),
    ({"weights": _with(_WEIGHTS, 7, 0)}, r"weights: expected a sum above zero.*\[7\]"),
    ({"weights": _with(_WEIGHTS, (1, 1), np.nan)}, r"weights: .*nan at \[1, 1\]"),
    ({"log_prob": np.full((M, H), np.nan)}, "log_prob: .*nan"),
    ({"valid": np.ones((M, J), bool)}, r"valid: expected shape \(11,\)"),
    ({"valid": np.full(M, 2)}, r"valid: expected 0 or 1, found 2 at \[0\]"),
    ({"valid": np.ones(M)}, "valid: expected a mask array, found dtype float64"),
    ({"clip": np.arange(M - 1)}, "clip: expected shape"),
    ({"frame": np.ones(M)}, "frame: expected a label array"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), BAD)
def test_bad_files_are_named(tmp_path, changes, message):
    path = _save(tmp_path / "p.npz", **changes)
    with pytest.raises(InputError, match=message) as caught:
        _all(path)
    assert str(caught.value).startswith(str(path))


def test_truncated_files(tmp_path):
    path = _save(tmp_path / "p.npz")
    data = path.read_bytes()
    for size in (0, 10, 1000, len(data) - 30):
        path.write_bytes(data[:size])
        with pytest.raises(InputError, match=r"p\.npz: .*truncated"):
            _all(path)


def _target_file(path, **changes):
    arrays = {"target": _TARGET + 1, "skeleton": np.array("h36m_17"), "frame": np.arange(M)}
    np.savez(path, **{k: v for k, v in (arrays | changes).items() if v is not None})
    return path


@pytest.mark.parametrize("own", [_TARGET, None])
def test_a_target_file_takes_the_place_of_the_files_own(tmp_path, own):
    path = _save(tmp_path / "p.npz", target=own, target_log_prob=np.zeros(M))
    chunks = _all(path, target=_target_file(tmp_path / "t.npz", skeleton=None))
    np.testing.assert_array_equal(torch.cat([c.target for c in chunks]), _TARGET + 1)
    assert all(c.target_log_prob is None for c in chunks)


def test_a_target_file_can_leave_rows_out_but_keypoint_masks_do_not(tmp_path):
    path = _save(tmp_path / "p.npz", valid=np.arange(M) != 2)
    target = _target_file(
        tmp_path / "t.npz", valid=np.arange(M) != 9, target=_with(_TARGET, 9, np.nan)
    )
    valid = torch.cat([c.valid for c in _all(path, target=target)])
    assert (~valid).nonzero().flatten().tolist() == [2, 9]
    target = _target_file(tmp_path / "t.npz", valid=np.zeros((M, J), bool))
    assert sum(c.valid.sum() for c in _all(path, target=target)) == M - 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": None}, "target: expected an array"),
        ({"target": _TARGET[:-1]}, r"target: expected shape \(11, 17, 3\), found \(10, 17, 3\)"),
        ({"target": _TARGET[:, 1:]}, "target: expected shape"),
        ({"skeleton": np.array("coco_17")}, "skeleton: expected h36m_17, as in .*found coco_17"),
        ({"frame": np.arange(M)[::-1]}, r"frame: expected the frame that this.*10 at \[0\]"),
        ({"target": _with(_TARGET, (4, 0, 0), np.nan)}, r"target: .*nan at \[4, 0, 0\]"),
        ({"target": _TARGET.astype(object)}, "object array"),
    ],
)  # fmt: skip
def test_mismatched_targets(tmp_path, changes, message):
    target = _target_file(tmp_path / "t.npz", **changes)
    path = _save(tmp_path / "p.npz")
    with pytest.raises(InputError, match=message) as caught:
        _all(path, target=target)
    assert str(caught.value).startswith(str(target))


def test_what_is_written_is_read_back(tmp_path):
    path, arrays = tmp_path / "p.npz", _arrays()
    valid = np.arange(M) != 3
    with write_predictions(path, M, H36M_17) as out:
        out.put(provenance='{"seed": 0}')
        for rows in (slice(0, 5), slice(5, M)):
            out.write(
                rows.start, valid[rows], hypotheses=arrays["hypotheses"][rows],
                clip=arrays["clip"][rows], target_log_prob=np.ones(M)[rows],
            )  # fmt: skip
    (read,) = _all(path, rows=M)
    np.testing.assert_array_equal(read.hypotheses[valid], arrays["hypotheses"][valid])
    assert read.valid.tolist() == valid.tolist()
    assert read.target_log_prob.tolist() == valid.astype(float).tolist()
    assert read.labels["clip"].tolist() == arrays["clip"].tolist()
    with open_predictions(path) as predictions:
        assert predictions.provenance == '{"seed": 0}'
    with np.load(path, allow_pickle=False) as loaded:
        assert not loaded["hypotheses"][3].any()


def test_writing_refuses_unknown_fields_and_no_rows(tmp_path):
    with (
        pytest.raises(ValueError, match="hypothesis"),
        write_predictions(tmp_path / "p.npz", 1, H36M_17) as out,
    ):
        out.write(0, np.ones(1, bool), hypothesis=np.ones((1, 1, 17, 3)))
    with pytest.raises(InputError, match="at least one"):
        write_predictions(tmp_path / "p.npz", 0, H36M_17).__enter__()
    assert list(tmp_path.iterdir()) == []
