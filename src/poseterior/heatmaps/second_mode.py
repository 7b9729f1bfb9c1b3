"""The second mode of a heatmap: the heaviest place of what its Gaussian leaves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from poseterior.heatmaps.ellipse import determinant
from poseterior.heatmaps.natural import from_gaussian, monomials
from poseterior.heatmaps.spread import highest

__all__ = ["second_mode"]


def second_mode(
    maps: Tensor, mean: Tensor, covariance: Tensor, amplitude: Tensor, sigma: float
) -> tuple[Tensor, Tensor]:
    """Mass of the second mode (N,) as a share of both, and its place (N, 2) in px.

    Boxes as wide as a detector's peak, three cells of about 4 sigma / 3 px each, are laid over
    h - g, a cell apart. m₂ is the largest sum in one of them, m₁ = 2 pi amplitude
    |covariance|^(1/2). Gives m₂ / (m₁ + m₂), 0 where both are 0.

    Args:
        maps: (N, h, w).
        mean: (N, 2) of the Gaussians g, px.
        covariance: (N, 2, 2) of g, px².
        amplitude: (N,) of g; what is not positive counts as none.
        sigma: standard deviation in px of the peaks a detector draws.
    """
    side = max(1, round(4 * sigma / 3))
    cells = _cells(maps.shape[1], maps.shape[2], side, maps.dtype, maps.device)
    amplitude = amplitude.clamp_min(0)
    rest = cells.rows @ (maps @ cells.columns.mT) - cells.masses(mean, covariance, amplitude)
    boxes = torch.nn.functional.pad(rest, (1, 1, 1, 1))
    boxes = boxes[:, :-2] + boxes[:, 1:-1] + boxes[:, 2:]
    boxes = boxes[..., :-2] + boxes[..., 1:-1] + boxes[..., 2:]
    place, mean_height = highest(boxes)
    second = (3 * side) ** 2 * mean_height.clamp_min(0).double()
    first = 2 * math.pi * amplitude * determinant(covariance).sqrt()
    share = second / (first + second).clamp_min(torch.finfo(second.dtype).tiny)
    return share, side * place.double() + (side - 1) / 2


@dataclass(frozen=True)
class _Cells:
    """Square cells that a map is divided into, and how to sum over their pixels.

    Sums are over a box's pixels, (3 side)², so that a box has its mean: nothing can overflow.

    Attributes:
        side: of a cell, px; the last ones may reach beyond the map.
        rows: (m, h) that sums the pixels of cells along y, over 3 side.
        columns: (n, w) along x.
        powers: (6, m n) monomials of the cells' middles.
    """

    side: int
    rows: Tensor
    columns: Tensor
    powers: Tensor

    def masses(self, mean: Tensor, covariance: Tensor, amplitude: Tensor) -> Tensor:
        """Sums (N, m, n) of Gaussians.

        The mean over a cell is close to the value in its middle of the Gaussian of the same
        mass that is wider by the variance of the cell's pixels.
        """
        wider = covariance + (self.side**2 - 1) / 12 * torch.eye(2).to(covariance)
        lower = (determinant(covariance) / determinant(wider)).sqrt()
        theta = from_gaussian(mean, wider, lower * amplitude / 9)
        values = (theta.to(self.powers) @ self.powers).exp_()
        return values.view(len(theta), len(self.rows), len(self.columns))


@lru_cache(maxsize=16)
def _cells(height: int, width: int, side: int, dtype: torch.dtype, device: torch.device) -> _Cells:
    """Cells of `side` px of maps of height x width."""

    def along(length: int) -> tuple[Tensor, Tensor]:
        pixel = torch.arange(length, device=device)
        cell = torch.arange(-(-length // side), device=device)
        inside = (pixel // side == cell[:, None]).to(dtype)
        return inside / (3 * side), side * cell.to(dtype) + (side - 1) / 2

    (rows, y), (columns, x) = along(height), along(width)
    return _Cells(side, rows, columns, monomials(x, y)[:6])
