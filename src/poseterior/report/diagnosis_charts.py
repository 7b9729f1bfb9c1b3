"""Charts of `diagnose`: factors, biases, whole-pose coverage, spread against error, risk."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from poseterior.report.charts import nice_ticks
from poseterior.report.diagnosis_read import (
    AXES,
    factor_text,
    joint_words,
    number_list,
    part,
    rounded,
    span,
)
from poseterior.report.numbers import finite
from poseterior.report.study_series import Axis, Span, axis
from poseterior.report.svg import Plot, drawing, text

__all__ = [
    "axis_legend", "bias_chart", "coverage_chart", "factor_chart", "factor_strip", "risk_chart",
    "spread_skill_chart",
]  # fmt: skip

_ROW = 25.0
_PERCENT = tuple((level / 100, f"{level}") for level in range(0, 101, 20))
_FEW = 10  # cases of a bin, below which it is not drawn
_STRIP = 4.0  # a strip shows factors from 1/4 to 4


class _Mark(NamedTuple):
    """A point of a row: where, how far up in the row, and what it says."""

    value: float
    ends: Span
    shift: float
    css: str
    tip: str


def factor_chart(factors: Mapping[str, Any]) -> str:
    """The factor of all joints and of each, the largest first, on a logarithmic axis."""
    per_joint = part(factors, "per_joint")
    entries = {joint: part(per_joint, joint) for joint in per_joint}
    values = {joint: finite(entry.get("factor")) for joint, entry in entries.items()}
    order = sorted((j for j in values if (values[j] or 0) > 0), key=lambda j: -(values[j] or 0))
    rows = {joint_words(joint): [_factor_mark(entries[joint], "")] for joint in order}
    common = part(factors, "common")
    if (finite(common.get("factor")) or 0) > 0:
        rows = {"all joints": [_factor_mark(common, " whole")]} | rows
    if not rows:
        return ""
    ends = [end for (mark,) in rows.values() for end in (mark.value, *(mark.ends or ()))]
    of = axis([*(end for end in ends if end > 0), 0.8, 1.25], log=True)
    return _rows(rows, of, "Factor that makes the spread right (log)", 1.0)


def _factor_mark(entry: Mapping[str, Any], css: str) -> _Mark:
    value, ends = finite(entry.get("factor")) or 1.0, span(entry)
    return _Mark(value, ends, 0.0, f"factor {_side(ends)}{css}", factor_text(value, ends))


def _side(ends: Span) -> str:
    """Whether the interval leaves 1 out, and on which side; empty where there is none."""
    if ends is None:
        return ""
    low, high = ends
    return "over" if low > 1 else "under" if high < 1 else "right"


def bias_chart(bias: Mapping[str, Any], alpha: float) -> str:
    """How far the target lies from the mean, in mm, along each axis of each joint."""
    rows = {joint_words(j): _bias_marks(part(bias, j), alpha) for j in bias}
    rows = {joint: marks for joint, marks in rows.items() if marks}
    if not rows:
        return ""
    values = [mark.value for marks in rows.values() for mark in marks]
    return _rows(rows, axis([*values, 0.0], log=False), "Target minus mean, mm", 0.0)


def _bias_marks(entry: Mapping[str, Any], alpha: float) -> list[_Mark]:
    marks = []
    for n, (name, words) in enumerate(AXES.items()):
        own = part(entry, name)
        value, p = finite(own.get("mm")), finite(own.get("p_value"))
        if value is not None:
            sure = p is not None and p < alpha
            sigma = f", {rounded(own.get('sigma'), 2)} sigma" if "sigma" in own else ""
            tip = f"{name}, {words}: {rounded(value)} mm{sigma}{', by chance?' * (not sure)}"
            css = f"axis-{name}{'' if sure else ' unsure'}"
            marks.append(_Mark(value, None, (1 - n) * 0.26, css, tip))
    return marks


def axis_legend() -> str:
    """The colours of the three axes, in words."""
    items = [f'<li><i class="axis-{a}"></i>{a}, {words}</li>' for a, words in AXES.items()]
    return f'<ul class="legend">{"".join(items)}<li><i class="unsure"></i>may be chance</li></ul>'


def _rows(
    rows: Mapping[str, Sequence[_Mark]],
    of: Axis,
    name: str,
    right: float,
) -> str:
    """Points with intervals, a row for each name, and a line where all should be."""
    count = len(rows)
    left = min(max(8.0 * max(map(len, rows)) + 14, 70), 190)
    plot = Plot(left, 8, 456 - left, _ROW * count, of.range, (0, count))
    marks = []
    marks.append(plot.x_axis([(of.at(t), f"{t:g}".replace("-", "−")) for t in of.ticks]))
    marks.append(text(456, plot.height + 46, name, "axis", "end"))
    marks.append(plot.line([of.at(right)] * 2, [0, count], "ideal"))
    stripes = [
        plot.box(of.range, (n, n + 1), "stripe") for n in range(count) if (count - n) % 2 == 0
    ]
    for n, (words, points) in enumerate(rows.items()):
        middle = count - n - 0.5
        marks.append(text(left - 10, plot.y(middle) + 4, words, "tick", "end"))
        marks += [_point(plot, of, mark, middle, words) for mark in points]
    return drawing(480, plot.height + 54, [*stripes, *marks], name)


def _point(plot: Plot, of: Axis, mark: _Mark, middle: float, name: str) -> str:
    """A point with its interval."""
    y = middle + mark.shift
    line = ""
    if mark.ends and (mark.ends[0] > 0 or not of.log):
        line = plot.line([of.at(end) for end in mark.ends], [y, y], "span")
    return line + plot.dot(of.at(mark.value), y, mark.css, f"{name}: {mark.tip}", 4.6)


def factor_strip(value: float, ends: Span) -> str:
    """One factor on a small logarithmic line from 1/4 to 4; cut where it goes on."""
    of = Axis(1 / _STRIP, _STRIP, [], True)
    plot = Plot(3, 0, 114, 16, of.range, (0, 1))

    def at(factor: float) -> float:
        return of.at(min(max(factor, of.low), of.high))

    marks = [plot.line([0, 0], [0, 1], "grid"), plot.line(of.range, [0.5, 0.5], "grid")]
    if ends:
        marks.append(plot.line([at(max(end, of.low)) for end in ends], [0.5, 0.5], "span"))
    tip = factor_text(value, ends)
    marks.append(plot.dot(at(max(value, of.low)), 0.5, f"factor {_side(ends)}", tip, 3.4))
    return drawing(120, 16, marks, f"factor {tip}")


def coverage_chart(curve: Mapping[str, Any], title: str, *, small: bool = False) -> str:
    """Observed against nominal coverage with what a right posterior shows; empty if unknown."""
    levels, seen = number_list(curve.get("levels")), number_list(curve.get("observed"))
    if len(levels) < 2 or len(levels) != len(seen):
        return ""
    best = number_list(curve.get("expected"))
    best = best if len(best) == len(levels) else levels
    plot = Plot(38, 30, 190 if small else 268, 170 if small else 220, (0, 1), (0, 1))
    ticks = [tick for tick in _PERCENT if not small or tick[0] in (0, 1)]
    marks = [plot.x_axis(ticks, "Nominal level, %"), plot.y_axis(ticks, "Targets inside, %")]
    low, high = (number_list(side) for side in curve.get("band") or ((), ()))
    if len(low) == len(high) == len(levels):
        marks.append(plot.band(levels, low, high, "chance"))
    marks.append(plot.line(levels, best, "ideal"))
    marks.append(plot.line(levels, seen, "curve"))
    for level, share in zip(levels, seen, strict=True):
        tip = f"{level:.0%} regions: {share:.1%} inside"
        marks.append(plot.dot(level, share, "curve-dot", tip))
    return drawing(plot.width + 52, plot.height + 76, marks, title)


def spread_skill_chart(bins: Mapping[str, Any], title: str) -> str:
    """Error against predicted spread, a dot for each bin of poses; right is the diagonal."""
    spread, error = number_list(bins.get("spread_mm")), number_list(bins.get("error_mm"))
    if not spread or len(spread) != len(error):
        return ""
    counts = number_list(bins.get("poses"))
    counts = counts if len(counts) == len(spread) else [_FEW] * len(spread)
    rows = [row for row in zip(spread, error, counts, strict=True) if row[2] >= _FEW]
    if not rows:
        return ""
    of = axis([0.0, *(end for x, y, _ in rows for end in (x, y))], zero=True)
    plot = Plot(52, 30, 400, 300, of.range, of.range)
    ticks = [(tick, f"{tick:g}") for tick in of.ticks]
    marks = [plot.x_axis(ticks, "Predicted spread, mm"), plot.y_axis(ticks, "Error, mm")]
    marks.append(plot.line(of.range, of.range, "ideal"))
    marks.append(plot.line([x for x, _, _ in rows], [y for _, y, _ in rows], "curve thin"))
    most = max(count for _, _, count in rows)
    for x, y, count in rows:
        tip = f"spread {x:.1f} mm, error {y:.1f} mm, {count:,.0f} cases"
        marks.append(plot.dot(x, y, "curve-dot", tip, round(2 + 4 * math.sqrt(count / most), 1)))
    return drawing(476, 380, marks, title)


def risk_chart(risk: Mapping[str, Any]) -> str:
    """Error of the poses kept, most certain first, against how many are kept."""
    share, own = number_list(risk.get("coverage")), number_list(risk.get("risk_mm"))
    if len(share) < 2 or len(share) != len(own):
        return ""
    oracle, random = number_list(risk.get("oracle_mm")), finite(risk.get("random_mm"))
    oracle = oracle if len(oracle) == len(share) else []
    top = 1.15 * max([*own, *oracle, random or 0.0])
    plot = Plot(52, 30, 400, 300, (0, 1), (0, top or 1.0))
    ticks = [(tick, f"{tick:g}") for tick in nice_ticks(top)]
    marks = [plot.x_axis(_PERCENT, "Poses kept, the most certain first, %")]
    marks.append(plot.y_axis(ticks, "Mean error of those kept, mm"))
    if oracle:
        marks.append(plot.band(share, oracle, own, "lost"))
        marks.append(plot.line(share, oracle, "oracle"))
        y = plot.y(oracle[int(0.6 * len(share))]) + 20
        marks.append(text(plot.x(1), y, "by the error itself (oracle)", "aside", "end"))
    if random is not None:
        marks.append(plot.line([share[0], 1], [random, random], "ideal"))
        marks.append(text(plot.x(0.02), plot.y(random) - 7, "in random order", "aside"))
    marks.append(plot.line(share, own, "curve"))
    n = int(0.58 * len(share))
    marks.append(text(plot.x(share[n]), plot.y(own[n]) - 10, "by the spread", "aside", "end"))
    return drawing(476, 380, marks, "Error of the poses kept against their share")
