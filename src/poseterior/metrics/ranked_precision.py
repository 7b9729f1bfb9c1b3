"""mAR and mAP as paper 003 writes them, Eq. 8 and 9: one detection a person, no interpolation.

Not COCO's own: that matches detections to people, interpolates at 101 recalls and limits
detections an image. These two are what the paper reasons with, since mAR cannot depend on
the confidence and mAP depends on nothing else but its order; mAP never exceeds mAR.
"""

from __future__ import annotations

import torch
from torch import Tensor

from poseterior.metrics.joint_table import number
from poseterior.metrics.ranked_sums import LIMIT, RankedSums

__all__ = ["OKS_THRESHOLDS", "RankedPrecision", "average_precision"]

# 0.50, 0.55, ..., 0.95: paper 003, Section 6.1, and COCO.
OKS_THRESHOLDS = tuple(0.5 + 0.05 * step for step in range(10))


def average_precision(counts: Tensor, hits: Tensor) -> Tensor:
    """Eq. 9 at each threshold (T,), in expectation over a random order of what is equal.

    Of a group of b entries with h hits after a entries with s hits, entry k = 1 ... b is a hit
    with chance h / b, and then s + 1 + (k - 1)(h - 1) / (b - 1) of the a + k are hits. Summed
    over k with the digamma function.

    Args:
        counts: (B,) entries of each group, surest first.
        hits: (B, T) of them with an OKS above each threshold.

    >>> average_precision(torch.ones(3), torch.tensor([[1.0], [0.0], [1.0]]))  # (1 + 2 / 3) / 3
    tensor([0.5556], dtype=torch.float64)
    """
    b, h = counts.double()[:, None], hits.double()
    upto = b.cumsum(0)
    before, s = upto - b, h.cumsum(0) - h
    first = h / b * (s + 1)
    slope = h / b * (h - 1) / (b - 1).clamp(min=1)
    harmonic = torch.digamma(upto + 1) - torch.digamma(before + 1)
    # Sum over k of (first + slope (k - 1)) / (a + k), with k - 1 = (a + k) - (a + 1).
    total = slope * b + (first - slope * (before + 1)) * harmonic
    return total.sum(0) / upto[-1]


class RankedPrecision:
    """Streams confidences and OKS of people, one detection each, into Eq. 8 and 9.

    Args:
        thresholds: of OKS, strictly exceeded by a hit.
        limit: distinct confidences kept exactly (`RankedSums`).

    >>> found = RankedPrecision(thresholds=(0.5,))
    >>> found.update(torch.tensor([0.9, 0.8, 0.7]), torch.tensor([0.95, 0.2, 0.6]))
    >>> {key: round(value, 3) for key, value in found.compute().items() if value is not None}
    {'mar': 0.667, 'map': 0.556, 'ap50': 0.556}
    """

    def __init__(self, thresholds: tuple[float, ...] = OKS_THRESHOLDS, limit: int = LIMIT) -> None:
        self.thresholds = torch.tensor(thresholds, dtype=torch.float64)
        self._hits = RankedSums(len(thresholds), limit)

    def update(self, confidence: Tensor, oks: Tensor) -> None:
        """Add people: confidence (M,) and the OKS (M,) of their one detection."""
        hits = oks.double()[:, None] > self.thresholds
        self._hits.add(-confidence.double(), hits)

    def merge(self, other: RankedPrecision) -> None:
        """Add what another has seen."""
        self._hits.merge(other._hits)

    def compute(self) -> dict[str, float | None]:
        """`mar` (Eq. 8), `map` (Eq. 9), its `ap50` and `ap75` where these are thresholds."""
        counts, hits = self._hits.compute()
        if not len(counts):
            return dict.fromkeys(("mar", "map", "ap50", "ap75"))
        precision = average_precision(counts, hits)
        recall = hits.sum(0) / counts.sum()
        found = {"mar": recall.mean(), "map": precision.mean()}
        for key, threshold in (("ap50", 0.5), ("ap75", 0.75)):
            at = precision[(self.thresholds - threshold).abs() < 1e-9]
            found[key] = at[0] if len(at) else precision.new_tensor(torch.nan)
        return {key: number(value) for key, value in found.items()}
