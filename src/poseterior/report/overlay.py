"""An image with what was seen in it and the poses that may have been: still, without a script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from poseterior.report.examples import Examples
from poseterior.report.pictures import Picture
from poseterior.report.scene import ellipses, reproject
from poseterior.report.svg import text

__all__ = ["SIGMAS", "overlay", "picture_id"]

SIGMAS = 2.0
_HYPOTHESES = 30
_TYPE = 0.018  # smallest type, of the picture's width


def picture_id(n: int) -> str:
    """What the page's script finds picture n by."""
    return f"picture-{n}"


def overlay(
    picture: Picture, n: int, examples: Examples, rows: Sequence[int], named: bool = False
) -> str:
    """Picture n with the poses `rows` of the examples that are in it, as an `<svg>`.

    For each: the bones of 30 hypotheses and of the mean as the camera would see them, the
    keypoints, and the 2 sigma ellipses of their covariances. Pixel i has its centre at i. People
    are named where there are several, and where `named` is set.
    """
    box = f"-0.5 -0.5 {picture.width} {picture.height}"
    image = (
        f'<image id="{picture_id(n)}" x="-0.5" y="-0.5" width="{picture.width}" '
        f'height="{picture.height}" preserveAspectRatio="none" href="{picture.uri}"/>'
    )
    type_px = _TYPE * picture.width if named or len(rows) > 1 else None
    drawn = "".join(_person(examples, row, type_px) for row in rows)
    name = escape(picture.label or "the image")
    return f'<svg viewBox="{box}" role="img" aria-label="{name}">{image}{drawn}</svg>'


def _person(examples: Examples, row: int, type_px: float | None) -> str:
    """A person, with their number in type of at least that size, if any."""
    if examples.keypoints is None:
        return ""
    seen = examples.seen[row]
    points = examples.keypoints[row].astype(float).round(1).tolist()
    joints = [p if s else None for p, s in zip(points, seen, strict=True)]
    bones = examples.bones
    some = reproject(examples, row, examples.hypotheses[row][:_HYPOTHESES])
    mean = reproject(examples, row, examples.centre[row])
    parts = []
    if some is not None:
        parts += [_path(some, bones, "hypotheses2"), _path([mean], bones, "halo2")]
        parts.append(_path([mean], bones, "mean2"))
    if examples.covariance is not None:
        parts.append(_ellipses(examples, row, joints))
    names = examples.skeleton.joints
    parts += (_dot(p, name) for p, name in zip(joints, names, strict=True) if p)
    if type_px is not None:
        parts.append(_name(examples.label(row), [p for p in joints if p], type_px))
    return f"<g>{''.join(parts)}</g>"


def _path(poses: Iterable[Any], bones: Iterable[tuple[int, int]], css: str) -> str:
    strokes = [
        f"M{pose[a][0]:g} {pose[a][1]:g}L{pose[b][0]:g} {pose[b][1]:g}"
        for pose in poses
        for a, b in bones
    ]
    return f'<path d="{"".join(strokes)}" class="{css}"/>'


def _ellipses(examples: Examples, row: int, joints: Sequence[Any]) -> str:
    assert examples.covariance is not None
    shapes = ellipses(examples.covariance[row], examples.seen[row], SIGMAS)
    return "".join(
        f'<ellipse cx="{p[0]:g}" cy="{p[1]:g}" rx="{s[0]:g}" ry="{s[1]:g}" class="region2" '
        f'transform="rotate({s[2]:g} {p[0]:g} {p[1]:g})"/>'
        for p, s in zip(joints, shapes, strict=True)
        if p and s
    )


def _dot(point: Sequence[float], joint: str) -> str:
    """A point of constant size, however large the image is drawn: a line of no length."""
    x, y = point
    title = f"<title>{escape(joint.replace('_', ' '))}: {x:.0f}, {y:.0f} px</title>"
    return (
        f'<path d="M{x:g} {y:g}h0" class="rim2"/><path d="M{x:g} {y:g}h0" class="dot2">{title}'
        "</path>"
    )


def _name(label: str, points: Sequence[Sequence[float]], least: float) -> str:
    """Who it is, above the highest joint."""
    who = label.rpartition("person ")[2]
    x, y = min(points, key=lambda p: p[1])
    size = max((max(p[1] for p in points) - y) * 0.07, least)
    style = f'<g style="font-size:{size:.1f}px">'
    return f"{style}{text(x, y - 1.2 * size, f'person {who}', 'who2', 'middle')}</g>"
