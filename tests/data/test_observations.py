"""Observations files: what is read, what is assumed, and every way in which one can be wrong."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from poseterior.data.assumptions import assume_image_size
from poseterior.data.confidence_covariance import CovarianceRule
from poseterior.data.observations import (
    KeypointSource,
    MemorySource,
    open_observations,
    write_observations,
)
from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_17

M, J = 9, 17


def _arrays(**changes):
    random = np.random.default_rng(3)
    factor = random.normal(size=(M, J, 2, 2))
    target = random.normal(size=(M, J, 3)).astype(np.float32)
    target[:, 0] = 0
    arrays = {
        "keypoints": random.uniform(50, 950, size=(M, J, 2)),
        "covariance": (factor @ factor.swapaxes(-1, -2)).astype(np.float32),
        "skeleton": np.array("h36m_17"),
        "image_size": np.array([1000, 800]),
        "intrinsics": np.array([[1150.0, 0, 500], [0, 1140.0, 400], [0, 0, 1]]),
        "target": target,
        "clip": np.array([f"clip{i // 4}" for i in range(M)]),
        "frame": np.arange(M) * 3,
    }
    return {k: v for k, v in (arrays | changes).items() if v is not None}


def _save(path, **changes):
    np.savez(path, **_arrays(**changes))
    return path


def _all(path, rows=4, **options):
    with open_observations(path, **options) as source:
        return list(source.chunks(rows))


def _with(array, index, value):
    array = np.array(array, dtype=float)
    array[index] = value
    return array


@pytest.mark.parametrize("rows", [1, 4, 9, 50])
def test_chunks_joined_are_the_file(tmp_path, rows):
    path, arrays = _save(tmp_path / "o.npz"), _arrays()
    with open_observations(path) as source:
        assert isinstance(source, KeypointSource)
        assert (source.rows, source.skeleton, source.notes) == (M, H36M_17, {})
        chunks = list(source.chunks(rows))
    for name, expected in [("pixels", "keypoints"), ("covariance", "covariance")]:
        joined = torch.cat([getattr(c.keypoints, name) for c in chunks])
        np.testing.assert_allclose(joined, arrays[expected], rtol=1e-6)
    assert [c.start for c in chunks] == list(range(0, M, rows))
    np.testing.assert_array_equal(torch.cat([c.target for c in chunks]), arrays["target"])
    assert np.concatenate([c.labels["clip"] for c in chunks]).tolist() == arrays["clip"].tolist()
    keypoints = chunks[0].keypoints
    assert keypoints.valid.all()
    np.testing.assert_allclose(keypoints.intrinsics[0], arrays["intrinsics"])
    assert keypoints.image_size[0].tolist() == [1000, 800]


def test_what_makes_a_joint_missing(tmp_path):
    keypoints = _arrays()["keypoints"]
    keypoints[0, 1] = np.nan
    keypoints[1, 2, 1] = np.nan
    keypoints[2, 3] = 0
    keypoints[3, 4] = np.inf  # where `valid` says that there is nothing
    valid = np.ones((M, J), bool)
    valid[3, 4] = False
    confidence = np.full((M, J), 0.9)
    confidence[4, 5], confidence[5, 6], confidence[6, 7] = 0, np.nan, -1
    covariance = _arrays()["covariance"]
    covariance[0, 1] = np.nan
    path = _save(
        tmp_path / "o.npz", keypoints=keypoints, valid=valid, confidence=confidence,
        covariance=covariance,
    )  # fmt: skip
    (rows,) = _all(path, rows=M)
    missing = (~rows.keypoints.valid).nonzero().tolist()
    assert missing == [[0, 1], [1, 2], [2, 3], [3, 4], [4, 5], [5, 6], [6, 7]]
    for name in ("pixels", "covariance", "confidence"):
        assert not getattr(rows.keypoints, name)[~rows.keypoints.valid].any()


def test_cameras_of_each_row(tmp_path):
    sizes = np.stack([np.arange(M) + 500, np.arange(M) + 900], 1)
    matrices = np.repeat(_arrays()["intrinsics"][None], M, 0) + np.eye(3) * [1, 1, 0]
    matrices[:, 0, 0] += np.arange(M)
    path = _save(tmp_path / "o.npz", image_size=sizes, intrinsics=matrices)
    chunks = _all(path)
    np.testing.assert_array_equal(torch.cat([c.keypoints.image_size for c in chunks]), sizes)
    np.testing.assert_allclose(torch.cat([c.keypoints.intrinsics for c in chunks]), matrices)


def test_a_camera_that_the_file_does_not_tell_is_assumed_and_noted(tmp_path):
    path = _save(tmp_path / "o.npz", intrinsics=None)
    with open_observations(path) as source:
        matrix = next(source.chunks(4)).keypoints.intrinsics[0]
        assert "1.15" in source.notes["focal"]
    np.testing.assert_allclose(matrix, [[1150, 0, 500], [0, 1150, 400], [0, 0, 1]])


@pytest.mark.parametrize("rows", [2, 9])
def test_an_image_size_that_the_file_does_not_tell_fits_all_rows(tmp_path, rows):
    keypoints = np.full((M, J, 2), 100.0)
    keypoints[7, 3] = [700, 1200]  # only a late row shows how large the image is
    path = _save(tmp_path / "o.npz", intrinsics=None, image_size=None, keypoints=keypoints)
    with open_observations(path) as source:
        sizes = torch.cat([c.keypoints.image_size for c in source.chunks(rows)])
        assert "720x1280" in source.notes["image_size"]
    points = torch.from_numpy(keypoints)
    expected = assume_image_size(points, torch.ones(M, J, dtype=torch.bool))
    assert sizes.tolist() == [list(expected)] * M == [[720, 1280]] * M


def test_the_users_camera_comes_before_the_files(tmp_path):
    path = _save(tmp_path / "o.npz")
    keypoints = _all(path, focal=2000.0)[0].keypoints
    np.testing.assert_allclose(keypoints.intrinsics[0], [[2000, 0, 500], [0, 2000, 400], [0, 0, 1]])
    keypoints = _all(path, image_size=(640, 480))[0].keypoints
    assert keypoints.image_size[0].tolist() == [640, 480]
    assert keypoints.intrinsics[0, 0, 0] == 1150
    for bad in ({"focal": 0.0}, {"image_size": (0, 480)}, {"focal": float("nan")}):
        with pytest.raises(InputError, match=next(iter(bad))):
            _all(path, **bad)


@pytest.mark.parametrize("scores", [None, 1.0, 100.0])
def test_covariances_come_from_confidences_by_the_rule(tmp_path, scores):
    confidence = np.random.default_rng(0).uniform(0.05, 1, size=(M, J)) * (scores or 1)
    confidence = None if scores is None else confidence.astype(np.float32)
    path = _save(tmp_path / "o.npz", covariance=None, confidence=confidence)
    with open_observations(path) as source:
        found = torch.cat([c.keypoints.covariance for c in source.chunks(2)])
        assert "sigma" in source.notes["covariance"]
    pixels = torch.from_numpy(_arrays()["keypoints"]).float()
    valid = torch.ones(M, J, dtype=torch.bool)
    known = None if confidence is None else torch.from_numpy(confidence)
    rule = CovarianceRule()
    rule = rule if known is None else rule.scaled_to(known, valid)
    torch.testing.assert_close(found, rule(pixels, known, valid))


_BASE = _arrays()
_KEYPOINTS, _COVARIANCE, _TARGET = (_BASE[k] for k in ("keypoints", "covariance", "target"))
_CAMERA = _BASE["intrinsics"]

BAD = [
    ({"keypoints": None}, "keypoints: expected an array"),
    ({"skeleton": None}, "skeleton: expected an array"),
    ({"skeleton": np.array("h37m")}, "skeleton: expected .*h36m_17.*h37m"),
    ({"keypoints": _KEYPOINTS[:, :16]}, r"keypoints: .*\(M, 17, 2\).*found shape \(9, 16, 2\)"),
    ({"keypoints": np.ones((M, J, 3))}, r"keypoints: .*found shape \(9, 17, 3\)"),
    ({"keypoints": _KEYPOINTS[:0]}, "keypoints: .*at least 1"),
    ({"keypoints": _KEYPOINTS.astype(object)}, "keypoints: .*object array"),
    ({"keypoints": _with(_KEYPOINTS, (8, 2, 0), np.inf)}, r"keypoints: .*inf at \[8, 2, 0\]"),
    ({"valid": np.ones(M, bool)}, r"valid: expected shape \(9, 17\)"),
    ({"confidence": np.ones((M, 3))}, "confidence: expected shape"),
    ({"confidence": np.full((M, J), np.inf)}, "confidence: .*inf at"),
    ({"covariance": _COVARIANCE[..., 0]}, "covariance: expected shape"),
    ({"covariance": _with(_COVARIANCE, (7, 3, 0, 0), np.nan)}, r"covariance: .*nan at \[7, 3"),
    ({"covariance": _with(_COVARIANCE, (5, 3), -np.eye(2))}, r"covariance: .*definite.*\[5, 3\]"),
    (
        {"covariance": _with(_COVARIANCE, (5, 3), [[1, 2], [2, 1]])},
        r"covariance: .*semi-definite.*\[5, 3\]",
    ),
    (
        {"covariance": _with(_COVARIANCE, (6, 0), [[1, 0.5], [-0.5, 1]])},
        r"covariance: .*symmetric.*\[6, 0\]",
    ),
    ({"image_size": np.array([0, 800])}, r"image_size: .*positive.*\[0, 0\]"),
    ({"image_size": np.array([800, -1])}, "image_size: .*positive"),
    ({"image_size": np.array([np.nan, 1])}, "image_size: .*positive"),
    ({"image_size": np.array([1000])}, r"image_size: .*\(2,\) or \(9, 2\)"),
    ({"image_size": _with(np.ones((M, 2)), (6, 1), 0)}, r"image_size: .*\[6, 1\]"),
    ({"intrinsics": np.eye(4)}, "intrinsics: expected shape"),
    ({"intrinsics": _with(_CAMERA, (0, 0), 0)}, "intrinsics: .*pinhole"),
    ({"intrinsics": _with(_CAMERA, (1, 2), np.nan)}, "intrinsics: .*pinhole"),
    ({"intrinsics": _CAMERA.T.copy()}, "intrinsics: .*pinhole"),
    ({"target": _TARGET[:, :5]}, "target: expected shape"),
    ({"target": _TARGET + 1}, r"target: expected root-relative.*\[0\]"),
    ({"target": _with(_TARGET, (4, 3), np.nan)}, r"target: .*nan at \[4, 3, 0\]"),
    ({"frame": np.arange(M) + 0.5}, "frame: expected a label array"),
    ({"clip": np.arange(M - 1)}, "clip: expected shape"),
]


@pytest.mark.parametrize(("changes", "message"), BAD)
def test_bad_files_are_named(tmp_path, changes, message):
    path = _save(tmp_path / "o.npz", **changes)
    with pytest.raises(InputError, match=message) as caught:
        _all(path)
    assert str(caught.value).startswith(str(path))


def test_truncated_and_missing_files(tmp_path):
    path = _save(tmp_path / "o.npz")
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(InputError, match="truncated"):
        _all(path)
    with pytest.raises(InputError, match="no such file"):
        _all(tmp_path / "none.npz")


def test_rounding_does_not_make_a_covariance_bad(tmp_path):
    axis = np.array([np.cos(0.3), np.sin(0.3)])
    flat = (400 * np.outer(axis, axis)).astype(np.float32)  # rank one, known exactly across
    path = _save(tmp_path / "o.npz", covariance=np.broadcast_to(flat, (M, J, 2, 2)).copy())
    torch.testing.assert_close(
        _all(path)[0].keypoints.covariance[0, 0], torch.from_numpy(flat), rtol=1e-5, atol=1e-3
    )


@pytest.mark.parametrize("shared", [True, False])
def test_what_is_written_is_read_back(tmp_path, shared):
    sizes = _BASE["image_size"] if shared else np.arange(2 * M).reshape(M, 2) + 500
    valid = np.ones((M, J), bool)
    valid[2, 5] = False
    source = _save(
        tmp_path / "a.npz", image_size=sizes, valid=valid, confidence=np.full((M, J), 0.5)
    )
    (first,) = _all(source, rows=M)
    write_observations(tmp_path / "b.npz", first.keypoints, first.target, first.labels)
    (again,) = _all(tmp_path / "b.npz", rows=M)
    for name in ("pixels", "covariance", "valid", "image_size", "intrinsics", "confidence"):
        torch.testing.assert_close(getattr(again.keypoints, name), getattr(first.keypoints, name))
    assert torch.equal(again.target, first.target)
    assert again.labels["clip"].tolist() == first.labels["clip"].tolist()
    with np.load(tmp_path / "b.npz", allow_pickle=False) as loaded:
        assert loaded["image_size"].shape == ((2,) if shared else (M, 2))
        assert loaded["intrinsics"].shape == (3, 3)


def test_keypoints_in_memory_are_a_source_too(tmp_path):
    (rows,) = _all(_save(tmp_path / "o.npz"), rows=M)
    source = MemorySource(rows.keypoints, rows.target, rows.labels, notes={"focal": "guessed"})
    assert isinstance(source, KeypointSource)
    chunks = list(source.chunks(4))
    assert [(c.start, len(c)) for c in chunks] == [(0, 4), (4, 4), (8, 1)]
    assert torch.equal(torch.cat([c.target for c in chunks]), rows.target)
    assert torch.equal(torch.cat([c.keypoints.pixels for c in chunks]), rows.keypoints.pixels)
    moved = MemorySource(rows.keypoints, rows.target + 1, rows.labels)
    assert source.fingerprint() != moved.fingerprint()
    with pytest.raises(InputError, match=r"target: expected shape \(9, 17, 3\)"):
        MemorySource(rows.keypoints, rows.target[:3])
    with pytest.raises(InputError, match="at least 1"):
        MemorySource(rows.keypoints[:0])


def test_the_fixed_observations_are_read(cmu_root):
    path = cmu_root / "test_observations.npz"
    chunks = _all(path, rows=1000)
    with np.load(path, allow_pickle=False) as loaded:
        for name, expected in [("pixels", "keypoints"), ("covariance", "covariance")]:
            joined = torch.cat([getattr(c.keypoints, name) for c in chunks])
            np.testing.assert_allclose(joined, loaded[expected], rtol=1e-5, atol=1e-3)
        np.testing.assert_array_equal(torch.cat([c.target for c in chunks]), loaded["target"])
