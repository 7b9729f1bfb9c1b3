"""The lowest score above which detections are as precise as wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseterior.confidence.coco_score import MOST_FOUND
from poseterior.confidence.matching import coco_matches
from poseterior.confidence.similarity import Group
from poseterior.data.coco.people import CocoPeople

__all__ = ["precision_threshold"]


def precision_threshold(
    found: Sequence[Group],
    oks: Sequence[NDArray[np.float64]],
    people: CocoPeople,
    score: NDArray[np.float64],
    precision: float,
    least_oks: float = 0.5,
) -> dict[str, Any]:
    """The score from which on at least `precision` of the detections are right.

    Right is what COCO's matching gives a person at `least_oks`; detections on what it ignores
    do not count, nor those beyond twenty of an image.

    Returns:
        `precision_wanted`, `oks`, and of the detections with that score or more: `score`,
        `precision`, `recall` (people found) and `detections`; these are None where no score
        reaches it.
    """
    right = np.full(len(score), -1)  # -1: does not count
    for group, similar in zip(found, oks, strict=True):
        order = np.argsort(-score[group.found], kind="stable")[:MOST_FOUND]
        ignored, crowd = people.ignored[group.people], people.crowd[group.people]
        matches = np.array(coco_matches(similar[order], ignored, crowd, least_oks), dtype=np.int64)
        hit = matches >= 0
        on_ignored = hit & (ignored[matches.clip(min=0)] if len(ignored) else False)
        right[group.found[order]] = np.where(on_ignored, -1, hit)
    told: dict[str, Any] = {"precision_wanted": precision, "oks": least_oks}
    wanted = int((~people.ignored).sum())
    return told | _lowest(score[right >= 0], right[right >= 0], precision, wanted)


def _lowest(
    score: NDArray[np.float64], right: NDArray[np.int64], precision: float, people: int
) -> dict[str, Any]:
    order = np.argsort(-score, kind="stable")
    score, hits = score[order], right[order].cumsum()
    share = hits / np.arange(1, len(hits) + 1)
    last = np.append(score[1:] != score[:-1], True)[: len(score)]  # of those with equal scores
    good = np.flatnonzero(last & (share >= precision))
    if not len(good):
        return dict.fromkeys(("score", "precision", "recall", "detections"))
    at = int(good[-1])
    return {
        "score": float(score[at]),
        "precision": float(share[at]),
        "recall": float(hits[at] / people) if people else None,
        "detections": at + 1,
    }
