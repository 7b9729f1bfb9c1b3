"""The CMU motion capture as `MotionClips`, from prepared arrays or from the official archive."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch

from poseterior.data.cmu_archive import SPLITS, find_subjects, read_archive
from poseterior.data.fields import Field, check_layout
from poseterior.data.motion_clips import MotionClips
from poseterior.data.npz_stream import NpzReader
from poseterior.errors import InputError, require
from poseterior.geometry.skeleton import H36M_17

__all__ = ["array_path", "cmu_root", "load_cmu", "load_observations", "observations_path"]

_VARIABLE = "POSETERIOR_CMU"
_FIELDS = {
    "positions": Field((("F", len(H36M_17), 3),)),
    "clip": Field((("F",),), "label"),
    "clip_names": Field((("C",),), "label"),
    "fps": Field(((), (1,))),
    "joint_names": Field(((len(H36M_17),),), "label"),
    "parents": Field(((len(H36M_17),),)),
}
_THIGH_METRES = (0.2, 0.8)  # of any person; other lengths are other units


def cmu_root(root: str | os.PathLike[str] | None = None) -> Path:
    """The folder of the data: `root`, else the environment variable POSETERIOR_CMU.

    `InputError` if neither is given, or if there is no such folder.
    """
    given = root if root is not None else os.environ.get(_VARIABLE)
    if not given:
        raise InputError(
            "CMU motion capture", "root",
            expected=f"a folder (--root DIR or {_VARIABLE}) with cmu_<split>.npz, or with the "
            "archive of mocap.cs.cmu.edu (`poseterior data cmu` tells how to get it)",
            found="none given",
        )  # fmt: skip
    found = "a file" if Path(given).exists() else "no such folder"
    require(Path(given).is_dir(), given, "", expected="the folder of the CMU data", found=found)
    return Path(given)


def load_cmu(root: str | os.PathLike[str] | None, split: str) -> MotionClips:
    """The clips of a split ("train", "val", "test", "test_dance"), 30 frames a second.

    Args:
        root: the folder of the arrays `cmu_<split>.npz` or of the official archive (split by
            subject, see `split_of`); None for the one in POSETERIOR_CMU.
        split: which clips.

    Raises:
        InputError: no data there, or an array of the wrong name, shape, joint order or unit,
            or with values that are not finite; an ASF or AMC that is damaged.
    """
    folder = cmu_root(root)
    _require_split(folder, split)
    path = array_path(folder, split)
    if path.is_file():
        return _read_arrays(path)
    others = any(array_path(folder, other).is_file() for other in SPLITS)
    if others or not find_subjects(folder):
        raise InputError(
            folder, path.name,
            expected="this file, or subjects/NN/NN.asf and NN_MM.amc", found="neither",
        )  # fmt: skip
    return read_archive(folder, split)


def load_observations(root: str | os.PathLike[str] | None, split: str) -> Path:
    """The file of a split's fixed observations (val, test, test_dance), if it is there.

    `InputError` if not: the official archive has none.
    """
    folder = cmu_root(root)
    _require_split(folder, split)
    path = observations_path(folder, split)
    require(path.is_file(), path, "", expected="a file of observations", found="no such file")
    return path


def array_path(root: Path, split: str) -> Path:
    """Where the arrays of a split are."""
    return root / f"cmu_{split}.npz"


def observations_path(root: Path, split: str) -> Path:
    """Where the fixed observations of a split are."""
    return root / f"{split}_observations.npz"


def _require_split(source: object, split: str) -> None:
    known = ", ".join(SPLITS)
    require(split in SPLITS, source, "split", expected=f"one of {known}", found=repr(split))


def _read_arrays(path: Path) -> MotionClips:
    with NpzReader(path) as reader:
        shapes = {name: reader[name].shape for name in ("positions", "clip_names")}
        sizes = {"F": _rows(shapes["positions"]), "C": _rows(shapes["clip_names"])}
        present = check_layout(reader, _FIELDS, sizes)
        missing = [name for name in _FIELDS if name not in present and name != "parents"]
        require(not missing, path, ", ".join(missing), expected="these arrays", found="none")
        arrays = {name: reader.read(name) for name in present}
    _check_joints(path, arrays)
    clips = MotionClips(
        torch.from_numpy(arrays["positions"].astype(np.float32, copy=False)),
        torch.from_numpy(_clip_index(path, arrays["clip"])),
        tuple(arrays["clip_names"].astype(str).tolist()),
        round(float(arrays["fps"].reshape(())), 4),
        H36M_17,
        str(path),
    )
    _check_metres(path, clips)
    return clips


def _rows(shape: tuple[int, ...]) -> int:
    return shape[0] if shape else 0


def _clip_index(path: Path, clip: np.ndarray) -> np.ndarray:
    whole = clip.dtype.kind in "iu"
    require(whole, path, "clip", expected="whole numbers", found=f"dtype {clip.dtype}")
    return clip.astype(np.int64)


def _check_joints(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """The joints are those of h36m_17, in full or in the arrays' short names."""
    found = tuple(str(name).lower() for name in arrays["joint_names"].tolist())
    known = found in (H36M_17.joints, tuple(map(_short, H36M_17.joints)))
    require(
        known, path, "joint_names",
        expected=f"the joints of h36m_17 in order: {', '.join(H36M_17.joints)}",
        found=", ".join(found),
    )  # fmt: skip
    parents = tuple(arrays["parents"].tolist()) if "parents" in arrays else H36M_17.parents
    require(parents == H36M_17.parents, path, "parents", expected=H36M_17.parents, found=parents)


def _short(joint: str) -> str:
    """`left_wrist` -> `lwrist`, `head_top` -> `headtop`."""
    return joint.replace("left_", "l").replace("right_", "r").replace("_", "")


def _check_metres(path: Path, clips: MotionClips) -> None:
    hip, knee = (H36M_17.index(f"left_{joint}") for joint in ("hip", "knee"))
    thigh = (clips.positions[:, hip] - clips.positions[:, knee]).norm(dim=-1).median().item()
    low, high = _THIGH_METRES
    require(
        low <= thigh <= high, path, "positions",
        expected=f"metres (a thigh of {low} to {high})", found=f"a thigh of {thigh:.4g}",
    )  # fmt: skip
