"""The second mode of a heatmap: the heaviest place of what its Gaussian leaves."""

from __future__ import annotations

import math

import torch
from torch import Tensor

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
    columns, x = _cells(maps.shape[2], side, maps)
    rows, y = _cells(maps.shape[1], side, maps)
    gaussian = mean.to(maps), covariance.to(maps), amplitude.to(maps).clamp_min(0)
    rest = rows @ (maps @ columns.mT) - _mass_in_cells(x, y, side, *gaussian)
    down = torch.nn.functional.pad(rest, (1, 1, 1, 1)).unfold(1, 3, 1).sum(-1)
    second, index = down.unfold(2, 3, 1).sum(-1).flatten(1).max(-1)
    second = second.clamp_min(0)
    place = torch.stack([x[index % len(x)], y[index // len(x)]], -1)
    first = 2 * math.pi * gaussian[2] * torch.linalg.det(covariance).sqrt().to(maps)
    return second / (first + second).clamp_min(torch.finfo(maps.dtype).tiny), place


def _cells(length: int, side: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Matrix (cells, length) that sums the pixels of each cell along one axis; their middles."""
    pixel = torch.arange(length, device=like.device)
    cell = torch.arange(-(-length // side), device=like.device)
    return (pixel // side == cell[:, None]).to(like), side * cell.to(like) + (side - 1) / 2


def _mass_in_cells(
    x: Tensor, y: Tensor, side: int, mean: Tensor, covariance: Tensor, amplitude: Tensor
) -> Tensor:
    """Sums (N, rows, columns) of Gaussians over the pixels of cells with middles x and y.

    The mean over a cell is close to the value in its middle of the Gaussian of the same mass
    that is wider by the variance of the cell's pixels.
    """
    wider = covariance + (side**2 - 1) / 12 * torch.eye(2).to(covariance)
    narrower = (torch.linalg.det(covariance) / torch.linalg.det(wider)).sqrt()
    precision = -0.5 * torch.linalg.inv(wider)
    x, y = x - mean[:, :1], y - mean[:, 1:]
    across = precision[:, 0, :1] * x**2
    down = precision[:, 1, 1:] * y**2 + (side**2 * amplitude * narrower).log()[:, None]
    mixed = (2 * precision[:, 0, 1:] * y)[..., None] * x[:, None]
    return (mixed + across[:, None] + down[..., None]).exp()
