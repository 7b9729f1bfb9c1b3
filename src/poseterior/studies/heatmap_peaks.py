"""Figure f of paper 003: the maximum of heatmaps against l~² / s of the Gaussian fitted to them.

A detector that has learned all there is draws the mean of the targets that annotators' clicks
give. Here few or many annotators click, with any spread, and the pixels are noisy; Gaussians are
fitted as for any detector. Eq. 17 expects the two to be equal.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from poseterior.confidence.ad_hoc import heatmap_peak
from poseterior.heatmaps import TARGET_SIGMA_PX, fit_gaussians
from poseterior.metrics.correlation import Pearson

__all__ = ["ANNOTATORS", "heatmap_peaks"]

ANNOTATORS = (3, 10, 100, 1000)
_MAPS = 150
_SIZE = (64, 48)  # h, w
_NOISE = 0.002
_SIGMAS = (0.3, 5.0)  # px, of the clicks


def heatmap_peaks(generator: torch.Generator) -> list[dict[str, Any]]:
    """For each number of annotators the heatmaps' `peak` and `fitted` l~² / sqrt(det S).

    Returns:
        Dicts with `annotators`, `sigma` (of the clicks, px), `peak`, `fitted`, `expected`
        (Eq. 17 of sigma) lists, `pearson`, `mean_difference` and `mean_absolute_difference` of
        peak from fitted.
    """
    return [_group(count, generator) for count in ANNOTATORS]


def _group(count: int, generator: torch.Generator) -> dict[str, Any]:
    low, high = _SIGMAS
    share = torch.rand(_MAPS, generator=generator, dtype=torch.float64)
    sigma = low * (high / low) ** share
    maps = torch.stack([_heatmap(float(s), count, generator) for s in sigma])
    fit = fit_gaussians(maps, window=48)
    fitted = TARGET_SIGMA_PX**2 / torch.linalg.det(fit.covariance).sqrt()
    peak = maps.flatten(1).amax(1)
    good = fit.converged
    correlation = Pearson()
    correlation.update(fitted, peak, good)
    gap = (peak - fitted)[good]
    return {
        "annotators": count,
        "sigma": sigma[good].tolist(),
        "peak": peak[good].tolist(),
        "fitted": fitted[good].tolist(),
        "expected": heatmap_peak(sigma[good].square()).tolist(),
        "pearson": correlation.compute(),
        "mean_difference": gap.mean().item(),
        "mean_absolute_difference": gap.abs().mean().item(),
        "not_fitted": int((~good).sum()),
    }


def _heatmap(sigma: float, count: int, generator: torch.Generator) -> Tensor:
    """Mean target (h, w) of `count` clicks about a random place near the middle, with noise."""
    h, w = _SIZE
    start = torch.rand(2, generator=generator, dtype=torch.float64)
    middle = torch.tensor([w / 2, h / 2]) - 0.5 + start
    clicks = middle + sigma * torch.randn(count, 2, generator=generator, dtype=torch.float64)
    x, y = (
        (-(torch.arange(n)[:, None] - clicks[:, axis]).square() / (2 * TARGET_SIGMA_PX**2)).exp()
        for axis, n in enumerate((w, h))
    )
    noise = torch.randn(h, w, generator=generator, dtype=torch.float64)
    return y @ x.T / count + _NOISE * noise
