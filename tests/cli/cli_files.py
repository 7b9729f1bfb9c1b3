"""Small files as the commands read them, and what a command did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from poseterior.data.confidence_covariance import CovarianceRule
from poseterior.data.demo_clip import demo_motion
from poseterior.data.keypoint_source import MemorySource
from poseterior.data.observations_writer import write_observations
from poseterior.geometry.skeleton import H36M_17, Skeleton, get_skeleton
from poseterior.keypoints import Keypoints
from poseterior.lifters.coupling_flow import CouplingFlow, CouplingFlowConfig
from poseterior.training.checkpoint import save_model

Arrays = dict[str, Any]
WIDTH, HEIGHT, FOCAL = 1000, 800, 900.0


class Ended(NamedTuple):
    """Exit code, standard output and standard error of a command."""

    code: int
    out: str
    err: str


def assert_refused(ended: Ended, *words: str, code: int = 2) -> None:
    """One line on standard error, with these words; nothing on standard output."""
    assert ended.code == code, ended.err
    assert ended.err.startswith("poseterior: ")
    assert ended.err.count("\n") == 1, ended.err
    assert ended.out == ""
    if code == 2:
        words = ("expected ", "found ", *words)
    assert [word for word in words if word not in ended.err] == [], ended.err


def poses(rows: int, skip: int = 0) -> torch.Tensor:
    """Root-relative poses (rows, 17, 3) of a walk, metres, camera axes."""
    motion = demo_motion()[torch.arange(skip, skip + rows) % 90]
    x, y, z = (motion - motion[:, :1]).unbind(-1)
    return torch.stack([x, -z, y], -1)


def pixels(pose: torch.Tensor) -> np.ndarray:
    """(rows, 17, 2) px: `pose` four metres in front of the camera."""
    seen = pose.numpy() + np.array([0.0, 0.0, 4.0])
    return FOCAL * seen[..., :2] / seen[..., 2:] + np.array([WIDTH / 2, HEIGHT / 2])


def observations(rows: int = 6) -> Arrays:
    """The arrays of an observations file with a target."""
    pose = poses(rows)
    return {
        "keypoints": pixels(pose).astype(np.float32),
        "skeleton": "h36m_17",
        "covariance": np.tile(4 * np.eye(2, dtype=np.float32), (rows, 17, 1, 1)),
        "valid": np.ones((rows, 17), bool),
        "image_size": np.array([WIDTH, HEIGHT]),
        "intrinsics": np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]]),
        "target": pose.numpy(),
        "clip": np.arange(rows) // 2,
        "frame": np.arange(rows),
    }


def predictions(rows: int = 40, hypotheses: int = 30, spread: float = 1.0) -> Arrays:
    """The arrays of a predictions file: right centres, `spread` times the right spread."""
    rng = np.random.default_rng(0)
    noise = 0.05 * rng.normal(size=(rows, hypotheses + 1, 17, 3))
    noise[:, :, 0] = 0
    centre = poses(rows).numpy()[:, None]
    return {
        "hypotheses": (centre + spread * noise[:, 1:]).astype(np.float32),
        "target": (centre[:, 0] + noise[:, 0]).astype(np.float32),
        "skeleton": "h36m_17",
        "clip": np.arange(rows) // 10,
    }


def save(path: Path, arrays: Arrays) -> Path:
    """Write an `.npz`; object arrays are pickled."""
    np.savez(path, **arrays)
    return path


def scored_points(skeleton: str, rows: int = 6, score: float = 0.9) -> np.ndarray:
    """(rows, K, 3): x, y, score of a walk in another skeleton; (0, 0, 0) where unknown."""
    other, seen = get_skeleton(skeleton), pixels(poses(rows))
    points = np.zeros((rows, len(other), 3))
    for k, name in enumerate(other.joints):
        joint = _joint_of(name, H36M_17)
        if joint is not None:
            points[:, k] = np.concatenate([seen[:, joint], np.full((rows, 1), score)], -1)
    return points


def _joint_of(name: str, skeleton: Skeleton) -> int | None:
    name = {"neck": "thorax"}.get(name, name)
    return skeleton.index(name) if name in skeleton.joints else None


def write_json(path: Path, content: object) -> Path:
    """Write JSON."""
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def openpose_folder(folder: Path, frames: list[list[np.ndarray]]) -> Path:
    """A folder as OpenPose writes it, of people (25, 3) in each frame."""
    folder.mkdir()
    for number, people in enumerate(frames):
        listed = [{"pose_keypoints_2d": person.ravel().tolist()} for person in people]
        name = f"walk_{number:012d}_keypoints.json"
        write_json(folder / name, {"version": 1.3, "people": listed})
    return folder


def deeplabcut_csv(path: Path, names: dict[str, str], points: np.ndarray) -> Path:
    """A CSV as DeepLabCut writes it, of body parts that have the users' names."""
    joints = get_skeleton("coco_17").joints
    heads = {
        "scorer": ["net"] * 3 * len(names),
        "bodyparts": [name for name in names for _ in range(3)],
        "coords": ["x", "y", "likelihood"] * len(names),
    }
    lines = [",".join([head, *cells]) for head, cells in heads.items()]
    for number, frame in enumerate(points):
        cells = [f"{v:.3f}" for joint in names.values() for v in frame[joints.index(joint)]]
        lines.append(",".join([str(number), *cells]))
    path.write_text("\n".join(lines) + "\n")
    return path


