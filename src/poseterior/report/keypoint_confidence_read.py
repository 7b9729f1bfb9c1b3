"""Reading the result of `confidence`: what each number is called, and how it has moved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from poseterior.report.diagnosis_read import part, rounded
from poseterior.report.numbers import finite

__all__ = ["MEASURES", "Measure", "Moved", "measure", "moved", "pair"]

_SMALL = 5e-4  # a change of AP or Pearson, or share of another number, that is none


class Measure(NamedTuple):
    """A number of `before` and `after`."""

    key: str
    label: str
    better: Literal["high", "low", "zero"]
    digits: int
    meaning: str


class Moved(NamedTuple):
    """By how much a number has changed, in words, and whether that is `better` or `worse`."""

    words: str
    side: str


MEASURES = (
    Measure("map", "mAP", "high", 3,
            "COCO's average precision, the mean over OKS thresholds from 0.50 to 0.95. At given "
            "poses it knows nothing but the order of the confidences."),
    Measure("mar", "mAR", "high", 3,
            "COCO's average recall over the same thresholds: the poses alone, and what mAP could "
            "be at best. Repair moves no pose."),
    Measure("ap50", "AP50", "high", 3, "Average precision at an OKS of 0.50."),
    Measure("ap75", "AP75", "high", 3, "Average precision at an OKS of 0.75."),
    Measure("ap_m", "AP_M", "high", 3, "mAP of people from 32² to 96² px."),
    Measure("ap_l", "AP_L", "high", 3, "mAP of people above 96² px."),
    Measure("ause", "AUSE, people", "low", 4,
            "Area between the mean 1 - OKS of the surest people and that of the best ones, over "
            "the share kept: what the order loses against the ideal one."),
    Measure("pearson", "Pearson, people", "high", 3,
            "Correlation of people's confidence and OKS."),
    Measure("ause_keypoint", "AUSE, keypoints", "low", 4,
            "The same area for labelled keypoints of people who were found."),
    Measure("pearson_keypoint", "Pearson, keypoints", "high", 3,
            "Correlation of keypoints' confidence and OKS."),
    Measure("brier_keypoint", "Brier score, keypoints", "low", 4,
            "Mean square of confidence less OKS."),
    Measure("ece_keypoint", "ECE, keypoints", "low", 4,
            "Mean distance of OKS from confidence over bins of the confidence."),
    Measure("bias_keypoint", "Bias, keypoints", "zero", 4,
            "Mean confidence less mean OKS: above 0 overconfident, below underconfident."),
)  # fmt: skip
_BY_KEY = {each.key: each for each in MEASURES}


def measure(key: str) -> Measure:
    """One of `MEASURES`."""
    return _BY_KEY[key]


def pair(result: Mapping[str, Any], key: str, *within: str) -> tuple[float | None, float | None]:
    """A number before and after, None where it is missing; `within` a part, for example."""
    before, after = (finite(part(result, when, *within).get(key)) for when in ("before", "after"))
    return before, after


def moved(of: Measure, before: float | None, after: float | None) -> Moved:
    """The change of a number: in points of AP, in percent of an error, else as it is.

    >>> moved(measure("map"), 0.457, 0.4792), moved(measure("ause"), 0.02, 0.005)
    (Moved(words='+2.2 points', side='better'), Moved(words='−75%', side='better'))
    """
    if before is None or after is None:
        return Moved("–", "")
    change = after - before
    gain = {"high": change, "low": -change, "zero": abs(before) - abs(after)}[of.better]
    scale = before if of.better == "low" and before > 0 else 1.0
    if abs(change) < _SMALL * scale:
        return Moved("unchanged" if before == after else "± 0", "")
    sign = "+" if change > 0 else ""
    if of.key.startswith(("map", "mar", "ap")):
        words = f"{sign}{rounded(100 * change)} points"
    elif of.better == "low" and before > 0:
        words = f"{sign}{rounded(100 * change / before, 0)}%"
    else:
        words = sign + rounded(change, of.digits)
    return Moved(words, "better" if gain > 0 else "worse")
