"""Files of bodies: what is written is read again, by others too; what cannot be is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from meshes.stick_body import stick_body
from poseterior.errors import InputError
from poseterior.geometry.rotations import from_axis_angle
from poseterior.meshes import BodyParameters, mesh_files
from poseterior.meshes.mesh_files import BodiesFile, bodies_writer, read_bodies, write_bodies

BODY = stick_body()


def bodies(hypotheses: int = 3, people: int = 4, seed: int = 0) -> BodyParameters:
    draw = torch.Generator().manual_seed(seed)
    batch = (hypotheses, people)
    return BodyParameters.of(
        from_axis_angle(torch.randn((*batch, 24, 3), generator=draw)),
        torch.randn((*batch, 3), generator=draw), torch.randn((*batch, 3), generator=draw),
    )  # fmt: skip


def weights(hypotheses: int = 3, people: int = 4) -> torch.Tensor:
    draw = torch.Generator().manual_seed(1)
    return torch.rand((hypotheses, people), generator=draw).softmax(0)


def test_bodies_are_read_as_they_were_written(tmp_path: Path) -> None:
    path, given, shares = tmp_path / "m.npz", bodies(), weights()
    labels = {"frame": np.arange(4), "clip": np.array(["a", "a", "b", "b"])}
    write_bodies(path, given, BODY, shares, labels, json.dumps({"made_by": "a test"}))
    found = read_bodies(path, BODY)
    assert found.parameters.batch_shape == (3, 4)
    torch.testing.assert_close(BODY.vertices(found.parameters), BODY.vertices(given))
    torch.testing.assert_close(found.weights, shares)
    assert found.valid.all()
    assert found.labels["clip"].tolist() == ["a", "a", "b", "b"]
    assert found.labels["frame"].tolist() == [0, 1, 2, 3]
    with BodiesFile(path) as file:
        assert (file.people, file.hypotheses, file.body) == (4, 3, "stick")
        assert json.loads(file.provenance or "") == {"made_by": "a test"}


def test_others_can_read_the_arrays_without_unpickling(tmp_path: Path) -> None:
    path, given = tmp_path / "m.npz", bodies()
    write_bodies(path, given, BODY)
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    assert arrays["global_orient"].shape == (4, 3, 3)
    assert arrays["body_pose"].shape == (4, 3, 23, 3)
    assert arrays["betas"].shape == arrays["transl"].shape == (4, 3, 3)
    assert arrays["weights"] == pytest.approx(np.full((4, 3), 1 / 3))
    assert arrays["joints"].tolist() == list(BODY.tree.joints)
    turns = Rotation.from_rotvec(arrays["body_pose"].reshape(-1, 3)).as_matrix()
    expected = given.body_pose.transpose(0, 1).reshape(-1, 3, 3).numpy()
    np.testing.assert_allclose(turns, expected, atol=1e-5)
    assert "provenance" not in arrays


def test_rows_come_in_pieces_and_those_never_written_are_not_valid(tmp_path: Path) -> None:
    path, given, shares = tmp_path / "m.npz", bodies(people=5), weights(people=5)
    with bodies_writer(path, 7, BODY) as out:
        out.write(0, given[:, :2], shares[:, :2], {"person": np.array([7, 8])})
        out.write(4, given[:, 2:], shares[:, 2:], {"person": np.array([9, 10, 11])})
    written = [0, 1, 4, 5, 6]
    with BodiesFile(path, BODY) as file:
        for rows in (1, 3, None):
            chunks = list(file.chunks(rows))
            assert [c.start for c in chunks] == list(range(0, 7, rows or 7))
            assert torch.cat([c.valid for c in chunks]).nonzero()[:, 0].tolist() == written
            transl = torch.cat([c.parameters.transl for c in chunks], 1)
            torch.testing.assert_close(transl[:, written], given.transl)
            found = torch.cat([c.weights for c in chunks], 1)
            torch.testing.assert_close(found[:, written], shares)
            assert (found[:, [2, 3]] == 0).all()
            people = np.concatenate([c.labels["person"] for c in chunks])
            assert people[written].tolist() == [7, 8, 9, 10, 11]
            assert len(chunks[0]) == (rows or 7)


def test_equal_bodies_make_equal_files(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        write_bodies(tmp_path / name, bodies(), BODY, weights())
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_nothing_is_left_behind_by_an_error(tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    path.write_text("as before")

    def write_half() -> None:
        with bodies_writer(path, 8, BODY) as out:
            out.write(0, bodies())
            out.write(4, bodies().map(lambda value: value * torch.nan))

    with pytest.raises(InputError, match="expected finite numbers"):
        write_half()
    assert path.read_text() == "as before"
    assert [p.name for p in tmp_path.iterdir()] == ["m.npz"]


def _not_finite() -> BodyParameters:
    given = bodies()
    transl = given.transl.clone()
    transl[1, 2, 0] = torch.inf
    return replace(given, transl=transl)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "one body each": ({"parameters": bodies()[0]}, r"parameters: .*batch shape \(H, m\)"),
    "one body": ({"parameters": bodies()[0][0]}, "at least one person, found 0"),
    "no hypotheses": ({"parameters": bodies()[:0]}, "both at least 1"),
    "no people": ({"parameters": bodies()[:, :0]}, "at least one person"),
    "not finite": (
        {"parameters": _not_finite()}, r"transl: expected finite numbers, found inf at \[2, 1, 0\]"
    ),
    "another body": (
        {"parameters": replace(bodies(), body_pose=bodies().body_pose[:, :, :15])},
        "body_pose: expected 23 of stick, found 15",
    ),
    "another shape": (
        {"parameters": replace(bodies(), betas=torch.zeros(3, 4, 10))},
        "betas: expected 3 of stick, found 10",
    ),
    "too few weights": ({"weights": torch.ones(3)}, r"weights: expected shape \(3, 4\)"),
    "no distribution": ({"weights": torch.ones(3, 4)}, "weights that sum to 1, found 3.0"),
    "negative": ({"weights": torch.tensor([[-1.0], [1], [1]]).expand(3, 4)}, "weights of 0 or"),
    "unknown label": ({"labels": {"colour": np.arange(4)}}, "one of clip, frame, person"),
    "too few labels": ({"labels": {"frame": np.arange(3)}}, "frame: expected 4 integers or texts"),
    "no labels": ({"labels": {"frame": np.zeros(4)}}, "frame: expected 4 integers or texts"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_bodies_is_not_written(what: str, tmp_path: Path) -> None:
    given, words = WRONG[what]
    path = tmp_path / "m.npz"
    with pytest.raises(InputError, match=words):
        write_bodies(path, **({"parameters": bodies(), "body": BODY} | given))
    assert list(tmp_path.iterdir()) == []


def changed(path: Path, **values: Any) -> Path:
    """The file with arrays replaced, or left out where None."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files} | values
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    return path


