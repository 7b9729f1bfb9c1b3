"""Where the target falls among the hypotheses, number by number: ranks and their scores.

Under a right posterior the target is one more draw, so its rank among H hypotheses is uniform on
0, ..., H whatever the distribution (the probability integral transform, for any H). A rank r
is kept as its cell [r / (H + 1), (r + 1) / (H + 1)] of the unit interval; every score below is the
average over the cell of a function of a uniform number. So each has exactly the mean it has for
infinitely many hypotheses, and none needs a correction for finite H:

- `normal_score`, the mean of z = Phi^-1(u): 0 for a right posterior, the shift in sigmas of one
  that is off;
- `squared_score`, the mean of z²: 1 for a right posterior, more for one that is too narrow;
- `inside`, the share of the cell in the central interval of a level: the level;
- `bin_shares`, the share of the cell in each of B bins: 1 / B each.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["Cells", "bin_shares", "inside", "normal_score", "rank_cells", "squared_score"]

# Lower and upper end of the cells, equal shapes, in [0, 1], float64.
Cells = tuple[Tensor, Tensor]


def rank_cells(
    values: Tensor, target: Tensor, weights: Tensor | None, generator: torch.Generator
) -> Cells:
    """The cell of each target number among the same number of the hypotheses.

    Args:
        values: (M, ..., H), numbers of the hypotheses.
        target: (M, ...).
        weights: (M, H), normalised, or None where equal. The effective number 1 / sum w² takes
            the place of H; weights that stand for other than draws make ranks approximate.
        generator: breaks ties, each order being as likely.

    Returns:
        Two tensors (M, ...), float64.

    >>> rank_cells(torch.tensor([[1.0, 2.0, 4.0]]), torch.tensor([3.0]), None, torch.Generator())
    (tensor([0.5000], dtype=torch.float64), tensor([0.7500], dtype=torch.float64))
    """
    point = target[..., None]
    if weights is None:
        count = torch.tensor(float(values.shape[-1]), dtype=torch.float64)
        below, equal = _count(torch.lt, values, point), _count(torch.eq, values, point)
    else:
        count = 1 / weights.square().sum(-1)
        count = count.reshape(-1, *[1] * (target.ndim - 1))
        shaped = weights.reshape(len(weights), *[1] * (target.ndim - 1), -1)
        below = ((values < point) * shaped).sum(-1) * count
        equal = ((values == point) * shaped).sum(-1) * count
    drawn = torch.rand(equal.shape, generator=generator, dtype=torch.float64)
    # Ranks of tied hypotheses are whole numbers only where weights are equal.
    order = drawn * (equal + 1)
    below = below + (order.floor() if weights is None else drawn * equal)
    return below / (count + 1), (below + 1) / (count + 1)


def _count(compare: Callable[..., Tensor], values: Tensor, point: Tensor) -> Tensor:
    """How many of (..., H) compare with (..., 1), (...); summing floats is several times faster
    than summing bools, and exact.
    """
    return compare(values, point, out=torch.empty_like(values)).sum(-1).double()


def normal_score(cells: Cells) -> Tensor:
    """Mean over each cell of z = Phi^-1(u).

    The integral of z phi(z) dz is -phi(z).
    """
    low, high = cells
    return (_density(low) - _density(high)) / (high - low)


def squared_score(cells: Cells) -> Tensor:
    """Mean over each cell of z²; the integral of z² phi(z) dz is Phi(z) - z phi(z)."""
    low, high = cells
    return 1 + (_moment(low) - _moment(high)) / (high - low)


def inside(cells: Cells, level: float) -> Tensor:
    """Share of each cell that lies in [(1 - level) / 2, (1 + level) / 2]."""
    return _overlap(cells, (1 - level) / 2, (1 + level) / 2)


def bin_shares(cells: Cells, bins: int) -> Tensor:
    """Share of each cell (...) in each of `bins` equal bins of the unit interval, (..., bins)."""
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64)
    low, high = cells
    reached = torch.minimum(torch.maximum(edges, low[..., None]), high[..., None])
    return reached.diff(dim=-1) / (high - low)[..., None]


def _overlap(cells: Cells, low: float, high: float) -> Tensor:
    return (cells[1].clamp(max=high) - cells[0].clamp(min=low)).clamp(min=0) / (cells[1] - cells[0])


def _normal(share: Tensor) -> Tensor:
    return torch.special.ndtri(share.clamp(0, 1))


def _density(share: Tensor) -> Tensor:
    """phi(Phi^-1(u)), 0 at the ends."""
    return torch.exp(-_normal(share).square() / 2) / math.sqrt(2 * math.pi)


def _moment(share: Tensor) -> Tensor:
    """The density times z, z phi(z), at z = Phi^-1(u), 0 at the ends, where it is inf times 0.

    `squared_score` is 1 - (difference of this) / width, so that its mean over cells is 1.
    """
    return (_normal(share) * _density(share)).nan_to_num(0.0)
