"""The second mode of a heatmap: the heaviest place of what its Gaussian leaves."""

from __future__ import annotations

import math

import torch
from torch import Tensor

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
    columns, x = _cells(maps.shape[2], side, maps)
    rows, y = _cells(maps.shape[1], side, maps)
    amplitude = amplitude.clamp_min(0)
    expected = _mass_in_cells(x, y, side, mean, covariance, amplitude).to(maps)
    rest = rows @ (maps @ columns.mT) - expected
    boxes = torch.nn.functional.pad(rest, (1, 1, 1, 1))
    boxes = boxes[:, :-2] + boxes[:, 1:-1] + boxes[:, 2:]
    boxes = boxes[..., :-2] + boxes[..., 1:-1] + boxes[..., 2:]
    place, mean_height = highest(boxes)
    second = (3 * side) ** 2 * mean_height.clamp_min(0).double()
    first = 2 * math.pi * amplitude * torch.linalg.det(covariance).sqrt()
    share = second / (first + second).clamp_min(torch.finfo(second.dtype).tiny)
    return share, torch.stack([x[place[:, 0]], y[place[:, 1]]], -1)


def _cells(length: int, side: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Matrix (cells, length) that sums the pixels of each cell along one axis; their middles.

    Over three times the cell's side, so that a box has its mean: no sum can overflow.
    """
    pixel = torch.arange(length, device=like.device)
    cell = torch.arange(-(-length // side), device=like.device)
    inside = (pixel // side == cell[:, None]).to(like)
    return inside / (3 * side), side * cell.to(like) + (side - 1) / 2


def _mass_in_cells(
    x: Tensor, y: Tensor, side: int, mean: Tensor, covariance: Tensor, amplitude: Tensor
) -> Tensor:
    """Sums (N, rows, columns) of Gaussians as `_cells` makes them, cells with middles x and y.

    The mean over a cell is close to the value in its middle of the Gaussian of the same mass
    that is wider by the variance of the cell's pixels.
    """
    wider = covariance + (side**2 - 1) / 12 * torch.eye(2).to(covariance)
    lower = (torch.linalg.det(covariance) / torch.linalg.det(wider)).sqrt()
    theta = from_gaussian(mean, wider, lower * amplitude / 9)
    values = (theta.to(x) @ monomials(x, y)[:6]).exp_()
    return values.view(len(theta), len(y), len(x))
