"""Simulated heatmaps of one or two Gaussians, and their fit by `scipy.optimize.curve_fit`."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import OptimizeWarning, curve_fit
from torch import Tensor

__all__ = ["Simulated", "curve_fitted", "gaussians", "simulate"]


def gaussians(
    mean: Tensor, sigmas: Tensor, angle: Tensor, amplitude: Tensor, height: int, width: int
) -> Tensor:
    """Maps (N, h, w): sigmas (N, 2) along axes turned by angle (N,) from x towards y."""
    y, x = torch.arange(height).to(mean)[:, None], torch.arange(width).to(mean)[None]
    dx, dy = x - mean[:, 0, None, None], y - mean[:, 1, None, None]
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    along, across = cos * dx + sin * dy, cos * dy - sin * dx
    squares = (along / sigmas[:, 0, None, None]) ** 2 + (across / sigmas[:, 1, None, None]) ** 2
    return amplitude[:, None, None] * (-squares / 2).exp()


@dataclass(frozen=True)
class Simulated:
    """Heatmaps (N, h, w) and what they were drawn from; `two` (N,) where there are two peaks."""

    maps: Tensor
    mean: Tensor
    sigmas: Tensor
    angle: Tensor
    amplitude: Tensor
    two: Tensor


def simulate(
    count: int, seed: int, size: int = 64, noise: float = 0.01, two_peaked: float = 0.15
) -> Simulated:
    """Peaks 0.5 to 1 high and 1.4 to 2.8 px wide at any angle, 8 px or more from the border.

    A second peak is 0.4 to 1 times as high, 8 to 24 px away, of a width and angle of its own.
    """
    generator = torch.Generator().manual_seed(seed)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)

    def shape() -> tuple[Tensor, Tensor]:
        return uniform(1.4, 2.8, count, 2), uniform(-math.pi / 2, math.pi / 2, count)

    mean, amplitude = uniform(8, size - 9, count, 2), uniform(0.5, 1, count)
    sigmas, angle = shape()
    maps = gaussians(mean, sigmas, angle, amplitude, size, size)
    two = uniform(0, 1, count) < two_peaked
    away, direction = uniform(8, 24, count, 1), uniform(0, 2 * math.pi, count)
    other = mean + away * torch.stack([direction.cos(), direction.sin()], -1)
    # Towards the inside where it would lie outside.
    other = torch.where((other < 4) | (other > size - 5), 2 * mean - other, other)
    second = gaussians(other, *shape(), amplitude * uniform(0.4, 1, count), size, size)
    maps = maps + second * two[:, None, None]
    maps = maps + noise * torch.randn(maps.shape, generator=generator, dtype=torch.float64)
    return Simulated(maps, mean, sigmas, angle, amplitude, two)


def curve_fitted(
    values: np.ndarray, window: int | None = None, tolerance: float = 1.49012e-8
) -> np.ndarray | None:
    """Amplitude, x, y, sigma_x, sigma_y, angle of the least-squares Gaussian; None if not found.

    Starts as paper 001, section 3.2, says: amplitude 1, at the highest pixel, 2 px wide. A
    window about the peak is moved inside the map. The tolerance is scipy's own unless given.
    """
    top, left = np.unravel_index(values.argmax(), values.shape)
    start = [1.0, float(left), float(top), 2.0, 2.0, 0.0]
    rows, columns = (
        np.arange(length)
        if window is None
        else np.arange(window) + np.clip(at - window // 2, 0, length - window)
        for at, length in zip((top, left), values.shape, strict=True)
    )
    y, x = (axis.ravel().astype(np.float64) for axis in np.meshgrid(rows, columns, indexing="ij"))

    def model(_: object, a: float, mx: float, my: float, sx: float, sy: float, t: float):
        cos, sin = math.cos(t), math.sin(t)
        dx, dy = x - mx, y - my
        along, across = (cos * dx + sin * dy) / sx, (cos * dy - sin * dx) / sy
        return a * np.exp(-0.5 * (along * along + across * across))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OptimizeWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            data = values[np.ix_(rows, columns)].ravel()
            return curve_fit(model, None, data, p0=start, ftol=tolerance, xtol=tolerance)[0]
        except RuntimeError:
            return None
