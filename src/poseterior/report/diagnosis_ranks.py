"""Rank (PIT) histograms with their band: of all joints, joint by joint, and how to read them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from poseterior.report.diagnosis_read import AXES, joint_words, number_list, p_text, part
from poseterior.report.svg import Plot, drawing, text

__all__ = ["RankHistogram", "joint_histograms", "pictograms", "pooled_histograms", "read_ranks"]

_LOWEST = 2.2  # of a chart's height over the expected share
_HIGHEST = {"pooled": 5.0, "joint": 3.2}
_PERCENT = ((0, "0"), (0.5, "50"), (1, "100"))
# What a shape means, with one that shows it: height of each bar over the expected one.
_SHAPES = {
    "flat: as it should be": lambda u: 1.0 + 0.06 * math.sin(9 * u),
    "U: too narrow": lambda u: 0.35 + 5.2 * (u - 0.5) ** 2 * 1.5,
    "hump: too wide": lambda u: 1.75 - 9.0 * (u - 0.5) ** 2,
    "slope: shifted": lambda u: 0.25 + 1.6 * u,
}


class RankHistogram(NamedTuple):
    """Shares of the targets' ranks, and what chance allows around the expected ones."""

    shares: list[float]
    expected: list[float]
    low: list[float]
    high: list[float]

    def outside(self) -> list[bool]:
        """Which bars lie beyond the band."""
        rows = zip(self.shares, self.low, self.high, strict=True)
        return [not low <= share <= high for share, low, high in rows]


def read_ranks(ranks: Mapping[str, Any], shares: Sequence[Any] | None) -> RankHistogram | None:
    """One histogram with the band of `ranks`; None where a number is missing."""
    own, expected = number_list(shares), number_list(ranks.get("expected"))
    low, high = (number_list(side) for side in ranks.get("band") or ((), ()))
    expected = expected or [1 / len(own)] * len(own)
    same = len(own) == len(expected) == len(low) == len(high)
    return RankHistogram(own, expected, low, high) if own and same else None


def pooled_histograms(ranks: Mapping[str, Any]) -> str:
    """A histogram of each axis over all joints."""
    drawn = []
    for axis, words in AXES.items():
        found = read_ranks(ranks, part(ranks, "pooled").get(axis))
        if found:
            top = _ceiling([found], _HIGHEST["pooled"])
            plot = Plot(40, 12, 312, 150, (0, 1), (0, top))
            ticks = [(t, f"{100 * t:g}") for t in (0, found.expected[0])]
            marks = [plot.y_axis(ticks), _bars(plot, found, top)]
            marks.append(plot.x_axis(_PERCENT, "Rank of the target, %", grid=False))
            figure = drawing(374, 204, marks, f"Ranks along {axis} of all joints")
            drawn.append(f"<figure>{figure}<figcaption>{axis}, {words}</figcaption></figure>")
    return f'<div class="three">{"".join(drawn)}</div>' if drawn else ""


def joint_histograms(ranks: Mapping[str, Any]) -> str:
    """A row of three histograms for each joint, all to one scale."""
    rows = {
        joint: {axis: read_ranks(ranks, (by or {}).get(axis)) for axis in AXES}
        for joint, by in part(ranks, "joints").items()
    }
    known = [h for row in rows.values() for h in row.values() if h]
    top = _ceiling(known, _HIGHEST["joint"]) if known else 1.0
    p_values = part(ranks, "p_value")
    shown = [
        _joint_row(joint_words(joint), row, part(p_values, joint), top)
        for joint, row in rows.items()
        if any(row.values())
    ]
    return f'<div class="ranks">{"".join(shown)}</div>' if shown else ""


def _joint_row(
    joint: str, row: Mapping[str, RankHistogram | None], p_values: Mapping[str, Any], top: float
) -> str:
    marks = []
    for n, (axis, found) in enumerate(row.items()):
        plot = Plot(2 + 180 * n, 4, 168, 64, (0, 1), (0, top))
        said = f"p {p_text(p_values.get(axis))}" if axis in p_values else ""
        marks.append(text(plot.left, 85, axis, "tick"))
        marks.append(text(plot.left + plot.width, 85, said, "tick", "end"))
        marks.append(_bars(plot, found, top) if found else "")
    figure = drawing(532, 90, marks, f"Ranks of {joint} along x, y and z")
    return f"<figure><figcaption>{escape(joint)}</figcaption>{figure}</figure>"


def _ceiling(found: Sequence[RankHistogram], most: float) -> float:
    """The height that charts show: that of the highest bar, at `most` times the expected one."""
    expected = max(e for h in found for e in h.expected)
    highest = max(share for h in found for share in (*h.shares, *h.high)) / expected
    return expected * min(max(1.05 * highest, _LOWEST), most)


def _bars(plot: Plot, found: RankHistogram, top: float) -> str:
    """Bars, those beyond the band marked, behind the band's two lines; high ones are cut."""
    count, marks = len(found.shares), []
    for n, (share, beyond) in enumerate(zip(found.shares, found.outside(), strict=True)):
        low, high = n / count, (n + 1) / count
        tip = f"{low:.0%} to {high:.0%}: {share:.1%} of targets, {found.expected[n]:.1%} expected"
        css = "rank beyond" if beyond else "rank"
        gap = 0.06 / count
        marks.append(plot.box((low + gap, high - gap), (0, min(share, top)), css, tip))
        if share > top:
            middle = plot.x((low + high) / 2)
            marks.append(_cut(middle, plot.top))
    edges = [end for n in range(count) for end in (n / count, (n + 1) / count)]
    below, above, expected = map(_twice, (found.low, found.high, found.expected))
    marks.append(plot.band(edges, below, [min(v, top) for v in above], "chance"))
    marks.append(plot.line(edges, expected, "ideal"))
    return "".join(marks)


def _twice(values: Sequence[float]) -> list[float]:
    """Each value at both edges of its bar."""
    return [v for v in values for _ in (0, 1)]


def _cut(x: float, y: float) -> str:
    """A mark on top of a bar that goes on."""
    where = f"M{x - 5:.1f} {y + 6:.1f} L{x:.1f} {y + 1:.1f} L{x + 5:.1f} {y + 6:.1f}"
    return f'<path d="{where}" class="cut"/>'


def pictograms() -> str:
    """What the usual shapes mean."""
    shown = []
    for words, height in _SHAPES.items():
        plot = Plot(1, 2, 70, 32, (0, 1), (0, 2.3))
        bars = [
            plot.box((n / 10 + 0.008, (n + 1) / 10 - 0.008), (0, height((n + 0.5) / 10)), "rank")
            for n in range(10)
        ]
        bars.append(plot.line([0, 1], [1, 1], "ideal"))
        shown.append(f"<li>{drawing(72, 36, bars, words)}<span>{words}</span></li>")
    return f'<ul class="shapes">{"".join(shown)}</ul>'
