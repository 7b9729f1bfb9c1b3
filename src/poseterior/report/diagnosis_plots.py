"""`write_diagnosis_plots`: the charts of a diagnosis as PNG files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poseterior.report.diagnosis_ranks import RankHistogram, read_ranks
from poseterior.report.diagnosis_read import AXES, joint_words, number_list, part, span
from poseterior.report.numbers import finite
from poseterior.report.png import clean, panels, write_figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["write_diagnosis_plots"]

_BLUE, _ORANGE, _GREEN, _PALE = "#0072b2", "#d55e00", "#009e73", "#9fb7c8"
_GREY, _BAND = "#8a95a3", "#c7ced6"
_AXIS_COLORS = {"x": "#0072b2", "y": "#009e73", "z": "#a0527d"}
_TALLEST = 3.2  # height of a rank histogram over the expected share
_CURVES = {
    "radius": "Distance from the centre", "tarp": "Any direction (TARP)",
    "density": "Highest-density regions", "together_x": "Together along x",
    "together_y": "Together along y", "together_z": "Together along z",
    "bones": "Neighbouring joints",
}  # fmt: skip


def write_diagnosis_plots(folder: str | os.PathLike[str], result: Mapping[str, Any]) -> list[Path]:
    """Write ranks.png, factors.png, whole_pose.png and confidence.png; those that have data.

    Args:
        folder: where to; made if there is none.
        result: the dict of `diagnose --json`.

    Returns:
        The files.

    Raises:
        InputError: the folder cannot be made or written.
    """
    draw = {
        "ranks.png": lambda: _ranks(result),
        "factors.png": lambda: _factors(result),
        "whole_pose.png": lambda: _whole_pose(result),
        "confidence.png": lambda: _confidence(result),
    }
    return write_figures(folder, draw)


def _words(joint: object) -> str:
    """A joint's name that matplotlib does not read as mathematics."""
    return joint_words(joint).replace("$", r"\$")


def _ranks(result: Mapping[str, Any]) -> Figure | None:
    """A row for each joint, a column for each axis."""
    ranks = part(result, "ranks")
    rows = {
        _words(joint): [read_ranks(ranks, part(ranks, "joints", joint).get(a)) for a in AXES]
        for joint in part(ranks, "joints")
    }
    rows = {joint: row for joint, row in rows.items() if any(row)}
    if not rows:
        return None
    figure, (line,) = panels(1, 3, 9, 0.55 * len(rows) + 1)
    for k, (axes, (axis, words)) in enumerate(zip(line, AXES.items(), strict=True)):
        for n, row in enumerate(reversed(rows.values())):
            found = row[k]
            if found:
                _rank_bars(axes, found, n)
        axes.set_yticks([], [])
        axes.set(xlim=(0, 100), ylim=(0, len(rows)), xticks=[0, 50, 100])
        clean(axes, f"{axis}, {words}", "Rank of the target, %", "")
        axes.spines["left"].set_visible(False)
    line[0].set_yticks(np.arange(len(rows)) + 0.3, list(rows)[::-1])
    line[0].tick_params(axis="y", length=0)
    return figure


def _rank_bars(axes: Axes, found: RankHistogram, row: int) -> None:
    """Bars that stand on `row`, cut where they would reach the next, and the band behind."""
    count, top = len(found.shares), _TALLEST * max(found.expected)
    colors = [_ORANGE if beyond else _PALE for beyond in found.outside()]
    heights = 0.88 * np.minimum(np.array(found.shares) / top, 1)
    left = 100 * np.arange(count) / count
    axes.bar(left, heights, 88 / count, bottom=row, align="edge", color=colors)
    low, high = (row + 0.88 * np.array([*side, side[-1]]) / top for side in (found.low, found.high))
    edges = np.linspace(0, 100, count + 1)
    axes.fill_between(edges, low, np.minimum(high, row + 0.88), step="post", color=_BAND,
                      alpha=0.6, linewidth=0)  # fmt: skip
    axes.axhline(row, color=_GREY, linewidth=0.8)


def _factors(result: Mapping[str, Any]) -> Figure | None:
    """Spread factors with intervals, and biases, joint by joint."""
    per_joint = part(result, "factors", "per_joint")
    known = [j for j in per_joint if (finite(part(per_joint, j).get("factor")) or 0) > 0]
    bias = part(result, "bias")
    if not known and not bias:
        return None
    rows = max(len(known), len(bias))
    figure, (line,) = panels(1, 2, 11, 0.27 * rows + 1.2)
    _factor_dots(line[0], {joint: part(per_joint, joint) for joint in known})
    _bias_dots(line[1], bias)
    return figure


