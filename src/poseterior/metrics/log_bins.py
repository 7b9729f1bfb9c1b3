"""Bins of equal ratio, so that a stream of lengths of any size sorts into few of them."""

from __future__ import annotations

import math

from torch import Tensor

__all__ = ["LogBins"]


class LogBins:
    """`count` bins of equal ratio from `low` to `high`, one below them and one above.

    >>> import torch
    >>> bins = LogBins(1.0, 1000.0, 3)
    >>> bins.index(torch.tensor([0.0, 0.5, 2.0, 50.0, 1e6])).tolist(), len(bins)
    ([0, 0, 1, 2, 4], 5)
    """

    def __init__(self, low: float, high: float, count: int) -> None:
        self._low, self._count = math.log(low), count
        self._step = (math.log(high) - self._low) / count

    def __len__(self) -> int:
        return self._count + 2

    def index(self, values: Tensor) -> Tensor:
        """Bin of each value >= 0, int64."""
        place = (values.double().log() - self._low) / self._step
        return place.floor().clamp(-1, self._count).long() + 1
