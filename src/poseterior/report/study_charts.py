"""A study's charts as inline SVG: scatter, curves, dots with intervals, bars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from poseterior.report.charts import nice_ticks
from poseterior.report.curve import perfect, reliability
from poseterior.report.study_columns import cell_text, column
from poseterior.report.study_labels import nearest, place, spaced
from poseterior.report.study_rows import KINDS, Row
from poseterior.report.study_series import (
    Axis,
    Curve,
    Dot,
    Point,
    Span,
    axis,
    axis_name,
    count_name,
)
from poseterior.report.svg import Plot, drawing, text

__all__ = [
    "bar_chart", "curve_chart", "dot_chart", "kind_legend", "reliability_tile", "scatter_chart",
    "series_legend",
]  # fmt: skip

_LETTER, _LINE = 7.5, 15.0  # of the style sheet's 13 px
_ROW, _SERIES = 20.0, 13.0
_PATHS = {  # a marker around (0, 0)
    "over": "M0 6 L6 -4.6 L-6 -4.6 Z",
    "under": "M0 -6 L6 4.6 L-6 4.6 Z",
    "right": "M-5 0 A5 5 0 1 0 5 0 A5 5 0 1 0 -5 0 Z",
    "uneven": "M0 -6.2 L6.2 0 L0 6.2 L-6.2 0 Z",
    "none": "M-4.5 -4.5 H4.5 V4.5 H-4.5 Z",
}
_SHAPES = ("right", "uneven", "none", "over")


def _marker(x: float, y: float, shape: str, css: str, tip: str = "") -> str:
    said = f"<title>{escape(tip)}</title>" if tip else ""
    where = f'transform="translate({x:.1f} {y:.1f})"'
    return f'<path d="{_PATHS[shape]}" {where} class="mark {css}">{said}</path>'


def _legend(items: Iterable[tuple[str, str]]) -> str:
    """Markers at (0, 0) with what each means."""
    shown = (
        f'<li><svg viewBox="-8 -8 16 16" aria-hidden="true">{mark}</svg>{escape(words)}</li>'
        for mark, words in items
    )
    return f'<ul class="legend">{"".join(shown)}</ul>'


def kind_legend(kinds: Sequence[str]) -> str:
    """The markers that occur in `scatter_chart`, in words."""
    known = ((kind, words) for kind, words in KINDS.items() if kind in kinds)
    return _legend((_marker(0, 0, kind, kind), words) for kind, words in known)


def series_legend(series: Sequence[str]) -> str:
    """The subsets of `dot_chart` by shape; empty for one."""
    marks = (_series_marker(0, 0, n) for n in range(len(series)))
    return _legend(zip(marks, series, strict=True)) if len(series) > 1 else ""


def _series_marker(x: float, y: float, n: int, tip: str = "") -> str:
    return _marker(x, y, _SHAPES[n % 4], f"t{n % 4}", tip)


def scatter_chart(points: Sequence[Point], key: str) -> str:
    """Each row's number against its calibration error, named beside its marker."""
    across = axis([0.0, *(p.x for p in points)], zero=True)
    up = axis([p.y for p in points])
    plot = Plot(52, 34, 412, 400, across.range, up.range)
    of = column(key)
    marks = [plot.x_axis(_labels(across), "Calibration error (ECE)")]
    marks.append(plot.y_axis(_labels(up), axis_name(key) + " (log)" * up.log))
    for p in points:
        marks.append(_whisker(plot, across, p.x_span, up.at(p.y)))
        marks.append(_whisker(plot, up, p.y_span, p.x, upright=True))
    places = [(plot.x(p.x), plot.y(up.at(p.y))) for p in points]
    sizes = [(_LETTER * len(p.name), _LINE) for p in points]
    frame = (plot.left + 2, plot.top, plot.left + plot.width + 14, plot.top + plot.height)
    bars = [bar for p in points for bar in _bars(plot, p, up)]
    for p, (x, y), box in zip(points, places, place(places, sizes, frame, bars), strict=True):
        marks.append(_leader(x, y, box))
        marks.append(_name(p.name, x, box))
    for p, (x, y) in zip(points, places, strict=True):
        tip = f"{p.name}: ECE {p.x:.3f}, {axis_name(key)} {cell_text(p.y, of)}"
        marks.append(_marker(x, y, p.kind, p.kind, tip))
    return drawing(480, 492, marks, f"{axis_name(key)} against calibration error")