def _factor_dots(axes: Axes, entries: Mapping[str, Mapping[str, Any]]) -> None:
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

    order = sorted(entries, key=lambda joint: entries[joint]["factor"])
    for n, joint in enumerate(order):
        value, ends = float(entries[joint]["factor"]), span(entries[joint])
        low, high = ends or (value, value)
        color = _ORANGE if low > 1 else _BLUE if high < 1 else _GREEN
        axes.plot([low, high], [n, n], color=_GREY, linewidth=1.4)
        axes.plot(value, n, "o", color=color, markersize=6)
    axes.axvline(1, color=_GREY, linestyle="--", linewidth=1)
    axes.set_yticks(range(len(order)), map(_words, order))
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    low, high = min(low, 0.8), max(high, 1.25)
    ticks = [t for t in (0.1, 0.25, 0.5, 0.8, 1, 1.25, 2, 4, 10) if low <= t <= high]
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(lambda tick, _: f"{tick:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    clean(axes, "Spread factor", "What the spread must be multiplied by (log)", "")


def _bias_dots(axes: Axes, bias: Mapping[str, Any]) -> None:
    order = list(bias)[::-1]
    for axis, color in _AXIS_COLORS.items():
        known = [(n, finite(part(bias, j, axis).get("mm"))) for n, j in enumerate(order)]
        at = [(value, n) for n, value in known if value is not None]
        if at:
            axes.plot(*np.transpose(at), "o", color=color, label=f"{axis}, {AXES[axis]}")
    axes.axvline(0, color=_GREY, linestyle="--", linewidth=1)
    axes.set_yticks(range(len(order)), map(_words, order))
    if order:
        axes.legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    clean(axes, "Bias", "Target minus mean, mm", "")


def _whole_pose(result: Mapping[str, Any]) -> Figure | None:
    """Coverage of regions of whole poses."""
    curves = {
        key: part(result, "whole_pose", key)
        for key in part(result, "whole_pose")
        if _complete(part(result, "whole_pose", key), "levels", "observed")
    }
    if not curves:
        return None
    columns = min(len(curves), 4)
    rows = -(-len(curves) // columns)
    figure, grid = panels(rows, columns, 3.3 * columns, 3.5 * rows)
    for axes in grid.flat[len(curves) :]:
        axes.set_visible(False)
    for n, (axes, (key, curve)) in enumerate(zip(grid.flat, curves.items(), strict=False)):
        _coverage(axes, curve)
        up = "" if n % columns else "Targets inside, %"
        clean(axes, _CURVES.get(key, _words(key)), "Nominal level, %", up)
    return figure


def _coverage(axes: Axes, curve: Mapping[str, Any]) -> None:
    levels, seen = (100 * np.array(curve[key]) for key in ("levels", "observed"))
    low, high = (100 * np.array(number_list(side)) for side in curve.get("band") or ((), ()))
    if len(low) == len(high) == len(levels):
        axes.fill_between(levels, low, high, color=_BAND, linewidth=0)
    expected = curve["expected"] if _complete(curve, "levels", "expected") else curve["levels"]
    axes.plot(levels, 100 * np.array(expected), "--", color=_GREY, linewidth=1)
    axes.plot(levels, seen, "o-", color=_BLUE, markersize=3.5)
    axes.set(xlim=(0, 100), ylim=(0, 100), aspect="equal")


def _complete(found: Mapping[str, Any], *keys: str) -> bool:
    """Whether the lists of those keys are there, finite and of one length."""
    sizes = {len(number_list(found.get(key))) for key in keys}
    return len(sizes) == 1 and sizes != {0}


def _confidence(result: Mapping[str, Any]) -> Figure | None:
    """Error against spread, by pose and by joint, and the error of the poses kept."""
    drawn: list[tuple[Callable[..., None], Mapping[str, Any], str]] = []
    for key, title in {"pose": "Error against spread, poses", "joint": "… joints"}.items():
        bins = part(result, "spread_skill", key)
        if _complete(bins, "spread_mm", "error_mm"):
            drawn.append((_spread_skill, bins, title))
    risk = part(result, "risk_coverage")
    if _complete(risk, "coverage", "risk_mm"):
        drawn.append((_risk, risk, "Use as a confidence"))
    if not drawn:
        return None
    figure, (line,) = panels(1, len(drawn), 4.3 * len(drawn), 4.2)
    for axes, (draw, found, title) in zip(line, drawn, strict=True):
        draw(axes, found, title)
    return figure


def _spread_skill(axes: Axes, bins: Mapping[str, Any], title: str) -> None:
    top = 1.08 * max(*bins["spread_mm"], *bins["error_mm"])
    axes.plot([0, top], [0, top], "--", color=_GREY, linewidth=1)
    axes.plot(bins["spread_mm"], bins["error_mm"], "o-", color=_BLUE, markersize=4)
    axes.set(xlim=(0, top), ylim=(0, top), aspect="equal")
    clean(axes, title, "Predicted spread, mm", "Error, mm")


def _risk(axes: Axes, risk: Mapping[str, Any], title: str) -> None:
    share = 100 * np.array(risk["coverage"])
    axes.plot(share, risk["risk_mm"], color=_BLUE, linewidth=2, label="by the spread")
    if _complete(risk, "coverage", "oracle_mm"):
        axes.fill_between(
            share, risk["oracle_mm"], risk["risk_mm"], color=_ORANGE, alpha=0.2, linewidth=0
        )
        axes.plot(share, risk["oracle_mm"], color=_GREEN, label="by the error itself")
    if finite(risk.get("random_mm")) is not None:
        axes.axhline(risk["random_mm"], color=_GREY, linestyle="--", label="in random order")
    axes.set(xlim=(0, 100), ylim=(0, None))
    axes.legend(frameon=False, loc="lower right")
    clean(axes, title, "Poses kept, the most certain first, %", "Mean error of those kept, mm")
