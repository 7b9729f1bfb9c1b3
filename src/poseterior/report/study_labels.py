"""Where the names of a chart's points go, so that no name hides another or a point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

__all__ = ["place", "spaced"]

Box = tuple[float, float, float, float]  # left, top, right, bottom
_SIDES = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1))
_DISTANCES = (9.0, 17.0, 27.0, 39.0, 53.0, 70.0, 90.0)


def place(
    points: Sequence[tuple[float, float]], sizes: Sequence[tuple[float, float]], frame: Box
) -> list[Box]:
    """A box for the name of each point, beside it, inside the frame and over nothing else.

    The nearest free place of eight sides wins; where none is free, the least covered.

    Args:
        points: of the chart, in drawing coordinates (y down).
        sizes: width and height of each name.
        frame: that the names must stay in.
    """
    placed: dict[int, Box] = {}
    marks = [(x - 6, y - 6, x + 6, y + 6) for x, y in points]
    crowded = sorted(range(len(points)), key=lambda n: -_neighbours(points, n))
    for n in crowded:
        others = [*placed.values(), *(mark for m, mark in enumerate(marks) if m != n)]
        boxes = list(_candidates(points[n], sizes[n]))
        cost = [
            (sum(_overlap(box, o) for o in others) + _outside(box, frame), k)
            for k, box in enumerate(boxes)
        ]
        placed[n] = boxes[min(cost)[1]]
    return [placed[n] for n in range(len(points))]


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


def _overlap(a: Box, b: Box) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0.0


def _outside(box: Box, frame: Box) -> float:
    area = (box[2] - box[0]) * (box[3] - box[1])
    return 4 * (area - _overlap(box, frame)) if area > _overlap(box, frame) + 1e-6 else 0.0


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
