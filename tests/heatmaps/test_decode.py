"""Decoders against closed forms and pixel-by-pixel loops."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.ndimage
import torch
from scipy.special import expi
from torch import Tensor

from oracles.gaussian_heatmaps import gaussians, simulate
from poseterior.errors import InputError
from poseterior.heatmaps.decode import Decoded, dark, highest_pixel, quarter_offset, soft_argmax

DECODERS = (highest_pixel, quarter_offset, dark, soft_argmax)


def round_peaks(mean: Tensor, sigma: float = 2.0, size: int = 64) -> Tensor:
    one = torch.ones(len(mean), dtype=torch.float64)
    return gaussians(mean.double(), sigma * torch.ones(len(mean), 2), 0 * one, one, size, size)


def offsets() -> Tensor:
    steps = torch.linspace(-0.49, 0.49, 9, dtype=torch.float64)
    return torch.cartesian_prod(steps, steps)


def test_highest_pixel_by_unravelling() -> None:
    maps = simulate(50, seed=0).maps
    points, confidence = highest_pixel(maps)
    for values, point, value in zip(maps.numpy(), points, confidence, strict=True):
        y, x = np.unravel_index(values.argmax(), values.shape)
        assert point.tolist() == [x, y]
        assert value.item() == values.max()


def test_quarter_offset_by_loops() -> None:
    maps = simulate(50, seed=1, size=12).maps
    maps[:10, 0, 5], maps[10:20, 7, 11] = 9.0, 9.0  # on the border: no step across it
    for values, point in zip(maps.numpy(), quarter_offset(maps).points, strict=True):
        y, x = np.unravel_index(values.argmax(), values.shape)
        expected = [float(x), float(y)]
        if 0 < x < 11:
            expected[0] += 0.25 * np.sign(values[y, x + 1] - values[y, x - 1])
        if 0 < y < 11:
            expected[1] += 0.25 * np.sign(values[y + 1, x] - values[y - 1, x])
        assert point.tolist() == expected


def test_quarter_offset_is_at_most_a_quarter_off_along_an_axis() -> None:
    mean = 30 + offsets()
    assert (quarter_offset(round_peaks(mean)).points - mean).abs().max() < 0.2501


@pytest.mark.parametrize("sigma", [1.0, 2.0])
def test_dark_is_exact_on_gaussians(sigma: float) -> None:
    """A smoothed Gaussian is a Gaussian: the expansion of its logarithm ends there."""
    mean = 30 + offsets()
    sigmas = torch.tensor([1.5, 2.5]).double().expand(len(mean), 2)
    angle = torch.linspace(-1.5, 1.5, len(mean), dtype=torch.float64)
    maps = gaussians(mean, sigmas, angle, torch.ones_like(angle), 64, 64)
    # The tails of the smoothing are cut off at 4 sigma.
    torch.testing.assert_close(dark(maps, sigma).points, mean, atol=2e-3, rtol=0)


def test_dark_by_scipy_and_an_explicit_inverse() -> None:
    maps = simulate(60, seed=2, two_peaked=0.0).maps
    for values, point in zip(maps.numpy(), dark(maps).points.numpy(), strict=True):
        smooth = scipy.ndimage.gaussian_filter(values, 2.0, mode="constant", radius=8)
        y, x = np.unravel_index(values.argmax(), values.shape)
        log = np.log(smooth[y - 1 : y + 2, x - 1 : x + 2])
        first = np.array([log[1, 2] - log[1, 0], log[2, 1] - log[0, 1]]) / 2
        cross = (log[2, 2] + log[0, 0] - log[0, 2] - log[2, 0]) / 4
        across = log[1, 2] - 2 * log[1, 1] + log[1, 0]
        down = log[2, 1] - 2 * log[1, 1] + log[0, 1]
        move = np.linalg.solve(np.array([[across, cross], [cross, down]]), first)
        np.testing.assert_allclose(point, [x, y] - np.clip(move, -1, 1), atol=1e-6)


def test_dark_leaves_the_pixel_where_it_cannot_tell() -> None:
    border = round_peaks(torch.tensor([[0.2, 30.3]]))
    assert dark(border).points.tolist() == [[0, 30]]
    for flat in (torch.zeros(1, 9, 9), torch.ones(1, 9, 9), -torch.ones(1, 9, 9)):
        assert dark(flat).points.tolist() == [[0, 0]]
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(300, 16, 16, generator=generator)
    gap = dark(noise).points - highest_pixel(noise).points
    assert gap.isfinite().all()
    assert gap.abs().max() <= 1


@pytest.mark.parametrize("beta", [1.0, 5.0, 10.0])
@pytest.mark.parametrize("centre", [12.3, 25.0, 31.5])
def test_bias_of_soft_argmax_in_closed_form(beta: float, centre: float) -> None:
    points = soft_argmax(round_peaks(torch.tensor([[centre, 40.0]])), beta).points[0]
    mass = 2 * math.pi * 4 * (expi(beta) - math.log(beta) - np.euler_gamma)
    share = 64**2 / (64**2 + mass)
    # The closed form is an integral, the decoder a sum: they part where exp(beta h) is narrow.
    assert points[0].item() - centre == pytest.approx((31.5 - centre) * share, rel=0.03, abs=1e-6)
    assert points[1].item() - 40 == pytest.approx((31.5 - 40) * share, rel=0.03)


def test_soft_argmax_is_the_mean_of_a_softmax() -> None:
    maps = simulate(10, seed=3, size=16).maps
    y, x = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    weight = torch.exp(7 * maps)
    expected = torch.stack([(weight * axis).sum((1, 2)) for axis in (x, y)], -1)
    expected = expected / weight.sum((1, 2))[:, None]
    torch.testing.assert_close(soft_argmax(maps, 7).points, expected)


@pytest.mark.parametrize("decoder", DECODERS)
class TestAll:
    def test_transposed(self, decoder: Callable[[Tensor], Decoded]) -> None:
        maps = simulate(30, seed=4, size=32).maps
        torch.testing.assert_close(decoder(maps.mT).points.flip(-1), decoder(maps).points)

    def test_shapes_and_precision(self, decoder: Callable[[Tensor], Decoded]) -> None:
        maps = simulate(12, seed=5, size=32).maps.float().reshape(3, 4, 32, 32)
        points, confidence = decoder(maps)
        assert points.shape == (3, 4, 2)
        assert points.dtype == torch.float32
        assert torch.equal(confidence, maps.amax((-2, -1)))
        torch.testing.assert_close(decoder(maps[1, 2]).points, points[1, 2], atol=1e-4, rtol=0)
        assert decoder(maps[:0]).points.shape == (0, 4, 2)

    def test_nan_is_named(self, decoder: Callable[[Tensor], Decoded]) -> None:
        maps = torch.zeros(2, 3, 8, 8)
        maps[1, 0, 4, 2] = math.nan
        with pytest.raises(
            InputError, match=rf"{decoder.__name__}: heatmaps\[1, 0\].*x = 2, y = 4"
        ):
            decoder(maps)


def test_soft_argmax_of_values_as_large_as_numbers_are() -> None:
    maps = torch.full((1, 8, 9), -torch.finfo(torch.float32).max)
    maps[0, 3, 5] = torch.finfo(torch.float32).max
    assert soft_argmax(maps).points.tolist() == [[5, 3]]


def test_numbers_that_must_be_positive() -> None:
    with pytest.raises(InputError, match="dark: sigma"):
        dark(torch.zeros(8, 8), 0)
    with pytest.raises(InputError, match="dark: sigma"):
        dark(torch.zeros(8, 8), math.inf)
    with pytest.raises(InputError, match="soft_argmax: beta"):
        soft_argmax(torch.zeros(8, 8), -1)
