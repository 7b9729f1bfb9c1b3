"""The reliability curve of a result, and what to read it against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from poseterior.report.numbers import finite

__all__ = ["chance_band", "perfect", "perfect_ece", "reliability"]


def _part(result: Mapping[str, Any], key: str) -> Any:
    return (result.get("reliability") or {}).get(key)


def reliability(result: Mapping[str, Any]) -> list[tuple[float, float]]:
    """(level, observed coverage) in order of level; empty where calibration is unknown."""
    pairs = list(zip(_part(result, "levels") or (), _part(result, "observed") or (), strict=False))
    pairs = pairs or list((result.get("coverage") or {}).items())
    known = [(float(level), finite(observed)) for level, observed in pairs]
    return sorted((level, seen) for level, seen in known if seen is not None)


def chance_band(result: Mapping[str, Any]) -> tuple[list[float], list[float]] | None:
    """Lowest and highest coverage by chance at each level of `reliability`; None if unknown."""
    low, high = (_complete(side, result) for side in _part(result, "band") or ((), ()))
    return (low, high) if low and high else None


def perfect(result: Mapping[str, Any]) -> list[float]:
    """Coverage that a perfect posterior shows at each level of `reliability`.

    With few hypotheses it is not the level itself; that is the answer where nothing is known.
    """
    known = _complete((_part(result, "perfect") or {}).get("observed"), result)
    return known or [level for level, _ in reliability(result)]


def perfect_ece(result: Mapping[str, Any]) -> float | None:
    """The calibration error that a perfect posterior shows with as many hypotheses and poses."""
    return finite((_part(result, "perfect") or {}).get("ece"))


def _complete(values: Sequence[Any] | None, result: Mapping[str, Any]) -> list[float]:
    """The values if there is a finite one at each level of `reliability`, else none."""
    known = [v for v in map(finite, values or ()) if v is not None]
    return known if len(known) == len(reliability(result)) else []
