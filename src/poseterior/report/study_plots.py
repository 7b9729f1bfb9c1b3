"""A study's chart as a PNG file, by matplotlib without a display."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poseterior.data.npz_writer import replacing
from poseterior.report import study_series as series
from poseterior.report.occlusion_plot import occlusion_figure
from poseterior.report.study_columns import better, column
from poseterior.report.study_labels import nearest, place, spaced
from poseterior.report.study_rows import KINDS, study_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["write_study_plot"]

_GREY, _DPI, _LONGEST = "#8a95a3", 150, 40
_COLORS = {"over": "#d55e00", "under": "#0072b2", "right": "#009e73", "uneven": "#b07aa1",
           "none": "#5b6673"}  # fmt: skip
_MARKERS = {"over": "v", "under": "^", "right": "o", "uneven": "D", "none": "s"}
_SERIES = ("#0072b2", "#d55e00", "#009e73", "#a0527d", "#9a7400", "#332288", "#4d5866")
_SHAPES = "oDsv"
_LEADER = {"arrowstyle": "-", "color": "#a9b2bd", "linewidth": 0.7, "shrinkA": 0, "shrinkB": 3}
_AXES = {"right": "#56b4e9", "down": "#9fb7c8", "depth": "#0b3c5d"}


def write_study_plot(result: Mapping[str, Any], path: Path) -> Path | None:
    """Write the study's chart to `path`; None, and no file, where there is nothing to draw.

    Raises:
        ValueError: the result has no plain name, or a row no `method`.
        InputError: the path cannot be written.
    """
    draw = {
        "table1": _scatter, "samples": _curves, "diversity": _diversity, "mesh_table": _curves,
        "mesh_ablation": _curves, "mesh_samples": _curves, "ccnet_occlusion": occlusion_figure,
    }  # fmt: skip
    figure = draw.get(study_name(result), _dots)(result)
    if figure is None:
        return None
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI, facecolor="white")
    return path


def _panels(count: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure of its own canvas (no pyplot, so no global state) and `count` axes in a row."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(1, count, squeeze=False)[0])


def _clean(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(_literal(title), loc="left", fontsize=11, fontweight="bold")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e9ecf0", linewidth=0.8)
    axes.set_axisbelow(True)


def _literal(words: str) -> str:
    """Words, not too many of them, that matplotlib does not read as mathematics."""
    return words[:_LONGEST].replace("$", r"\$")


def _scale(axes: Axes, of: series.Axis, which: str) -> None:
    """Range, ticks and kind of an axis, `which` is "x" or "y"."""
    from matplotlib.ticker import NullLocator

    if of.log:
        axes.set(**{f"{which}scale": "log"})
        getattr(axes, f"{which}axis").set_minor_locator(NullLocator())
    axes.set(**{f"{which}lim": (of.low, of.high)})
    axes.set(**{f"{which}ticks": of.ticks, f"{which}ticklabels": [f"{t:,g}" for t in of.ticks]})


def _bounds(value: float, span: series.Span) -> list[list[float]] | None:
    return None if span is None else [[max(value - span[0], 0)], [max(span[1] - value, 0)]]


def _scatter(result: Mapping[str, Any]) -> Figure | None:
    panels = series.scatter_panels(result)
    if not panels:
        return None
    figure, grid = _panels(len(panels), 5.6 * len(panels), 5.4)
    seen = {point.kind for points in panels.values() for point in points}
    for axes, (key, points) in zip(grid, panels.items(), strict=True):
        for p in points:
            across, up = _bounds(p.x, p.x_span), _bounds(p.y, p.y_span)
            axes.errorbar(p.x, p.y, up, across, "none", ecolor=_GREY, elinewidth=0.9, zorder=2)
            axes.plot(p.x, p.y, _MARKERS[p.kind], color=_COLORS[p.kind], markersize=8,
                      markeredgecolor="white", zorder=3)  # fmt: skip
        height = series.axis([p.y for p in points])
        _scale(axes, series.axis([0.0, *(p.x for p in points)], zero=True), "x")
        _scale(axes, height, "y")
        name = series.axis_name(key) + " (log)" * height.log
        _clean(axes, column(key).heading, "Calibration error (ECE)", name)
    handles = [
        grid[0].plot([], [], _MARKERS[k], color=_COLORS[k], markersize=8, label=said)[0]
        for k, said in KINDS.items()
        if k in seen
    ]
    if handles:
        figure.legend(
            handles=handles, loc="outside lower center", ncols=len(handles), frameon=False
        )
    figure.draw_without_rendering()  # the layout decides where the points lie
    for axes, points in zip(grid, panels.values(), strict=True):
        _name(axes, points)
    return figure


def _name(axes: Axes, points: Sequence[series.Point]) -> None:
    """Names beside the points, placed as on the page: 1 / 96 inch, y down."""
    box, dots = axes.get_window_extent(), axes.figure.dpi / 96

    def seat(x: float, y: float) -> tuple[float, float]:
        across, up = axes.transData.transform((x, y))
        return (across - box.x0) / dots, (box.y1 - up) / dots

    at = [seat(p.x, p.y) for p in points]
    frame = (0.0, 0.0, box.width / dots, box.height / dots)
    sizes = [(6.6 * len(p.name) + 2, 14.0) for p in points]
    boxes = place(at, sizes, frame, [bar for p in points for bar in _covered(p, seat)])
    for p, (x, y), where in zip(points, at, boxes, strict=True):
        near = nearest((x, y), where)
        far = abs(near[0] - x) >= 14 or abs(near[1] - y) >= 14
        shift = (where[0] + where[2]) / 2 - x, y - (where[1] + where[3]) / 2
        axes.annotate(
            _literal(p.name), (p.x, p.y), (0.75 * shift[0], 0.75 * shift[1]), fontsize=8.2,
            ha="center", va="center", zorder=4, textcoords="offset points",
            arrowprops=_LEADER if far else None,
        )  # fmt: skip


def _covered(
    point: series.Point, seat: Callable[[float, float], tuple[float, float]]
) -> Iterator[tuple[float, float, float, float]]:
    """What the point's intervals cover."""
    x, y = seat(point.x, point.y)
    if point.x_span is not None:
        left, right = (seat(end, point.y)[0] for end in point.x_span)
        yield left, y - 2, right, y + 2
    if point.y_span is not None:
        low, high = (seat(point.x, end)[1] for end in point.y_span)
        yield x - 2, high, x + 2, low


