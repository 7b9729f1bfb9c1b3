"""`write_plots`: the report's main charts as PNG files, by matplotlib without a display."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poseterior.report.charts import joint_values, overflow_edges
from poseterior.report.curve import chance_band, perfect, reliability
from poseterior.report.examples import Examples
from poseterior.report.numbers import named
from poseterior.report.png import clean, panels, write_figures
from poseterior.report.scene import limits, to_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["write_plots"]

_BLUE, _SKY, _ORANGE, _DARK, _GREY = "#0072b2", "#56b4e9", "#d55e00", "#0b3c5d", "#8a95a3"
_MOST_POSES = 4


def write_plots(
    folder: str | os.PathLike[str], result: Mapping[str, Any], examples: Examples | None = None
) -> list[Path]:
    """Write reliability.png, per_joint.png, errors.png and poses.png; those that have data.

    Takes what `write_report` takes and makes the folder if there is none; returns the files.

    Raises:
        InputError: the folder cannot be made or written.
    """
    draw: dict[str, Callable[[], Figure | None]] = {
        "reliability.png": lambda: _reliability(result),
        "per_joint.png": lambda: _per_joint(result),
        "errors.png": lambda: _errors(result),
        "poses.png": lambda: _poses(examples),
    }
    return write_figures(folder, draw)


def _reliability(result: Mapping[str, Any]) -> Figure | None:
    curve = reliability(result)
    if not curve:
        return None
    figure, grid = panels(1, 1, 5, 5)
    axes = grid[0, 0]
    levels, observed = 100 * np.array(curve).T
    band = chance_band(result)
    if band:
        low, high = 100 * np.array(band)
        axes.fill_between(levels, low, high, color="#c7ced6", linewidth=0, label="chance, 95%")
    best = 100 * np.array(perfect(result))
    axes.plot(levels, best, "--", color=_GREY, linewidth=1, label="perfect posterior")
    axes.plot(levels, observed, "o-", color=_BLUE, markersize=4, label="observed")
    axes.set(xlim=(0, 100), ylim=(0, 100), aspect="equal")
    axes.legend(frameon=False, loc="upper left")
    clean(axes, "Reliability", "Nominal level of the region, %", "Targets found inside, %")
    return figure


def _per_joint(result: Mapping[str, Any]) -> Figure | None:
    wanted = {"Calibration error (ECE)": "ece", "Error of the mean, mm": "mpjpe_mm"}
    found = {n: joint_values(result.get("per_joint"), key) for n, key in wanted.items()}
    found = {name: values for name, values in found.items() if values}
    if not found:
        return None
    figure, grid = panels(1, len(found), 5 * len(found), 4.8)
    for axes, (name, values) in zip(grid[0], found.items(), strict=True):
        joints = sorted(values, key=lambda joint: values[joint])
        axes.barh(joints, [values[joint] for joint in joints], color=_BLUE)
        clean(axes, name, name, "")
    return figure


def _errors(result: Mapping[str, Any]) -> Figure | None:
    found = {k: overflow_edges(h or {}) for k, h in (result.get("histograms") or {}).items()}
    found = {key: bins for key, bins in found.items() if sum(bins[1])}
    if not found:
        return None
    figure, grid = panels(1, len(found), max(4.2 * len(found), 5), 3.4)
    for axes, (key, (edges, counts)) in zip(grid[0], found.items(), strict=True):
        shares = 100 * np.array(counts) / sum(counts)
        colors = [_BLUE] * (len(shares) - 1) + ["#9fb7c8"]
        axes.bar(edges[:-1], shares, np.diff(edges) * 0.9, align="edge", color=colors)
        number = named(key)
        axis = f"{number.unit or 'value'} (pale: {edges[-2]:g} or more)"
        clean(axes, number.label, axis, "Share of poses, %")
    return figure


def _poses(examples: Examples | None) -> Figure | None:
    """Each pose twice: as the camera sees it, and from the side, where depth shows."""
    if examples is None or not len(examples):
        return None
    count = min(len(examples), _MOST_POSES)
    figure, grid = panels(2, count, 2.4 * count + 0.8, 7.2)
    for row, (name, axis) in enumerate((("right, m", 0), ("forward (depth), m", 1))):
        for n in range(count):
            axes = grid[row, n]
            _draw_pose(axes, examples, n, axis)
            clean(axes, "", name, "" if n else "up, m")
            axes.set_title("" if row else examples.label(n), loc="left", fontsize=9)
    shown = {"hypotheses": _SKY, "mean": _DARK, "target": _ORANGE}
    handles = grid[0, 0].get_children()[: 2 + (examples.target is not None)]
    figure.legend(handles, shown, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _draw_pose(axes: Axes, examples: Examples, n: int, axis: int) -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.ticker import MultipleLocator

    def draw(poses: Any, color: str, width: float, opacity: float) -> None:
        points = to_plot(poses)[..., [axis, 2]]
        lines = list(np.concatenate([points[:, list(bone)] for bone in examples.bones]))
        axes.add_collection(LineCollection(lines, colors=color, linewidths=width, alpha=opacity))

    draw(examples.hypotheses[n], _SKY, 0.7, 0.3)
    draw(examples.centre[n : n + 1], _DARK, 2.2, 1.0)
    if examples.target is not None:
        draw(examples.target[n : n + 1], _ORANGE, 1.6, 1.0)
    low, high = limits(examples)
    reach = max(-low[:2].min(), high[:2].max())
    axes.set(xlim=(-reach, reach), ylim=(low[2], high[2]), aspect="equal")
    axes.xaxis.set_major_locator(MultipleLocator(0.5))
    axes.yaxis.set_major_locator(MultipleLocator(0.5))
