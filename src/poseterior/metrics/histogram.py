"""A histogram of a stream: fixed bins, and one for all that lies beyond them."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["Histogram"]


class Histogram:
    """Counts of values in `bins` equal bins from 0 to `top`, then one of values >= `top`.

    >>> histogram = Histogram(10.0, bins=2)
    >>> histogram.add(torch.tensor([1.0, 5.0, 7.0, 99.0, float("nan")]))
    >>> histogram.compute()
    {'edges': [0.0, 5.0, 10.0], 'counts': [1, 2, 1]}
    """

    def __init__(self, top: float, bins: int = 60) -> None:
        self.edges = torch.linspace(0, top, bins + 1, dtype=torch.float64)
        self.counts = torch.zeros(bins + 1, dtype=torch.long)

    def add(self, values: Tensor) -> None:
        """Count values (N,); NaN, a value that does not exist, is not counted."""
        values = values[~values.isnan()].to("cpu", torch.float64)
        index = torch.bucketize(values.clamp(min=0.0), self.edges, right=True) - 1
        self.counts += torch.bincount(index, minlength=len(self.counts))

    def compute(self) -> dict[str, list[float] | list[int]]:
        """`edges` (bins + 1) and `counts` (bins + 1, the last of values beyond the edges)."""
        return {"edges": self.edges.tolist(), "counts": self.counts.tolist()}
