"""A person from the front, each joint in the colour of its spread factor."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from poseterior.geometry.skeleton import SKELETONS, Skeleton
from poseterior.report.diagnosis_read import factor_text, joint_words, part, rounded, span
from poseterior.report.numbers import finite
from poseterior.report.svg import Plot, drawing, text

__all__ = ["body_figure", "factor_color", "front_layout"]

# Across (of a left joint; the person faces the reader) and up, in heads or so: a drawing, no pose.
_MIDLINE = {
    "pelvis": 0.97, "spine": 1.20, "spine1": 1.08, "spine2": 1.20, "spine3": 1.32, "thorax": 1.43,
    "neck": 1.47, "upper_neck": 1.53, "nose": 1.60, "head": 1.64, "head_top": 1.80,
}  # fmt: skip
_LEFT = {
    "hip": (0.13, 0.93), "knee": (0.17, 0.53), "ankle": (0.19, 0.13), "foot": (0.24, 0.02),
    "heel": (0.14, 0.02), "big_toe": (0.24, -0.02), "small_toe": (0.34, 0.02),
    "collar": (0.10, 1.39), "shoulder": (0.24, 1.42), "elbow": (0.43, 1.16), "wrist": (0.56, 0.90),
    "hand": (0.61, 0.78), "eye": (0.07, 1.68), "ear": (0.15, 1.63),
}  # fmt: skip
_ORANGE, _NEUTRAL, _BLUE = (213, 94, 0), (184, 193, 203), (0, 114, 178)
_NAMED = 6  # joints whose factor is written beside them, at most


def front_layout(skeleton: Skeleton) -> list[tuple[float, float]] | None:
    """A place (across, up) for each joint, by its name; None where a name is not known."""
    places = [_place(joint) for joint in skeleton.joints]
    known = [p for p in places if p is not None]
    return known if len(known) == len(places) else None


def _place(joint: str) -> tuple[float, float] | None:
    if joint in _MIDLINE:
        return 0.0, _MIDLINE[joint]
    side, _, name = joint.partition("_")
    if side not in ("left", "right") or name not in _LEFT:
        return None
    across, up = _LEFT[name]
    return (across if side == "left" else -across), up


def factor_color(factor: float) -> str:
    """Grey at 1, orange at 2 and above (too narrow), blue at one half and below (too wide).

    >>> factor_color(1.0), factor_color(4.0)
    ('#b8c1cb', '#d55e00')
    """
    share = min(max(math.log2(factor), -1.0), 1.0)
    end = _ORANGE if share > 0 else _BLUE
    mixed = (round(n + abs(share) * (e - n)) for n, e in zip(_NEUTRAL, end, strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def body_figure(result: Mapping[str, Any]) -> str:
    """The figure; empty for a skeleton with joints whose place on a body is not known."""
    skeleton = SKELETONS.get(str(result.get("skeleton")))
    layout = front_layout(skeleton) if skeleton else None
    factors = _known_factors(part(result, "factors", "per_joint"))
    if skeleton is None or layout is None or not factors:
        return ""
    plot = Plot(70, 10, 340, 410, (-0.76, 0.76), (-0.06, 1.84))
    points = [(plot.x(x), plot.y(y)) for x, y in layout]
    marks = [_bone(points[parent], points[child]) for parent, child in skeleton.edges]
    for joint, point in zip(skeleton.joints, points, strict=True):
        marks.append(_joint(joint, point, part(result, "factors", "per_joint", joint)))
    marks += _labels(skeleton, points, factors)
    marks.append(text(44, 22, "its right", "aside"))
    marks.append(text(436, 22, "its left", "aside", "end"))
    marks += _scale(458)
    return drawing(480, 486, marks, "Spread factor of each joint on a body seen from the front")


def _known_factors(per_joint: Mapping[str, Any]) -> dict[str, float]:
    found = {joint: finite((entry or {}).get("factor")) for joint, entry in per_joint.items()}
    return {joint: value for joint, value in found.items() if value is not None and value > 0}


def _bone(start: tuple[float, float], end: tuple[float, float]) -> str:
    return f'<path d="M{start[0]:.1f} {start[1]:.1f} L{end[0]:.1f} {end[1]:.1f}" class="limb"/>'


def _joint(joint: str, point: tuple[float, float], entry: Mapping[str, Any]) -> str:
    factor = finite(entry.get("factor"))
    known = factor is not None and factor > 0
    look = f'r="9" fill="{factor_color(factor)}"' if known and factor else 'r="5" class="unknown"'
    said = f"{joint_words(joint)}: "
    said += f"× {factor_text(factor, span(entry))}" if known else "not random, or not judged"
    return (
        f'<circle cx="{point[0]:.1f}" cy="{point[1]:.1f}" {look} data-joint="{escape(joint)}">'
        f"<title>{escape(said)}</title></circle>"
    )


def _labels(
    skeleton: Skeleton, points: Sequence[tuple[float, float]], factors: Mapping[str, float]
) -> list[str]:
    """The factors farthest from 1 beside their joints, outwards, where there is room."""
    worst = sorted(factors, key=lambda joint: -abs(math.log(factors[joint])))
    middle = points[skeleton.root][0]
    marks: list[str] = []
    taken = [(x - 10, x + 10, y) for x, y in points]
    for joint in (joint for joint in worst if joint in skeleton.joints):
        x, y = points[skeleton.index(joint)]
        said = f"× {rounded(factors[joint], 2)}"
        side, anchor = (-1, "end") if x < middle else (1, "start")
        low, high = sorted((x + 14 * side, x + (14 + 8 * len(said)) * side))
        places = [(low, high, y + up) for up in (0, -14, 14)]
        free = [place for place in places if not any(_meet(place, other) for other in taken)]
        if free and len(marks) < _NAMED:
            taken.append(free[0])
            marks.append(text(x + 14 * side, free[0][2] + 4.5, said, "value", anchor))
    return marks


def _meet(one: tuple[float, float, float], other: tuple[float, float, float]) -> bool:
    """Whether two lines of text (left, right, height) touch."""
    return one[0] <= other[1] and other[0] <= one[1] and abs(one[2] - other[2]) < 16


def _scale(top: float) -> list[str]:
    """The colours, from a factor of one half to two."""
    steps = 24
    marks = []
    for n in range(steps):
        color = factor_color(2 ** (2 * (n + 0.5) / steps - 1))
        x = 100 + 280 * n / steps
        marks.append(f'<rect x="{x:.1f}" y="{top - 8:.1f}" width="12" height="9" fill="{color}"/>')
    for x, said in ((100, "½ or less"), (240, "1"), (386, "2 or more")):
        marks.append(text(x, top + 16, said, "tick", "middle"))
    marks.append(text(100, top - 14, "too wide", "aside", "middle"))
    marks.append(text(386, top - 14, "too narrow", "aside", "middle"))
    return marks
