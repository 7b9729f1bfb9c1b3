"""Crops of people with keypoints, tolerances and confidences (paper 003, Figures h, i, j)."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from poseterior.report.png import panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["people_figure"]

_PREDICTED, _TRUE, _REACH = "#1f77ff", "#22c55e", "#8fd3ff"
_NEAR = 3.2  # a view is so many times as wide as what is shown of one keypoint
_LEAST = 22.0  # px of the crop


def people_figure(people: Sequence[Mapping[str, Any]], name: str) -> Figure:
    """A row of crops: blue predicted, green true, red sigma, pale blue one tolerance l.

    Args:
        people: as the study `ccnet_table` keeps them.
        name: `area`, `falloff`, `visibility` and so on: what is written under each crop.
    """
    tall = 3.7 if all(len(person["points"]) == 1 for person in people) else 4.2
    figure, grid = panels(1, len(people), max(2.5 * len(people), 4.2), tall)
    for axes, person in zip(grid[0], people, strict=True):
        _crop(axes, person)
        for point in person["points"]:
            _point(axes, point, faint=name == "visibility" and point["visibility"] < 0.5)
        if len(person["points"]) == 1:
            _near(axes, person)
        axes.set_xlabel(_words(person, name), fontsize=8)
    figure.legend(
        handles=_keys(),
        loc="outside upper center",
        ncols=4 if len(people) > 1 else 2,
        frameon=False,
        fontsize=8,
    )
    return figure


def _crop(axes: Axes, person: Mapping[str, Any]) -> None:
    """The picture, its pixels centred at whole numbers of the detector's."""
    from PIL import Image

    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(person["crop"]))))
    width, height = person["size"]
    axes.imshow(image, extent=(-0.5, width - 0.5, height - 0.5, -0.5), interpolation="bilinear")
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[])


def _point(axes: Axes, point: Mapping[str, Any], faint: bool) -> None:
    from matplotlib.patches import Circle

    alpha = 0.3 if faint else 1.0
    predicted, true = point["predicted"], point["true"]
    if true is not None:
        axes.add_patch(Circle(true, point["reach"], fill=False, color=_REACH, lw=1.0, alpha=alpha))
        axes.plot(
            [predicted[0], true[0]], [predicted[1], true[1]], color="white", lw=0.8, alpha=alpha
        )
        axes.plot(*true, "o", color=_TRUE, markersize=4.5, markeredgecolor="black",
                  markeredgewidth=0.5, alpha=alpha)  # fmt: skip
    axes.add_patch(
        Circle(predicted, point["sigma"], fill=False, color="#ef4444", lw=1.0, alpha=alpha)
    )
    axes.plot(*predicted, "o", color=_PREDICTED, markersize=4.5, markeredgecolor="white",
              markeredgewidth=0.5, alpha=alpha)  # fmt: skip


def _near(axes: Axes, person: Mapping[str, Any]) -> None:
    """The view about the one keypoint, no wider than the crop."""
    point, (width, height) = person["points"][0], person["size"]
    predicted = np.array(point["predicted"])
    true = predicted if point["true"] is None else np.array(point["true"])
    reach = max(np.abs(true - predicted).max(), point["reach"], point["sigma"], _LEAST / _NEAR)
    half = min(_NEAR * reach, width / 2)
    x, y = (predicted + true) / 2
    x = min(max(x, half - 0.5), width - 0.5 - half)
    y = min(max(y, half - 0.5), height - 0.5 - half)
    axes.set(xlim=(x - half, x + half), ylim=(y + half, y - half))


def _words(person: Mapping[str, Any], name: str) -> str:
    if name == "visibility":
        of = person["person"]
        return (
            f"OKS {of['oks']:.2f}\nown confidence {of['original']:.2f}\n"
            f"CCNet, plain mean {person['plain']:.2f}\nCCNet, by visibility {of['ccnet']:.2f}"
        )
    lines = []
    for point in person["points"]:
        error = f"{point['error_px']:.1f} px off"
        lines.append(f"{point['joint'].replace('_', ' ')}, {error}")
        lines.append(
            f"OKS {point['oks']:.2f} | own {point['original']:.2f} | CCNet {point['ccnet']:.2f}"
        )
    if name == "area":
        lines.append(f"area {person['person']['area']:,.0f} px²")
    return "\n".join(lines)


def _keys() -> list[Any]:
    from matplotlib.lines import Line2D

    rings = (("sigma of the detector", "#ef4444"), ("tolerance l", _REACH))
    dots = [Line2D([], [], marker="o", linestyle="", color=colour, label=name)
            for name, colour in (("predicted", _PREDICTED), ("true", _TRUE))]  # fmt: skip
    return dots + [
        Line2D([], [], marker="o", linestyle="", markerfacecolor="none", color=colour, label=name)
        for name, colour in rings
    ]
