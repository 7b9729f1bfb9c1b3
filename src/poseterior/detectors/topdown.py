"""Detection person by person: what all detectors that work on crops share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
import torch
from torch import Tensor

from poseterior.detectors.images import checked_people
from poseterior.geometry.skeleton import COCO_17, Skeleton
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
    """Joints of N people.

    Attributes:
        pixels: (N, J, 2) px.
        covariance: (N, J, 2, 2) px².
        confidence: (N, J).
        doubtful: (N, J) bool, as of `Keypoints`.
        features: (N, C, h, w) or (N, C), what the detector has seen; None if not asked for.
        score: (N,), as of `Keypoints`, or None.
    """

    pixels: Tensor
    covariance: Tensor
    confidence: Tensor
    doubtful: Tensor
    features: Tensor | None = None
    score: Tensor | None = None


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
    skeleton: Skeleton = COCO_17,
) -> list[Keypoints]:
    """`Detector.detect` by a function that locates the joints of a skeleton of some people."""
    found = [locate(people) for people in people_batches(images, boxes, batch_size)]

    def joined(name: str, *shape: int) -> Tensor:
        parts = [getattr(located, name).float().cpu() for located in found]
        return torch.cat([torch.zeros(0, len(skeleton), *shape), *parts])

    sizes = [image.shape[1::-1] for image, given in zip(images, boxes, strict=True) for _ in given]
    confidence = joined("confidence")
    scores = [located.score.float().cpu() for located in found if located.score is not None]
    people = Keypoints(
        joined("pixels", 2), joined("covariance", 2, 2), torch.ones_like(confidence).bool(),
        skeleton, image_size=torch.tensor(sizes, dtype=torch.float32).reshape(-1, 2),
        confidence=confidence, doubtful=joined("doubtful").bool(),
        score=torch.cat(scores) if scores else None,
    )  # fmt: skip
    ends = pairwise(accumulate(map(len, boxes), initial=0))
    return [people[start:end] for start, end in ends]
