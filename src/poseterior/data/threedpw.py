"""3DPW (von Marcard et al., ECCV 2018): people outdoors, detected by OpenPose, with a target.

`sequenceFiles/{train,validation,test}/*.pkl`, one sequence each, of one or two people:
`jointPositions` (N, 72) metres in the world, `poses2d` (N, 3, 18) px and confidence,
`campose_valid` (N,), each a list with one array a person; `cam_poses` (N, 4, 4) from the world
to the camera; `cam_intrinsics` (3, 3). The files are pickles of Python 2: they are read by
`restricted_pickle.py`, which runs nothing.

Keypoints are OpenPose's, in `openpose_25` without the feet that its model of 18 joints lacks,
the pelvis the middle of the hips. The target is SMPL's joints as far as `openpose_25` has the
same points or middles of them, NaN elsewhere: for `h36m_17` hips, knees, ankles, shoulders,
elbows and wrists are compared, relative to the middle of the hips.

The same files hold what SMPL was posed and shaped by: `poses` (N, 72) axis-angle and `trans`
(N, 3) metres in the world, and `betas` (10,) or longer, of the model of the person's gender.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from poseterior.data.confidence_covariance import CovarianceRule
from poseterior.data.keypoint_source import MemorySource
from poseterior.data.restricted_pickle import read_pickle_bytes
from poseterior.errors import InputError, require
from poseterior.geometry.conversion import conversion
from poseterior.geometry.skeleton import OPENPOSE_25, SMPL_24
from poseterior.keypoints import Keypoints

__all__ = ["SPLITS", "SmplRows", "open_3dpw", "open_3dpw_bodies"]

SPLITS = ("train", "validation", "test")

# OpenPose's model of 18 joints has those of BODY_25 but the pelvis, which is joint 8, and the feet.
_DETECTED = (*range(8), *range(9, 19))
_HIPS = [OPENPOSE_25.index("left_hip"), OPENPOSE_25.index("right_hip")]
_KEYS = ("jointPositions", "poses2d", "campose_valid", "cam_poses", "cam_intrinsics")
_BODY_KEYS, _BETAS = ("poses", "trans", "betas"), 10


@dataclass(frozen=True, eq=False)
class SmplRows:
    """What SMPL was posed and shaped by, float64, row by row.

    Attributes:
        pose: (M, 24, 3) axis-angle relative to the parents, the root's to the world.
        betas: (M, 10).
        trans: (M, 3) metres, world axes.
        camera: (M, 4, 4) from the world to the camera.
        joints: (M, 24, 3) metres, camera axes: where the data set has SMPL's joints.
    """

    pose: NDArray[np.float64]
    betas: NDArray[np.float64]
    trans: NDArray[np.float64]
    camera: NDArray[np.float64]
    joints: NDArray[np.float64]


class _Person(NamedTuple):
    """The frames in which a person was detected, float64: 2D, 3D, their numbers, the camera."""

    detected: NDArray[np.float64]
    joints: NDArray[np.float64]
    frame: NDArray[np.int64]
    intrinsics: NDArray[np.float64]
    smpl: SmplRows | None


def open_3dpw(root: str | Path, split: str = "test") -> MemorySource:
    """Every person in every frame that was detected and whose camera is known.

    Args:
        root: the folder with `sequenceFiles`, or that folder.
        split: "train", "validation" or "test".

    Returns:
        Keypoints and target in `openpose_25`, see above; labels `clip` (the sequence), `frame`
        and `person` from 0.

    Raises:
        InputError: no such split or no sequences in it, a damaged file or one that is not plain
            data, a key that is missing, arrays of another shape or length, nobody detected.
    """
    return _source(*_people(root, split, bodies=False))


def open_3dpw_bodies(root: str | Path, split: str = "test") -> tuple[MemorySource, SmplRows]:
    """The same, and what SMPL was posed and shaped by in each row.

    Raises:
        InputError: as of `open_3dpw`; no `poses`, `trans` or `betas`.
    """
    folder, people = _people(root, split, bodies=True)
    rows = [person.smpl for person in people.values() if person.smpl is not None]
    every = {
        f.name: np.concatenate([getattr(each, f.name) for each in rows]) for f in fields(SmplRows)
    }
    return _source(folder, people), SmplRows(**every)


_People = dict[tuple[str, int], _Person]


def _people(root: str | Path, split: str, bodies: bool) -> tuple[Path, _People]:
    """The split's folder, and whoever was detected by sequence and number."""
    require(split in SPLITS, root, "split", expected=", ".join(SPLITS), found=repr(split))
    folder = _folder(Path(root), split)
    people: _People = {}
    for path in sorted(folder.glob("*.pkl")):
        for number, person in enumerate(_read(path, bodies)):
            if len(person.frame):
                people[path.stem, number] = person
    require(bool(people), folder, "poses2d", expected="somebody detected", found="nobody")
    return folder, people