def _curves(result: Mapping[str, Any]) -> Figure | None:
    panels = series.curve_panels(result)
    if not panels:
        return None
    figure, grid = _panels(len(panels), 6.2 * len(panels), 4.6)
    for axes, (key, curves) in zip(grid, panels.items(), strict=True):
        _scale(axes, series.axis([h for c in curves for h in c.hypotheses], log=True), "x")
        up = series.axis([v for c in curves for v in c.values])
        _scale(axes, up, "y")
        for n, c in enumerate(curves):
            style = "--" if n >= len(_SERIES) else "-"
            axes.plot(c.hypotheses, c.values, style, marker="o", color=_SERIES[n % len(_SERIES)],
                      markersize=4, markerfacecolor="white")  # fmt: skip
        name = series.axis_name(key) + " (log)" * up.log
        _clean(axes, column(key).heading, series.count_name(key), name)
        _name_ends(axes, curves, up)
    return figure


def _name_ends(axes: Axes, curves: Sequence[series.Curve], up: series.Axis) -> None:
    """Each curve's name right of the chart, at the height of its end."""
    low, high = up.range
    shares = [(up.at(c.values[-1]) - low) / (high - low) for c in curves]
    for n, (curve, height) in enumerate(zip(curves, spaced(shares, 0.048), strict=True)):
        axes.annotate(
            _literal(curve.name), (curve.hypotheses[-1], curve.values[-1]), (1.03, height),
            textcoords="axes fraction", va="center", fontsize=8.5,
            color=_SERIES[n % len(_SERIES)],
            arrowprops=_LEADER,
        )  # fmt: skip


def _dots(result: Mapping[str, Any]) -> Figure | None:
    panels = series.dot_panels(result)
    if not panels:
        return None
    names = list(dict.fromkeys(dot.name for dots in panels.values() for dot in dots))
    subsets = list(dict.fromkeys(dot.series for dots in panels.values() for dot in dots))
    tall = 0.16 * max(len(subsets), 2) * len(names) + 1.6
    figure, grid = _panels(len(panels), 3.1 * len(panels) + 1, tall)
    for axes, (key, dots) in zip(grid, panels.items(), strict=True):
        for dot in dots:
            n = subsets.index(dot.series)
            y = names.index(dot.name) + (n + 0.5 - len(subsets) / 2) * 0.26
            axes.errorbar(
                dot.value, y, xerr=_bounds(dot.value, dot.span), fmt=_SHAPES[n % 4],
                color=_SERIES[n % 4], ecolor=_GREY, elinewidth=1, markersize=5.5,
            )  # fmt: skip
        labels = [_literal(name) for name in names] if axes is grid[0] else [""] * len(names)
        axes.set(yticks=range(len(names)), yticklabels=labels, ylim=(len(names) - 0.5, -0.5))
        _clean(axes, column(key).heading, f"{series.axis_name(key)}\n{better(key)}", "")
    if len(subsets) > 1:
        handles = [
            grid[0].plot([], [], _SHAPES[n % 4], color=_SERIES[n % 4], label=_literal(subset))[0]
            for n, subset in enumerate(subsets)
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    return figure


def _diversity(result: Mapping[str, Any]) -> Figure | None:
    axes_spread, joints = series.spread_by_axis(result), series.joint_spread(result)
    if not axes_spread and not joints:
        return _dots(result)
    count = bool(axes_spread) + len(joints)
    figure, grid = _panels(count, 3.3 * count + 0.6, 5.2)
    if axes_spread:
        _axis_bars(grid[0], axes_spread)
    for axes, (name, values) in zip(grid[bool(axes_spread) :], joints.items(), strict=True):
        axes.barh([_literal(joint) for joint in values], list(values.values()), color="#56b4e9")
        axes.set_ylim(len(values) - 0.4, -0.6)
        axes.set_xlim(0, 1.08 * max(v for at in joints.values() for v in at.values()) or 1.0)
        _clean(axes, name, "Spread, mm", "")
        if name != next(iter(joints)):
            axes.set_yticklabels([])
    return figure


def _axis_bars(axes: Axes, spread: Mapping[str, Mapping[str, float]]) -> None:
    for n, (name, color) in enumerate(_AXES.items()):
        rows = [row for row, values in enumerate(spread.values()) if name in values]
        known = [values[name] for values in spread.values() if name in values]
        axes.barh([row + 0.26 * (n - 1) for row in rows], known, 0.24, color=color, label=name)
    labels = [_literal(name) for name in spread]
    axes.set(yticks=range(len(spread)), yticklabels=labels, ylim=(len(spread) - 0.4, -0.6))
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=3, fontsize=8)
    _clean(axes, "By axis", "Spread, mm", "")
