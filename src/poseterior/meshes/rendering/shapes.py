"""Flat things before and behind people: boxes, ellipses and bars with a texture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poseterior.meshes.rendering.hits import Window

__all__ = ["Shape", "covered", "paint"]


@dataclass(frozen=True, eq=False)
class Shape:
    """An ellipse or a box that stands in the image.

    Attributes:
        centre: (x, y) px of the image.
        half: half its two sides, px of the image.
        angle: radians that its sides are turned by.
        round: an ellipse.
        texture: (t, t, 3) uint8.
        tint: (3,) that the texture is multiplied by.
        repeat: how often the texture lies along the longer side.
    """

    centre: tuple[float, float]
    half: tuple[float, float]
    angle: float
    round: bool
    texture: NDArray[np.uint8]
    tint: NDArray[np.float32]
    repeat: float = 1.0

    def inside(self, x: NDArray, y: NDArray) -> tuple[NDArray, NDArray, NDArray]:
        """Whether points of the image are in it, and where: two coordinates in [-1, 1]."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        across, down = x - self.centre[0], y - self.centre[1]
        u = (cos * across + sin * down) / self.half[0]
        v = (cos * down - sin * across) / self.half[1]
        here = u * u + v * v <= 1 if self.round else (abs(u) <= 1) & (abs(v) <= 1)
        return here, u, v


def covered(shapes: tuple[Shape, ...], window: Window) -> NDArray[np.bool_]:
    """(height, width) where any of the shapes is."""
    x, y = window.axes()
    result = np.zeros((window.height, window.width), bool)
    for shape in shapes:
        result |= shape.inside(x[None], y[:, None])[0]
    return result


def paint(picture: NDArray[np.float32], shapes: tuple[Shape, ...], window: Window) -> None:
    """Draw the shapes, one over the other, into a picture (height, width, 3) of the window."""
    x, y = window.axes()
    for shape in shapes:
        here, u, v = shape.inside(x[None], y[:, None])
        rows, columns = np.nonzero(here)
        size, longer = len(shape.texture), max(shape.half)
        scale = [0.5 * shape.repeat * size * side / longer for side in shape.half]
        i = (scale[1] * (1 + v[rows, columns])).astype(int) % size
        j = (scale[0] * (1 + u[rows, columns])).astype(int) % size
        picture[rows, columns] = shape.texture[i, j] * (shape.tint / np.float32(255))
