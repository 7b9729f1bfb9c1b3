"""The report's charts, each an inline SVG made from a part of the result."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import Any

from poseterior.report.curve import chance_band, perfect, reliability
from poseterior.report.numbers import finite
from poseterior.report.svg import Plot, drawing, text

__all__ = [
    "coverage_tiles",
    "histogram_chart",
    "joint_bars",
    "joint_values",
    "nice_ticks",
    "overflow_edges",
    "reliability_chart",
]

_PERCENT = tuple((level / 100, f"{level}") for level in range(0, 101, 20))
_ROW = 25.0
_TAIL = 0.005


def reliability_chart(result: Mapping[str, Any]) -> str:
    """Observed against nominal coverage with the band that chance allows."""
    curve = reliability(result)
    if not curve:
        return ""
    plot = Plot(46, 30, 420, 400, (0, 1), (0, 1))
    levels, observed = [list(values) for values in zip(*curve, strict=True)]
    band = chance_band(result)
    marks = [plot.x_axis(_PERCENT, "Nominal level of the region, %")]
    marks.append(plot.y_axis(_PERCENT, "Targets found inside, %"))
    if band:
        marks.append(plot.band(levels, *band, "chance"))
    marks.append(plot.line(levels, perfect(result), "ideal"))
    marks.append(text(plot.x(0.04), plot.y(0.94), "too wide (underconfident)", "aside"))
    marks.append(text(plot.x(0.96), plot.y(0.04), "too narrow (overconfident)", "aside", "end"))
    marks.append(plot.line(levels, observed, "curve"))
    marks += [
        plot.dot(level, seen, "curve-dot", f"{level:.0%} regions: {seen:.1%} inside")
        for level, seen in curve
    ]
    return drawing(480, 480, marks, "Reliability curve")


def joint_values(per_joint: Mapping[str, Any] | None, key: str) -> dict[str, float]:
    """One number of each joint that has it, by the joint's name in words."""
    found = {j: finite((v or {}).get(key)) for j, v in (per_joint or {}).items()}
    return {j.replace("_", " "): v for j, v in found.items() if v is not None}


def joint_bars(
    values: Mapping[str, float],
    name: str,
    digits: int,
    css: str = "bar",
    order: Mapping[str, float] | None = None,
) -> str:
    """A horizontal bar for each joint, largest first (by `order` where it is given)."""
    if not values:
        return ""
    rank = order or values
    rows = sorted(values.items(), key=lambda item: -rank.get(item[0], 0.0))
    highest = 1.12 * max(values.values()) or 1.0
    ticks = nice_ticks(highest)
    plot = Plot(118, 8, 320, _ROW * len(rows), (0, highest), (0, 1))
    labels = [(t, f"{t:g}") for t in ticks]
    marks = [plot.x_axis(labels, name)]
    for row, (joint, value) in enumerate(rows):
        top = 1 - row / len(rows)
        edge = 0.18 / len(rows)
        said = f"{value:.{digits}f}"
        marks.append(plot.box((0, value), (top - 1 / len(rows) + edge, top - edge), css, said))
        middle = plot.y(top) + _ROW / 2 + 4
        marks.append(text(plot.left - 8, middle, joint, "tick", "end"))
        marks.append(text(plot.x(value) + 6, middle, said, "value"))
    return drawing(480, plot.height + 56, marks, f"{name} of each joint")


def coverage_tiles(result: Mapping[str, Any]) -> str:
    """One small reliability curve for each joint, its deviation from the diagonal filled."""
    tiles = []
    levels, best = [level for level, _ in reliability(result)], perfect(result)
    for joint, values in (result.get("per_joint") or {}).items():
        observed = [finite(v) for v in (values or {}).get("coverage") or ()]
        if len(observed) > 1 and None not in observed:
            even = [i / (len(observed) - 1) for i in range(len(observed))]
            at = (levels, best) if len(levels) == len(observed) else (even, even)
            tiles.append(_tile(joint.replace("_", " "), *at, observed, finite(values.get("ece"))))
    return f'<div class="tiles">{"".join(tiles)}</div>' if tiles else ""


