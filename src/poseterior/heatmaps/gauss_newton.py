"""Damped Gauss-Newton for a whole batch of windows at once, in natural parameters.

Steps are full ones; one that does not lower the sum of squares, or leads to what is no
Gaussian any more, is shortened. Their direction does not depend on the coordinates: a heatmap
that is shifted, turned or scaled has a fit that is.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from poseterior.heatmaps.natural import Monomials, moments_to_matrix, peaked

__all__ = ["Minimum", "least_squares"]

_SHORTEST = 1e-3
# A step that changes the Gaussian by less than this, relative to its norm, is the last one.
_LAST_STEP = 1e-5
# Windows that are done are dropped once they are this share of all: dropping copies the others.
_DROP = 0.3


@dataclass(frozen=True)
class Minimum:
    """Where the iterations ended.

    Attributes:
        theta: (N, 6) natural parameters; the start's where not converged.
        left: (N,) sum of (h - g)² over the window as a share of that of h²; 1 where not converged.
        converged: (N,) bool.
    """

    theta: Tensor
    left: Tensor
    converged: Tensor


@dataclass
class _Search:
    """The windows still being fitted, a row for each.

    `theta` is the best so far, `cost` its sum of g² - 2 g h, `step` the Gauss-Newton step from
    it, `length` how much of that is tried next; `norm` is the sum of g² and `decrement` that of
    (g m . step)², both at `theta`.
    """

    row: Tensor
    values: Tensor
    theta: Tensor
    step: Tensor
    length: Tensor
    cost: Tensor
    norm: Tensor
    decrement: Tensor

    @classmethod
    def begin(cls, values: Tensor, start: Tensor) -> _Search:
        one = torch.ones_like(start[:, 0])
        row = torch.arange(len(start), device=start.device)
        unknown = one * torch.inf
        return cls(row, values, start, torch.zeros_like(start), one, unknown, one, unknown)

    def keep(self, rows: Tensor) -> _Search:
        return _Search(*(getattr(self, field.name)[rows] for field in fields(self)))


def least_squares(
    values: Tensor, monomials: Monomials, start: Tensor, iterations: int = 30
) -> Minimum:
    """Gaussians that minimise the sum of (h - g)² over windows (N, h w), from parameters (N, 6).

    All in float64, and finite.
    """
    theta, gain = start.clone(), torch.zeros_like(start[:, 0])
    converged = torch.zeros_like(gain, dtype=torch.bool)
    search = _Search.begin(values, start)
    for _ in range(iterations):
        _advance(search, monomials)
        arrived = search.decrement <= _LAST_STEP**2 * search.norm
        row = search.row[arrived]
        # The last step is taken unseen: it is too short to go wrong.
        theta[row] = (search.theta + search.step)[arrived]
        gain[row] = (search.cost - search.decrement)[arrived]
        converged[row] = True
        going = ~arrived & (search.length > _SHORTEST)
        count = int(going.sum())
        if not count:
            break
        if count <= (1 - _DROP) * len(going):
            search = search.keep(going)
    squares = torch.linalg.vector_norm(values, dim=-1).square()
    left = torch.where(converged, ((squares + gain) / squares).clamp_min(0), 1.0)
    return Minimum(theta, left, converged)


def _advance(search: _Search, monomials: Monomials) -> None:
    """Try a step of each; take those that lower the cost, and shorten the others."""
    trial = search.theta + search.length[:, None] * search.step
    with_map, with_itself = monomials.moments(search.values, trial)
    cost = with_itself[:, 0] - 2 * with_map[:, 0]
    gradient = with_map - with_itself[:, :6]
    step = torch.linalg.solve_ex(moments_to_matrix(with_itself), gradient)[0]
    better = (cost < search.cost) & peaked(trial) & step.isfinite().all(-1)

    def taken(new: Tensor, old: Tensor) -> Tensor:
        return torch.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, old)

    search.theta, search.step = taken(trial, search.theta), taken(step, search.step)
    search.length = taken((2 * search.length).clamp_max(1), search.length / 2)
    search.cost, search.norm = taken(cost, search.cost), taken(with_itself[:, 0], search.norm)
    search.decrement = taken((step * gradient).sum(-1), search.decrement)
