"""Bodies of data sets that users hold, from small files of their structure."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from body_files import (
    camera_of_world,
    made,
    save_3dpw,
    save_human36m,
    save_smpl,
    save_threedpw,
    smpl_sequence,
    turned_world,
)

from poseterior.data.datasets import DATA_SETS
from poseterior.data.threedpw import open_3dpw, open_3dpw_bodies
from poseterior.errors import InputError
from poseterior.geometry.rotations import from_axis_angle
from poseterior.geometry.skeleton import H36M_17
from poseterior.meshes import BodyParameters
from poseterior.meshes.models.smpl import read_smpl
from poseterior.meshes.regressors.hmr import Hmr, HmrConfig, RegressorSizes
from poseterior.studies.body_data import FixedJoints
from poseterior.studies.mesh_data import MeshData, body_training_data, mesh_data
from poseterior.studies.mesh_human36m import human36m_motion
from poseterior.studies.mesh_scored import part_of
from poseterior.studies.mesh_table import MESH_TABLE
from poseterior.studies.mesh_threedpw import in_camera, upright
from poseterior.studies.study import Scoring, run_study
from poseterior.studies.workshop import Workshop

TINY = HmrConfig(sizes=RegressorSizes(width=16, blocks=1, hidden=16, head_dropout=0.0))


@pytest.fixture(scope="module")
def smpl_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_smpl(tmp_path_factory.mktemp("smpl") / "smpl.npz")


@pytest.fixture(scope="module")
def threedpw(tmp_path_factory: pytest.TempPathFactory, smpl_file: Path) -> Path:
    return save_threedpw(tmp_path_factory.mktemp("3dpw"), smpl_file)


@pytest.fixture(scope="module")
def human36m(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, made.World]:
    root = tmp_path_factory.mktemp("human36m")
    return root, save_human36m(root)


@pytest.fixture(scope="module")
def of_3dpw(threedpw: Path, smpl_file: Path, tmp_path_factory: Any) -> MeshData:
    return mesh_data("3dpw", threedpw, {"body": smpl_file}, tmp_path_factory.mktemp("out"))


@pytest.fixture(scope="module")
def of_human36m(human36m: tuple[Path, made.World], tmp_path_factory: Any) -> MeshData:
    options = {"protocol": "videopose3d"}
    return mesh_data("human36m", human36m[0], options, tmp_path_factory.mktemp("out"))


def test_rows_of_bodies_are_those_of_the_observations(threedpw: Path) -> None:
    source, rows = open_3dpw_bodies(threedpw)
    assert source.fingerprint() == open_3dpw(threedpw).fingerprint()
    assert len(rows.pose) == len(rows.betas) == len(rows.trans) == source.rows == 15
    frames = source.labels["frame"].tolist()
    assert frames == [0, 1, 3, 4, 5] * 3


def test_bodies_stand_where_the_camera_sees_them(threedpw: Path, smpl_file: Path) -> None:
    body = read_smpl(smpl_file)
    _, rows = open_3dpw_bodies(threedpw)
    turns, betas, trans = (torch.from_numpy(a).float() for a in (rows.pose, rows.betas, rows.trans))
    world = body.vertices(BodyParameters.of(from_axis_angle(turns), betas, trans))
    camera = torch.from_numpy(camera_of_world()).float()
    seen = body.vertices(in_camera(body, rows))
    assert torch.allclose(seen, world @ camera[:3, :3].mT + camera[:3, 3], atol=1e-4)


def test_targets_are_seen_where_the_keypoints_are(of_3dpw: MeshData, smpl_file: Path) -> None:
    fixed = of_3dpw.tests["plain"]
    points = read_smpl(smpl_file).landmarks_of(fixed.parameters, H36M_17)
    assert torch.allclose(points - points[:, :1], fixed.target, atol=1e-4)
    intrinsics = fixed.keypoints.intrinsics
    assert intrinsics is not None
    seen = points @ intrinsics.mT
    limbs = [H36M_17.index(f"{s}_{j}") for s in ("left", "right") for j in ("knee", "wrist")]
    pixels = (seen[..., :2] / seen[..., 2:])[:, limbs]
    assert torch.allclose(pixels, fixed.keypoints.pixels[:, limbs], atol=0.5)


_TURNS = [
    np.eye(3)[order] * np.array(signs)[:, None]
    for order, signs in (
        ([0, 1, 2], [1, 1, 1]), ([0, 1, 2], [-1, -1, 1]), ([2, 0, 1], [1, 1, 1]),
        ([0, 2, 1], [1, -1, 1]), ([0, 2, 1], [1, 1, -1]),
    )
]  # fmt: skip


@pytest.mark.parametrize("turn", _TURNS)
def test_whatever_axis_of_the_world_is_up_bodies_stand(
    tmp_path: Path, smpl_file: Path, turn: np.ndarray
) -> None:
    assert np.linalg.det(turn) == pytest.approx(1)
    plain = smpl_sequence(read_smpl(smpl_file), seed=7)
    save_3dpw(tmp_path, "train", "made", turned_world(plain, turn))
    rows = open_3dpw_bodies(tmp_path, "train")[1]
    found = upright(rows)
    assert torch.linalg.det(found.double()).sub(1).abs().max() < 1e-5
    own = from_axis_angle(torch.from_numpy(rows.pose))
    # The height of the pelvis' axes is that over the files' ground; headings are free.
    height = torch.from_numpy(turn)[:, 1] @ own[:, 0]
    assert torch.allclose(found[:, 0, 2].double(), height, atol=1e-5)
    assert torch.allclose(found[:, 1:].double(), own[:, 1:], atol=1e-5)


def test_training_bodies_have_the_joints_that_the_detector_has(of_3dpw: MeshData) -> None:
    keypoints, bodies = of_3dpw.source(64, 0).batch(0)
    top = H36M_17.index("head_top")
    assert not keypoints.valid[:, top].any()
    assert keypoints.valid[:, H36M_17.index("left_hip")].all()
    assert bodies.betas.shape == (64, 10)
    assert len(of_3dpw.tests["plain"].frame) == 15


def test_ambiguous_are_the_same_people_with_parts_hidden(of_3dpw: MeshData) -> None:
    plain, hidden = of_3dpw.tests.values()
    assert torch.equal(plain.parameters.rotations, hidden.parameters.rotations)
    assert (plain.clip == hidden.clip).all()
    assert hidden.keypoints.valid.sum() < plain.keypoints.valid.sum()
    assert not (hidden.keypoints.valid & ~plain.keypoints.valid).any()


def test_the_study_scores_bodies_of_the_users_file(
    of_3dpw: MeshData, smpl_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = _only_row(of_3dpw, tmp_path, monkeypatch)
    assert all(row[name] > 0 for name in ("mpjpe_mm", "re_mm", "vertex_mm"))
    made_by = (tmp_path / "checkpoints" / "hmr" / "config.json").read_text()
    assert str(smpl_file) in made_by


def test_where_there_are_no_bodies_joints_are_scored(
    of_human36m: MeshData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = _only_row(of_human36m, tmp_path, monkeypatch)
    assert row["mpjpe_mm"] > row["re_mm"] > 0
    assert row["vertex_mm"] is row["vertex_mm_interval"] is None
    assert "no bodies" in row["reasons"]["vertex_mm"]
    assert row["protocol"] == "videopose3d"
    with pytest.raises(InputError, match="joints only"):
        _ = of_human36m.tests


def _only_row(data: MeshData, out: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setitem(Hmr.PRESETS, "small", TINY)
    some = replace(data, **{k: part_of(v, slice(12)) for k, v in data.scored.items()})
    scoring = Scoring(hypotheses=3, every=1)
    result = run_study(MESH_TABLE, Workshop(some, out, budget=0.0003), scoring, only="hmr")
    rows = result["rows"]
    assert [row["data"] for row in rows] == ["plain", "ambiguous"]
    return rows[0]


def test_human36ms_motion_is_that_of_the_world(human36m: tuple[Path, made.World]) -> None:
    root, world = human36m
    source: Any = DATA_SETS["human36m"].open(root, "train", {"protocol": "videopose3d"})
    clips = human36m_motion(source)
    assert len(clips.clip_names) == 5 * 30
    assert len(clips) == 5 * 30 * 2  # of eight frames the fourth and the last
    joints = world["S6"]["Eating 1"][[3, 7]][:, made.JOINTS_17]
    found = clips.of_clip("S6/Eating 1").numpy()
    np.testing.assert_allclose(found, joints - joints[:, :1], atol=1e-5)


def test_human36ms_bodies_move_as_its_joints_do(of_human36m: MeshData) -> None:
    keypoints, bodies = of_human36m.source(200, 0).batch(0)
    assert keypoints.valid.any(1).all()
    up = bodies.global_orient[:, 1, 1]  # a walk is upright: y of the camera is down
    assert (up < -0.5).float().mean() > 0.8
    assert isinstance(of_human36m.plain, FixedJoints)
    assert len(of_human36m.plain.frame) == 59 * 4 * 8
    assert of_human36m.about["options"] == {"protocol": "videopose3d"}


def test_train_has_the_same_bodies_and_others_to_validate(
    threedpw: Path, smpl_file: Path, tmp_path: Path
) -> None:
    lifter = Hmr(replace(TINY, body=str(smpl_file)))
    data = body_training_data(lifter, "3dpw", threedpw, {}, tmp_path)
    assert data.held_out(4).rows == 4
    assert all("validation" in str(clip) for clip in data.held_out(15).labels["clip"])
    keypoints, bodies = data.source(8, 0).batch(0)
    assert len(lifter.losses(keypoints, bodies, torch.Generator())) > 1


def test_a_share_of_training_poses_is_drawn_where_asked_for(
    threedpw: Path, smpl_file: Path, tmp_path: Path
) -> None:
    lifter = Hmr(replace(TINY, body=str(smpl_file)))
    plain, none, some = (
        body_training_data(lifter, "3dpw", threedpw, options, tmp_path)
        for options in ({}, {"drawn_poses": 0.0}, {"drawn_poses": 0.5})
    )
    first, same, other = (data.source(32, 0).batch(0)[1].body_pose for data in (plain, none, some))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert plain.about == none.about
    assert some.about["motion"]["drawn_poses"] == 0.5
    with pytest.raises(InputError, match="--drawn-poses"):
        body_training_data(lifter, "3dpw", threedpw, {"drawn_poses": 1.5}, tmp_path)


def _bad_betas(content: Any) -> Any:
    return content | {"betas": [b[:6] for b in content["betas"]]}


def _lacking(content: Any) -> Any:
    return {key: value for key, value in content.items() if key != "poses"}


def _nan(content: Any) -> Any:
    return content | {"trans": [t * np.nan for t in content["trans"]]}


@pytest.mark.parametrize(
    ("change", "field"), [(_bad_betas, "betas"), (_lacking, "poses"), (_nan, "trans")]
)
def test_bad_parameters_are_named(tmp_path: Path, smpl_file: Path, change: Any, field: str) -> None:
    save_3dpw(tmp_path, "test", "made", change(smpl_sequence(read_smpl(smpl_file))))
    with pytest.raises(InputError) as refused:
        mesh_data("3dpw", tmp_path, {"body": smpl_file}, tmp_path)
    assert refused.value.field == field
    assert "made.pkl" in str(refused.value)


def test_another_body_than_the_data_sets_is_refused(threedpw: Path, tmp_path: Path) -> None:
    other = save_smpl(tmp_path / "other.npz", seed=5)
    for options, words in (
        ({}, "none given"), ({"body": "anny_light"}, "anny_light"),
        ({"body": other}, "jointPositions"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            mesh_data("3dpw", threedpw, options, tmp_path)
    with pytest.raises(InputError, match="--protocol"):
        mesh_data("3dpw", threedpw, {"protocol": "every_64"}, tmp_path)
    with pytest.raises(InputError, match="human36m"):
        mesh_data("mpi_inf_3dhp", threedpw, {}, tmp_path)
