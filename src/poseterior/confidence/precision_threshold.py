"""The lowest score above which detections are as precise as wanted, and all that lie above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseterior.confidence.coco_score import MOST_FOUND
from poseterior.confidence.matching import coco_matches
from poseterior.confidence.similarity import Group
from poseterior.data.coco.people import CocoPeople

__all__ = ["ByThreshold"]


@dataclass(frozen=True, eq=False)
class ByThreshold:
    """Precision and recall of the detections from each score on, the highest score first.

    Right is what COCO's matching gives a person at an OKS of `least_oks`; detections on what it
    ignores do not count, nor those beyond twenty of an image.

    Attributes:
        least_oks: of what is right.
        score: (M,) distinct, descending.
        count: (M,) detections with that score or more.
        hits: (M,) those that are right.
        people: to be found.
    """

    least_oks: float
    score: NDArray[np.float64]
    count: NDArray[np.int64]
    hits: NDArray[np.int64]
    people: int

    @staticmethod
    def of(
        found: Sequence[Group],
        oks: Sequence[NDArray[np.float64]],
        people: CocoPeople,
        score: NDArray[np.float64],
        least_oks: float = 0.5,
    ) -> ByThreshold:
        """Of detections with scores (N,) and the OKS (D, G) of each group."""
        right = np.full(len(score), -1)  # -1: does not count
        for group, similar in zip(found, oks, strict=True):
            order = np.argsort(-score[group.found], kind="stable")[:MOST_FOUND]
            ignored, crowd = people.ignored[group.people], people.crowd[group.people]
            matches = coco_matches(similar[order], ignored, crowd, least_oks)
            person = np.array(matches, dtype=np.int64)
            hit = person >= 0
            on_ignored = hit & (ignored[person.clip(min=0)] if len(ignored) else False)
            right[group.found[order]] = np.where(on_ignored, -1, hit)
        score, right = score[right >= 0], right[right >= 0]
        order = np.argsort(-score, kind="stable")
        score, hits = score[order], right[order].cumsum()
        last = np.flatnonzero(np.append(score[1:] != score[:-1], True)[: len(score)])
        wanted = int((~people.ignored).sum())
        return ByThreshold(least_oks, score[last], last + 1, hits[last], wanted)

    @property
    def precision(self) -> NDArray[np.float64]:
        """(M,) share of the detections that are right."""
        return self.hits / self.count

    @property
    def recall(self) -> NDArray[np.float64]:
        """(M,) share of the people that are found; NaN without people."""
        return self.hits / (self.people or np.nan)

    def lowest(self, precision: float) -> dict[str, Any]:
        """The score from which on at least `precision` of the detections are right.

        Returns:
            `precision_wanted`, `oks`, and of the detections with that score or more: `score`,
            `precision`, `recall` (people found) and `detections`; these are None where no score
            reaches it.
        """
        told = {"precision_wanted": precision, "oks": self.least_oks}
        good = np.flatnonzero(self.precision >= precision)
        if not len(good):
            return told | dict.fromkeys(("score", "precision", "recall", "detections"))
        at = int(good[-1])
        return told | {
            "score": float(self.score[at]),
            "precision": float(self.precision[at]),
            "recall": float(self.recall[at]) if self.people else None,
            "detections": int(self.count[at]),
        }
