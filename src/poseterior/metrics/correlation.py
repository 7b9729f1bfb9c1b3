"""Pearson's correlation of a stream, stable whatever the offset and mergeable."""

from __future__ import annotations

import torch
from torch import Tensor

from poseterior.metrics.joint_table import number

__all__ = ["Pearson"]


class Pearson:
    """Streams pairs (x, y) into their correlation, such as confidence and OKS.

    Keeps the count, both means and the centred second moments; two such are put together by
    Chan, Golub and LeVeque (1979), so that no large number is taken from another.

    >>> found = Pearson()
    >>> found.update(1e6 + torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0, 4.0, 9.0]))
    >>> round(found.compute(), 4)
    0.9707
    """

    def __init__(self) -> None:
        self.count = 0
        self._mean = torch.zeros(2, dtype=torch.float64)
        self._moments = torch.zeros(2, 2, dtype=torch.float64)

    def update(self, x: Tensor, y: Tensor, counted: Tensor | None = None) -> None:
        """Add pairs (...) of numbers; of a mask (...) only the counted."""
        if counted is not None:
            x, y = x[counted], y[counted]
        pairs = torch.stack([x.reshape(-1), y.reshape(-1)]).detach().to("cpu", torch.float64)
        if pairs.shape[1]:
            mean = pairs.mean(1)
            apart = pairs - mean[:, None]
            self._join(pairs.shape[1], mean, apart @ apart.T)

    def merge(self, other: Pearson) -> None:
        """Add what another has seen."""
        self._join(other.count, other._mean, other._moments)

    def compute(self) -> float | None:
        """The correlation; None with fewer than two pairs, or where x or y does not vary."""
        (xx, xy), (_, yy) = self._moments
        varies = (self._moments.diagonal() > 0).all() & (self.count > 1)
        return number(torch.where(varies, xy / (xx * yy).sqrt(), torch.nan).clamp(-1, 1))

    def _join(self, count: int, mean: Tensor, moments: Tensor) -> None:
        total = self.count + count
        if not count:
            return
        gap = mean - self._mean
        self._moments = self._moments + moments + gap.outer(gap) * (self.count * count / total)
        self._mean = self._mean + gap * (count / total)
        self.count = total
