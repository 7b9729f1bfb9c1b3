"""Gaussians fitted to one window of each map, and which of them may be believed."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from poseterior.heatmaps.ellipse import axes
from poseterior.heatmaps.gauss_newton import least_squares
from poseterior.heatmaps.maps import windows
from poseterior.heatmaps.natural import from_gaussian, to_gaussian, window_monomials

__all__ = ["WindowFit", "fit_windows"]

# An amplitude of fewer standard errors than this may be the largest of many spikes of noise.
_CLEAR = 7.0
# A joint may be so many px outside the map.
_MARGIN = 2.0
# Of anything narrower the pixels show one spike, whatever its width.
_NARROWEST = 0.3


@dataclass
class WindowFit:
    """Gaussians of N maps, in px of the map and float64.

    Attributes:
        mean: (N, 2).
        covariance: (N, 2, 2).
        amplitude: (N,).
        residual: (N,) root of the sum of (h - g)² over that of h²; 1 where not good.
        good: (N,) bool: converged, within the map, no wider than it, no spike of a single pixel,
            and clear of the noise.
            Where False the others are those to start from.
    """

    mean: Tensor
    covariance: Tensor
    amplitude: Tensor
    residual: Tensor
    good: Tensor

    @classmethod
    def start(cls, peak: Tensor, height: Tensor, sigma: float) -> WindowFit:
        """Peaks (N, 2) of some height (N,) with covariance sigma² I, not fitted yet."""
        mean, amplitude = peak.double(), height.double()
        covariance = sigma**2 * torch.eye(2).to(mean).repeat(len(mean), 1, 1)
        return cls(mean, covariance, amplitude, torch.ones_like(amplitude), height.isnan())

    def __getitem__(self, rows: Tensor) -> WindowFit:
        return WindowFit(*(getattr(self, field.name)[rows] for field in fields(self)))

    def update(self, rows: Tensor, other: WindowFit) -> None:
        """Put the good ones of `other`, which are the fits of `rows`, in their place."""
        good = other.good.nonzero()[:, 0]
        for field in fields(self):
            getattr(self, field.name)[rows[good]] = getattr(other, field.name)[good]


def fit_windows(
    maps: Tensor, rows: Tensor, peak: Tensor, start: WindowFit, side: int, iterations: int
) -> WindowFit:
    """Least squares over windows of `side` px of some rows (M,) of maps (N, h, w).

    Windows are about the peaks (M, 2), and iterations begin at M Gaussians.
    """
    size = min(side, maps.shape[1]), min(side, maps.shape[2])
    values, first = windows(maps, rows, peak, size)
    values = values.flatten(1).double()
    monomials = window_monomials(*size, maps.device)
    origin = first + monomials.centre
    theta = from_gaussian(start.mean - origin, start.covariance, start.amplitude)
    minimum = least_squares(values, monomials, theta, iterations)
    mean, covariance, amplitude = to_gaussian(minimum.theta)
    residual = minimum.left.sqrt()
    fit = WindowFit(mean + origin, covariance, amplitude, residual, minimum.converged)
    # amplitude² / its variance = sum g² / (sum (h - g)² / pixels), and sum h² is both sums.
    clear = (1 - minimum.left) * values.shape[1] >= _CLEAR**2 * minimum.left
    fit.good &= clear & _possible(fit, maps.shape[2], maps.shape[1])
    return fit


def _possible(fit: WindowFit, width: int, height: int) -> Tensor:
    """Where (N,) a Gaussian is finite, in the map but for a margin, and of a possible width."""
    sigma_x, sigma_y, _ = axes(fit.covariance)
    x, y = fit.mean.unbind(-1)
    inside = (torch.minimum(x, y) >= -_MARGIN) & (x < width + _MARGIN) & (y < height + _MARGIN)
    wide = torch.minimum(sigma_x, sigma_y) > _NARROWEST
    narrow = torch.maximum(sigma_x, sigma_y) <= max(width, height)
    return inside & wide & narrow & fit.amplitude.isfinite()
