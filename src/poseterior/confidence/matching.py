"""Which detection is whose: as confidences are fitted and judged, and as COCO's evaluation does.

The two differ. COCO goes by the scores: at each threshold of OKS the surest detection takes the
best person left. What a confidence is worth must not depend on it, so here pairs are taken by
descending OKS, one detection a person, from `LEAST_OKS` on. A detection that nobody is left for
has the accuracy 0, unless it lies on a crowd or a person without keypoints, which do not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poseterior.confidence.coco_score import MOST_FOUND
from poseterior.confidence.similarity import Group
from poseterior.data.coco.people import CocoPeople
from poseterior.metrics.ranked_precision import OKS_THRESHOLDS

__all__ = ["LEAST_OKS", "RULE", "Matches", "best_matches", "coco_matches", "keep_found"]

LEAST_OKS = 0.05  # about one keypoint of seventeen
_ON_IGNORED = 0.5
RULE = (
    "detections and people are paired by descending OKS, one to one, from an OKS of "
    f"{LEAST_OKS} on; the other detections have the accuracy 0, those on crowds or on people "
    f"without labelled keypoints (OKS >= {_ON_IGNORED}) are left out"
)


@dataclass(frozen=True, eq=False)
class Matches:
    """What became of the detections (N).

    Attributes:
        person: (N,) int64, the row of the annotation, -1 for nobody.
        oks: (N,) float64, 0 for nobody.
        counted: (N,) bool, False where the detection lies on what is ignored.
    """

    person: NDArray[np.int64]
    oks: NDArray[np.float64]
    counted: NDArray[np.bool_]


def best_matches(
    found: Sequence[Group], oks: Sequence[NDArray[np.float64]], people: CocoPeople, count: int
) -> Matches:
    """The matches of `count` detections by `RULE`, OKS (D, G) of each group."""
    person = np.full(count, -1, dtype=np.int64)
    value, counted = np.zeros(count), np.ones(count, dtype=bool)
    for group, similar in zip(found, oks, strict=True):
        ignored = people.ignored[group.people]
        on_ignored = np.asarray((similar[:, ignored] >= _ON_IGNORED).any(1))
        for d, g in _pairs(np.where(ignored, 0.0, similar)):
            person[group.found[d]] = group.people[g]
            value[group.found[d]] = similar[d, g]
            on_ignored[d] = False
        counted[group.found] = ~on_ignored
    return Matches(person, value, counted)


def _pairs(similar: NDArray[np.float64]) -> list[tuple[int, int]]:
    """(detection, person) one to one, the most alike first."""
    rows, columns = (similar >= LEAST_OKS).nonzero()
    taken: tuple[set[int], set[int]] = (set(), set())
    pairs = []
    for at in np.argsort(-similar[rows, columns], kind="stable").tolist():
        d, g = int(rows[at]), int(columns[at])
        if d not in taken[0] and g not in taken[1]:
            pairs.append((d, g))
            taken[0].add(d)
            taken[1].add(g)
    return pairs


def coco_matches(
    similar: NDArray[np.float64],
    ignored: NDArray[np.bool_],
    crowd: NDArray[np.bool_],
    threshold: float,
) -> list[int]:
    """COCO's greedy matching at one threshold: the person (D) of each detection, -1 for nobody.

    Args:
        similar: (D, G), the surest detection first.
        ignored: (G,), taken only by who finds nobody else.
        crowd: (G,), taken by any number of detections.
        threshold: of OKS, reached by a match.
    """
    order = np.argsort(ignored, kind="stable").tolist()
    regular = [g for g in order if not ignored[g]]
    others = [g for g in order if ignored[g]]
    free = [True] * len(order)
    taken = [-1] * len(similar)
    least = min(threshold, 1 - 1e-10)
    for d in np.flatnonzero((similar >= least).any(1)).tolist():
        best, match, row = least, -1, similar[d].tolist()
        for among in (regular, others):
            for g in among:
                if (free[g] or crowd[g]) and row[g] >= best:
                    best, match = row[g], g
            if match >= 0:
                break
        if match >= 0:
            free[match] = False
        taken[d] = match
    return taken


def keep_found(
    found: Sequence[Group],
    oks: Sequence[NDArray[np.float64]],
    people: CocoPeople,
    before: NDArray[np.float64],
    after: NDArray[np.float64],
) -> tuple[NDArray[np.float64], int]:
    """New scores (N,) under which COCO finds as many people as under the old: mAR is kept.

    The order of the detections of one image decides who is found where two compete for a person
    and one could take another, and where there are more than twenty. If the new order finds
    more people or fewer, at any threshold, the image keeps the detector's order: its new
    scores change hands. Given back with the number of such images.
    """
    out, changed = after.copy(), 0
    for group, similar in zip(found, oks, strict=True):
        regular = ~people.ignored[group.people]
        likely = (similar[:, regular] >= OKS_THRESHOLDS[0]).sum(1) > 1
        if len(group.found) < 2 or not (likely.any() or len(group.found) > MOST_FOUND):
            continue
        old, new = (np.argsort(-of[group.found], kind="stable") for of in (before, after))
        if np.array_equal(old, new):
            continue
        if _found(similar[old], people, group) != _found(similar[new], people, group):
            out[group.found[old]] = _falling(after[group.found[new]])
            changed += 1
    return out, changed


def _found(similar: NDArray[np.float64], people: CocoPeople, group: Group) -> list[int]:
    """People found at each threshold by detections (D, G) in their order."""
    ignored, crowd = people.ignored[group.people], people.crowd[group.people]
    rows = similar[:MOST_FOUND]
    return [
        sum(g >= 0 and not ignored[g] for g in coco_matches(rows, ignored, crowd, threshold))
        for threshold in np.linspace(0.5, 0.95, 10)  # as COCO has them, to the digit
    ]


def _falling(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Descending values, equal ones moved apart by the least there is: their order must stay."""
    out = values.tolist()
    for place in range(1, len(out)):
        if out[place] >= out[place - 1]:
            out[place] = float(np.nextafter(out[place - 1], -np.inf))
    return np.array(out)