def _source(folder: Path, people: _People) -> MemorySource:
    counts = [len(person.frame) for person in people.values()]
    labels = {
        "clip": np.repeat([clip for clip, _ in people], counts),
        "frame": np.concatenate([person.frame for person in people.values()]),
        "person": np.repeat([number for _, number in people], counts),
    }
    rule = CovarianceRule()
    detected = np.concatenate([person.detected for person in people.values()])
    intrinsics = np.repeat([person.intrinsics for person in people.values()], counts, axis=0)
    keypoints = _keypoints(detected, torch.from_numpy(intrinsics).float(), rule)
    joints = np.concatenate([person.joints for person in people.values()])
    notes = {"covariance": rule.describe()}
    return MemorySource(keypoints, _target(joints), labels, str(folder), notes)


def _folder(root: Path, split: str) -> Path:
    folder = (root if root.name == "sequenceFiles" else root / "sequenceFiles") / split
    there = folder.is_dir() and any(folder.glob("*.pkl"))
    found = "none" if folder.is_dir() else "no such folder"
    require(there, folder, "", expected="the sequences, *.pkl", found=found)
    return folder


def _read(path: Path, bodies: bool) -> list[_Person]:
    content = read_pickle_bytes(path.read_bytes(), path)
    require(isinstance(content, dict), path, "", expected="a dict", found=type(content).__name__)
    keys = _KEYS + _BODY_KEYS if bodies else _KEYS
    for key in keys:
        there = ", ".join(map(str, content))
        require(key in content, path, key, expected="this key", found=f"only {there}")
    cameras = _array(path, "cam_poses", content["cam_poses"])
    frames = len(cameras) if cameras.ndim else 0
    _require_shape(path, "cam_poses", cameras, (frames, 4, 4))
    intrinsics = _array(path, "cam_intrinsics", content["cam_intrinsics"])
    _require_shape(path, "cam_intrinsics", intrinsics, (3, 3))
    for key in (key for key in keys if not key.startswith("cam_")):
        listed = isinstance(content[key], list | tuple | np.ndarray)
        found = type(content[key]).__name__
        require(listed, path, key, expected="a list, one array a person", found=found)
    people = len(content["jointPositions"])
    return [_person(path, content, n, people, cameras, intrinsics, bodies) for n in range(people)]


