"""Charts of keypoint confidences: reliability, lines of several orders, precision by threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from poseterior.report.charts import nice_ticks
from poseterior.report.diagnosis_read import number_list, rounded
from poseterior.report.numbers import finite
from poseterior.report.study_series import Axis, axis
from poseterior.report.svg import Plot, drawing, text

__all__ = ["Line", "legend", "line_chart", "reliability_diagram", "threshold_chart"]

_UNIT = tuple((tick / 5, f"{tick / 5:g}") for tick in range(6))
_PERCENT = tuple((tick / 5, f"{20 * tick}") for tick in range(6))
_ASIDE = 60.0  # so far from the sides words beside a line stay
_BINS = 20  # of a reliability diagram, from 0 to 1


class Line(NamedTuple):
    """A line of a chart; `css` is a class of the style sheet, `key` that of its legend."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    css: str
    key: str


def legend(lines: Sequence[Line]) -> str:
    """The lines in words, those that have points."""
    items = [f'<li><i class="{line.key}"></i>{escape(line.name)}</li>' for line in lines if line.xs]
    return f'<ul class="legend">{"".join(items)}</ul>' if items else ""


def reliability_diagram(diagram: Mapping[str, Any], title: str) -> str:
    """Mean OKS against mean confidence, a dot for each bin, and below how many keypoints it has."""
    keys = ("probability", "outcome", "count")
    columns = [number_list(diagram.get(key)) for key in keys]
    if not columns[0] or len({len(each) for each in columns}) > 1:
        return ""
    intervals = [number_list(each) for each in diagram.get("interval") or ()]
    plot, strip = Plot(46, 30, 420, 330, (0, 1), (0, 1)), Plot(46, 384, 420, 56, (0, 1), (0, 1))
    marks = [
        plot.y_axis(_UNIT, "Mean OKS of the keypoints"),
        plot.x_axis([(t, "") for t, _ in _UNIT]),
    ]
    marks.append(plot.line([0, 1], [0, 1], "ideal"))
    marks.append(text(plot.x(0.03), plot.y(0.93), "underconfident", "aside"))
    marks.append(text(plot.x(0.97), plot.y(0.04), "overconfident", "aside", "end"))
    most, whole = max(columns[2]) or 1.0, sum(columns[2]) or 1.0
    for p, ends in zip(columns[0], intervals, strict=False):
        if len(ends) == 2:
            marks.append(plot.line([p, p], [min(max(end, 0.0), 1.0) for end in ends], "span"))
    marks.append(plot.line(columns[0], columns[1], "curve thin"))
    for p, outcome, count in zip(*columns, strict=True):
        tip = f"confidence {p:.3f}, OKS {outcome:.3f}: {count:,.0f} keypoints, {count / whole:.1%}"
        marks.append(plot.dot(p, outcome, "curve-dot", tip))
        edge = min(int(p * _BINS), _BINS - 1) / _BINS
        bin_ = (edge + 0.1 / _BINS, edge + 0.9 / _BINS)
        marks.append(strip.box(bin_, (0, count / most), "bar calm", tip))
    marks.append(strip.x_axis(_UNIT, "Confidence; bars: how many keypoints have it", grid=False))
    marks.append(strip.line([0, 1], [0, 0], "grid"))
    return drawing(480, 484, marks, title)


def line_chart(
    lines: Sequence[Line], x_name: str, y_name: str, title: str, top: float | None = None
) -> str:
    """Lines over shares from 0 to 1 in percent, up to `top` or their largest value."""
    drawn = [line for line in lines if line.xs and len(line.xs) == len(line.ys)]
    if not drawn:
        return ""
    highest = top or 1.12 * max(max(line.ys) for line in drawn) or 1.0
    plot = Plot(50, 30, 416, 320, (0, 1), (0, highest))
    ticks = _UNIT if top == 1 else [(tick, f"{tick:g}") for tick in nice_ticks(highest)]
    marks = [plot.x_axis(_PERCENT, x_name), plot.y_axis(ticks, y_name)]
    marks += [plot.line(line.xs, line.ys, line.css) for line in drawn]
    return drawing(480, 400, marks, title)


def threshold_chart(
    curve: Mapping[str, Any], chosen: Mapping[str, Any], lines: Sequence[Line], title: str
) -> str:
    """Precision and recall of the detections from a score on, with the threshold to take."""
    scores = number_list(curve.get("score"))
    if not scores:
        return ""
    of = _score_axis(scores)
    plot = Plot(46, 30, 420, 300, of.range, (0, 1))
    marks = [plot.x_axis([(t, f"{t:g}".replace("-", "−")) for t in of.ticks], "Lowest score kept")]
    marks.append(plot.y_axis(_PERCENT, "Share, %"))
    marks += [plot.line(line.xs, line.ys, line.css) for line in lines if line.xs]
    marks += _chosen(plot, chosen)
    return drawing(480, 380, marks, title)


def _score_axis(scores: Sequence[float]) -> Axis:
    if min(scores) >= 0 and max(scores) <= 1:
        return Axis(0.0, 1.0, [tick for tick, _ in _UNIT], False)
    return axis(scores, log=False, zero=min(scores) >= 0)


def _chosen(plot: Plot, chosen: Mapping[str, Any]) -> list[str]:
    """The line at the recommended score, what it keeps written beside it."""
    values = [finite(chosen.get(key)) for key in ("score", "precision", "recall")]
    score, precision, recall = values
    if score is None or precision is None:
        return []
    marks = [plot.line([score, score], [0, 1], "chosen")]
    for value, name in ((precision, "right"), (recall, "of the people")):
        if value is not None:
            tip = f"from {score:.3f} on: {value:.1%} {name}"
            marks.append(plot.dot(score, value, "curve-dot", tip, 4))
    said, x = f"from {rounded(score, 3)} on", plot.x(score)
    x = min(max(x, plot.left + _ASIDE), plot.left + plot.width - _ASIDE)
    return [*marks, text(x, plot.top - 10, said, "said", "middle")]
