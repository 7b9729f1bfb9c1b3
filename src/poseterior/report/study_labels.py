"""Where the names of a chart's points go, so that no name hides another or a point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

__all__ = ["nearest", "place", "spaced"]

Box = tuple[float, float, float, float]  # left, top, right, bottom
_SIDES = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1))
_ROUNDS = 3
_DISTANCES = (9.0, 17.0, 27.0, 39.0, 53.0, 70.0, 90.0)


def place(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    frame: Box,
    bars: Sequence[Box] = (),
) -> list[Box]:
    """A box for the name of each point, beside it, inside the frame and over nothing else.

    The nearest free place of eight sides wins, where no other point is nearer to the name than
    its own; where there is none, the least bad.

    Args:
        points: of the chart, in drawing coordinates (y down).
        sizes: width and height of each name.
        frame: that the names must stay in.
        bars: what else they must not cover, such as intervals.
    """
    placed: dict[int, Box] = {}
    marks = [(x - 6, y - 6, x + 6, y + 6) for x, y in points]
    crowded = sorted(range(len(points)), key=lambda n: -_neighbours(points, n))
    for n in crowded * _ROUNDS:
        names = [box for m, box in placed.items() if m != n]
        solid = [*names, *(mark for m, mark in enumerate(marks) if m != n)]
        lines = [piece for m, box in placed.items() if m != n for piece in _leader(points[m], box)]
        boxes = list(_candidates(points[n], sizes[n]))
        cost = [
            _covers([box], [*solid, *bars, *lines])
            + _covers(_leader(points[n], box), solid)
            + _outside(box, frame)
            + _misread(box, points, n)
            for box in boxes
        ]
        placed[n] = boxes[cost.index(min(cost))]
    return [placed[n] for n in range(len(points))]


def _leader(point: tuple[float, float], box: Box) -> list[Box]:
    """Small boxes along the line from a point to a name that stands away from it."""
    (x, y), near = point, nearest(point, box)
    pieces = int(max(abs(near[0] - x), abs(near[1] - y)) / 4)
    at = [
        (x + (near[0] - x) * k / pieces, y + (near[1] - y) * k / pieces) for k in range(2, pieces)
    ]
    return [(a - 2, b - 2, a + 2, b + 2) for a, b in at]


def nearest(point: tuple[float, float], box: Box) -> tuple[float, float]:
    """The point of the box nearest to another.

    >>> nearest((0, 5), (2, 0, 9, 10))
    (2, 5)
    """
    return min(max(point[0], box[0]), box[2]), min(max(point[1], box[1]), box[3])


def _neighbours(points: Sequence[tuple[float, float]], n: int) -> int:
    x, y = points[n]
    return sum(abs(x - a) < 90 and abs(y - b) < 30 for a, b in points)


def _candidates(point: tuple[float, float], size: tuple[float, float]) -> Iterator[Box]:
    (x, y), (width, height) = point, size
    for distance in _DISTANCES:
        for across, down in _SIDES:
            left = x + across * distance - width * (1 - across) / 2
            top = y + down * distance - height * (1 - down) / 2
            yield left, top, left + width, top + height


def _misread(box: Box, points: Sequence[tuple[float, float]], n: int) -> float:
    """A cost for a name that stands as near to another point as to its own."""
    gaps = [max(box[0] - x, x - box[2], 0) + max(box[1] - y, y - box[3], 0) for x, y in points]
    return sum(150.0 for m, gap in enumerate(gaps) if m != n and gap < min(gaps[n] + 5, 16))


def _covers(boxes: Sequence[Box], others: Sequence[Box]) -> float:
    """The area that the boxes share with the others."""
    if not boxes or not others:
        return 0.0
    a, b = np.array(boxes)[:, None], np.array(others)
    size = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    return float(size.clip(min=0.0).prod(-1).sum())


def _outside(box: Box, frame: Box) -> float:
    """A cost for the part that stands outside the frame."""
    area = (box[2] - box[0]) * (box[3] - box[1])
    return 4 * max(area - _covers([box], [frame]) - 1e-6, 0.0)


def spaced(wanted: Sequence[float], gap: float) -> list[float]:
    """Positions near those wanted, in the same order, at least `gap` apart.

    >>> spaced([10.0, 12.0, 40.0], 10.0)
    [6.0, 16.0, 40.0]
    """
    order = sorted(range(len(wanted)), key=lambda n: wanted[n])
    clusters: list[list[int]] = []
    for n in order:
        clusters.append([n])
        while len(clusters) > 1 and _top(clusters[-1], wanted, gap) < (
            _top(clusters[-2], wanted, gap) + gap * len(clusters[-2])
        ):
            clusters[-2:] = [clusters[-2] + clusters[-1]]
    found = [0.0] * len(wanted)
    for cluster in clusters:
        for step, n in enumerate(cluster):
            found[n] = _top(cluster, wanted, gap) + step * gap
    return found


def _top(cluster: list[int], wanted: Sequence[float], gap: float) -> float:
    return sum(wanted[n] for n in cluster) / len(cluster) - gap * (len(cluster) - 1) / 2