def _person(
    path: Path,
    content: Mapping[str, Any],
    number: int,
    people: int,
    cameras: NDArray[np.float64],
    intrinsics: NDArray[np.float64],
    bodies: bool,
) -> _Person:
    frames = len(cameras)
    shapes: dict[str, tuple[int, ...]] = {
        "jointPositions": (frames, 3 * len(SMPL_24)), "poses2d": (frames, 3, len(_DETECTED)),
        "campose_valid": (frames,),
    }  # fmt: skip
    if bodies:
        shapes |= {"poses": (frames, 3 * len(SMPL_24)), "trans": (frames, 3), "betas": (_BETAS,)}
    arrays = {}
    for key, shape in shapes.items():
        found = len(content[key])
        require(found == people, path, key, expected=f"{people} people", found=found)
        arrays[key] = _array(path, key, content[key][number])
        if key == "betas" and arrays[key].ndim == 1:
            arrays[key] = arrays[key][:_BETAS]  # some are longer
        _require_shape(path, key, arrays[key], shape)
    detected = arrays["poses2d"].transpose(0, 2, 1)
    there = (detected[..., 2] > 0).any(1) & (arrays["campose_valid"] > 0)
    frame = np.flatnonzero(there)
    world = arrays["jointPositions"][frame].reshape(-1, len(SMPL_24), 3)
    joints = world @ cameras[frame, :3, :3].transpose(0, 2, 1) + cameras[frame, None, :3, 3]
    for key, values in (("poses2d", detected[frame]), ("jointPositions", joints)):
        finite = bool(np.isfinite(values).all())
        require(finite, path, key, expected="finite where the camera is valid", found="others")
    smpl = _smpl(path, arrays, frame, cameras[frame], joints) if bodies else None
    return _Person(detected[frame], joints, frame, intrinsics, smpl)


def _smpl(
    path: Path,
    arrays: Mapping[str, NDArray[np.float64]],
    frame: NDArray[np.int64],
    camera: NDArray[np.float64],
    joints: NDArray[np.float64],
) -> SmplRows:
    known = {key: arrays[key][frame] for key in ("poses", "trans")}
    known["betas"] = np.tile(arrays["betas"], (len(frame), 1))
    for key, values in known.items():
        finite = bool(np.isfinite(values).all())
        require(finite, path, key, expected="finite where the camera is valid", found="others")
    pose = known["poses"].reshape(-1, len(SMPL_24), 3)
    return SmplRows(pose, known["betas"], known["trans"], camera, joints)


def _array(path: Path, key: str, value: object) -> NDArray[np.float64]:
    try:
        array = np.asarray(value)
    except ValueError:
        raise InputError(path, key, expected="an array", found="lists of unequal length") from None
    require(array.dtype.kind in "fiub", path, key, expected="numbers", found=array.dtype)
    return array.astype(np.float64)


def _require_shape(path: Path, key: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    expected = f"shape {shape}"
    if key not in ("cam_poses", "cam_intrinsics", "betas"):
        expected += f", {shape[0]} frames as in cam_poses"
    require(array.shape == shape, path, key, expected=expected, found=array.shape)


def _keypoints(
    detected: NDArray[np.float64], intrinsics: Tensor, rule: CovarianceRule
) -> Keypoints:
    """Keypoints of detections (M, 18, 3): px, px, confidence."""
    points = torch.zeros(len(detected), len(OPENPOSE_25), 3)
    points[:, _DETECTED] = torch.from_numpy(detected).float()
    pixels, confidence = points[..., :2], points[..., 2]
    root = OPENPOSE_25.root
    pixels[:, root] = pixels[:, _HIPS].mean(1)
    confidence[:, root] = confidence[:, _HIPS].amin(1)
    valid = confidence > 0
    pixels = torch.where(valid[..., None], pixels, 0.0)
    covariance = rule(pixels, confidence, valid)
    # The mean of two detections whose errors are independent.
    covariance[:, root] = covariance[:, _HIPS].sum(1) / 4
    return Keypoints(
        pixels, covariance, valid, OPENPOSE_25, intrinsics=intrinsics, confidence=confidence
    )


def _target(joints: NDArray[np.float64]) -> Tensor:
    """Camera-axes joints of SMPL (M, 24, 3) in `openpose_25`, root-relative; NaN where unknown."""
    pose = conversion(SMPL_24, OPENPOSE_25).apply(torch.from_numpy(joints))
    root = OPENPOSE_25.root
    return (pose - pose[:, [root]]).float()
