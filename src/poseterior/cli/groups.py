"""Scores by action or setting as a table on the console."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["show_groups"]

# Scores by key: heading and decimals. PCK is of the best hypothesis.
_COLUMNS = {
    "mpjpe_mean_mm": ("MPJPE", 1),
    "min_mpjpe_mm": ("min", 1),
    "min_pa_mpjpe_mm": ("min PA", 1),
    "pck150": ("PCK", 3),
    "ece_median": ("ECE", 3),
}
_WIDTH = 24


def show_groups(result: Mapping[str, Any]) -> None:
    """One table for each label whose groups the result has, with the mean of the groups."""
    from poseterior.batch.groups import GROUPS

    for label, plural in GROUPS.items():
        groups = result.get(f"per_{label}")
        if groups:
            heads = "".join(f"{head:>9}" for head, _ in _COLUMNS.values())
            print(f"{'by ' + label:{_WIDTH}}{'poses':>7}{heads}")
            for name, scores in groups.items():
                print(_line(name, f"{scores['poses']}", scores))
            print(_line(f"mean of the {plural}", "", result[f"mean_over_{plural}"]))


def _line(name: str, poses: str, scores: Mapping[str, Any]) -> str:
    cells = (_cell(scores.get(key), digits) for key, (_, digits) in _COLUMNS.items())
    return f"{name:{_WIDTH}}{poses:>7}" + "".join(cells)


def _cell(value: float | None, digits: int) -> str:
    return f"{'-':>9}" if value is None else f"{value:9.{digits}f}"
