"""Pinhole cameras: extrinsics, projection with Human3.6M's lens distortion, and back.

Camera axes are x right, y down, z forward; points in metres, pixels in px with pixel i's
centre at i. Extrinsics are x_camera = R x_world + t.

The lens moves normalised points (x, y) = (X/Z, Y/Z), with r² = x² + y², to

    (x, y) (1 + k1 r² + k2 r⁴ + k3 r⁶ + p2 x + p1 y) + (p2, p1) r²,

which is the projection of the Human3.6M release (Ionescu et al., TPAMI 2014). OpenCV's
formula has 2 (p2 x + p1 y) in its place: parameters of one are not those of the other.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from poseterior.errors import require

__all__ = [
    "Distortion",
    "back_project",
    "camera_to_world",
    "intrinsics_from_focal",
    "project",
    "translation_from_centre",
    "world_to_camera",
]

_ITERATIONS, _TOLERANCE = 30, 1e-12


class Distortion(NamedTuple):
    """Lens parameters with the batch shape of the camera: `radial` (..., 3) k1 to k3 and
    `tangential` (..., 2) p1, p2.
    """

    radial: Tensor
    tangential: Tensor


def world_to_camera(points: Tensor, rotation: Tensor, translation: Tensor) -> Tensor:
    """Points (..., J, 3) in camera axes; rotation (..., 3, 3) and translation (..., 3)."""
    return points @ rotation.mT + translation[..., None, :]


def camera_to_world(points: Tensor, rotation: Tensor, translation: Tensor) -> Tensor:
    """The inverse of `world_to_camera` with the same rotation and translation."""
    return (points - translation[..., None, :]) @ rotation


def translation_from_centre(rotation: Tensor, centre: Tensor) -> Tensor:
    """Translation -R c (..., 3) of a camera that stands at `centre` (..., 3) in the world.

    Human3.6M gives its cameras this way: x_camera = R (x_world - c).
    """
    return -(rotation @ centre[..., None]).squeeze(-1)


def intrinsics_from_focal(focal: Tensor | float, image_size: Tensor) -> Tensor:
    """Matrix (..., 3, 3) of a focal length in px and an image size (..., 2), width and height.

    The principal point is assumed to be the middle of the image.

    >>> intrinsics_from_focal(1150.0, torch.tensor([1000, 1000])).tolist()
    [[1150.0, 0.0, 500.0], [0.0, 1150.0, 500.0], [0.0, 0.0, 1.0]]
    """
    dtype = torch.promote_types(image_size.dtype, torch.float32)
    size = image_size.to(dtype)
    require(
        bool((size > 0).all()),
        "camera", "image_size", expected="positive width and height", found=image_size.tolist(),
    )  # fmt: skip
    focal = torch.as_tensor(focal, dtype=dtype, device=size.device)
    require(bool((focal > 0).all()), "camera", "focal", expected="positive px", found=focal)
    matrix = torch.zeros((*torch.broadcast_shapes(size.shape[:-1], focal.shape), 3, 3)).to(size)
    matrix[..., 0, 0] = matrix[..., 1, 1] = focal
    matrix[..., :2, 2] = size / 2
    matrix[..., 2, 2] = 1.0
    return matrix


def project(points: Tensor, intrinsics: Tensor, distortion: Distortion | None = None) -> Tensor:
    """Pixels (..., J, 2) of points (..., J, 3) in camera axes.

    `intrinsics` is (..., 3, 3), skew allowed. `InputError` if a point is not in front of the
    camera (z > 0): its pixel would look like that of a visible one.

    >>> camera = intrinsics_from_focal(1000.0, torch.tensor([640.0, 480.0]))
    >>> project(torch.tensor([[0.0, 0.0, 2.0], [0.5, -0.5, 2.5]]), camera).tolist()
    [[320.0, 240.0], [520.0, 40.0]]
    """
    depth = points[..., 2:]
    require(
        bool((depth > 0).all()),
        "camera", "points", expected="points in front of the camera (z > 0)",
        found=f"{int((~(depth > 0)).sum())} of {depth.numel()} behind it or not a number",
    )  # fmt: skip
    flat = points[..., :2] / depth
    if distortion is not None:
        flat = _distorted(flat, distortion)[0]
    return flat @ intrinsics[..., :2, :2].mT + intrinsics[..., None, :2, 2]


def back_project(
    pixels: Tensor, depth: Tensor, intrinsics: Tensor, distortion: Distortion | None = None
) -> Tensor:
    """Points (..., J, 3) in camera axes from pixels (..., J, 2) and depths z (..., J) in metres.

    The lens is inverted by Newton's iteration in float64; `InputError` if a pixel lies where
    its formula cannot be inverted (beyond the fold of a strong distortion).
    """
    centred = pixels - intrinsics[..., None, :2, 2]
    flat = centred @ torch.linalg.inv(intrinsics[..., :2, :2]).mT
    if distortion is not None:
        flat = _undistorted(flat, distortion)
    return torch.cat([flat, torch.ones_like(flat[..., :1])], dim=-1) * depth[..., None]


def _distorted(flat: Tensor, distortion: Distortion) -> tuple[Tensor, Tensor]:
    """Normalised points (..., J, 2) moved by the lens, and the map's Jacobian (..., J, 2, 2)."""
    k1, k2, k3 = distortion.radial[..., None, None, :].unbind(-1)
    swapped = distortion.tangential.flip(-1)[..., None, :]  # (p2, p1)
    r2 = flat.square().sum(-1, keepdim=True)
    factor = 1 + r2 * (k1 + r2 * (k2 + r2 * k3)) + (flat * swapped).sum(-1, keepdim=True)
    gradient = 2 * flat * (k1 + r2 * (2 * k2 + r2 * 3 * k3)) + swapped
    outer = flat[..., :, None] * gradient[..., None, :]
    outer = outer + 2 * swapped[..., :, None] * flat[..., None, :]
    identity = torch.eye(2, dtype=flat.dtype, device=flat.device)
    return flat * factor + swapped * r2, factor[..., None] * identity + outer


def _undistorted(flat: Tensor, distortion: Distortion) -> Tensor:
    """The inverse of `_distorted`."""
    goal = flat.double()
    lens = Distortion(distortion.radial.double(), distortion.tangential.double())
    found = goal
    for _ in range(_ITERATIONS):
        moved, jacobian = _distorted(found, lens)
        missing = (goal - moved).abs().amax(-1)
        if bool((missing < _TOLERANCE).all()):
            return found.to(flat.dtype)
        found = found + torch.linalg.solve_ex(jacobian, goal - moved)[0]
    require(
        False, "camera", "pixels", expected="pixels that the lens can produce",
        found=f"{int((~(missing < _TOLERANCE)).sum())} of {missing.numel()} that it cannot",
    )  # fmt: skip
    return found
