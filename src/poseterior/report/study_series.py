"""What a study's charts show, before anything is drawn: points, curves, dots and bars."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from poseterior.report.charts import joint_values, nice_ticks
from poseterior.report.numbers import finite
from poseterior.report.study_columns import Column, column, heading
from poseterior.report.study_rows import (
    Row,
    count,
    ends,
    kind,
    row_name,
    study_name,
    study_rows,
    subset,
)

__all__ = [
    "Axis", "Curve", "Dot", "Point", "Span", "axis", "axis_name", "count_name",
    "curve_panels", "dot_panels", "joint_spread", "left_out", "scatter_panels", "spread_by_axis",
]  # fmt: skip

Span = tuple[float, float] | None
_DOTS = {
    "ambiguous": ("min_mpjpe_mm", "pck_150", "pck150", "cps_mm", "ece_median"),
    "diversity": ("worst_pa_mpjpe_mm", "bone_length_deviation"),
    "ccnet_table": ("map", "ause_instance", "ause_keypoint", "pearson_keypoint"),
    "ccnet_ablation": ("map", "ause_instance", "ause_keypoint"),
    "ccnet_mesh": ("pa_mpjpe_mm", "mpjpe_mm", "vertex_mm"),
    "ccnet_aggregation": (),  # it has curves of its own
    "mesh_fitting": ("mpjpe_mm", "pa_mpjpe_mm", "ece_median", "coverage_90"),
}
_USUAL_DOTS = ("min_mpjpe_mm", "mpjpe_mean_mm", "ece_median", "energy_score_mm")
_BEST_OF_BODIES = ("mpjpe_mm", "re_mm")
_LOG_RATIO = 2.6


class Axis(NamedTuple):
    """A range, linear or logarithmic, and the numbers that stand at it."""

    low: float
    high: float
    ticks: list[float]
    log: bool

    def at(self, value: float) -> float:
        """The place of a value: itself, or its logarithm."""
        return math.log10(value) if self.log else value

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest place."""
        return self.at(self.low), self.at(self.high)


class Point(NamedTuple):
    """A row as calibration error (x) and another number (y), with their intervals."""

    name: str
    x: float
    y: float
    x_span: Span
    y_span: Span
    kind: str


class Curve(NamedTuple):
    """One number of a method against the number of hypotheses."""

    name: str
    hypotheses: list[float]
    values: list[float]


class Dot(NamedTuple):
    """A number of a row, with its interval; `series` tells subsets apart."""

    name: str
    series: str
    value: float
    span: Span


def axis(values: Sequence[float], *, log: bool | None = None, zero: bool = False) -> Axis:
    """A range with some air around positive values and round ticks in it.

    `log` None: logarithmic where the largest is more than 2.6 times the smallest, unless the
    range has to begin at `zero`.
    """
    low, high = min(values), max(values)
    if log is None:
        log = not zero and low > 0 and high > _LOG_RATIO * low
    if log:
        low, high = low / 1.15, high * 1.15
        return Axis(low, high, _log_ticks(low, high), True)
    if zero and low >= 0:
        top = 1.1 * high or 1.0
        return Axis(0.0, top, nice_ticks(top), False)
    air = 0.12 * (high - low) or 0.1 * abs(high) or 1.0
    low, high = low - air, high + air
    return Axis(low, high, _even_ticks(low, high), False)


def _even_ticks(low: float, high: float) -> list[float]:
    step = nice_ticks(high - low)[1]
    first, last = math.ceil(low / step), math.floor(high / step)
    return [round(k * step, 10) for k in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """Round numbers of each decade, fewer the more decades there are."""
    few, some, many = (1,), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8)
    steps = few if high / low > 50 else some if high / low > 12 else many
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [round(step * 10.0**decade, 10) for decade in decades for step in steps]
    known = [tick for tick in ticks if low <= tick <= high / 1.04]  # the axis's name needs air
    return known if len(known) > 2 else _even_ticks(low, high)


