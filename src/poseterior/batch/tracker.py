"""People of consecutive frames as tracks, by the overlap of boxes and the likeness of keypoints.

The affinity of a person and a track is (IoU + OKS) / 2, with the track's box and keypoints
where it was last seen. Each frame's people go to the tracks of greatest total affinity
(Hungarian method); affinities under `least` do not count. Who is left begins a track, with
the next number. A track that was not seen for more than `gap` frames has ended.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from poseterior.errors import require
from poseterior.keypoints import Keypoints
from poseterior.metrics.oks import oks, oks_sigmas

__all__ = ["Tracker", "affinity", "iou"]


@dataclass(frozen=True, eq=False)
class _Track:
    number: int
    seen: int
    box: Tensor
    pixels: Tensor
    valid: Tensor


class Tracker:
    """Numbers people, frame by frame, from 0 in the order in which they appear.

    The same frames give the same numbers; memory holds the tracks that have not ended.

    Args:
        least: affinity of the same person in two frames, 0 to 1.
        gap: how many frames a person may be missing.
    """

    def __init__(self, least: float = 0.25, gap: int = 30) -> None:
        require(0 < least <= 1, "Tracker", "least", expected="above 0, at most 1", found=least)
        require(gap >= 0, "Tracker", "gap", expected="0 or more frames", found=gap)
        self._least, self._gap = least, gap
        self._tracks: list[_Track] = []
        self._next = 0

    def update(self, place: int, boxes: Tensor, keypoints: Keypoints) -> np.ndarray:
        """Numbers (P,) int64 of the people of frame `place`, later than those before.

        Args:
            place: of the frame in its source.
            boxes: (P, 4) x1, y1, x2, y2 px.
            keypoints: (P,).
        """
        self._tracks = [t for t in self._tracks if place - t.seen <= self._gap + 1]
        numbers = np.full(len(boxes), -1, np.int64)
        for person, track in self._matches(boxes, keypoints):
            numbers[person] = self._tracks[track].number
        new = numbers < 0
        numbers[new] = self._next + np.arange(new.sum())
        self._next += int(new.sum())
        self._remember(place, numbers, boxes, keypoints)
        return numbers

    def _matches(self, boxes: Tensor, keypoints: Keypoints) -> list[tuple[int, int]]:
        if not len(boxes) or not self._tracks:
            return []
        pixels, valid, last = (
            torch.stack([getattr(t, name) for t in self._tracks])
            for name in ("pixels", "valid", "box")
        )
        known = Keypoints(pixels, keypoints.covariance[:1].expand(len(pixels), -1, -1, -1), valid,
                          keypoints.skeleton)  # fmt: skip
        likely = affinity(boxes, keypoints, last, known)
        likely = torch.where(likely >= self._least, likely, 0.0)
        pairs = zip(*linear_sum_assignment(likely.numpy(), maximize=True), strict=True)
        return [(int(p), int(t)) for p, t in pairs if likely[p, t] > 0]

    def _remember(
        self, place: int, numbers: np.ndarray, boxes: Tensor, keypoints: Keypoints
    ) -> None:
        present = set(numbers.tolist())
        seen = [
            _Track(number, place, boxes[p], keypoints.pixels[p], keypoints.valid[p])
            for p, number in enumerate(numbers.tolist())
        ]
        self._tracks = [t for t in self._tracks if t.number not in present] + seen


def affinity(boxes: Tensor, keypoints: Keypoints, others: Tensor, known: Keypoints) -> Tensor:
    """(P, T) means of IoU and OKS of people (P,) and tracks (T,), between 0 and 1."""
    overlap = iou(boxes[:, None], others[None])
    pixels, last = torch.broadcast_tensors(keypoints.pixels[:, None], known.pixels[None])
    both = keypoints.valid[:, None] & known.valid[None]
    area = _area(others)[None].expand(overlap.shape)
    alike = oks(pixels, last, area, oks_sigmas(known.skeleton), both)
    return (overlap + alike) / 2


def iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union (...,) of boxes (..., 4) x1, y1, x2, y2, each of some area.

    >>> iou(torch.tensor([0.0, 0, 2, 2]), torch.tensor([1.0, 0, 3, 2]))
    tensor(0.3333)
    """
    low = torch.maximum(boxes[..., :2], others[..., :2])
    high = torch.minimum(boxes[..., 2:], others[..., 2:])
    shared = (high - low).clamp_min(0).prod(-1)
    return shared / (_area(boxes) + _area(others) - shared)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).prod(-1)