def _tile(
    joint: str, levels: list[float], best: list[float], observed: list[Any], ece: float | None
) -> str:
    plot = Plot(2, 2, 96, 96, (0, 1), (0, 1))
    low = [min(o, b) for o, b in zip(observed, best, strict=True)]
    high = [max(o, b) for o, b in zip(observed, best, strict=True)]
    marks = [
        plot.box((0, 1), (0, 1), "tile"),
        plot.band(levels, low, best, "deficit"),
        plot.band(levels, best, high, "excess"),
        plot.line(levels, best, "ideal"),
        plot.line(levels, observed, "curve thin"),
    ]
    drawn = drawing(100, 100, marks, f"Reliability of {joint}")
    said = f"<span>ECE {ece:.3f}</span>" if ece is not None else ""
    return f"<figure>{drawn}<figcaption>{escape(joint)}{said}</figcaption></figure>"


def overflow_edges(histogram: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    """Edges (n + 1, all finite) and counts (n) of a histogram whose last bin is open above.

    The tail that holds less than 0.5 % of the counts is put into that bin, to show the rest well.
    """
    counts = [finite(c) or 0.0 for c in histogram.get("counts") or ()]
    edges = [e for e in map(finite, histogram.get("edges") or ()) if e is not None]
    if len(counts) == len(edges) and len(edges) > 1:
        edges.append(2 * edges[-1] - edges[-2])
    if not counts or len(edges) != len(counts) + 1:
        return [], []
    while len(counts) > 3 and sum(counts[-2:]) < _TAIL * sum(counts):
        edges, counts = edges[:-1], [*counts[:-2], sum(counts[-2:])]
    return edges, counts


def histogram_chart(histogram: Mapping[str, Any], name: str, unit: str) -> str:
    """Shares of poses by error; the last bin also holds everything beyond it."""
    edges, counts = overflow_edges(histogram)
    total = sum(counts)
    if not total:
        return ""
    shares = [100 * count / total for count in counts]
    ticks = nice_ticks(max(shares) * 1.08)
    plot = Plot(40, 30, 426, 200, (edges[0], edges[-1]), (0, max(ticks[-1], max(shares) * 1.08)))
    marks = [plot.y_axis([(t, f"{t:g}") for t in ticks], "Share of poses, %")]
    for i, share in enumerate(shares):
        last = i == len(shares) - 1
        span = f"{edges[i]:g} or more" if last else f"{edges[i]:g} to {edges[i + 1]:g}"
        css = "bar beyond" if last else "bar"
        tip = f"{span} {unit}: {share:.1f} % of poses"
        gap = (edges[i + 1] - edges[i]) * 0.06
        marks.append(plot.box((edges[i] + gap, edges[i + 1] - gap), (0, share), css, tip))
    open_bin = (edges[-2] + edges[-1]) / 2
    room = open_bin - (edges[-1] - edges[0]) * 0.11
    labels = [(t, f"{t:g}") for t in nice_ticks(edges[-2]) if edges[0] <= t < room]
    axis = f"{name}, {unit}" if unit else name
    marks.append(plot.x_axis([*labels, (open_bin, f"{edges[-2]:g}+")], axis, grid=False))
    return drawing(480, 280, marks, axis)


def nice_ticks(highest: float, about: int = 5) -> list[float]:
    """Round numbers from 0 up to at most `highest`.

    >>> nice_ticks(0.137), nice_ticks(83)
    ([0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.12], [0.0, 20.0, 40.0, 60.0, 80.0])
    """
    if not highest > 0:
        return [0.0]
    unit = 10.0 ** math.floor(math.log10(highest / about))
    step = next(s * unit for s in (1, 2, 5, 10) if highest / (s * unit) <= about * 1.5)
    return [round(i * step, 10) for i in range(int(highest / step + 1e-9) + 1)]
