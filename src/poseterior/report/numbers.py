"""What each number of a result is called, its unit, and what it means in plain words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["GROUPS", "NUMBERS", "Number", "finite", "interval_text", "named", "number_text"]


@dataclass(frozen=True)
class Number:
    """One key of a result."""

    key: str
    label: str
    unit: str
    digits: int
    better: str
    meaning: str


_LOW, _HIGH, _NEITHER = "Lower is better", "Higher is better", ""

GROUPS: dict[str, tuple[Number, ...]] = {
    "Pose error": (
        Number("mpjpe_mean_mm", "Error of the mean", "mm", 1, _LOW,
               "MPJPE: distance of the joints from the target, averaged over joints and poses, "
               "when the mean of the hypotheses is taken as the answer."),
        Number("mpjpe_mode_mm", "Error of the mode", "mm", 1, _LOW,
               "MPJPE of the most likely pose; only where the method knows it exactly."),
        Number("mpjpe_latent_centre_mm", "Error of the latent centre", "mm", 1, _LOW,
               "MPJPE of the pose that the flow makes of z = 0; not the mode in general."),
        Number("expected_mpjpe_mm", "Expected error", "mm", 1, _LOW,
               "MPJPE of one hypothesis drawn at random."),
        Number("min_mpjpe_mm", "Error of the best hypothesis", "mm", 1, _LOW,
               "MPJPE of the hypothesis nearest the target. It falls with the number of "
               "hypotheses, so compare only at the same number."),
        Number("min_pa_mpjpe_mm", "Best, after alignment", "mm", 1, _LOW,
               "PA-MPJPE of the best hypothesis, each after its best rotation, translation and "
               "scaling: only the shape of the pose counts."),
        Number("n_mpjpe_mm", "Error after scaling", "mm", 1, _LOW,
               "n-MPJPE: error of the mean after the best scaling."),
        Number("pck150", "Joints within 150 mm", "", 3, _HIGH,
               "Share of joints (root left out) within 150 mm of the target, for the hypothesis "
               "of lowest error."),
        Number("auc", "Area under PCK", "", 3, _HIGH,
               "Share of joints within a threshold, averaged over thresholds 0 to 150 mm."),
        Number("cps_mm", "Correct poses score", "mm", 1, _HIGH,
               "Mean of 300 mm minus the largest joint error, at least 0: high only where every "
               "joint is right."),
    ),
    "Calibration": (
        Number("ece_median", "Calibration error", "", 3, _LOW,
               "ECE: mean distance of the reliability curve from the diagonal, centre = "
               "median of the hypotheses. 0 is perfect, but with few hypotheses even a perfect "
               "posterior reads about 0.04 (20), 0.02 (50), 0.004 (200)."),
        Number("ece_mean", "… around the mean", "", 3, _LOW,
               "ECE with regions around the mean of the hypotheses."),
        Number("ece_mode", "… around the mode", "", 3, _LOW, "ECE with regions around the mode."),
        Number("ece_latent_centre", "… around the latent centre", "", 3, _LOW,
               "ECE with regions around the image of z = 0."),
        Number("ece_joint_mean", "Calibration error, mean joint", "", 3, _LOW,
               "ECE of each joint by itself, averaged. Joints that are too sure cannot hide "
               "behind others that are too unsure."),
        Number("ece_joint_max", "Calibration error, worst joint", "", 3, _LOW,
               "The largest ECE of any joint."),
    ),
    "The posterior as a whole": (
        Number("energy_score_mm", "Energy score", "mm", 1, _LOW,
               "A proper score of the whole pose: lowest in expectation for the true posterior. "
               "It rewards being both right and no surer than justified."),
        Number("crps_mm", "CRPS", "mm", 1, _LOW,
               "A proper score of one coordinate at a time, averaged over coordinates."),
        Number("nll", "Negative log-likelihood", "nats", 2, _LOW,
               "Minus the log density of the target, per pose. Comparable only for the same "
               "joints in the same unit (metres)."),
        Number("sharpness_mm", "Spread", "mm", 1, _NEITHER,
               "Typical distance of a joint's hypotheses from their mean. Narrow is good only "
               "where it is calibrated."),
    ),
}  # fmt: skip

NUMBERS: dict[str, Number] = {n.key: n for group in GROUPS.values() for n in group}


def named(key: str) -> Number:
    """The number of that key; one that is not known is called by its key."""
    unit = "mm" if key.endswith("_mm") else ""
    return NUMBERS.get(key, Number(key, key.removesuffix("_mm").replace("_", " "), unit, 3, "", ""))


def finite(value: object) -> float | None:
    """The value as a float, or None where it is missing, not a number or not finite."""
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def number_text(value: object, number: Number) -> str:
    """The value with its unit, or a dash.

    >>> number_text(47.123, NUMBERS["mpjpe_mean_mm"]), number_text(None, NUMBERS["nll"])
    ('47.1 mm', '–')
    """
    known = finite(value)
    if known is None:
        return "–"
    return f"{known:,.{number.digits}f} {number.unit}".strip().replace("-", "−")


def interval_text(result: Mapping[str, Any], number: Number) -> str:
    """The number's bootstrap interval such as `45.9 to 48.4`, empty where there is none."""
    interval = (result.get("intervals") or {}).get(number.key) or ()
    if finite(result.get(number.key)) is None:
        return ""
    ends = [e for e in map(finite, interval) if e is not None]
    if len(ends) != 2:
        return ""
    return " to ".join(f"{e:,.{number.digits}f}" for e in ends).replace("-", "−")
