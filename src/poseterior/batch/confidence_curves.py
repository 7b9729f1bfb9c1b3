"""What a report on confidences draws: at most about fifty points each, a few kB of JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseterior.batch.confidence_scores import Judged, ScoredResults
from poseterior.confidence.coco_score import RECALLS
from poseterior.confidence.precision_threshold import ByThreshold
from poseterior.data.coco.skeletons import annotated_skeleton
from poseterior.metrics.sparsification import KEPT

__all__ = ["confidence_curves"]

_EACH = slice(None, None, 2)  # of COCO's 101 recalls
_POINTS = 50
_DIGITS = 5
_SIGMAS = 1.96  # of a 95 % interval


def confidence_curves(
    scored: ScoredResults, before: Judged, after: Judged, seed: int
) -> dict[str, Any]:
    """Curves of four orders: before and after repair, random and ideal.

    Returns:
        `recall`, and under `before`, `after`, `random` (one draw, with its `map`) and `ideal` (all
        that is right first) the `precision` there, COCO's, the mean over thresholds of OKS;
        `kept`, shares of the surest people, and their `risk`, the mean 1 - OKS.

        `before` and `after` also have `reliability` (the `diagram` of `ProbabilityCalibration`,
        None where scores are no probabilities), `threshold` (`score`, and `precision` and
        `recall` of people with that score or more), and for each of `joints` (`names`, `count`,
        `oks`) `bias_joint`, the mean confidence less the mean OKS, with its 95 %
        `interval_joint`, as of independent people.
    """
    drawn = scored.in_order(np.random.default_rng(seed).random(len(scored.results)))
    return {
        "recall": _numbers(RECALLS[_EACH]),
        "kept": list(KEPT),
        "joints": _joints(scored),
        "before": _of(scored, before),
        "after": _of(scored, after),
        "random": {
            "precision": _numbers(drawn.precision_recall()[_EACH]),
            "map": _number(drawn.numbers()["map"]),
            "risk": _number(before.people["error"]),
        },
        "ideal": {
            "precision": _numbers(before.coco.bound()[_EACH]),
            "risk": _numbers(before.people["oracle"]),
        },
    }


def _of(scored: ScoredResults, judged: Judged) -> dict[str, Any]:
    calibration = judged.calibration
    return {
        "precision": _numbers(judged.coco.precision_recall()[_EACH]),
        "risk": _numbers(judged.people["risk"]),
        "reliability": None if calibration is None else _reliability(calibration["diagram"]),
        "threshold": _threshold(judged.by_threshold),
        **_bias(scored, judged.keypoints, known=calibration is not None),
    }


def _reliability(diagram: dict[str, list[Any]]) -> dict[str, list[Any]]:
    ends = [None if each is None else _numbers(each) for each in diagram["interval"]]
    means = {key: _numbers(diagram[key]) for key in ("probability", "outcome")}
    return {**means, "count": diagram["count"], "interval": ends}


def _threshold(found: ByThreshold) -> dict[str, list[float | None]]:
    """Scores that part the detections evenly, and the lowest and the highest."""
    count = found.count
    wanted = np.linspace(count[0], count[-1], _POINTS) if len(count) else np.zeros(0)
    at = np.unique(np.searchsorted(count, wanted))
    columns = {"score": found.score, "precision": found.precision, "recall": found.recall}
    return {key: _numbers(column[at]) for key, column in columns.items()}


def _bias(
    scored: ScoredResults, confidence: NDArray[np.float64], known: bool
) -> dict[str, list[Any] | None]:
    """Of each joint; None where the confidences are no probabilities."""
    if not known:
        return {"bias_joint": None, "interval_joint": None}
    labelled = scored.labelled
    count = labelled.sum(0).clip(min=1)
    gap = np.where(labelled, confidence - scored.keypoint_oks, 0.0)
    mean = np.where(labelled.any(0), gap.sum(0) / count, np.nan)
    square = (gap**2).sum(0) / count - mean**2
    reach = np.where(count > 1, np.sqrt(square.clip(min=0) / (count - 1).clip(min=1)), np.nan)
    ends = np.stack([mean - _SIGMAS * reach, mean + _SIGMAS * reach], axis=1)
    return {"bias_joint": _numbers(mean), "interval_joint": [_numbers(each) for each in ends]}


def _joints(scored: ScoredResults) -> dict[str, list[Any]]:
    count = scored.labelled.sum(0)
    total = np.where(scored.labelled, scored.keypoint_oks, 0.0).sum(0)
    mean = np.where(count > 0, total / count.clip(min=1), np.nan)
    names = scored.people.names or annotated_skeleton((), len(count), scored.people.source).joints
    return {"names": list(names), "count": count.tolist(), "oks": _numbers(mean)}


def _numbers(values: Iterable[float]) -> list[float | None]:
    return [_number(value) for value in values]


def _number(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), _DIGITS)
