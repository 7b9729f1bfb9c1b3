"""OKS of every detection with everybody in its image, to the last digit as COCO computes it.

COCO's evaluation (cocodataset.org, "Keypoint Evaluation") takes the mean over a person's labelled
keypoints of exp(-d² / (2 (2 sigma)² area)). Of people without labelled keypoints, whom it ignores,
d is how far a detected keypoint lies outside the box, made three times as large.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poseterior.data.coco.people import CocoPeople
from poseterior.data.coco.results import CocoResults

__all__ = ["Group", "groups", "keypoint_similarity", "similarity"]


@dataclass(frozen=True, eq=False)
class Group:
    """Detections and people of one category in one image, who are matched with each other.

    Attributes:
        image: row of the images.
        category: id.
        found: (D,) rows of the detections, in the file's order.
        people: (G,) rows of the annotations, in the file's order.
    """

    image: int
    category: int
    found: NDArray[np.int64]
    people: NDArray[np.int64]


def groups(people: CocoPeople, results: CocoResults) -> list[Group]:
    """All images and categories in which there is anybody or anything found, ascending."""
    rows: dict[tuple[int, int], tuple[list[int], list[int]]] = {}
    columns = [(results.image, results.category), (people.image, people.category)]
    for which, of in enumerate(columns):
        keys = zip(*(column.tolist() for column in of), strict=True)
        for row, key in enumerate(keys):
            rows.setdefault(key, ([], []))[which].append(row)
    return [
        Group(*key, *(np.array(each, dtype=np.int64) for each in rows[key])) for key in sorted(rows)
    ]


def _exponents(
    found: NDArray[np.float64],
    person: NDArray[np.float64],
    area: float | NDArray[np.float64],
    sigmas: NDArray[np.float64],
) -> NDArray[np.float64]:
    """d² / (2 (2 sigma)² area), in the order in which COCO divides."""
    d = found[..., :2] - person[..., :2]
    squared = d[..., 0] ** 2 + d[..., 1] ** 2
    return squared / (sigmas * 2) ** 2 / (area + np.spacing(1)) / 2


def _outside(found: NDArray[np.float64], box: NDArray[np.float64]) -> NDArray[np.float64]:
    """(D, K, 2) px that keypoints lie outside a box three times as wide and high."""
    low, high = box[:2] - box[2:], box[:2] + box[2:] * 2
    return np.maximum(0.0, low - found[..., :2]) + np.maximum(0.0, found[..., :2] - high)


def similarity(
    group: Group,
    people: CocoPeople,
    results: CocoResults,
    sigmas: NDArray[np.float64],
    columns: slice = slice(None),
) -> NDArray[np.float64]:
    """OKS (D, G) of a group.

    Args:
        group: of `groups`.
        people: the annotations.
        results: the detections.
        sigmas: (K,) of the columns, `poseterior.metrics.oks_constants`.
        columns: the keypoints that count, those of a part; people without a labelled one among
            them are taken by their box.
    """
    out = np.zeros((len(group.found), len(group.people)))
    if not out.size:
        return out
    found = results.keypoints[group.found, columns]
    for place, row in enumerate(group.people.tolist()):
        person, area = people.keypoints[row, columns], float(people.area[row])
        labelled = person[:, 2] > 0
        if labelled.any():
            # Summed over contiguous rows: in the order, and so to the digit, of a plain sum.
            each = np.exp(-_exponents(found, person, area, sigmas))
            chosen = np.ascontiguousarray(each[:, labelled])
        else:
            d = _outside(found, people.box[row])
            chosen = np.exp(-_exponents(d, np.zeros_like(d[0]), area, sigmas))
        out[:, place] = chosen.sum(axis=1) / chosen.shape[1]
    return out


def keypoint_similarity(
    results: CocoResults,
    people: CocoPeople,
    person_of: NDArray[np.int64],
    sigmas: NDArray[np.float64] | Sequence[float],
) -> NDArray[np.float64]:
    """OKS of each keypoint (N, K) with the person (N,) of each detection; 0 where that is -1."""
    mine = person_of >= 0
    row = person_of.clip(min=0)
    area = people.area[row][:, None]
    exponents = _exponents(results.keypoints, people.keypoints[row], area, np.asarray(sigmas))
    return np.where(mine[:, None], np.exp(-exponents), 0.0)
