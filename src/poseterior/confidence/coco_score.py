"""COCO's AP and AR of keypoints by faster-coco-eval, for poses whose OKS is computed once.

Its C++ matches and accumulates; the OKS is `poseterior.confidence.similarity`'s, so that the same
poses under other scores cost little. The numbers are those of pycocotools to the last digit. For
that, one difference is undone: pycocotools divides by tp + fp + 2.2e-16, which is felt only where
that is 1, so the precision of the surest detection alone is 0.9999999999999998 there, and 1 here.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from poseterior.confidence.similarity import Group
from poseterior.data.coco.people import CocoPeople
from poseterior.data.coco.results import CocoResults
from poseterior.errors import InputError

__all__ = ["KEYS", "MOST_FOUND", "CocoEvaluation", "CocoScore"]

# In COCO's order of its ten numbers.
KEYS = ("map", "ap50", "ap75", "ap_m", "ap_l", "mar", "ar50", "ar75", "ar_m", "ar_l")
AREAS = ((0.0, 1e10), (32.0**2, 96.0**2), (96.0**2, 1e10))  # px²: all, medium and large
RECALLS = np.linspace(0.0, 1.0, 101)  # at which COCO takes the precision
_NONE = np.zeros(0)
MOST_FOUND = 20  # detections that count in an image: COCO's maxDets of keypoints


class CocoEvaluation(NamedTuple):
    """What COCO's evaluation accumulates; -1 where there is nobody.

    Attributes:
        precision: (T, 101, C, A) at thresholds of OKS and recalls 0, 0.01 ... 1, of categories
            and sizes of people.
        recall: (T, C, A), the highest that is reached.
        thresholds: (T,) of OKS.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    thresholds: NDArray[np.float64]

    def numbers(self) -> dict[str, float | None]:
        """`KEYS`; None without people."""
        half, most = (self.thresholds == 0.5, self.thresholds == 0.75)
        parts: list[NDArray[np.float64]] = []
        for each in (self.precision, self.recall):
            parts += [each[..., 0], each[half][..., 0], each[most][..., 0]]
            parts += [each[..., 1], each[..., 2]]
        known = [part[part > -1] for part in parts]
        return {
            key: float(np.mean(part)) if part.size else None
            for key, part in zip(KEYS, known, strict=True)
        }

    def precision_recall(self) -> NDArray[np.float64]:
        """Precision (101,) at each recall, the mean over thresholds and categories.

        Its mean is `map`. Empty without people.
        """
        known = self.recall[..., 0] > -1
        return np.moveaxis(self.precision[..., 0], 1, -1)[known].mean(0) if known.any() else _NONE

    def bound(self) -> NDArray[np.float64]:
        """The same if all that is right came first: its mean is `mar`, to a hundredth."""
        reached = self.recall[..., 0][self.recall[..., 0] > -1]
        return (reached[:, None] >= RECALLS).mean(0) if reached.size else _NONE


