"""Move hypotheses along the rays from their mean, and put the mean back where it was."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from poseterior.data.prediction_fields import PredictionRows
from poseterior.geometry.skeleton import Skeleton
from poseterior.metrics.weighted import normalised, weighted_mean
from poseterior.recalibration.distances import LEVELS

__all__ = ["about_mean", "stretched"]

_LEAST_M = 1e-9


def about_mean(
    rows: PredictionRows, skeleton: Skeleton, change: Callable[[Tensor], Tensor]
) -> Tensor:
    """Hypotheses (m, H, J, 3) whose offsets from their weighted mean are `change`d.

    Args:
        rows: whose hypotheses they are.
        skeleton: its K free joints are changed.
        change: from offsets (m, H, K, 3) in metres to others. What is not linear moves their
            mean: it is taken out again, so that the mean pose stays exactly.
    """
    free = list(skeleton.free)
    weights = normalised(rows.weights)
    mean = weighted_mean(rows.hypotheses, weights)[:, free]
    offset = change((rows.hypotheses[:, :, free] - mean[:, None]).to(rows.hypotheses.dtype))
    offset = offset - weighted_mean(offset, weights)[:, None]
    fixed = rows.hypotheses.clone()
    fixed[:, :, free] = (mean[:, None] + offset).to(fixed.dtype)
    return fixed


def stretched(offset: Tensor, factors: Tensor, weights: Tensor | None = None) -> Tensor:
    """Offsets (m, H, K, 3) with new lengths, by each joint's map of the length.

    The hypothesis at the q-quantile of the lengths of its row and joint is multiplied by the
    factor at q, whose log is linear between `LEVELS` and constant beyond. New lengths are made
    to rise with the old, so that the order of a row stays.

    Args:
        offset: of the hypotheses from their mean.
        factors: (K, L) at `LEVELS`.
        weights: (m, H) normalised, or None.
    """
    length = offset.norm(dim=-1)
    ordered, order = length.sort(1)
    position = (_levels(length, order, weights) * (len(LEVELS) + 1) - 1).clamp(0, len(LEVELS) - 1)
    below = position.long().clamp(max=len(LEVELS) - 2)
    table = factors.log().to(length.dtype).T.expand(len(length), -1, -1)
    low, high = (table.gather(1, (below + step).expand(length.shape)) for step in (0, 1))
    factor = (low + (position - below) * (high - low)).exp()
    moved = (ordered * factor).cummax(1).values
    new = torch.empty_like(moved).scatter_(1, order, moved)
    return offset * (new / length.clamp(min=_LEAST_M))[..., None]


def _levels(length: Tensor, order: Tensor, weights: Tensor | None) -> Tensor:
    """Of each ordered hypothesis the level whose quantile it is, broadcast to (m, H, K).

    The share of the others' weight that lies below; k / (H - 1) at equal weights.
    """
    count = length.shape[1]
    if weights is None:
        return torch.linspace(0, 1, count, dtype=length.dtype)[None, :, None]
    chance = weights[..., None].expand(length.shape).gather(1, order).to(length.dtype)
    below = chance.cumsum(1) - chance
    return (below / (1 - chance).clamp(min=1e-9)).clamp(0, 1)
