"""Sums of a stream in the order of a number, such as a confidence, in memory that is bounded.

Ranking metrics ask only for the order and, in that order, for sums. All is kept, exactly, up to
`limit` distinct numbers; then neighbours in the order are put together into groups of about
equal count, at most half as many, and the order within a group is taken to be random, as it is
among equal numbers. A group then holds about 2 / limit of all, or more where numbers are equal:
that is how coarsely the share kept is resolved.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["LIMIT", "RankedSums"]

LIMIT = 65_536


class RankedSums:
    """Streams (number, values) pairs; gives counts and sums in ascending order of the number.

    Args:
        columns: values of each entry.
        limit: distinct numbers kept, and 2 x (columns + 2) x limit numbers of memory.

    >>> ranked = RankedSums(1)
    >>> ranked.add(torch.tensor([0.5, 0.1, 0.5]), torch.tensor([[1.0], [2.0], [3.0]]))
    >>> counts, sums = ranked.compute()
    >>> counts.tolist(), sums[:, 0].tolist()  # one of 2 at 0.1, two of 1 + 3 at 0.5
    ([1.0, 2.0], [2.0, 4.0])
    """

    def __init__(self, columns: int, limit: int = LIMIT) -> None:
        self.limit = limit
        self._number = torch.zeros(0, dtype=torch.float64)
        # The count of each group, then its sums.
        self._sums = torch.zeros(0, 1 + columns, dtype=torch.float64)

    def add(self, number: Tensor, values: Tensor) -> None:
        """Add entries (N,) with values (N, columns); all must be finite or infinite, not NaN."""
        values = values.detach().to("cpu", torch.float64)
        entries = torch.cat([torch.ones_like(values[:, :1]), values], dim=1)
        number = number.detach().to("cpu", torch.float64)
        for start in range(0, len(number), self.limit):
            rows = slice(start, start + self.limit)
            self._join(number[rows], entries[rows])

    def merge(self, other: RankedSums) -> None:
        """Add all that another has seen; memory stays bounded by this one's limit."""
        self._join(other._number, other._sums)

    def compute(self) -> tuple[Tensor, Tensor]:
        """Counts (B,) and sums (B, columns) of what is equal or grouped, by ascending number."""
        self._settle(self.limit)
        return self._sums[:, 0], self._sums[:, 1:]

    def _join(self, number: Tensor, sums: Tensor) -> None:
        self._number = torch.cat([self._number, number])
        self._sums = torch.cat([self._sums, sums])
        if len(self._number) > 2 * self.limit:
            self._settle(self.limit)

    def _settle(self, limit: int) -> None:
        """Put equal numbers together and, if there are still too many, neighbours."""
        self._number, group = torch.unique(self._number, return_inverse=True)
        self._sums = _grouped(group, self._sums)
        if len(self._number) > limit:
            count = self._sums[:, 0]
            middle = count.cumsum(0) - count / 2
            group = (middle / count.sum() * (limit // 2)).long()
            _, group = torch.unique(group, return_inverse=True)
            # A group stands at its mean number; the weights keep infinite ones at the ends.
            kept = self._number.clamp(-1e300, 1e300)
            joined = _grouped(group, torch.stack([count, kept * count], dim=1))
            self._number = joined[:, 1] / joined[:, 0]
            self._sums = _grouped(group, self._sums)


def _grouped(group: Tensor, values: Tensor) -> Tensor:
    """Sums (B, C) of values (N, C) by group (N,)."""
    count = int(group.max()) + 1 if len(group) else 0
    return values.new_zeros(count, values.shape[1]).index_add_(0, group, values)