DAMAGE: dict[str, tuple[dict[str, Any], str]] = {
    "no betas": ({"betas": None}, "betas: expected an array, found only"),
    "flat pose": ({"body_pose": np.zeros((4, 3, 69))}, "body_pose: expected 4 axes"),
    "other people": ({"transl": np.zeros((5, 3, 3))}, r"transl: expected shape \(4, 3, 3\)"),
    "text": ({"betas": np.full((4, 3, 3), "a")}, "betas: expected a number array"),
    "pickle": ({"transl": np.full((4, 3, 3), None)}, "which would need unpickling"),
    "two bodies": ({"body": np.array(["a", "b"])}, "body: expected one text"),
    "smpl": ({"body": np.array("smpl")}, "body: expected stick, .* found smpl"),
    "fewer joints": ({"body_pose": np.zeros((4, 3, 15, 3))}, "body_pose: expected 23 of stick"),
    "more shapes": ({"betas": np.zeros((4, 3, 10))}, "betas: expected 3 of stick, found 10"),
    "NaN": ({"transl": np.full((4, 3, 3), np.nan)}, r"transl: .* found nan at \[0, 0, 0\]"),
    "weights": ({"weights": np.full((4, 3), 0.5)}, "sum to 1, found 1.5 at"),
    "mask": ({"valid": np.full(4, 2)}, "valid: expected 0 or 1"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_files_that_are_not_of_these_bodies_are_refused(what: str, tmp_path: Path) -> None:
    write_bodies(tmp_path / "m.npz", bodies(), BODY, weights())
    values, words = DAMAGE[what]
    with pytest.raises(InputError, match=words):
        read_bodies(changed(tmp_path / "m.npz", **values), BODY)


def test_a_file_that_is_missing_or_cut_short(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"an existing \.npz file"):
        read_bodies(tmp_path / "m.npz")
    write_bodies(tmp_path / "m.npz", bodies(), BODY)
    data = (tmp_path / "m.npz").read_bytes()
    (tmp_path / "m.npz").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"readable \.npz"):
        read_bodies(tmp_path / "m.npz")
    with pytest.raises(InputError, match="no folder"):
        write_bodies(tmp_path / "nowhere" / "m.npz", bodies(), BODY)


def test_weights_may_be_missing(tmp_path: Path) -> None:
    write_bodies(tmp_path / "m.npz", bodies(), BODY)
    found = read_bodies(changed(tmp_path / "m.npz", weights=None, valid=None), BODY)
    torch.testing.assert_close(found.weights, torch.full((3, 4), 1 / 3))
    assert found.valid.all()


def test_some_rows_are_read_without_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, given = tmp_path / "m.npz", bodies(people=9)
    with bodies_writer(path, 10, BODY) as out:
        out.write(0, given, None, {"frame": np.arange(9)})
        out.label(9, 1, {"frame": np.array([9])})
    monkeypatch.setattr(mesh_files, "_CHUNK_BYTES", 4000)  # two or three rows at a time
    monkeypatch.setattr(mesh_files, "_LABEL_ROWS", 4)
    whole = read_bodies(path)
    with BodiesFile(path) as file:
        some = list(file.picked([7, 0, 4]))
        parts = list(file.frames())
    assert [each.start for each in some] == [0, 4, 7]
    for each in some:
        assert len(each) == 1
        torch.testing.assert_close(
            each.parameters.rotations[:, 0], whole.parameters.rotations[:, each.start]
        )
        assert each.labels["frame"].tolist() == [each.start]
    assert [start for start, _, _ in parts] == [0, 4, 8]
    assert np.concatenate([valid for _, valid, _ in parts]).tolist() == [True] * 9 + [False]
    assert np.concatenate([frame for _, _, frame in parts]).tolist() == list(range(10))
