"""What can be said of a heatmap without a fit: its highest pixel and the spread about it."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["highest", "spread"]

# Variance of a position within its pixel.
_PIXEL = 1 / 12


def highest(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Position (N, 2) of the highest pixel of maps (N, h, w), the first of several; its value."""
    # The maximum alone is several times faster than with its index: first rows, then one row.
    rows = maps.amax(-1)
    y = rows.argmax(-1)
    row = maps[torch.arange(len(maps), device=maps.device), y]
    x = row.argmax(-1)
    return torch.stack([x, y], -1), rows.amax(-1)


def spread(maps: Tensor, peak: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (N, 2) and covariance (N, 2, 2) in px that stand for maps (N, h, w) without a fit.

    Second moments of the positive part of the map, taken for a density, about its peak (N, 2).
    A map that is constant or nowhere positive has no peak: it has the middle, and the spread of
    a joint that may lie anywhere. Float64.
    """
    height, width = maps.shape[1:]
    density = maps.double().clamp_min(0)
    flat = (density.amax((1, 2)) <= 0) | (maps.amax((1, 2)) == maps.amin((1, 2)))
    density = torch.where(flat[:, None, None], 1.0, density)
    # The scale of a map does not matter: no overflow of its sum, no underflow of its squares.
    density = density / density.amax((1, 2), keepdim=True)
    middle = torch.tensor([(width - 1) / 2, (height - 1) / 2]).to(density)
    mean = torch.where(flat[:, None], middle, peak.to(density))
    x = torch.arange(width).to(density) - mean[:, :1]
    y = torch.arange(height).to(density) - mean[:, 1:]
    columns, rows = density.sum(1), density.sum(2)
    xy = (y[:, None] @ density @ x[..., None])[:, 0, 0]
    moments = [(columns * x**2).sum(-1), xy, xy, (rows * y**2).sum(-1)]
    covariance = torch.stack(moments, -1).reshape(-1, 2, 2) / columns.sum(-1)[:, None, None]
    return mean, covariance + _PIXEL * torch.eye(2).to(density)
