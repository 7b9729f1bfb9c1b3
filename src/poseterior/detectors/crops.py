"""Crops around people, and the way back: where a crop's pixels lie in the image.

All ways of cropping widen a box to the crop's aspect ratio and then by 1.25, to a
region of size S around its centre c. They differ in what the region is laid over:

    unbiased (Huang et al. 2020, UDP):  x = c - S/2 + u S / (n - 1)    pixel centres, first to last
    plain (MMPose's default):           x = c - S/2 + u S / n
    tiled:                              x = c - S/2 + (u + 1/2) S / n

with u the index of one of n pixels of the crop, or of its heatmap, and x that of the image's;
pixel i has its centre at i in both. The model has learnt one of them: another is off by up to
half a heatmap px at the crop's borders. Pixels of a tiled grid cover the region between them, so
that of a heatmap covers exactly those of the crop that it stands for, and mirroring maps the
grid onto itself: the models trained here have it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

__all__ = ["PADDING", "Grid", "cut", "person_regions"]

PADDING = 1.25  # of the regions that all these models were trained on


@dataclass(frozen=True, eq=False)
class Grid:
    """Regular grids over regions of images: x = origin + step * u for each axis.

    Attributes:
        origin, step: (N, 2) float64 px of the image, x and y.
    """

    origin: Tensor
    step: Tensor

    @staticmethod
    def unbiased(regions: Tensor, size: tuple[int, int]) -> Grid:
        """Grids of (width, height) points, the outermost on the border of regions (N, 4)."""
        intervals = torch.tensor(size, dtype=torch.float64) - 1
        return Grid(regions[:, :2], (regions[:, 2:] - regions[:, :2]) / intervals)

    @staticmethod
    def plain(regions: Tensor, size: tuple[int, int]) -> Grid:
        """Grids of (width, height) points, the first on the border of regions (N, 4)."""
        cells = torch.tensor(size, dtype=torch.float64)
        return Grid(regions[:, :2], (regions[:, 2:] - regions[:, :2]) / cells)

    @staticmethod
    def tiled(regions: Tensor, size: tuple[int, int]) -> Grid:
        """Grids of (width, height) points, the centres of pixels that tile regions (N, 4)."""
        plain = Grid.plain(regions, size)
        return Grid(plain.origin + plain.step / 2, plain.step)

    def points(self, index: Tensor) -> Tensor:
        """Positions (N, J, 2) in px of the image of indices (N, J, 2), (x, y) order."""
        return self.origin[:, None] + self.step[:, None] * index.double()

    def covariances(self, covariance: Tensor) -> Tensor:
        """Covariances (N, J, 2, 2) in px² of the image of those in index units."""
        return self.step[:, None, :, None] * self.step[:, None, None, :] * covariance.double()


def person_regions(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """The regions (N, 4) x1, y1, x2, y2 that crops of (width, height) show of boxes (N, 4).

    >>> person_regions(torch.tensor([[100.0, 100, 160, 200]]), (192, 256))
    tensor([[ 83.1250,  87.5000, 176.8750, 212.5000]], dtype=torch.float64)
    """
    boxes = boxes.double()
    centre, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    aspect = size[0] / size[1]
    height = torch.maximum(sides[:, 1], sides[:, 0] / aspect)
    half = PADDING / 2 * torch.stack([aspect * height, height], -1)
    return torch.cat([centre - half, centre + half], -1)


def cut(image: np.ndarray, grid: Grid, row: int, size: tuple[int, int]) -> np.ndarray:
    """The image (h, w, 3) uint8 at the points of a grid's row, linearly interpolated.

    Returns (height, width, 3) uint8 of size (width, height), black outside the image.
    """
    from PIL import Image

    origin, step = grid.origin[row].numpy(), grid.step[row].numpy()
    window, start = _seen(image, origin, origin + step * (np.array(size) - 1))
    # PIL has pixel centres at i + 1/2, in its input and in its output.
    first = origin - start + 0.5 - 0.5 * step
    warp = (step[0], 0, first[0], 0, step[1], first[1])
    crop = Image.fromarray(window).transform(
        size, Image.Transform.AFFINE, warp, resample=Image.Resampling.BILINEAR
    )
    return np.asarray(crop)


def _seen(image: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The part of an image that points from low to high may touch, and its first pixel (x, y).

    PIL copies what it is given, and an image may be much larger than a person.
    """
    limit = np.array(image.shape[1::-1])
    start = np.clip(np.floor(low) - 1, 0, limit - 1).astype(int)
    stop = np.clip(np.ceil(high) + 2, start + 1, limit).astype(int)
    window = image[start[1] : stop[1], start[0] : stop[0]]
    return np.ascontiguousarray(window), start
