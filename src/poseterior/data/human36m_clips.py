"""`Clip`: one Human3.6M recording seen by one camera, the same whatever it was read from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from poseterior.data.confidence_covariance import CovarianceRule
from poseterior.data.human36m_cameras import CAMERAS, Camera
from poseterior.data.human36m_protocols import ACTIONS, Protocol, clip_name
from poseterior.errors import InputError, require
from poseterior.geometry.camera import Distortion
from poseterior.geometry.skeleton import H36M_17

__all__ = ["Clip", "Request", "entry", "numbers", "same_frames", "seventeen", "straightened"]

# The 17 of the data set's 32 joints that move on their own (VideoPose3D removes the others).
_MOVING = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
# Of ground-truth keypoints, which have no error: small against every detector's.
_TRUE_SIGMA_PX = 0.1


@dataclass(frozen=True)
class Request:
    """What is asked of a reader.

    Attributes:
        root: the folder.
        split: "train" or "test".
        subjects: in order.
        actions: in order.
        keypoints: whose 2D positions: "gt", "cpn", "hrnet" or another detector's name.
        protocol: which frames and clips.
        covariance: of detections without a covariance of their own.
    """

    root: Path
    split: str
    subjects: tuple[str, ...]
    actions: tuple[str, ...]
    keypoints: str
    protocol: Protocol
    covariance: CovarianceRule = field(default_factory=CovarianceRule)

    @property
    def frames(self) -> slice:
        """Frames of each clip that are wanted."""
        return self.protocol.frames(self.split)

    def skips(self, subject: str, action: str, take: int, camera: str) -> bool:
        """Whether the protocol leaves this clip out."""
        return clip_name(subject, action, take, camera) in self.protocol.skipped

    def spread(self, pixels: Tensor, true: bool) -> Tensor:
        """Covariances (T, J, 2, 2) px² of ground truth, or by the rule of a sure detector."""
        if true:
            return (_TRUE_SIGMA_PX**2 * torch.eye(2)).expand(*pixels.shape[:-1], 2, 2)
        return self.covariance(pixels, None, torch.ones_like(pixels[..., 0], dtype=torch.bool))


@dataclass(frozen=True, eq=False)
class Clip:
    """T frames of one take of an action, seen by one camera, in `h36m_17`.

    Attributes:
        subject: S1 to S11.
        action: one of `ACTIONS`.
        take: 0 or 1.
        camera: one of `CAMERAS`.
        frame: (T,) numbers from 0 in the video.
        pixels: (T, 17, 2) px.
        covariance: (T, 17, 2, 2) px².
        valid: (17,) bool, False where the source has no keypoint.
        pose: (T, 17, 3) metres, camera axes, any origin.
        intrinsics: (3, 3).
        image_size: width and height in px.
        ambiguous: (T,) bool, whether a heatmap's fit is wide, or None without fits.
    """

    subject: str
    action: str
    take: int
    camera: str
    frame: np.ndarray
    pixels: Tensor
    covariance: Tensor
    valid: Tensor
    pose: Tensor
    intrinsics: Tensor
    image_size: tuple[int, int]
    ambiguous: Tensor | None = None

    @property
    def name(self) -> str:
        """Subject, action and camera: "S9/Eating 1/54138969"."""
        return clip_name(self.subject, self.action, self.take, self.camera)

    @property
    def order(self) -> tuple[int, ...]:
        """Where the clip stands among others: by action, subject, take and camera."""
        place = ACTIONS.index(self.action), int(self.subject[1:])
        return *place, self.take, CAMERAS.index(self.camera)


def entry(table: Any, path: Path, *keys: str, under: str = "") -> Any:
    """What nested dicts hold under the keys; `InputError` naming the first that is missing.

    `under` is where the outermost dict stands in the file.
    """
    where = under
    for key in keys:
        if not isinstance(table, Mapping):
            raise InputError(path, where, expected="a dict", found=type(table).__name__)
        where = f"{where}/{key}".lstrip("/")
        if key not in table:
            names = ", ".join(str(name) for name in list(table)[:20]) or "nothing"
            raise InputError(path, where, expected="an entry", found=f"only {names}")
        table = table[key]
    return table


def straightened(
    pixels: np.ndarray, camera: Camera, path: Path, key: str, *, as_videopose3d: bool = False
) -> Tensor:
    """Keypoints (T, J, 2) of a file's key where a lens without distortion would have put them.

    VideoPose3D projects its own `gt` with p1 and p2 in each other's place.
    """
    swapped = Distortion(camera.lens.radial, camera.lens.tangential.flip(-1))
    try:
        lens = swapped if as_videopose3d else camera.lens
        return camera.straighten(torch.from_numpy(pixels).double(), lens).float()
    except InputError as error:
        raise InputError(path, key, expected=error.expected, found=error.found) from None


def numbers(array: Any, path: Path, key: str, shape: Sequence[int | None]) -> np.ndarray:
    """A float array whose shape is `shape` (None: any length), all of it finite."""
    found = getattr(array, "shape", type(array).__name__)
    wanted = "(" + ", ".join("T" if n is None else str(n) for n in shape) + ")"
    fits = isinstance(array, np.ndarray) and array.dtype.kind in "fiu" and array.ndim == len(shape)
    fits = fits and all(n in (None, m) for n, m in zip(shape, found, strict=True))
    require(fits, path, key, expected=f"numbers of shape {wanted}", found=found)
    finite = np.isfinite(array)
    bad = f"{int((~finite).sum())} that are not"
    require(bool(finite.all()), path, key, expected="finite numbers", found=bad)
    return array


def seventeen(positions: Any, path: Path, key: str, axes: int) -> np.ndarray:
    """Positions (T, 17, axes) of arrays with the data set's 32 joints or the usual 17."""
    shape: tuple[int, ...] = getattr(positions, "shape", ())
    joints = shape[1] if len(shape) == 3 else None
    if joints == len(H36M_17):
        return numbers(positions, path, key, (None, 17, axes))
    return numbers(positions, path, key, (None, 32, axes))[:, _MOVING]


def same_frames(pixels: np.ndarray, frames: int, path: Path, key: str) -> np.ndarray:
    """2D positions cut to the length of the 3D ones; `InputError` if they are fewer.

    Some videos run on after the motion capture has ended: VideoPose3D cuts them too.
    """
    require(
        len(pixels) >= frames, path, key,
        expected=f"at least the {frames} frames of the 3D positions", found=len(pixels),
    )  # fmt: skip
    return pixels[:frames]
