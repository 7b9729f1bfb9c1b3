"""A few poses with their hypotheses, drawn from the front and from the side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseterior.geometry.skeleton import get_skeleton
from poseterior.report.parts import section
from poseterior.report.scene import to_plot
from poseterior.report.study_rows import Row, row_name, study_rows
from poseterior.report.study_tables import breakable
from poseterior.report.svg import Plot, drawing, text

__all__ = ["gallery_section"]

Array = NDArray[Any]
_SIDE = 150.0
_HEADS = 20.0
_HALF_M = 1.05
# Plot axes across and up: from the camera, and from the person's side with depth across.
_VIEWS = {"from the camera": (0, 2), "from the side": (1, 2)}


def gallery_section(result: Mapping[str, Any]) -> str:
    """The pictures of all rows that have a `gallery`; empty where none has."""
    rows = [row for row in study_rows(result) if row.get("gallery")]
    if not rows:
        return ""
    words = (
        "Black: the true pose. Coloured: hypotheses. A posterior that is honest spreads where "
        "the detector was unsure, and in depth more than across."
    )
    shown = [
        f'<h3 class="over">{escape(_heading(entries[0]))}</h3><div class="three">'
        + "".join(map(_figure, rows, entries))
        + "</div>"
        for entries in zip(*(row["gallery"] for row in rows), strict=False)
    ]
    return section("Gallery", f'<p class="lead">{escape(words)}</p>', *shown)


def _heading(entry: Row) -> str:
    count = entry["uncertain_joints"]
    joints = f"{count} uncertain joint{'s' if count != 1 else ''}" if count else "every joint sure"
    return f"Pose {entry['row']}: {joints}"


def _figure(row: Row, entry: Row) -> str:
    """One lifter's hypotheses of one pose, in both views."""
    name = row_name(row)
    marks = [mark for n, axes in enumerate(_VIEWS.values()) for mark in _view(entry, axes, n)]
    marks += [
        text((n + 0.5) * _SIDE, 13, words, "tick", "middle") for n, words in enumerate(_VIEWS)
    ]
    title = f"{name}, pose {entry['row']}"
    drawn = drawing(2 * _SIDE, _SIDE + _HEADS, marks, title)
    return f"<figure>{drawn}<figcaption>{breakable(name)}</figcaption></figure>"


def _view(entry: Row, axes: tuple[int, int], number: int) -> Iterator[str]:
    """The bones seen along one axis, the truth last and on top."""
    ends = (-_HALF_M, _HALF_M)
    plot = Plot(number * _SIDE, _HEADS, _SIDE, _SIDE, ends, ends)
    bones = get_skeleton(entry["skeleton"]).edges
    for pose in entry["hypotheses"]:
        yield from _bones(plot, pose, axes, bones, "bone guess")
    yield from _bones(plot, entry["target"], axes, bones, "bone truth")


def _bones(
    plot: Plot, pose: Sequence[Sequence[float]], axes: tuple[int, int], bones: Any, css: str
) -> Iterator[str]:
    points = to_plot(np.asarray(pose, float))[:, list(axes)]
    points = points.clip(-_HALF_M, _HALF_M)  # a stray joint stays within its box
    for joint, parent in bones:
        (x0, y0), (x1, y1) = points[joint], points[parent]
        yield plot.line([x0, x1], [y0, y1], css)
