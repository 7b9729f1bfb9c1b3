"""Rank (PIT) histograms with a band that holds all bins of a right posterior's at once.

Poses of one clip resemble each other, which widens the band: the bins' variance between groups
over that of independent poses (the design effect) says how many independent poses there are.
"""

from __future__ import annotations

import torch
from scipy.stats import chi2
from torch import Tensor

from poseterior.metrics.cluster_test import GroupedMean

__all__ = ["design_effect", "histogram_p_values", "simultaneous_band"]


def design_effect(bins: GroupedMean, counts: Tensor) -> float:
    """Variance of the shares (..., B) between groups over that of `counts` independent poses.

    The mean over all bins, at least 1, since no grouping makes a histogram more certain.
    """
    size = bins.estimate.shape[-1]
    independent = (1 / size) * (1 - 1 / size) / counts.double().clamp(min=1)
    ratio = bins.error.square() / independent[..., None]
    known = ratio[ratio.isfinite()]
    return max(1.0, known.mean().item()) if len(known) else float("inf")


def simultaneous_band(
    poses: float, bins: int, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Lowest and highest share in any of B bins, for so many independent poses.

    A right posterior's histogram stays inside with every bin at once in the share `confidence`
    of cases, by simulation.

    >>> low, high = simultaneous_band(1500, 20)
    >>> round(low, 3), round(high, 3)
    (0.034, 0.068)
    """
    size = max(int(poses), 1)
    generator = torch.Generator().manual_seed(seed)
    drawn = _multinomial(size, bins, generator)
    low, high = (drawn.amin(1) / size, drawn.amax(1) / size)
    tail = (1 - confidence) / 2
    return torch.quantile(low, tail).item(), torch.quantile(high, 1 - tail).item()


def _multinomial(size: int, bins: int, generator: torch.Generator, repeats: int = 4000) -> Tensor:
    """Counts (repeats, bins) of `size` throws, as successive binomials."""
    left = torch.full((repeats,), float(size), dtype=torch.float64)
    columns = []
    for remaining in range(bins, 1, -1):
        share = torch.full_like(left, 1 / remaining)
        columns.append(torch.binomial(left, share, generator=generator))
        left = left - columns[-1]
    return torch.stack([*columns, left], dim=1)


def histogram_p_values(bins: GroupedMean, counts: Tensor, effect: float) -> Tensor:
    """P-value (...) of each histogram (..., B) against even shares, chi-square.

    Args:
        bins: shares.
        counts: (...) poses of each.
        effect: the design effect that the statistic is divided by (Rao and Scott, 1984).
    """
    size = bins.estimate.shape[-1]
    squares = ((bins.estimate - 1 / size).square() * size).sum(-1) * counts / effect
    return torch.as_tensor(chi2.sf(squares.numpy(), size - 1))
