"""Small files as the data sets come: a walking person seen by a known camera."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io

from poseterior.data.demo_clip import demo_motion
from poseterior.geometry.skeleton import H36M_17, Skeleton, get_skeleton

_ALIKE = {
    "pelvis": "pelvis", "neck": "thorax", "head": "nose", "spine1": "spine", "spine2": "spine",
    "spine3": "spine", "left_collar": "thorax", "right_collar": "thorax",
    "left_foot": "left_ankle", "right_foot": "right_ankle",
    "left_hand": "left_wrist", "right_hand": "right_wrist",
}  # fmt: skip
OPENPOSE_18 = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder",
    "left_elbow", "left_wrist", "right_hip", "right_knee", "right_ankle", "left_hip",
    "left_knee", "left_ankle", "right_eye", "left_eye", "right_ear", "left_ear",
)  # fmt: skip


def camera_poses(skeleton: str | Skeleton, rows: int, skip: int = 0) -> np.ndarray:
    """(rows, J, 3) metres in camera axes, about four metres away; the hips' middle the pelvis."""
    joints = get_skeleton(skeleton).joints if isinstance(skeleton, str) else skeleton.joints
    x, y, z = np.moveaxis(demo_motion()[skip : skip + rows].double().numpy(), -1, 0)
    walk = np.stack([x, 1.0 - z, 4.0 + y], -1)
    names = [_ALIKE.get(joint, joint) for joint in joints]
    known = [name if name in H36M_17.joints else "nose" for name in names]
    pose = walk[:, [H36M_17.index(name) for name in known]]
    hips = [walk[:, H36M_17.index(f"{side}_hip")] for side in ("left", "right")]
    for j, joint in enumerate(joints):
        if joint == "pelvis":
            pose[:, j] = np.mean(hips, axis=0)
    return pose


def project(pose: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Pixels (..., 2) of points (..., 3) by a pinhole matrix (3, 3)."""
    seen = pose @ matrix.T
    return seen[..., :2] / seen[..., 2:]


def mpi_arrays(number: int, rows: int = 5) -> dict[str, np.ndarray]:
    """The arrays of `annot_data.mat` of video TS<number>, axes as in HDF5; frame 1 not valid."""
    pose = camera_poses("mpi_inf_3dhp_17", rows, 3 * number)
    indoors = [[1500.1723, 0, 1017.3873], [0, 1500.8324, 1043.0320], [0, 0, 1]]
    outdoors = [[1683.9835, 0, 939.8575], [0, 1672.5937, 560.1407], [0, 0, 1]]
    matrix = np.array(indoors if number < 5 else outdoors)
    valid = np.ones((rows, 1))
    valid[1] = 0
    return {
        "annot2": project(pose, matrix)[:, None],
        "annot3": 1000 * pose[:, None],
        "univ_annot3": 1100 * pose[:, None],
        "valid_frame": valid,
        "activity_annotation": np.full((rows, 1), number, float),
    }


def save_mpi(folder: Path, arrays: dict[str, np.ndarray], old: bool = False) -> Path:
    """Write `annot_data.mat`, version 7.3 or, if `old`, 5."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "annot_data.mat"
    if old:
        named = {name: array.T for name, array in arrays.items()}
        scipy.io.savemat(path, named, do_compression=True)
        return path
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in arrays.items():
            file[name] = array
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(512, b" "))
    return path


def mpi_test_set(root: Path, old: bool = False) -> Path:
    """All six videos, below `mpi_inf_3dhp_test_set`."""
    for number in range(1, 7):
        save_mpi(root / "mpi_inf_3dhp_test_set" / f"TS{number}", mpi_arrays(number), old)
    return root


INTRINSICS = np.array([[1961.85, 0.0, 540.0], [0.0, 1969.23, 960.0], [0.0, 0.0, 1.0]])


def threedpw_sequence(people: int = 2, rows: int = 6) -> dict[str, Any]:
    """The content of a sequence's pickle; frame 2 has no camera, frame 3 no detection."""
    cos, sin = np.cos(0.4), np.sin(0.4)
    camera = np.eye(4)
    camera[:3, :3] = [[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]
    camera[:3, 3] = [0.3, -0.2, 0.5]
    content: dict[str, Any] = {
        "sequence": "walk_00", "cam_poses": np.tile(camera, (rows, 1, 1)),
        "cam_intrinsics": INTRINSICS, "genders": ["m", "f"][:people],
        "jointPositions": [], "poses2d": [], "campose_valid": [],
    }  # fmt: skip
    for person in range(people):
        seen = camera_poses("smpl_24", rows, 20 * person)
        world = (seen - camera[:3, 3]) @ camera[:3, :3]
        pixels = project(_openpose(rows, 20 * person), INTRINSICS)
        detected = np.concatenate([pixels, np.full((*pixels.shape[:2], 1), 0.9)], -1)
        detected[3] = 0
        valid = np.ones(rows, dtype=np.uint8)
        valid[2] = 0
        content["jointPositions"].append(world.reshape(rows, 72))
        content["poses2d"].append(detected.transpose(0, 2, 1).copy())
        content["campose_valid"].append(valid)
    return content


def _openpose(rows: int, skip: int) -> np.ndarray:
    pose = camera_poses("openpose_25", rows, skip)
    at = get_skeleton("openpose_25")
    return pose[:, [at.index(joint) for joint in OPENPOSE_18]]


def save_3dpw(root: Path, split: str, name: str, content: object) -> Path:
    """Write a sequence as 3DPW does, a pickle of protocol 2."""
    folder = root / "sequenceFiles" / split
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.pkl"
    path.write_bytes(pickle.dumps(content, protocol=2))
    return path