def _labels(of: Axis) -> list[tuple[float, str]]:
    return [(of.at(tick), f"{tick:,g}") for tick in of.ticks]


def _whisker(plot: Plot, of: Axis, span: Span, at: float, *, upright: bool = False) -> str:
    """An interval, cut where the chart ends."""
    if span is None:
        return ""
    low, high = (of.at(min(max(end, of.low), of.high)) for end in span)
    ends, level = [low, high], [at, at]
    return plot.line(level, ends, "span") if upright else plot.line(ends, level, "span")


def _bars(plot: Plot, p: Point, up: Axis) -> list[tuple[float, float, float, float]]:
    """What the point's intervals cover."""
    x, y, covered = plot.x(p.x), plot.y(up.at(p.y)), []
    if p.x_span:
        covered.append((plot.x(p.x_span[0]), y - 2, plot.x(p.x_span[1]), y + 2))
    if p.y_span and p.y_span[0] > 0:
        low, high = (plot.y(up.at(end)) for end in p.y_span)
        covered.append((x - 2, high, x + 2, low))
    return covered


def _name(name: str, x: float, box: tuple[float, float, float, float]) -> str:
    """The name, set from the side that faces its point."""
    if box[0] > x:
        return text(box[0], box[3] - 3.5, name, "name")
    if box[2] < x:
        return text(box[2], box[3] - 3.5, name, "name", "end")
    return text((box[0] + box[2]) / 2, box[3] - 3.5, name, "name", "middle")


def _leader(x: float, y: float, box: tuple[float, float, float, float]) -> str:
    """A thin line to a name that stands away from its point."""
    near = nearest((x, y), box)
    if abs(near[0] - x) < 14 and abs(near[1] - y) < 14:
        return ""
    return f'<path d="M{x:.1f} {y:.1f} L{near[0]:.1f} {near[1]:.1f}" class="leader"/>'


def curve_chart(curves: Sequence[Curve], key: str) -> str:
    """A number against the number of hypotheses; lines end in their names."""
    across = axis([h for c in curves for h in c.hypotheses], log=True)
    up = axis([v for c in curves for v in c.values])
    room = min(_LETTER * max(len(c.name) for c in curves) + 14, 190)
    plot = Plot(46, 34, 428 - room, 330, across.range, up.range)
    marks = [plot.x_axis(_labels(across), count_name(key))]
    marks.append(plot.y_axis(_labels(up), axis_name(key) + " (log)" * up.log))
    level = spaced([plot.y(up.at(c.values[-1])) for c in curves], _LINE)
    for n, (curve, y) in enumerate(zip(curves, level, strict=True)):
        xs, ys = [across.at(h) for h in curve.hypotheses], [up.at(v) for v in curve.values]
        css = f"series s{n % 7}"
        marks.append(plot.line(xs, ys, f"{css} path{' dashed' if n >= 7 else ''}"))
        marks += [
            plot.dot(x, z, f"{css} at", f"{curve.name}, {h:,.0f}: {cell_text(v, column(key))}")
            for x, z, h, v in zip(xs, ys, curve.hypotheses, curve.values, strict=True)
        ]
        end, edge = plot.x(xs[-1]), plot.left + plot.width
        marks.append(
            f'<path d="M{end + 5:.1f} {plot.y(ys[-1]):.1f} L{edge + 8:.1f} {y:.1f}" '
            'class="leader"/>'
        )
        marks.append(text(edge + 11, y + 4, curve.name, f"name s{n % 7}"))
    return drawing(480, 420, marks, f"{axis_name(key)} against hypotheses")