def scatter_panels(result: Mapping[str, Any]) -> dict[str, list[Point]]:
    """Points by the key of y: the best hypothesis, and the energy score or the mean's error."""
    rows = study_rows(result)
    found = {}
    for keys in (("min_mpjpe_mm",), ("energy_score_mm", "mpjpe_mean_mm")):
        key, points = max(((k, _points(rows, k)) for k in keys), key=lambda p: len(p[1]) > 0)
        if points:
            found[key] = points
    return found


def _points(rows: Sequence[Row], key: str) -> list[Point]:
    ece, of = column("ece_median"), column(key)
    known = [(row, finite(row.get(ece.key)), finite(row.get(key))) for row in rows]
    return [
        Point(row_name(row), x, y, ends(row, ece), ends(row, of), kind(row) or "none")
        for row, x, y in known
        if x is not None and y is not None
    ]


def left_out(result: Mapping[str, Any]) -> list[str]:
    """Names of the rows without a calibration error, which the scatter cannot show."""
    return [row_name(r) for r in study_rows(result) if finite(r.get("ece_median")) is None]


def curve_panels(result: Mapping[str, Any]) -> dict[str, list[Curve]]:
    """Curves by key of their number; a method with one number of hypotheses is one point."""
    panels = {}
    for key in ("min_mpjpe_mm", "min_pa_mpjpe_mm", *_BEST_OF_BODIES):
        found: dict[str, dict[float, float]] = {}
        for row in study_rows(result):
            of, value = count(row), finite(row.get(key))
            if of and of > 0 and value is not None:
                found.setdefault(_series_name(row), {})[of] = value
        if found:
            panels[key] = [
                Curve(name, sorted(at), [at[h] for h in sorted(at)]) for name, at in found.items()
            ]
    return panels


def _series_name(row: Row) -> str:
    of = subset(row)
    return f"{row_name(row)}, {of}" if of else row_name(row)


def dot_panels(result: Mapping[str, Any]) -> dict[str, list[Dot]]:
    """Dots by key of their number, at most four, in the rows' order."""
    panels = {}
    for key in _DOTS.get(study_name(result), _USUAL_DOTS):
        known = [(row, finite(row.get(key))) for row in study_rows(result)]
        dots = [_dot(row, value, column(key)) for row, value in known if value is not None]
        if dots:
            panels[key] = dots
    return panels


def _dot(row: Row, value: float, of: Column) -> Dot:
    """A number in the unit that its column names."""
    span = ends(row, of)
    scaled = (of.scale * span[0], of.scale * span[1]) if span else None
    return Dot(row_name(row), subset(row), of.scale * value, scaled)


def spread_by_axis(result: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Spread (mm) by axis for each row that has it."""
    names = {"x": "right", "y": "down", "z": "depth"}
    found = {}
    for row in study_rows(result):
        each = {said: finite(row.get(f"spread_{a}_mm")) for a, said in names.items()}
        known = {said: value for said, value in each.items() if value is not None}
        if known:
            found[_series_name(row)] = known
    return found


def joint_spread(result: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Spread (mm) by joint for each row with `per_joint` {joint: {spread_mm}}.

    Also of rows with `spread_by_joint_mm` {joint: mm}.
    """
    found = {}
    for row in study_rows(result):
        flat = {j: {"spread_mm": v} for j, v in (row.get("spread_by_joint_mm") or {}).items()}
        values = joint_values(row.get("per_joint") or flat, "spread_mm")
        values = values or joint_values(flat, "spread_mm")
        if values:
            found[_series_name(row)] = values
    return found


def axis_name(key: str) -> str:
    """What stands at an axis: the heading without its arrow."""
    of: Column = column(key)
    return heading(of).rstrip(" ↓↑")


def count_name(key: str) -> str:
    """What stands at the axis of a curve's counts.

    >>> count_name("min_mpjpe_mm"), count_name("mpjpe_mm")
    ('Hypotheses per pose (log)', 'Bodies per person (log)')
    """
    return f"{'Bodies per person' if key in _BEST_OF_BODIES else 'Hypotheses per pose'} (log)"
