"""The figures of `mesh_gallery`: a line a person: what was seen, then bodies, in two views."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from poseterior.geometry.skeleton import get_skeleton
from poseterior.meshes.bodies import open_body
from poseterior.meshes.body import Body
from poseterior.report.gallery_views import Camera, Drawn, camera_of, drawn, shaded
from poseterior.report.gallery_words import broken, hidden_words, numbers
from poseterior.report.png import jpeg_pixels
from poseterior.report.scene import ellipses
from poseterior.report.study_rows import row_name, study_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

__all__ = ["gallery_figures"]

Array = NDArray[Any]
# What a body is, and its colour.
COLORS = {
    "truth": ("truth", "#4fa36a"), "nearest": ("nearest hypothesis", "#3f7fd0"),
    "answer": ("regression", "#d98c95"), "sample": ("hypotheses", "#c3b59b"),
    "fitted": ("fit, flow prior", "#9a86cf"), "generic": ("fit, generic prior", "#9aa3ad"),
}  # fmt: skip
_LEFT, _RIGHT, _MIDDLE = "#d55e00", "#0072b2", "#39434f"
_IMAGE, _DOT, _REGION = "#eef0f3", "#10161d", "#f0c75e"
# Inches: the most that a figure may measure, and that a metre does.
_WIDTH, _HEIGHT, _MOST_SCALE = 10.4, 11.6, 0.86
# Inches: the margins, what is above a line, a line of small text, the legend below.
_MARGIN, _HEAD, _LINE, _FOOT, _GAP = 0.22, 0.24, 0.115, 0.42, 0.1
_REACH = 1.25  # metres from the root that no picture goes beyond
_SMALL, _TEXT = 6.6, 7.6


def gallery_figures(result: Mapping[str, Any]) -> dict[str, Callable[[], Figure]]:
    """By the name of the row, what draws its figure."""
    rows = [row for row in study_rows(result) if row.get("people")]
    return {row_name(row): partial(_figure, row) for row in rows}


@dataclass(frozen=True, eq=False)
class _Line:
    """One person: what was seen of them, and the bodies' points."""

    person: Mapping[str, Any]
    camera: Camera | None
    bodies: Sequence[Drawn]

    @property
    def heights(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Lowest and highest, metres, of the view of the camera and of that from the side."""
        return tuple(
            _span([getattr(each, view)[:, 1] for each in self.bodies]) for view in ("front", "side")
        )  # type: ignore[return-value]

    @property
    def half_width(self) -> float:
        """Metres to the left and right of the root that all views need."""
        across = [view[:, 0] for each in self.bodies for view in (each.front, each.side)]
        return max(map(abs, _span(across)))


def _span(values: Sequence[Array]) -> tuple[float, float]:
    """Lowest and highest with a margin, within reach."""
    every = np.concatenate(values)
    every = every[np.isfinite(every)].clip(-_REACH, _REACH)
    return float(every.min()) - 0.06, float(every.max()) + 0.06


def _figure(row: Mapping[str, Any]) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    body = open_body(row["body"]) if "keypoints_px" in row["people"][0] else None
    lines = [_line(person, body) for person in row["people"]]
    columns = 1 + max(len(line.bodies) for line in lines)
    half = max(line.half_width for line in lines)
    head = _HEAD + _LINE * max(len(numbers(c)) for line in lines for c in line.person["cells"])
    metres = [sum(high - low for low, high in line.heights) for line in lines]
    words = len(lines) * (head + _GAP) + _FOOT
    scale = min(  # inches a metre
        _MOST_SCALE, (_WIDTH - 2 * _MARGIN) / (2 * half * columns), (_HEIGHT - words) / sum(metres)
    )
    width, height = 2 * (_MARGIN + half * scale * columns), sum(metres) * scale + words
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    top = height
    for line, tall in zip(lines, metres, strict=True):
        _draw_line(_Sheet(figure, top, half, scale, head), line, body)
        top -= tall * scale + head + _GAP
    _foot(figure, row, scale)
    return figure


def _line(person: Mapping[str, Any], body: Body | None) -> _Line:
    camera = None if body is None else camera_of(person, body)
    return _Line(person, camera, [drawn(cell, body, camera) for cell in person["cells"]])


@dataclass(frozen=True, eq=False)
class _Sheet:
    """Where a line's pictures go: `head` under `top` inches, `half` metres beside a middle."""

    figure: Figure
    top: float
    half: float
    scale: float
    head: float

    def axes(self, column: int, above: float, ends: tuple[float, float]) -> Axes:
        """A frameless picture `above` inches below the top that shows heights `ends`, metres."""
        wide, high = self.figure.get_size_inches()
        size = 2 * self.half * self.scale, (ends[1] - ends[0]) * self.scale
        left, bottom = _MARGIN + column * size[0], self.top - above - size[1]
        axes = self.figure.add_axes((left / wide, bottom / high, size[0] / wide, size[1] / high))
        axes.set(xlim=(-self.half, self.half), ylim=ends, xticks=[], yticks=[])
        axes.set_axis_off()
        return axes

    def write(self, column: float, below: float, words: str, **style: Any) -> None:
        """Centred words, `below` inches under the top; columns count from 0, by their middles."""
        wide, high = self.figure.get_size_inches()
        x = _MARGIN + (column + 0.5) * 2 * self.half * self.scale
        style = {"fontsize": _TEXT, "ha": "center", "va": "top", **style}
        self.figure.text(x / wide, (self.top - below) / high, words, **style)


def _draw_line(sheet: _Sheet, line: _Line, body: Body | None) -> None:
    front, side = line.heights
    below = sheet.head + (front[1] - front[0]) * sheet.scale
    _first_column(sheet, line, front, side, below)
    for n, (cell, points) in enumerate(zip(line.person["cells"], line.bodies, strict=True), 1):
        _words(sheet, n, cell)
        seen, turned = sheet.axes(n, sheet.head, front), sheet.axes(n, below, side)
        if body is None:
            for axes, view in ((seen, points.front), (turned, points.side)):
                _bones(axes, view, line.person["skeleton"])
            continue
        if line.camera is not None:
            _image(seen, line)
        color = COLORS[cell["role"]][1]
        _mesh(seen, points.front, points.turned, body, color)
        _mesh(turned, points.side, points.side, body, color)
        _dots(seen, line, 2.2)


def _words(sheet: _Sheet, column: int, cell: Mapping[str, Any]) -> None:
    """What the body is called, and its numbers."""
    best = cell["role"] == "nearest"
    style = {"color": COLORS["nearest"][1], "fontweight": "bold"} if best else {}
    if cell["label"]:
        sheet.write(column, 0.06, cell["label"], **style)
    for n, words in enumerate(numbers(cell)):
        sheet.write(column, 0.19 + _LINE * n, words, fontsize=_SMALL, **style)


def _first_column(
    sheet: _Sheet, line: _Line, front: tuple[float, float], side: tuple[float, float], below: float
) -> None:
    """What was seen, and who it is."""
    person = line.person
    middle = below + 0.5 * (side[1] - side[0]) * sheet.scale
    if line.camera is None:
        sheet.write(0, middle - 0.5 * (front[1] - front[0]) * sheet.scale, person["title"])
        return
    sheet.write(0, 0.06, "keypoints")
    sheet.write(0, 0.19, hidden_words(person), fontsize=_SMALL)
    axes = sheet.axes(0, sheet.head, front)
    _image(axes, line)
    if person.get("crop"):
        _crop(axes, line)
    else:
        _regions(axes, line)
    _seen_bones(axes, line)
    _dots(axes, line, 3.0)
    name = f"{broken(person['clip'])}\nframe {person['frame']}\n\nfrom the side:"
    sheet.write(0, middle, name, fontsize=_SMALL, color="#5b6673", va="center")


def _image(axes: Axes, line: _Line) -> None:
    """The picture's frame: grey is what the camera's image shows."""
    from matplotlib.patches import Rectangle

    size = line.person["image_size"]
    if size is None or line.camera is None:
        return
    (left, top), (right, bottom) = line.camera.metres(np.array([[0.0, 0.0], size]))
    axes.add_patch(Rectangle((left, bottom), right - left, top - bottom, color=_IMAGE, lw=0))


def _crop(axes: Axes, line: _Line) -> None:
    """What was cut out of the image."""
    assert line.camera is not None
    crop = line.person["crop"]
    picture = jpeg_pixels(crop["jpeg"])
    (left, top), (right, bottom) = line.camera.metres(np.reshape(crop["box_px"], (2, 2)))
    ends = axes.get_xlim(), axes.get_ylim()
    axes.imshow(picture, extent=(left, right, bottom, top), aspect="auto", zorder=1.5)
    axes.set(xlim=ends[0], ylim=ends[1])


def _mesh(axes: Axes, points: Array, solid: Array, body: Body, color: str) -> None:
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import to_rgb

    polygons, colors = shaded(points, solid, body.faces.cpu().numpy(), np.array(to_rgb(color)))
    axes.add_collection(
        PolyCollection(list(polygons), facecolors=colors, edgecolors=colors, linewidths=0.25)
    )


def _pixels(line: _Line) -> Array:
    """(J, 2) metres, NaN where nothing was detected."""
    assert line.camera is not None
    found = line.camera.metres(np.asarray(line.person["keypoints_px"], float))
    return np.where(np.asarray(line.person["valid"], bool)[:, None], found, np.nan)


def _dots(axes: Axes, line: _Line, size: float) -> None:
    axes.plot(*_pixels(line).T, "o", color=_DOT, ms=size, mec="white", mew=0.45, zorder=5)


def _seen_bones(axes: Axes, line: _Line) -> None:
    points = _pixels(line)
    _bones(axes, np.concatenate([points, np.zeros((len(points), 1))], -1), line.person["skeleton"])


def _regions(axes: Axes, line: _Line) -> None:
    """90 % regions of the keypoints' errors."""
    from matplotlib.patches import Ellipse

    assert line.camera is not None
    seen = np.asarray(line.person["valid"], bool)
    shapes = ellipses(np.asarray(line.person["covariance_px2"], float), seen)
    for place, shape in zip(_pixels(line), shapes, strict=True):
        if shape:
            wide, high = (2 * each / line.camera.scale for each in shape[:2])
            axes.add_patch(
                Ellipse(place, wide, high, angle=-shape[2], color=_REGION, alpha=0.6, lw=0)
            )


def _bones(axes: Axes, points: Array, skeleton: str) -> None:
    """Lines from joint to joint, the far ones first; left and right by colour."""
    named = get_skeleton(skeleton)
    for joint, parent in sorted(named.edges, key=lambda edge: float(points[list(edge), 2].sum())):
        both = points[[joint, parent]]
        names = {named.joints[j].split("_")[0] for j in (joint, parent)}
        color = _LEFT if "left" in names else _RIGHT if "right" in names else _MIDDLE
        axes.plot(both[:, 0], both[:, 1], color=color, lw=1.8, solid_capstyle="round")


def _foot(figure: Figure, row: Mapping[str, Any], scale: float) -> None:
    """Half a metre, and what the colours mean, in a second line where one is too short."""
    wide, high = figure.get_size_inches()
    axes = figure.add_axes((0, 0, 1, _FOOT / high))
    axes.set(xlim=(0, wide), ylim=(0, _FOOT))
    axes.set_axis_off()
    y = _FOOT - 0.16
    axes.plot([_MARGIN, _MARGIN + 0.5 * scale], [y, y], color=_DOT, lw=1.4)
    x = _MARGIN + 0.5 * scale + 0.07
    x += _width(axes.text(x, y, "0.5 m", fontsize=_SMALL, va="center")) + 0.24
    for color, words in _legend(row):
        text = axes.text(x + 0.09, y, words, fontsize=_SMALL, va="center")
        if x + 0.2 + _width(text) > wide:
            x, y = _MARGIN + 0.03, y - 0.17
            text.set_position((x + 0.09, y))
        axes.plot([x], [y], "s", color=color, ms=5.5)
        x += 0.27 + _width(text)


def _width(text: Text) -> float:
    """Inches."""
    assert text.figure is not None
    return float(text.get_window_extent().width / text.figure.dpi)


def _legend(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if any("pose" in cell for person in row["people"] for cell in person["cells"]):
        yield from ((_LEFT, "left"), (_RIGHT, "right"))
        return
    roles = {cell["role"] for person in row["people"] for cell in person["cells"]}
    yield from ((color, words) for role, (words, color) in COLORS.items() if role in roles)
    yield _IMAGE, "the image"
    if any(not person.get("crop") for person in row["people"]):
        yield _REGION, "90% region"
