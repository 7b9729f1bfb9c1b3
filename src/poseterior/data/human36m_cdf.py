"""Human3.6M as its site gives it: CDF files in `S9/MyPoseFeatures/`.

`D3_Positions_mono/Eating 2.54138969.cdf` holds (1, T, 96) mm in the camera's axes,
`D3_Positions/Eating 2.cdf` the same in world axes, `D2_Positions/Eating 2.54138969.cdf` (1, T, 64)
px; 32 joints each. `D3_Positions_mono` is read where it is there, else `D3_Positions` and the
cameras of `human36m_cameras`. CDF is read by cdflib, an extra of its own.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from poseterior.data.human36m_cameras import CAMERAS, camera_of
from poseterior.data.human36m_clips import (
    Clip,
    Request,
    numbers,
    same_frames,
    seventeen,
    straightened,
)
from poseterior.data.human36m_protocols import takes_of
from poseterior.errors import InputError, require
from poseterior.geometry.skeleton import H36M_17
from poseterior.geometry.units import metres

__all__ = ["FOLDER", "read_cdf"]

FOLDER = "MyPoseFeatures"
_INSTALL = "cdflib (pip install 'poseterior[human36m]')"
# What cdflib raises, by where in a file the damage lies.
_DAMAGED = (
    OSError, ValueError, LookupError, TypeError, AttributeError, MemoryError, OverflowError,
    RuntimeError, EOFError, AssertionError, struct.error, zlib.error,
)  # fmt: skip


def read_cdf(request: Request) -> Iterator[Clip]:
    """The clips of the subjects and actions asked for; keypoints are the files' own, "gt".

    Raises:
        InputError: naming the file, for folders and files that are not there, wrong numbers of
            joints, 2D positions shorter than the 3D ones, damaged files, and where cdflib is
            not installed.
    """
    require(
        request.keypoints == "gt", request.root, "keypoints",
        expected="gt, which is what the CDF files hold", found=request.keypoints,
    )  # fmt: skip
    for subject in request.subjects:
        folder = request.root / subject / FOLDER
        for recording, (action, take) in _recordings(folder, subject).items():
            if action in request.actions:
                for camera in CAMERAS:
                    if not request.skips(subject, action, take, camera):
                        yield _clip(request, folder, recording, (subject, action, take, camera))


def _recordings(folder: Path, subject: str) -> dict[str, tuple[str, int]]:
    """Names of the recordings that have 2D positions, as (action, take)."""
    pixels = folder / "D2_Positions"
    require(pixels.is_dir(), pixels, "", expected="a folder of CDF files", found="no such folder")
    stems = sorted({path.stem.rpartition(".")[0] for path in pixels.glob("*.cdf")})
    return takes_of(stems, pixels, subject)


def _clip(request: Request, folder: Path, recording: str, names: tuple[str, str, int, str]) -> Clip:
    subject, action, take, name = names
    camera, part = camera_of(subject, name), request.frames
    pose = _pose(folder, recording, subject, name)
    path = folder / "D2_Positions" / f"{recording}.{name}.cdf"
    view = seventeen(_read(path, 2), path, "Pose", 2)
    view = same_frames(view, len(pose), path, "Pose")[part]
    pixels = straightened(view, camera, path, "Pose")
    return Clip(
        subject, action, take, name,
        frame=np.arange(len(pose))[part],
        pixels=pixels,
        covariance=request.spread(pixels, True),
        valid=torch.ones(len(H36M_17), dtype=torch.bool),
        pose=pose[part].float(),
        intrinsics=camera.intrinsics.float(),
        image_size=camera.image_size,
    )  # fmt: skip


def _pose(folder: Path, recording: str, subject: str, camera: str) -> Tensor:
    """Positions (T, 17, 3) in metres and the camera's axes."""
    mono = folder / "D3_Positions_mono"
    if mono.is_dir():
        path = mono / f"{recording}.{camera}.cdf"
        return torch.from_numpy(metres(seventeen(_read(path, 3), path, "Pose", 3))).double()
    path = folder / "D3_Positions" / f"{recording}.cdf"
    world = metres(seventeen(_read(path, 3), path, "Pose", 3))
    return camera_of(subject, camera).from_world(torch.from_numpy(world).double())


def _read(path: Path, axes: int) -> np.ndarray:
    """The variable `Pose` (1, T, 32 axes) as (T, 32, axes)."""
    try:
        import cdflib
    except ImportError:
        raise InputError(path, "CDF", expected=_INSTALL, found="not installed") from None
    require(path.is_file(), path, "", expected="a CDF file", found="no such file")
    try:
        pose = np.asarray(cdflib.CDF(path).varget("Pose"))
    except _DAMAGED as error:
        found = f"a truncated, damaged or foreign file ({type(error).__name__}: {error})"
        raise InputError(path, "Pose", expected="a CDF variable", found=found) from None
    pose = pose[0] if pose.ndim == 3 and len(pose) == 1 else pose
    return numbers(pose, path, "Pose", (None, 32 * axes)).reshape(-1, 32, axes)
