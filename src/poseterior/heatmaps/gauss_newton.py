"""Damped Gauss-Newton for a whole batch of windows at once, in natural parameters.

Steps are full ones; one that does not lower the sum of squares, or leads to what is no
Gaussian any more, is shortened. Their direction does not depend on the coordinates: a heatmap
that is shifted, turned or scaled has a fit that is.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from poseterior.heatmaps.natural import Monomials, peaked

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
        left: (N,) sum of (h - g)² as a share of that of h²; 1 where not converged.
        converged: (N,) bool.
    """

    theta: Tensor
    left: Tensor
    converged: Tensor


@dataclass
class _Search:
    """Windows being fitted, a row for each.

    `theta` is the best so far; `step` the Gauss-Newton step from it, `cost` its sum of
    g² - 2 g h, `norm` its sum of g² and `decrement` that of (g m . step)². `length` is how much
    of the step is tried next.
    """

    row: Tensor
    values: Tensor
    theta: Tensor
    step: Tensor
    cost: Tensor
    norm: Tensor
    decrement: Tensor
    length: Tensor

    @classmethod
    def begin(cls, values: Tensor, start: Tensor) -> _Search:
        one = torch.ones_like(start[:, 0])
        row, unknown = torch.arange(len(start), device=start.device), one * torch.inf
        return cls(row, values, start, torch.zeros_like(start), unknown, one, unknown, one)

    def __getitem__(self, rows: Tensor) -> _Search:
        return _Search(*(getattr(self, field.name)[rows] for field in fields(self)))

    @property
    def arrived(self) -> Tensor:
        return self.decrement <= _LAST_STEP**2 * self.norm

    def advance(self, monomials: Monomials) -> None:
        """Try a step of each; take those that lower the cost, and shorten the others."""
        trial = self.theta + self.length[:, None] * self.step
        with_map, with_itself = monomials.moments(self.values, trial)
        norm = with_itself[:, 0]
        cost = norm - 2 * with_map[:, 0]
        gradient = with_map - with_itself[:, :6]
        step = torch.linalg.solve_ex(monomials.normal_matrix(with_itself), gradient)[0]
        decrement = (step * gradient).sum(-1)
        # Neither a cost nor a step that is not finite passes.
        better = (cost < self.cost) & (decrement < torch.inf) & peaked(trial)
        self.length = torch.where(better, (2 * self.length).clamp_max(1), self.length / 2)
        self.theta = torch.where(better[:, None], trial, self.theta)
        self.step = torch.where(better[:, None], step, self.step)
        self.cost = torch.where(better, cost, self.cost)
        self.norm = torch.where(better, norm, self.norm)
        self.decrement = torch.where(better, decrement, self.decrement)


def least_squares(
    values: Tensor, monomials: Monomials, start: Tensor, iterations: int = 30
) -> Minimum:
    """Gaussians that minimise the sum of (h - g)² over windows (N, h w), from parameters (N, 6).

    All in float64, and finite.
    """
    found = Minimum(start.clone(), torch.ones_like(start[:, 0]), start[:, 0].isnan())
    squares = torch.linalg.vector_norm(values, dim=-1).square()
    search = _Search.begin(values, start)
    for _ in range(iterations):
        search.advance(monomials)
        going = ~search.arrived & (search.length > _SHORTEST)
        count = int(going.sum())
        if not count:
            break
        if count <= (1 - _DROP) * len(going):
            _record(found, search, squares)
            search = search[going.nonzero()[:, 0]]
    _record(found, search, squares)
    return found


def _record(found: Minimum, search: _Search, squares: Tensor) -> None:
    """Put down those that have arrived, after a last step: it is too short to go wrong."""
    arrived = search.arrived.nonzero()[:, 0]
    row = search.row[arrived]
    found.theta[row] = (search.theta + search.step)[arrived]
    left = 1 + (search.cost - search.decrement)[arrived] / squares[row]
    found.left[row] = left.clamp_min(0)
    found.converged[row] = True
