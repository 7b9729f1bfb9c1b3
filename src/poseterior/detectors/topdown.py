"""Detection person by person: what all detectors that work on crops share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from poseterior.detectors.images import checked_people
from poseterior.geometry.skeleton import COCO_17
from poseterior.keypoints import Keypoints

__all__ = ["Located", "People", "detect_people", "people_batches"]


@dataclass(frozen=True, eq=False)
class People:
    """Some people, each with the image that they are on.

    Attributes:
        images: N uint8 arrays (h, w, 3) RGB; one array may stand there several times.
        boxes: (N, 4) float64 x1, y1, x2, y2 px.
    """

    images: list[np.ndarray]
    boxes: Tensor

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, eq=False)
class Located:
    """Joints of N people: pixels (N, J, 2) px, covariance (N, J, 2, 2) px², confidence (N, J)."""

    pixels: Tensor
    covariance: Tensor
    confidence: Tensor


def people_batches(
    images: Sequence[np.ndarray], boxes: Sequence[Tensor], batch_size: int
) -> Iterator[People]:
    """All people of all images in order, at most `batch_size` at a time, checked first."""
    checked = checked_people(images, boxes)
    people = [(image, box) for image, given in checked for box in given]
    for start in range(0, len(people), batch_size):
        some = people[start : start + batch_size]
        yield People([image for image, _ in some], torch.stack([box for _, box in some]))


def detect_people(
    images: Sequence[np.ndarray],
    boxes: Sequence[Tensor],
    locate: Callable[[People], Located],
    batch_size: int,
) -> list[Keypoints]:
    """`Detector.detect` by a function that locates the joints of `COCO_17` of some people."""
    found = [locate(people) for people in people_batches(images, boxes, batch_size)]
    joints = len(COCO_17)
    empty = Located(torch.zeros(0, joints, 2), torch.zeros(0, joints, 2, 2), torch.zeros(0, joints))
    counts = [len(given) for given in boxes]

    def of_each_image(name: str) -> tuple[Tensor, ...]:
        parts = [getattr(located, name).float().cpu() for located in (empty, *found)]
        return torch.cat(parts).split(counts)

    sizes = [
        torch.tensor([image.shape[1], image.shape[0]], dtype=torch.float32) for image in images
    ]
    return [
        Keypoints(
            pixels, covariance, torch.ones_like(confidence, dtype=torch.bool), COCO_17,
            image_size=size.expand(len(pixels), 2), confidence=confidence,
        )
        for pixels, covariance, confidence, size in zip(
            of_each_image("pixels"), of_each_image("covariance"), of_each_image("confidence"),
            sizes, strict=True,
        )
    ]  # fmt: skip
