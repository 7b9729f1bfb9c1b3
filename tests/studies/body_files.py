"""Small files of 3DPW and Human3.6M from which bodies are had, and a file of SMPL's form."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "data"))

from dataset_files import INTRINSICS, OPENPOSE_18, save_3dpw

from meshes.made_smpl import made_smpl, write_npz
from oracles import human36m_files as made
from poseterior.data.demo_clip import demo_motion
from poseterior.geometry.rotations import from_axis_angle, to_axis_angle
from poseterior.geometry.skeleton import COCO_17
from poseterior.meshes import BodyParameters, SkinnedBody
from poseterior.meshes.models.smpl import read_smpl


def save_smpl(path: Path, seed: int = 0) -> Path:
    """A made body in SMPL's format."""
    return write_npz(path, made_smpl(seed=seed))


def camera_of_world() -> np.ndarray:
    """(4, 4): it looks along -z of a world whose y axis is up, a little turned, 4 m away."""
    turn = from_axis_angle(torch.tensor([0.1, 0.4, 0.0], dtype=torch.float64)).numpy()
    camera = np.eye(4)
    camera[:3, :3] = np.diag([1.0, -1.0, -1.0]) @ turn
    camera[:3, 3] = [0.2, 0.1, 4.0]
    return camera


def smpl_sequence(body: SkinnedBody, rows: int = 6, seed: int = 0, people: int = 1) -> Any:
    """A sequence of 3DPW whose people are made by a body; frame 2 has no camera."""
    draw = torch.Generator().manual_seed(seed)
    camera = camera_of_world()
    content: dict[str, Any] = {
        "sequence": "made", "cam_poses": np.tile(camera, (rows, 1, 1)),
        "cam_intrinsics": INTRINSICS, "genders": ["m"] * people,
        **{key: [] for key in ("poses", "trans", "betas", "jointPositions", "poses2d",
                               "campose_valid")},
    }  # fmt: skip
    for _ in range(people):
        turns = 0.2 * torch.randn((rows, 24, 3), generator=draw, dtype=torch.float64)
        betas = torch.randn(300, generator=draw, dtype=torch.float64)
        trans = 0.2 * torch.randn((rows, 3), generator=draw, dtype=torch.float64)
        bodies = BodyParameters.of(
            from_axis_angle(turns), betas[:10].expand(rows, 10), trans
        ).to(torch.float32)  # fmt: skip
        valid = np.ones(rows, np.uint8)
        valid[2] = 0
        content["poses"].append(turns.reshape(rows, 72).numpy())
        content["trans"].append(trans.numpy())
        content["betas"].append(betas.numpy())
        content["jointPositions"].append(body.joints(bodies).double().reshape(rows, 72).numpy())
        content["poses2d"].append(_detected(body, bodies, camera))
        content["campose_valid"].append(valid)
    return content


def _detected(body: SkinnedBody, bodies: BodyParameters, camera: np.ndarray) -> np.ndarray:
    """(rows, 3, 18): x, y and confidence of OpenPose's joints."""
    world = body.landmarks_of(bodies, COCO_17).double().numpy()
    places = {joint: world[:, k] for k, joint in enumerate(COCO_17.joints)}
    places["neck"] = (places["left_shoulder"] + places["right_shoulder"]) / 2
    points = np.stack([places[joint] for joint in OPENPOSE_18], 1)
    seen = (points @ camera[:3, :3].T + camera[:3, 3]) @ INTRINSICS.T
    confidence = np.full((*seen.shape[:2], 1), 0.9)
    return np.concatenate([seen[..., :2] / seen[..., 2:], confidence], -1).transpose(0, 2, 1).copy()


def turned_world(content: Any, turn: np.ndarray) -> Any:
    """The same sequence in a world with other axes."""
    wide = np.eye(4)
    wide[:3, :3] = turn.T
    return content | {
        "cam_poses": content["cam_poses"] @ wide,
        "poses": [_turned(poses, turn) for poses in content["poses"]],
        # Places are of no account where only rotations are looked at.
    }


def _turned(poses: np.ndarray, turn: np.ndarray) -> np.ndarray:
    root = from_axis_angle(torch.from_numpy(poses[:, :3]))
    new = to_axis_angle(torch.from_numpy(turn) @ root).numpy()
    return np.concatenate([new, poses[:, 3:]], 1)


def save_threedpw(root: Path, body: Path) -> Path:
    """The three splits, of the body in a file."""
    smpl = read_smpl(body)
    for number, split in enumerate(("train", "validation", "test")):
        save_3dpw(root, split, f"{split}_00", smpl_sequence(smpl, seed=number, people=2))
        save_3dpw(root, split, f"{split}_01", smpl_sequence(smpl, seed=number + 3))
    return root


def walking_world(subjects: tuple[str, ...], frames: int = 8) -> made.World:
    """Every recording a part of a walk, in the files' 32 joints."""
    motion, found = demo_motion().numpy(), {}
    for n, subject in enumerate(subjects):
        found[subject] = {}
        for k, name in enumerate(made.recordings(subject)):
            rows = (np.arange(frames) + 7 * n + 3 * k) % len(motion)
            world = np.zeros((frames, 32, 3), np.float32)
            world[:, made.JOINTS_17] = motion[rows]
            found[subject][name] = world
    return found


def save_human36m(root: Path) -> made.World:
    """VideoPose3D's archives of all subjects; what they hold."""
    world = walking_world(("S1", "S5", "S6", "S7", "S8", "S9", "S11"))
    made.write_npz(root, world)
    return world
