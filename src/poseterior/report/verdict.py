"""A result in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from poseterior.report.curve import perfect, perfect_ece, reliability
from poseterior.report.numbers import finite

__all__ = ["caveats", "scored", "verdict"]

_LEVEL = 0.9
_STEPS = ((0.02, ""), (0.08, "a little "), (0.2, ""), (1.0, "far "))
_UNEVEN_ECE = 0.05


def scored(result: Mapping[str, Any]) -> bool:
    """Whether there was a target to score against."""
    keys = ("mpjpe_mean_mm", "expected_mpjpe_mm", "min_mpjpe_mm")
    return any(finite(result.get(key)) is not None for key in keys)


def verdict(result: Mapping[str, Any]) -> str:
    """One sentence on how far to trust the posterior's regions.

    Coverage is judged against that of a perfect posterior with as many hypotheses.

    >>> verdict({"mpjpe_mean_mm": 50.0, "coverage": {"0.9": 0.84}})
    '90% regions contain the target 84% of the time: a little overconfident.'
    """
    if not scored(result):
        return "Not scored: no target was given, so only the posterior's spread is shown."
    if not reliability(result):
        return "Pose errors only: calibration could not be computed."
    level, seen, best = _at_level(result)
    surplus = (finite(result.get("ece_median")) or 0.0) - (perfect_ece(result) or 0.0)
    words = _judge(seen - best, surplus)
    return f"{level:.0%} regions contain the target {seen:.0%} of the time: {words}."


def _judge(excess: float, surplus: float) -> str:
    size = next(word for limit, word in _STEPS if abs(excess) <= limit)
    if abs(excess) > _STEPS[0][0]:
        return f"{size}overconfident" if excess < 0 else f"{size}underconfident"
    if surplus > _UNEVEN_ECE:
        return "right at this level, but not at others"
    return "well calibrated"


def caveats(result: Mapping[str, Any]) -> list[str]:
    """What a reader must know before trusting the numbers."""
    said = []
    hypotheses, invalid = finite(result.get("hypotheses")), finite(result.get("invalid"))
    if hypotheses == 1:
        said.append(
            "One hypothesis per pose has no spread: pose errors are scored, calibration is not."
        )
    said += _few_hypotheses(result)
    if invalid:
        many = (
            "1 pose could not be lifted and is"
            if invalid == 1
            else (f"{invalid:,.0f} poses could not be lifted and are")
        )
        said.append(f"{many} not scored.")
    if scored(result) and not result.get("intervals"):
        said.append("The numbers come without intervals.")
    return said


def _few_hypotheses(result: Mapping[str, Any]) -> list[str]:
    """The shift of the curve that is no fault of the posterior, where it is worth a word."""
    count = finite(result.get("hypotheses"))
    if not reliability(result) or count is None or not 1 < count < 100:
        return []
    few = f"With {count:.0f} hypotheses per pose"
    level, _, best = _at_level(result)
    if best == level:
        return [f"{few} even a perfect posterior looks a little overconfident."]
    return [
        f"{few} the {level:.0%} regions of a perfect posterior contain {best:.0%} of the targets; "
        "that is what the verdict compares with."
    ]


def _at_level(result: Mapping[str, Any]) -> tuple[float, float, float]:
    """Level nearest 0.9, its observed coverage, and that of a perfect posterior."""
    rows = zip(reliability(result), perfect(result), strict=True)
    (level, seen), best = min(rows, key=lambda row: abs(row[0][0] - _LEVEL))
    return level, seen, best
