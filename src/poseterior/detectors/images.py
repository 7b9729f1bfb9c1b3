"""What detectors are given: images as RGB, boxes that lie on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from poseterior.errors import InputError, require

__all__ = ["as_rgb", "checked_boxes", "checked_people", "overlaps"]


def as_rgb(image: np.ndarray, source: object = "image") -> np.ndarray:
    """An image as uint8 (h, w, 3): grey ones are repeated, an alpha channel is left out.

    Args:
        image: uint8 (h, w), (h, w, 1), (h, w, 3) or (h, w, 4).
        source: what messages call it.

    Raises:
        InputError: another shape or dtype, an image without pixels.
    """
    shape = image.shape
    good = image.dtype == np.uint8 and image.size > 0
    if good and len(shape) == 2:
        return np.repeat(image[..., None], 3, axis=-1)
    if good and len(shape) == 3 and shape[2] == 1:
        return np.repeat(image, 3, axis=-1)
    if good and len(shape) == 3 and shape[2] in (3, 4):
        return image[..., :3]
    raise InputError(
        source, "", expected="an image (h, w, 3) uint8 of at least one pixel",
        found=f"shape {shape}, {image.dtype}",
    )  # fmt: skip


def checked_boxes(boxes: Tensor, image: np.ndarray, source: object = "image") -> Tensor:
    """Person boxes (P, 4) x1, y1, x2, y2 px as float64, each of which overlaps its image.

    Raises:
        InputError: another shape, numbers that are not finite, a box of no area, a box
            outside the image.
    """
    boxes = torch.as_tensor(boxes, dtype=torch.float64).cpu()
    shape = tuple(boxes.shape)
    require(
        len(shape) == 2 and shape[1] == 4, source, "boxes", expected="shape (P, 4)", found=shape
    )
    height, width = image.shape[:2]
    for row, box in enumerate(boxes.tolist()):
        x1, y1, x2, y2 = box
        where, found = f"box {row}", tuple(box)
        finite = bool(boxes[row].isfinite().all())
        require(finite, source, where, expected="finite numbers", found=found)
        require(x1 < x2 and y1 < y2, source, where, expected="x1 < x2 and y1 < y2", found=found)
        require(
            overlaps(box, image), source, where,
            expected=f"a box that overlaps the image of {width} x {height} px", found=found,
        )  # fmt: skip
    return boxes


def overlaps(box: Sequence[float], image: np.ndarray) -> bool:
    """Whether a box x1, y1, x2, y2 px and an image overlap: pixel i covers i - 1/2 to i + 1/2."""
    x1, y1, x2, y2 = box
    height, width = image.shape[:2]
    return x1 < width - 0.5 and y1 < height - 0.5 and x2 > -0.5 and y2 > -0.5


def checked_people(
    images: Sequence[np.ndarray], boxes: Sequence[Tensor]
) -> list[tuple[np.ndarray, Tensor]]:
    """Each image as RGB with its boxes (P, 4) float64; `InputError` as of the two above."""
    require(
        len(images) == len(boxes), "boxes", "",
        expected=f"one tensor (P, 4) for each of {len(images)} images", found=len(boxes),
    )  # fmt: skip
    people = []
    for index, (image, given) in enumerate(zip(images, boxes, strict=True)):
        rgb = as_rgb(image, f"image {index}")
        people.append((rgb, checked_boxes(given, rgb, f"image {index}")))
    return people
