"""Hypotheses moved along the rays from their mean, so that their balls are conformal regions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["radial_factors"]


def radial_factors(
    distances: Tensor,
    spread: Tensor,
    levels: Sequence[float],
    bounds: Tensor,
    weights: Tensor | None = None,
) -> Tensor:
    """What to multiply each hypothesis' offset from the mean by, (m, K, H).

    The r-th nearest of H stands for the level r / (H + 1), as a target is as likely to fall into
    any of the gaps between them (with weights: their sum up to it, times n / (n + 1) with n =
    1 / sum w²). It is moved to the region's radius at that level, bound times spread, linear
    between levels. Beyond the last level whose bound is finite the factor stays what it is there.

    Args:
        distances: (m, K, H) from the mean.
        spread: (m, K), the unit of the bounds; the factor is 1 where it is 0.
        levels: (L,) ascending.
        bounds: (K, L) of the scores; those of each joint are finite up to some level.
        weights: (m, H), summing to one.

    >>> far = torch.tensor([[[3.0, 1.0, 2.0, 0.0]]])
    >>> bounds = torch.tensor([[0.4, 0.8, 1.2, torch.inf]])
    >>> radial_factors(far, torch.ones(1, 1), [0.2, 0.4, 0.6, 0.8], bounds) * far
    tensor([[[1.8000, 0.8000, 1.2000, 0.0000]]], dtype=torch.float64)
    """
    ordered, order = distances.double().sort(-1)
    at = _levels_of(ordered, order, weights)
    factor = _interpolated(at, levels, bounds) * spread[..., None] / ordered
    # No direction leads from the mean to itself.
    factor = factor.where(ordered > 0, 0.0)
    last = torch.tensor([levels[int(n) - 1] for n in bounds.isfinite().sum(-1)])
    known = (at <= last.double()[:, None] + 1e-12).sum(-1, keepdim=True).clamp(min=1)
    index = torch.arange(distances.shape[-1]).expand(factor.shape).minimum(known - 1)
    factor = factor.gather(-1, index)
    factor = torch.empty_like(factor).scatter_(-1, order, factor)
    return factor.where(spread[..., None] > 0, 1.0)


def _levels_of(ordered: Tensor, order: Tensor, weights: Tensor | None) -> Tensor:
    """The level that each hypothesis stands for, in order of distance, (m, K, H)."""
    count = ordered.shape[-1]
    if weights is None:
        ranks = torch.arange(1, count + 1, dtype=torch.float64)
        return (ranks / (count + 1)).expand(ordered.shape)
    weights = weights.double()[:, None].expand(order.shape)
    effective = 1 / weights.square().sum(-1, keepdim=True)
    return weights.gather(-1, order).cumsum(-1) * effective / (effective + 1)


def _interpolated(at: Tensor, levels: Sequence[float], bounds: Tensor) -> Tensor:
    """Bounds (K, L) at levels `at` (m, K, H), from 0 at level 0; the last finite one beyond."""
    finite = bounds.where(bounds.isfinite(), 0.0).cummax(-1).values
    knots = torch.tensor([0.0, *levels], dtype=torch.float64)
    values = torch.nn.functional.pad(finite, (1, 0)).expand(len(at), -1, -1)
    right = torch.searchsorted(knots, at.contiguous()).clamp(1, len(levels))
    low, high = values.gather(-1, right - 1), values.gather(-1, right)
    share = (at - knots[right - 1]) / (knots[right] - knots[right - 1])
    return low + share.clamp(0, 1) * (high - low)
