"""What a ray through each pixel hits first: the one thing asked of a renderer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Caster", "Hits", "Pinhole", "Window"]

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Pinhole:
    """x = focal X / Z + centre, in px of the image; pixel i has its centre at i.

    Attributes:
        focal: px.
        centre: (x, y) px.
    """

    focal: float
    centre: tuple[float, float]

    def project(self, points: NDArray) -> NDArray:
        """(..., 2) px of points (..., 3) in camera axes, metres, Z > 0."""
        return self.focal * points[..., :2] / points[..., 2:] + np.asarray(self.centre)


@dataclass(frozen=True)
class Window:
    """A regular grid over an image: x = left + step u, y = top + step v.

    Attributes:
        left, top: px of the image, the centre of the grid's first pixel.
        step: px of the image from one pixel of the grid to the next.
        width, height: pixels of the grid.
    """

    left: float
    top: float
    step: float
    width: int
    height: int

    def axes(self) -> tuple[Array, Array]:
        """(width,) x and (height,) y of the grid's points, px of the image."""
        x = self.left + self.step * np.arange(self.width)
        y = self.top + self.step * np.arange(self.height)
        return x.astype(np.float32), y.astype(np.float32)

    def index(self, points: NDArray) -> NDArray:
        """(..., 2) positions in the grid of points (..., 2) in px of the image."""
        return (points - np.array([self.left, self.top])) / self.step

    def finer(self, factor: int) -> Window:
        """The same region with `factor`^2 pixels in place of each."""
        start = (1 / factor - 1) / 2 * self.step
        return Window(
            self.left + start, self.top + start, self.step / factor,
            self.width * factor, self.height * factor,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Hits:
    """The nearest surface of bodies behind each of n pixels that see one; the others see none.

    Attributes:
        rows, columns: (n,) of the pixels.
        body, face: (n,) which body, which triangle of it.
        weights: (n, 3) barycentric, of the triangle's vertices.
        depth: (n,) metres along the optical axis.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    body: NDArray[np.int64]
    face: NDArray[np.int64]
    weights: Array
    depth: Array

    def depth_map(self, window: Window) -> Array:
        """(height, width) metres, infinity where there is no body."""
        depth = np.full((window.height, window.width), np.inf, np.float32)
        depth[self.rows, self.columns] = self.depth
        return depth

    def body_map(self, window: Window) -> NDArray[np.int64]:
        """(height, width) which body, -1 where there is none."""
        body = np.full((window.height, window.width), -1)
        body[self.rows, self.columns] = self.body
        return body


class Caster(Protocol):
    """A way to find hits; open one with `casters.open_caster`."""

    name: str

    def cast(self, vertices: Array, camera: Pinhole, window: Window) -> Hits:
        """Hits of N bodies (N, V, 3) in camera axes, metres.

        Surfaces are seen from both sides; what is nearer than `NEAREST` metres is not seen.
        """
        ...
