"""3DPW, from files of its structure."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from dataset_files import camera_poses, save_3dpw, threedpw_sequence

from poseterior.batch.observed import in_skeleton
from poseterior.data.threedpw import open_3dpw
from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_17, SMPL_24

SEEN = [0, 1, 4, 5]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("3dpw")
    save_3dpw(root, "test", "walk_00", threedpw_sequence())
    save_3dpw(root, "test", "alone_01", threedpw_sequence(people=1))
    return root


def test_people_with_a_camera_and_a_detection(root: Path) -> None:
    source = open_3dpw(root)
    assert source.labels["clip"].tolist() == ["alone_01"] * 4 + ["walk_00"] * 8
    assert source.labels["person"].tolist() == [0] * 8 + [1] * 4
    assert source.labels["frame"].tolist() == SEEN * 3
    assert open_3dpw(root / "sequenceFiles").fingerprint() == source.fingerprint()


def test_targets_are_the_joints_in_camera_axes(root: Path) -> None:
    rows = next(open_3dpw(root).chunks(100))
    _, target, known = in_skeleton(rows.keypoints, rows.target, H36M_17)
    pose = camera_poses("smpl_24", 6)[SEEN]
    hips = pose[:, [SMPL_24.index("left_hip"), SMPL_24.index("right_hip")]].mean(1)
    compared = [j for j, k in zip(H36M_17.joints, known[0], strict=True) if k]
    parts = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
    limbs = {f"{side}_{part}" for side in ("left", "right") for part in parts}
    assert set(compared) == {"pelvis"} | limbs
    for joint in limbs:
        expected = torch.from_numpy(pose[:, SMPL_24.index(joint)] - hips).float()
        assert torch.allclose(target[:4, H36M_17.index(joint)], expected, atol=1e-6)


def test_the_camera_sees_the_target_where_the_keypoints_are(root: Path) -> None:
    rows = next(open_3dpw(root).chunks(100))
    keypoints, target, known = in_skeleton(rows.keypoints, rows.target, H36M_17)
    pose = camera_poses("smpl_24", 6)[SEEN]
    middle = pose[:, [SMPL_24.index("left_hip"), SMPL_24.index("right_hip")]].mean(1)
    points = target[:4].double() + torch.from_numpy(middle)[:, None]
    seen = points @ keypoints.intrinsics[:4].double().mT
    pixels = (seen[..., :2] / seen[..., 2:])[known[:4]]
    assert torch.allclose(pixels, keypoints.pixels[:4][known[:4]].double(), atol=0.5)
    assert keypoints.valid.sum(-1).unique().tolist() == [16]  # head_top is not to be had


def test_a_joint_that_was_not_detected_is_not_valid(tmp_path: Path) -> None:
    content = threedpw_sequence(people=1)
    content["poses2d"][0][0, :, 8] = 0  # the right hip
    save_3dpw(tmp_path, "validation", "walk", content)
    keypoints = open_3dpw(tmp_path, "validation").keypoints
    lacking = {
        j for j, v in zip(keypoints.skeleton.joints, keypoints.valid[0], strict=True) if not v
    }
    assert {"right_hip", "pelvis"} <= lacking
    assert "left_hip" not in lacking
    assert not keypoints.pixels[0][~keypoints.valid[0]].any()
    sure, unsure = threedpw_sequence(people=1), threedpw_sequence(people=1)
    unsure["poses2d"][0][SEEN, 2, 4] = 0.1
    for name, content in (("sure", sure), ("unsure", unsure)):
        save_3dpw(tmp_path, "test", name, content)
    spread = open_3dpw(tmp_path).keypoints.covariance[:, 4, 0, 0]
    assert (spread[4:] > 10 * spread[:4]).all()


def _with(key, value):
    return lambda content: content | {key: value(content[key])}


BAD = {
    "key": (lambda c: {k: v for k, v in c.items() if k != "cam_poses"}, "cam_poses", "only"),
    "joints": (_with("jointPositions", lambda v: [a[:, :69] for a in v]), "jointPositions", "72"),
    "detections": (_with("poses2d", lambda v: [a[:, :, :17] for a in v]), "poses2d", "18"),
    "length": (_with("poses2d", lambda v: [v[0][:-1], v[1]]), "poses2d", "6 frames"),
    "people": (_with("campose_valid", lambda v: v[:1]), "campose_valid", "2 people"),
    "camera": (_with("cam_intrinsics", lambda v: v[:2]), "cam_intrinsics", "(3, 3)"),
    "text": (_with("cam_poses", lambda v: "none"), "cam_poses", "numbers"),
    "no list": (_with("poses2d", lambda v: 3), "poses2d", "a list"),
    "not finite": (
        _with("jointPositions", lambda v: [a * np.nan for a in v]), "jointPositions", "finite"
    ),
    "no dict": (lambda c: [1, 2], "", "a dict"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_named(tmp_path: Path, case: str) -> None:
    change, field, words = BAD[case]
    path = save_3dpw(tmp_path, "test", "walk", change(threedpw_sequence()))
    with pytest.raises(InputError) as refused:
        open_3dpw(tmp_path)
    assert (refused.value.source, refused.value.field) == (str(path), field)
    assert words in str(refused.value)


def test_truncated_and_malicious_files_are_refused(tmp_path: Path) -> None:
    path = save_3dpw(tmp_path, "test", "walk", threedpw_sequence())
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"walk\.pkl"):
        open_3dpw(tmp_path)
    touched = tmp_path / "touched"
    path.write_bytes(b"cos\nsystem\n(S'touch " + str(touched).encode() + b"'\ntR.")
    with pytest.raises(InputError, match=r"walk\.pkl"):
        open_3dpw(tmp_path)
    assert not touched.exists()


def test_missing_sequences_and_unknown_splits(tmp_path: Path, root: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        open_3dpw(tmp_path)
    with pytest.raises(InputError, match="train, validation, test"):
        open_3dpw(root, "val")
    content = threedpw_sequence()
    content["campose_valid"] = [np.zeros(6, np.uint8)] * 2
    save_3dpw(tmp_path, "test", "walk", content)
    with pytest.raises(InputError, match="nobody"):
        open_3dpw(tmp_path)
