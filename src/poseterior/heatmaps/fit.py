"""Gaussians fitted to whole batches of heatmaps by least squares (paper 001, section 3.2)."""

from __future__ import annotations

import math
from dataclasses import fields

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.heatmaps.ellipse import TARGET_SIGMA_PX, no_narrower
from poseterior.heatmaps.gaussian_fit import GaussianFit
from poseterior.heatmaps.maps import blocks, flat_maps
from poseterior.heatmaps.second_mode import second_mode
from poseterior.heatmaps.spread import highest, spread
from poseterior.heatmaps.window_fit import WindowFit, fit_windows

__all__ = ["fit_gaussians"]

# A residual above this is poor: the Gaussian leaves a tenth of the window's squares.
_POOR = 0.1**0.5
# Steps of the window's fit, if the whole map can still be fitted, and of the last fit.
_FIRST_STEPS, _LAST_STEPS = 12, 30
# Of a map without a fit, the least standard deviation in those of a peak that is sure.
_UNSURE = 2.0
# Pixels of the maps fitted together, 2048 maps of 64 x 64: what memory holds.
_PIXELS = 2**23


def fit_gaussians(
    heatmaps: Tensor, window: int = 32, *, sigma: float = TARGET_SIGMA_PX
) -> GaussianFit:
    """The Gaussian nearest to each heatmap, by least squares over a window about its peak.

    Minimises the sum of (h - g)², g = amplitude exp(-(p - mean)ᵀ covariance⁻¹ (p - mean) / 2).
    Starts at the highest pixel, with its height and covariance sigma² I (paper 001, section
    3.2, where the amplitude starts at 1: the height that detectors are trained to draw). Where
    the window leaves a poor residual, the whole map is fitted.

    A heatmap without a fit (flat, nowhere positive, no peak clear of its noise, no minimum
    found) has `converged` False and the spread of the whole map as covariance, no less than
    2 sigma along any axis; nothing that comes out is not finite. Several peaks are told by
    `second_mode`.

    Args:
        heatmaps: (..., h, w) of any floating dtype and positive unit, on the CPU or a GPU that has
            double precision. What is computed stays there, without gradients.
        window: side in px of the square that is fitted; what the map does not have is left out.
        sigma: px, standard deviation of the Gaussians that the detector was trained to draw.

    Raises:
        InputError: heatmaps are not floating, not maps, or not finite (names the index); the
            window is smaller than 3 px, sigma is not positive.

    >>> y, x = torch.meshgrid(torch.arange(64.0), torch.arange(48.0), indexing="ij")
    >>> fit = fit_gaussians(0.8 * torch.exp(-((x - 20.3) ** 2 / 8 + (y - 41.6) ** 2 / 18)))
    >>> fit.mean, fit.converged
    (tensor([20.3000, 41.6000]), tensor(True))
    >>> [round(float(value), 4) for value in (fit.sigma_x, fit.sigma_y, fit.amplitude)]
    [2.0, 3.0, 0.8]
    """
    require(window >= 3, "fit_gaussians", "window", expected="at least 3 px", found=window)
    require(
        0 < sigma < math.inf, "fit_gaussians", "sigma", expected="a positive number", found=sigma
    )
    maps = flat_maps(heatmaps, "fit_gaussians")
    together = blocks(len(maps), maps.shape[1] * maps.shape[2], _PIXELS)
    parts = [_fit(maps[rows], window, sigma) for rows in together]
    batch = heatmaps.shape[:-2]

    def joined(name: str) -> Tensor:
        value = torch.cat([getattr(part, name) for part in parts])
        value = value.to(maps.dtype) if value.is_floating_point() else value
        return value.reshape((*batch, *value.shape[1:]))

    return GaussianFit(*(joined(field.name) for field in fields(GaussianFit)))


@torch.inference_mode()  # many small steps, each cheaper so; `fit_gaussians` copies what comes out
def _fit(maps: Tensor, window: int, sigma: float) -> GaussianFit:
    """Fits of maps (N, h, w), float64."""
    peak, height = highest(maps)
    fit = WindowFit.start(peak, height, sigma)
    positive, longest = height > 0, max(maps.shape[1:])
    for side, steps in ((window, _FIRST_STEPS), (longest, _LAST_STEPS)):
        rows = (positive & ~(fit.residual <= _POOR)).nonzero()[:, 0]
        if len(rows) and (side < longest or steps == _LAST_STEPS):
            fit.update(rows, fit_windows(maps, rows, peak[rows], fit[rows], side, steps))
    share, place = second_mode(maps, fit.mean, fit.covariance, fit.amplitude, sigma)
    lost = (~fit.good).nonzero()[:, 0]
    if len(lost):
        fit.mean[lost], covariance = spread(maps[lost], peak[lost])
        # However the map looks, what could not be fitted is no sure joint.
        fit.covariance[lost] = no_narrower(covariance, _UNSURE * sigma)
    return GaussianFit(
        fit.mean, fit.covariance, fit.amplitude, fit.residual, share, place, fit.good
    )