class CocoScore:
    """COCO's ten numbers of some poses, as a function of the scores of the detections.

    Args:
        people: the annotations.
        results: the detections.
        found: the groups, `poseterior.confidence.similarity.groups`.
        oks: (D, G) of each group.
        ignored: (A,) bool, people who are no miss when they are not found.

    Raises:
        InputError: faster-coco-eval is not installed.
    """

    def __init__(
        self,
        people: CocoPeople,
        results: CocoResults,
        found: Sequence[Group],
        oks: Sequence[NDArray[np.float64]],
        ignored: NDArray[np.bool_] | None = None,
    ) -> None:
        self._library = _faster_coco_eval()
        self._groups = {
            (int(people.image_ids[group.image]), group.category): (group.found, similar)
            for group, similar in zip(found, oks, strict=True)
        }
        images = [{"id": int(each), "height": 1, "width": 1} for each in people.image_ids]
        frame = {"images": images, "categories": [{"id": c} for c in people.categories]}
        ignored = people.ignored if ignored is None else ignored
        self._counts = _counts(people, ignored)
        self._found = _found(results, people)
        entries = _people(people, ignored)
        self._truth = self._library.COCO({**frame, "annotations": entries})
        self._mine = self._library.COCO({**frame, "annotations": self._found})

    def __call__(self, score: NDArray[np.float64]) -> dict[str, float | None]:
        """The numbers `KEYS` under the scores (N,), any numbers; None without people."""
        return self.evaluate(score).numbers()

    def evaluate(self, score: NDArray[np.float64]) -> CocoEvaluation:
        """Precision and recall under the scores (N,), any numbers."""
        for entry, value in zip(self._found, score.tolist(), strict=True):
            entry["score"] = value
        cached = _sorted(self._groups, score)

        class Cached(self._library.COCOeval_faster):  # type: ignore[name-defined]
            """An evaluation whose OKS is known."""

            def computeOks(self, imgId: int, catId: int) -> Any:
                return cached.get((imgId, catId), [])

        files = self._truth, self._mine
        run = Cached(*files, "keypoints", kpt_oks_sigmas=[1.0], print_function=_silent)
        asked, two = run.params.recThrs, 1.5 / self._counts.clip(min=1)  # of two people found
        run.params.recThrs = np.unique(np.concatenate([asked, two.ravel()]))
        run.evaluate()
        run.accumulate()
        places = [np.searchsorted(run.params.recThrs, at) for at in (asked, two)]
        precision = _precision(np.array(run.eval["precision"]), *places)
        recall = np.array(run.eval["recall"])[..., 0]
        return CocoEvaluation(precision, recall, run.params.iouThrs)


def _counts(people: CocoPeople, ignored: NDArray[np.bool_]) -> NDArray[np.int64]:
    """People (categories, areas) to be found, in the order of the library."""
    inside = [~ignored & (people.area >= low) & (people.area <= high) for low, high in AREAS]
    present = np.unique(people.category)
    return np.array([[(each & (people.category == c)).sum() for each in inside] for c in present])


def _precision(
    precision: NDArray[np.float64], asked: NDArray[np.int64], two: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Precision (T, R, K, A) at the recalls asked for, 1 being less where no second one is found.

    `two` (K, A) are the places of a recall that only two people found can reach.
    """
    found = precision[..., -1]
    later = np.take_along_axis(found, two[None, None], axis=1)
    return np.where((found == 1) & (later < 1), 1 / (1 + np.spacing(1)), found)[:, asked]


def _sorted(
    known: dict[tuple[int, int], tuple[NDArray[np.int64], NDArray[np.float64]]],
    score: NDArray[np.float64],
) -> dict[tuple[int, int], NDArray[np.float64]]:
    """OKS of each group, its rows by descending score, equal ones in the file's order."""
    return {
        key: oks[np.argsort(-score[found], kind="stable")[:MOST_FOUND]]
        for key, (found, oks) in known.items()
        if oks.size
    }


def _people(people: CocoPeople, ignored: NDArray[np.bool_]) -> list[dict[str, Any]]:
    ids = np.arange(1, len(people) + 1)  # 0 would mean that nobody is matched
    columns = (ids, people.image_ids[people.image], people.category, people.area,
               people.crowd.astype(int), (~ignored).astype(int))  # fmt: skip
    names = ("id", "image_id", "category_id", "area", "iscrowd", "num_keypoints")
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [dict(zip(names, row, strict=True)) for row in rows]


def _found(results: CocoResults, people: CocoPeople) -> list[dict[str, Any]]:
    area = results.box[:, 2] * results.box[:, 3]
    columns = (people.image_ids[results.image], results.category, area)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [
        {"id": place + 1, "image_id": image, "category_id": category, "area": size, "iscrowd": 0}
        for place, (image, category, size) in enumerate(rows)
    ]


def _silent(*words: object) -> None:
    """What the library says of its progress goes nowhere."""


def _faster_coco_eval() -> Any:
    try:
        return importlib.import_module("faster_coco_eval")
    except ImportError as error:
        raise InputError(
            "confidence", error.name or "faster_coco_eval",
            expected="the extra: pip install 'poseterior[coco]'", found="not installed",
        ) from error  # fmt: skip