def save_tiny_lifter(folder: Path) -> Path:
    """A `coupling_flow` of few weights, untrained."""
    config = CouplingFlowConfig(
        members=1, width=16, residual_blocks=1, context=8, blocks=1, hidden=8, depth=1
    )
    lifter = CouplingFlow(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():  # a new flow is the identity: nothing of the observation would be seen
        for weight in lifter.parameters():
            weight += 0.1 * torch.randn(weight.shape, generator=generator)
    save_model(lifter, folder)
    return folder


def tiny_cmu(folder: Path) -> Path:
    """The arrays of every split, a walk each, and the fixed observations of `test`."""
    for number, split in enumerate(("train", "val", "test", "test_dance")):
        pose = demo_motion()[20 * number : 20 * number + 20]
        save(
            folder / f"cmu_{split}.npz",
            {
                "positions": pose.numpy().astype(np.float32),
                "clip": np.repeat(np.arange(2, dtype=np.int32), 10),
                "clip_names": np.array([f"{number}_01", f"{number}_02"]),
                "fps": np.float32(15.0),
                "joint_names": np.array(H36M_17.joints),
                "parents": np.array(H36M_17.parents, dtype=np.int32),
            },
        )
    arrays = observations(8)
    seen, error, camera = (
        torch.from_numpy(arrays[name]).float() for name in ("keypoints", "covariance", "intrinsics")
    )
    valid = torch.ones(8, 17, dtype=torch.bool)
    keypoints = Keypoints(seen, error, valid, H36M_17, intrinsics=camera.expand(8, 3, 3))
    labels = {"clip": arrays["clip"], "frame": arrays["frame"]}
    write_observations(folder / "test_observations.npz", keypoints, poses(8), labels)
    return folder


def observed_walk(root: Path, split: str, **options) -> MemorySource:
    """Stands in for Human3.6M: a walk, detected with confidence."""
    rows, skip = (30, 0) if split == "train" else (10, 40)
    pose = poses(rows, skip)
    seen = torch.from_numpy(pixels(pose)).float()
    valid = torch.ones(rows, 17, dtype=torch.bool)
    camera = torch.tensor([[900.0, 0, 500], [0, 900, 400], [0, 0, 1]]).expand(rows, 3, 3)
    keypoints = Keypoints(
        seen, CovarianceRule()(seen, None, valid), valid, H36M_17, intrinsics=camera
    )
    labels = {"clip": np.repeat(["S9 Walking", "S11 Sitting"], rows // 2)}
    return MemorySource(keypoints, pose, labels, f"{root} {split}", options)