def dot_chart(dots: Sequence[Dot], key: str) -> str:
    """A row's number as a dot with its interval; subsets below one another, told by shape."""
    names = list(dict.fromkeys(d.name for d in dots))
    series = list(dict.fromkeys(d.series for d in dots))
    tall = max(_ROW + 6, _SERIES * len(series) + 8)
    ends = [end for d in dots for end in (d.value, *(d.span or ()))]
    of = axis(ends, log=False)
    left = min(max(8.6 * max(map(len, names)) + 16, 60), 220)  # narrow screens have larger type
    plot = Plot(left, 8, 446 - left, tall * len(names), of.range, (0, len(names)))
    marks = [plot.x_axis(_labels(of), axis_name(key))]
    for n, name in enumerate(names):
        if n % 2:
            marks.append(plot.box(of.range, (len(names) - n - 1, len(names) - n), "stripe"))
        marks.append(text(left - 10, plot.top + tall * (n + 0.5) + 4, name, "tick", "end"))
    for dot in dots:
        shift = (series.index(dot.series) + 0.5 - len(series) / 2) * _SERIES / tall
        y = len(names) - names.index(dot.name) - 0.5 - shift
        marks.append(_whisker(plot, of, dot.span, y))
        said = f"{dot.name}{', ' * bool(dot.series)}{dot.series}: "
        tip = said + cell_text(dot.value / column(key).scale, column(key))
        marks.append(_series_marker(plot.x(dot.value), plot.y(y), series.index(dot.series), tip))
    return drawing(480, plot.height + 56, marks, axis_name(key))


def bar_chart(groups: Mapping[str, Mapping[str, float]], name: str, highest: float) -> str:
    """Horizontal bars up to `highest` at most, by group and, within it, by name."""
    shown = [(group, item, value) for group, at in groups.items() for item, value in at.items()]
    headed = len(groups) > 1
    rows = len(shown) + headed * len(groups)
    top_value = 1.14 * highest or 1.0
    plot = Plot(112, 4, 326, _ROW * rows, (0, top_value), (0, rows))
    marks = [plot.x_axis([(t, f"{t:g}") for t in nice_ticks(top_value)], name)]
    row, last = 0, None
    for group, item, value in shown:
        if headed and group != last:
            marks.append(text(plot.left, plot.top + _ROW * (row + 1) - 6, group, "group"))
            row, last = row + 1, group
        order = list(groups[group]).index(item)
        css = f"bar a{order % 3}" if headed else "bar calm"
        marks.append(plot.box((0, value), (rows - row - 0.86, rows - row - 0.14), css))
        y = plot.top + _ROW * (row + 0.5) + 4
        marks.append(text(plot.left - 8, y, item, "tick", "end"))
        marks.append(text(plot.x(value) + 6, y, f"{value:.0f}", "value"))
        row += 1
    return drawing(480, plot.height + 52, marks, name)


def reliability_tile(row: Row, name: str) -> str:
    """A small reliability curve of one row, its deviation filled; empty where there is none."""
    curve, best = reliability(row), perfect(row)
    if len(curve) < 2:
        return ""
    levels, seen = [list(values) for values in zip(*curve, strict=True)]
    plot = Plot(2, 2, 96, 96, (0, 1), (0, 1))
    low = [min(s, b) for s, b in zip(seen, best, strict=True)]
    high = [max(s, b) for s, b in zip(seen, best, strict=True)]
    marks = [
        plot.box((0, 1), (0, 1), "tile"),
        plot.band(levels, low, best, "deficit"),
        plot.band(levels, best, high, "excess"),
        plot.line(levels, best, "ideal"),
        plot.line(levels, seen, "curve thin"),
    ]
    return drawing(100, 100, marks, f"Reliability of {name}")
