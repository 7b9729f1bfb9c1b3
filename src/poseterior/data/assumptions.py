"""What is assumed of a camera that a file does not tell: image size and focal length.

- Image size: the smallest of the usual sizes 640x480, 1280x720, 1920x1080, 2560x1440,
  3840x2160, upright or lying, that holds every valid keypoint; beyond those, the keypoints'
  own extent.
- Focal length: 1.15 times the longer side of the image, a horizontal field of view of 47
  degrees where the image lies.
- Principal point: always the centre of the image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from poseterior.errors import require

__all__ = ["FOCAL_OVER_LONGER_SIDE", "assume_image_size", "camera_matrix", "complete_camera"]

FOCAL_OVER_LONGER_SIDE = 1.15

_LYING = ((640, 480), (1280, 720), (1920, 1080), (2560, 1440), (3840, 2160))
_USUAL_SIZES = sorted(
    (*_LYING, *((height, width) for width, height in _LYING)),
    key=lambda size: (size[0] * size[1], -size[0]),
)


def assume_image_size(pixels: Tensor, valid: Tensor) -> tuple[int, int]:
    """Width and height in px for keypoints (..., J, 2), as the module says.

    >>> assume_image_size(torch.tensor([[310.0, 900.0]]), torch.tensor([True]))
    (720, 1280)
    """
    points = pixels[valid]
    if not len(points):
        return _USUAL_SIZES[0]
    width, height = (max(1, math.floor(float(edge)) + 1) for edge in points.amax(0))
    for usual in _USUAL_SIZES:
        if width <= usual[0] and height <= usual[1]:
            return usual
    return width, height


def camera_matrix(image_size: Tensor, focal: float | None = None) -> Tensor:
    """Pinhole matrices (..., 3, 3) of images (..., 2) in px, centred; `focal` None is assumed."""
    matrix = torch.zeros(*image_size.shape[:-1], 3, 3, dtype=image_size.dtype)
    longer = FOCAL_OVER_LONGER_SIDE * image_size.amax(-1)
    matrix[..., 0, 0] = matrix[..., 1, 1] = (
        longer if focal is None else torch.full_like(longer, focal)
    )
    matrix[..., :2, 2] = image_size / 2
    matrix[..., 2, 2] = 1.0
    return matrix


def complete_camera(
    pixels: Tensor,
    valid: Tensor,
    image_size: tuple[float, float] | None,
    focal: float | None,
    own_size: Tensor | None = None,
    source: object = "camera",
) -> tuple[Tensor, Tensor, dict[str, str]]:
    """Image sizes and pinhole matrices of M observations, and what was assumed for them.

    Args:
        pixels: (M, J, 2) px.
        valid: (M, J) bool.
        image_size: (width, height) that the user gives, before all else.
        focal: focal length in px that the user gives.
        own_size: (M, 2) sizes that the file itself tells.
        source: what an error names.

    Returns:
        image_size (M, 2) px, intrinsics (M, 3, 3), notes by `image_size` and `focal`.
        `InputError` for a size or a focal length that is not positive and finite.
    """
    notes: dict[str, str] = {}
    if image_size is not None:
        require(
            len(image_size) == 2,
            source, "image_size", expected="(width, height)", found=image_size,
        )  # fmt: skip
        size = torch.tensor(_positive(image_size, source, "image_size"), dtype=pixels.dtype)
    elif own_size is not None:
        _positive(own_size.flatten().tolist(), source, "image_size")
        size = own_size.to(pixels.dtype)
    else:
        width, height = assume_image_size(pixels, valid)
        size = torch.tensor((width, height), dtype=pixels.dtype)
        notes["image_size"] = (
            f"{width}x{height} px, the smallest usual size that holds every keypoint"
        )
    if focal is None:
        notes["focal"] = f"{FOCAL_OVER_LONGER_SIDE:g} times the image's longer side" + (
            f" = {FOCAL_OVER_LONGER_SIDE * float(size.max()):g} px" if size.ndim == 1 else ""
        )
    else:
        _positive((focal,), source, "focal")
    size = size.expand(len(pixels), 2)
    return size, camera_matrix(size, focal), notes


def _positive(values: Sequence[float], source: object, field: str) -> Sequence[float]:
    good = all(0 < value < math.inf for value in values)
    require(good, source, field, expected="positive and finite px", found=values)
    return values
