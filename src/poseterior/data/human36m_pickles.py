"""Human3.6M as paper 001's pickles: `trainset_h36m.pickle` and `testset_h36m.pickle`.

{subject: {action: {take "0" or "1": {camera: clip}}}}, every fourth frame of a video. A clip is
`imgpath`, T paths; `3d_gt` (T, 51), x, y, z of the 17 joints in mm and the camera's axes;
`2d_hrnet` (T, 32), x, y of 16 joints (`h36m_16`) in px of a crop of 256 x 256; `gaussfit` (T, 112),
amplitude, mean x, mean y, sigma x, theta, sigma y and error of the Gaussian fitted to each joint's
heatmap of 64 x 64 (Wehrbein et al. 2021, `data_info.txt` and `fit_gaussians.py`).

The files tell neither where the crop lies in the image nor how large it was, so the camera is
assumed to look at the crop's middle, with a focal length of 2.25 times its width: that of a
person's crop of 2.2 m seen from 5 m.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from poseterior.data.confidence_covariance import CovarianceRule
from poseterior.data.human36m_cameras import CAMERAS
from poseterior.data.human36m_clips import Clip, Request, entry, numbers
from poseterior.data.human36m_protocols import clip_name, image_of
from poseterior.data.restricted_pickle import read_pickle_bytes
from poseterior.errors import InputError, require
from poseterior.geometry.camera import intrinsics_from_focal
from poseterior.geometry.skeleton import H36M_16, H36M_17
from poseterior.geometry.units import metres

__all__ = ["PICKLES", "covariance_of_fit", "read_pickles"]

PICKLES = {"train": "trainset_h36m.pickle", "test": "testset_h36m.pickle"}
_CROP_PX, _HEATMAP_PX = 256, 64
_FOCAL_PX = 2.25 * _CROP_PX
_SIGMA_X, _THETA, _SIGMA_Y = 3, 4, 5
# Of the Gaussians that the detector was trained to draw, and the paper's limit of what was fitted.
_TARGET_SIGMA, _LARGEST_SIGMA = 2.0, 10.0
_LEAST_SIGMA = CovarianceRule().sigma_confident
_AMBIGUOUS_SIGMA = 5.0
_SLOT = [H36M_17.index(joint) for joint in H36M_16.joints]


def read_pickles(request: Request) -> Iterator[Clip]:
    """The clips of the subjects and actions asked for, with what the heatmaps' fits tell.

    Raises:
        InputError: naming file and key, for a protocol of other frames, entries that are not
            there, wrong numbers of joints, arrays of different lengths, frames out of order,
            and a pickle that is truncated or holds more than plain data.
    """
    path = request.root / PICKLES[request.split]
    require(
        request.protocol.name == "wehrbein", path, "protocol",
        expected="wehrbein: the file holds no other frames", found=request.protocol.name,
    )  # fmt: skip
    require(
        request.keypoints == "hrnet", path, "keypoints",
        expected="hrnet, which is what the file holds", found=request.keypoints,
    )  # fmt: skip
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(path, "", expected="a pickle", found=error.strerror) from None
    table = read_pickle_bytes(data, path)
    for subject in request.subjects:
        for action in request.actions:
            for take in (0, 1):
                for camera in CAMERAS:
                    if not request.skips(subject, action, take, camera):
                        names = (subject, action, take, camera)
                        clip = _clip(entry(table, path, *map(str, names)), path, names)
                        if clip is not None:
                            yield clip


def _clip(clip: Any, path: Path, names: tuple[str, str, int, str]) -> Clip | None:
    """One video; None for one of which the authors use no frame."""
    key = "/".join(map(str, names))
    frame = _frames(entry(clip, path, "imgpath", under=key), path, names, f"{key}/imgpath")
    if not len(frame):
        return None
    if "3d_gt" not in clip:
        expected = "3D poses, which create_data.py of paper 001's code adds from D3_Positions_mono"
        raise InputError(path, f"{key}/3d_gt", expected=expected, found="none")
    pose = _rows(clip, path, key, "3d_gt", 51, len(frame)).reshape(-1, 3, 17).swapaxes(1, 2)
    flat = _rows(clip, path, key, "2d_hrnet", 32, len(frame)).reshape(-1, 2, 16).swapaxes(1, 2)
    fits = _rows(clip, path, key, "gaussfit", 112, len(frame)).reshape(-1, 16, 7)
    pixels = torch.zeros(len(frame), len(H36M_17), 2)
    covariance = torch.eye(2).expand(len(frame), len(H36M_17), 2, 2).clone()
    valid = torch.zeros(len(H36M_17), dtype=torch.bool)
    pixels[:, _SLOT] = torch.from_numpy(flat).float()
    covariance[:, _SLOT] = covariance_of_fit(torch.from_numpy(fits)).float()
    valid[_SLOT] = True
    size = torch.tensor([_CROP_PX, _CROP_PX])
    return Clip(
        *names,
        frame=frame,
        pixels=pixels,
        covariance=covariance,
        valid=valid,
        pose=metres(torch.from_numpy(np.ascontiguousarray(pose)).double()).float(),
        intrinsics=intrinsics_from_focal(_FOCAL_PX, size),
        image_size=(_CROP_PX, _CROP_PX),
        ambiguous=torch.from_numpy(
            (fits[..., [_SIGMA_X, _SIGMA_Y]] > _AMBIGUOUS_SIGMA).any((1, 2))
        ),
    )


def _rows(clip: Any, path: Path, key: str, name: str, width: int, count: int) -> np.ndarray:
    array = numbers(entry(clip, path, name, under=key), path, f"{key}/{name}", (None, width))
    expected = f"{count} frames, as in imgpath"
    require(len(array) == count, path, f"{key}/{name}", expected=expected, found=len(array))
    return array


def _frames(images: Any, path: Path, names: tuple[str, str, int, str], key: str) -> np.ndarray:
    """Frames (from 0) that images' paths tell, of this subject and camera, in order."""
    require(
        isinstance(images, list | tuple | np.ndarray), path, key,
        expected="a list of paths", found=type(images).__name__,
    )  # fmt: skip
    found: list[int] = []
    for image in images:
        parts = image_of(image)
        if parts is None or parts[:2] != (names[0], names[3]):
            expected = f"images of {clip_name(*names)}"
            raise InputError(path, key, expected=expected, found=repr(image)[:80])
        if found and parts[2] <= found[-1]:
            raise InputError(path, key, expected="frames in order", found=f"{image} out of order")
        found.append(parts[2])
    return np.array(found, dtype=np.int64)


def covariance_of_fit(fits: Tensor) -> Tensor:
    """Covariance (..., 2, 2) in crop px² of the detection whose heatmap was fitted (..., 7).

    A heatmap is the detection's error convolved with the Gaussian (2 px) that the detector was
    trained to draw, so sigma² = max(sigma_fit² - 2², 0.55²) along both axes of the fit, in
    heatmap px; 0.55 is what a confident joint has by `CovarianceRule`. Fitted sigmas are cut at
    10 px, as the paper does. The fit's formula turns by theta clockwise, y down: its first axis
    is (cos theta, -sin theta).
    """
    sigma = fits[..., [_SIGMA_X, _SIGMA_Y]].abs().clamp_max(_LARGEST_SIGMA)
    variance = (sigma.square() - _TARGET_SIGMA**2).clamp_min(_LEAST_SIGMA**2)
    cos, sin = fits[..., _THETA].cos(), fits[..., _THETA].sin()
    axes = torch.stack([torch.stack([cos, sin], -1), torch.stack([-sin, cos], -1)], -2)
    scale = (_CROP_PX / _HEATMAP_PX) ** 2
    return scale * (axes * variance[..., None, :]) @ axes.mT
