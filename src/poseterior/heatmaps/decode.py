"""Points from heatmaps (..., h, w): the usual decoders, without uncertainty.

All give px of the heatmap, (x, y), pixel i centred at i, and the highest value as confidence
(paper 003, Eq. 1). Heatmaps that are not finite raise `InputError` with their index.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.heatmaps.maps import flat_maps
from poseterior.heatmaps.spread import highest

__all__ = ["Decoded", "dark", "highest_pixel", "quarter_offset", "soft_argmax"]

# Below this, DARK's logarithm has no meaning.
_LEAST = 1e-10
# A peak lies within a pixel of the highest one; a fit that says otherwise extrapolates.
_FARTHEST = 1.0


class Decoded(NamedTuple):
    """Points (..., 2) in px and confidences (...), the heatmap's highest value."""

    points: Tensor
    confidence: Tensor


def highest_pixel(heatmaps: Tensor) -> Decoded:
    """Arg max and max of each heatmap (paper 003, Eq. 1); the first of several."""
    maps = flat_maps(heatmaps, "highest_pixel")
    peak, value = highest(maps)
    return _shaped(heatmaps, peak.to(maps), value)


def quarter_offset(heatmaps: Tensor) -> Decoded:
    """Arg max, moved by a quarter of a pixel towards the higher neighbour along x and along y.

    A peak on the border of the map stays there along that axis.
    """
    maps = flat_maps(heatmaps, "quarter_offset")
    peak, value = highest(maps)
    left, right, up, down = _around(maps, peak, [(-1, 0), (1, 0), (0, -1), (0, 1)])
    higher = torch.stack([right - left, down - up], -1).sign()
    inner = _inner(maps, peak)
    return _shaped(heatmaps, peak + 0.25 * torch.where(inner, higher, 0.0), value)


def dark(heatmaps: Tensor, sigma: float = 2.0) -> Decoded:
    """Arg max refined by the Taylor expansion of the logarithm after smoothing.

        mean = m - D''(m)⁻¹ D'(m),   D = log(k * h)

    k a Gaussian of standard deviation `sigma` px, D' and D'' central differences, which are exact
    where k * h is a Gaussian (Zhang et al., Distribution-aware coordinate representation for
    human pose estimation, CVPR 2020, Eq. 9). Where D is not concave, the peak is on the border,
    or the neighbours are not positive, the pixel stands; the refinement is at most 1 px an axis.
    """
    require(0 < sigma < math.inf, "dark", "sigma", expected="a positive number", found=sigma)
    maps = flat_maps(heatmaps, "dark")
    peak, value = highest(maps)
    smooth = _smoothed(maps, sigma)
    offsets = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, 1), (-1, 1), (1, -1)]
    around = _around(smooth, peak, offsets)
    positive = (around > _LEAST * value).all(0)
    middle, left, right, up, down, *corners = around.clamp_min(torch.finfo(maps.dtype).tiny).log()
    dx, dy = (right - left) / 2, (down - up) / 2
    dxx, dyy = right - 2 * middle + left, down - 2 * middle + up
    dxy = (corners[0] + corners[1] - corners[2] - corners[3]) / 4
    determinant = dxx * dyy - dxy**2
    good = positive & (dxx < 0) & (determinant > 0) & _inner(maps, peak).all(-1)
    move = torch.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], -1)
    move = move / torch.where(good, determinant, 1.0)[:, None]
    move = torch.where(good[:, None], move, 0.0).clamp(-_FARTHEST, _FARTHEST)
    return _shaped(heatmaps, peak + move, value)


def soft_argmax(heatmaps: Tensor, beta: float = 10.0) -> Decoded:
    """Mean pixel under softmax(beta h) (Sun et al., Integral human pose regression, ECCV 2018).

    **Biased towards the middle of the map**: the background counts too, a weight of 1 a pixel.
    Of a Gaussian of amplitude a and standard deviation s on zero background, well inside a map
    of n pixels with the middle c,

        point - mean = (c - mean) n / (n + S)
        S = 2 pi s² sum_k (beta a)^k / (k k!) = 2 pi s² (Ei(beta a) - ln(beta a) - gamma)

    With a = 1, s = 2 and n = 64 x 64 a peak 20 px off the middle is drawn in by 1.23 px at
    beta = 10 and by 19.84 px at beta = 1 (`benchmarks/heatmaps.py` prints both).
    """
    require(0 < beta < math.inf, "soft_argmax", "beta", expected="a positive number", found=beta)
    maps = flat_maps(heatmaps, "soft_argmax")
    values = maps.flatten(1)
    highest_value = values.amax(-1)
    # Less the maximum before the factor, so that neither is too large a number.
    weight = torch.softmax(beta * (values - highest_value[:, None]), -1).reshape(maps.shape)
    columns = weight.sum(1) @ torch.arange(maps.shape[2]).to(maps)
    rows = weight.sum(2) @ torch.arange(maps.shape[1]).to(maps)
    return _shaped(heatmaps, torch.stack([columns, rows], -1), highest_value)


def _shaped(heatmaps: Tensor, points: Tensor, confidence: Tensor) -> Decoded:
    batch = heatmaps.shape[:-2]
    return Decoded(points.reshape(*batch, 2), confidence.reshape(batch))


def _inner(maps: Tensor, peak: Tensor) -> Tensor:
    """Where (N, 2) a peak has neighbours on both sides along x, and along y."""
    last = torch.tensor([maps.shape[2] - 1, maps.shape[1] - 1], device=peak.device)
    return (peak > 0) & (peak < last)


def _around(maps: Tensor, peak: Tensor, offsets: list[tuple[int, int]]) -> Tensor:
    """Values (offsets, N) next to the peaks; at the border, those of the border."""
    row = torch.arange(len(maps), device=maps.device)
    last = torch.tensor([maps.shape[2] - 1, maps.shape[1] - 1], device=peak.device)
    at = (peak + torch.tensor(offsets, device=peak.device)[:, None]).clamp_min(0).minimum(last)
    return maps[row, at[..., 1], at[..., 0]]


def _smoothed(maps: Tensor, sigma: float) -> Tensor:
    """Maps convolved with a Gaussian cut off at 4 sigma; zero beyond the border."""
    reach = math.ceil(4 * sigma)
    steps = torch.arange(-reach, reach + 1).to(maps)
    kernel = torch.softmax(-(steps**2) / (2 * sigma**2), 0)
    across = torch.nn.functional.conv2d(maps[:, None], kernel.view(1, 1, 1, -1), padding="same")
    return torch.nn.functional.conv2d(across, kernel.view(1, 1, -1, 1), padding="same")[:, 0]
