"""The gallery of body meshes on a small body: who is shown, which numbers, which pictures."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from meshes.stick_body import stick_body
from poseterior.data.simulated_detector import CameraRanges, to_camera
from poseterior.geometry.skeleton import LSP_14
from poseterior.meshes.motion.body_motion import BodyMotion
from poseterior.meshes.motion.fixed_bodies import FixedBodies, fixed_observations
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.regressors import mesh_lifter
from poseterior.meshes.regressors.mesh_lifters import MESH_LIFTERS
from poseterior.report import mesh_gallery
from poseterior.report.gallery_views import camera_of, drawn, shaded
from poseterior.report.study_page import write_study
from poseterior.seeding import generator_from
from poseterior.studies.gallery_people import body_cell, person, spread_over_clips, worst_of_clips
from poseterior.studies.mesh_gallery import MESH_GALLERY
from poseterior.studies.mesh_table import DRAWN
from poseterior.studies.study import Scoring, run_study
from poseterior.studies.workshop import Workshop
from studies.test_mesh_table import BODY, TINY, data, fixed, turns


@pytest.fixture(autouse=True)
def a_light_body(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (mesh_lifter, mesh_gallery):
        monkeypatch.setattr(module, "open_body", lambda name: stick_body())


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: dict[str, dict[str, Any]] = {
        "hmr": {"sizes": TINY}, "multi_bodies": {"sizes": TINY, "heads": 26},
        "prohmr": {"sizes": TINY, "hidden": 16, "critic": 8}, "pose_prior": {"hidden": 8},
    }  # fmt: skip
    for name, changes in sizes.items():
        cls: Any = MESH_LIFTERS[name]
        monkeypatch.setitem(cls.PRESETS, "small", cls.Config(**changes))
    monkeypatch.setitem(DRAWN, "small", 30)
    monkeypatch.setattr("poseterior.studies.gallery_fitting._MOTIONS", 64)
    monkeypatch.setattr("poseterior.report.study_pictures._DPI", 60)


def _error_mm(cell: dict[str, Any], truth: dict[str, Any]) -> float:
    """MPJPE of the bodies that the result keeps, by hand."""
    hips = [LSP_14.index("left_hip"), LSP_14.index("right_hip")]
    joints = []
    for each in (cell, truth):
        held = {name: torch.tensor(value) for name, value in each["body"].items()}
        points = BODY.landmarks_of(BodyParameters.from_axis_angle(**held), LSP_14).numpy()
        joints.append(points - points[hips].mean(0))
    return float(1000 * np.linalg.norm(joints[0] - joints[1], axis=-1).mean())


def test_every_picture_is_made_and_its_numbers_are_of_its_bodies(
    tiny: None, tmp_path: Path
) -> None:
    workshop = Workshop(data(), tmp_path, budget=0.0005)
    result = run_study(MESH_GALLERY, workshop, Scoring(hypotheses=5, every=1))
    assert result["missing"] == []
    assert json.loads((tmp_path / "mesh_gallery.json").read_text())["rows"] == result["rows"]
    compared = 0
    for row in result["rows"]:
        for shown in row["people"]:
            cells = shown["cells"]
            truth = next((cell for cell in cells if cell["role"] == "truth"), None)
            for cell in cells if truth else ():
                if "mpjpe_mm" in cell:
                    assert cell["mpjpe_mm"] == pytest.approx(_error_mm(cell, truth), abs=0.1)
                    compared += 1
            marked = [cell for cell in cells if cell["role"] == "nearest"]
            others = [cell for cell in cells if cell["role"] == "sample" and "mpjpe_mm" in cell]
            if row["variant"] in ("hypotheses", "samples"):
                assert len(marked) == 1
                assert len(others) == 4
                assert marked[0]["mpjpe_mm"] <= min(cell["mpjpe_mm"] for cell in others)
    assert compared > 50
    _walk_begins_at_the_mode(result["rows"])
    drawn = [row for row in result["rows"] if row["variant"] in ("samples", "prior_samples")]
    _pictures_are_whole({**result, "rows": drawn}, tmp_path / "shown")


def _walk_begins_at_the_mode(rows: list[dict[str, Any]]) -> None:
    (walk,) = (row for row in rows if row["variant"] == "latent_walk")
    for shown in walk["people"]:
        first, *others = shown["cells"]
        assert first["moved_mm"] == pytest.approx(0, abs=1e-3)
        assert first["log_prob"] == 0
        less = [cell["log_prob"] for cell in others]  # of |t z|² / 2, so as the square of t
        assert np.divide(less, less[-1]) == pytest.approx([1 / 16, 1 / 4, 9 / 16, 1], rel=1e-4)


def _pictures_are_whole(result: dict[str, Any], folder: Path) -> None:
    files = write_study(result, folder)
    names = {file.name for file in files if file.suffix == ".png"}
    assert names == {f"mesh_gallery_{row['variant']}.png" for row in result["rows"]}
    for name in names:
        head = (folder / name).read_bytes()[:26]
        assert head.startswith(b"\x89PNG")
        assert min(struct.unpack(">II", head[16:24])) > 150
    page = (folder / "mesh_gallery.html").read_text()
    assert page.count('src="data:image/png;base64,') == len(names)
    assert "://" not in page.split("data:image/png")[0]
    assert all(f"({name})" in (folder / "mesh_gallery.md").read_text() for name in names)


def test_people_are_of_different_clips_and_of_each_kind() -> None:
    test = fixed(60, hidden=True)
    clip = np.array([f"clip {n % 20}" for n in range(60)])
    test = replace(test, clip=clip)
    rows = spread_over_clips(test, 3, seed=0)
    assert len(set(clip[rows.numpy()])) == 3
    hidden = ~test.keypoints.valid[rows]
    assert bool(hidden.any(1).all())
    assert len({tuple(each) for each in hidden.tolist()}) == 3
    assert rows.equal(spread_over_clips(test, 3, seed=0))
    assert any(not rows.equal(spread_over_clips(test, 3, seed)) for seed in (1, 2, 3))
    assert len(spread_over_clips(fixed(8), 3, seed=0)) == 2  # there are two clips


def test_failures_are_the_worst_of_each_clip() -> None:
    test = replace(fixed(6), clip=np.array(list("aabbcc")))
    errors = torch.tensor([5.0, 9.0, 8.0, 7.0, 1.0, 2.0])
    assert worst_of_clips(test, errors, 3).tolist() == [1, 2, 5]
    assert worst_of_clips(test, errors, 2).tolist() == [1, 2]


def _motion(count: int) -> BodyMotion:
    return BodyMotion(
        rotations=turns(count, 4), residual=torch.zeros(count, 17),
        recorded=torch.ones(count, dtype=torch.bool),
        clip=torch.zeros(count, dtype=torch.long), clip_names=("walk",),
    )  # fmt: skip


def test_up_is_where_the_camera_sees_the_world_s_z() -> None:
    test = fixed_observations(BODY, _motion(7))
    axes, _, _ = to_camera(torch.eye(3).expand(7, 3, 3), CameraRanges(), generator_from(0, 1))
    assert test.up is not None
    torch.testing.assert_close(test.up, axes[:, 2], atol=1e-5, rtol=0)  # what (0, 0, 1) becomes
    assert bool((test.up[:, 1] < 0).all())  # y is down


def _shown(test: FixedBodies) -> dict[str, Any]:
    return person(test, 0, [body_cell("truth", "truth", test.parameters[0])])


def test_the_camera_s_view_has_the_scale_of_the_person() -> None:
    shown = _shown(fixed(1))
    camera = camera_of(shown, BODY)
    root = BODY.joints(fixed(1).parameters)[0, 0].numpy().astype(float)
    beside = root + np.array([[0.0, 0, 0], [0.5, 0, 0], [0, -0.25, 0], [0, 0, -2 * root[2]]])
    seen = camera.seen(beside)
    np.testing.assert_allclose(seen[:3], [[0, 0], [0.5, 0], [0, 0.25]], atol=1e-3)
    assert np.isnan(seen[3]).all()  # behind the camera


def test_the_side_view_is_level() -> None:
    test = fixed_observations(BODY, _motion(1))
    shown = _shown(test)
    points = drawn(shown["cells"][0], BODY, camera_of(shown, BODY)).side
    vertices = (BODY.vertices(test.parameters) - BODY.joints(test.parameters)[:, :1])[0]
    assert test.up is not None
    np.testing.assert_allclose(points[:, 1], (vertices @ test.up[0]).numpy(), atol=1e-3)
    lengths = np.linalg.norm(points, axis=-1)
    np.testing.assert_allclose(lengths, vertices.norm(dim=-1).numpy(), atol=1e-3)


def test_faces_turned_away_are_not_drawn_and_far_ones_come_first() -> None:
    corners = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    points = np.concatenate([corners, corners + np.eye(3)[2], corners + 2 * np.eye(3)[2]])
    faces = np.array([[6, 7, 8], [0, 1, 2], [3, 5, 4]])  # near, far, turned away
    triangles, colors = shaded(points, points, faces, np.array([0.5, 0.2, 0.2]))
    assert len(triangles) == len(colors) == 2
    assert 0 <= colors.min() <= colors.max() <= 1
    far = shaded(points, points, faces[1:], np.array([1.0, 0, 0]))
    np.testing.assert_allclose(triangles[0], far[0][0])
    nothing, _ = shaded(np.full_like(points, np.nan), points, faces, np.ones(3))
    assert len(nothing) == 0


def test_names_of_clips_cannot_leave_the_page(tmp_path: Path) -> None:
    hostile = '"><script>alert(1)</script>$\\frac{'
    shown = _shown(fixed(1)) | {"clip": hostile}
    shown["cells"][0]["mpjpe_mm"] = 1.0
    row = {"method": "prohmr", "variant": "samples", "title": hostile, "rule": hostile,
           "body": "stick", "people": [shown]}  # fmt: skip
    write_study({"study": "mesh_gallery", "rows": [row]}, tmp_path)
    assert "<script>" not in (tmp_path / "mesh_gallery.html").read_text()
