"""Gaussian fits: exact ones are recovered, scipy's are met, and failures are told and wide."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from oracles.gaussian_heatmaps import curve_fitted, gaussians, simulate
from poseterior.errors import InputError
from poseterior.heatmaps import GaussianFit, fit_gaussians

FIELDS = ("mean", "covariance", "amplitude", "residual", "second_mode", "second_mean")


def covariances(sigmas: Tensor, angle: Tensor) -> Tensor:
    """R diag(sigmas²) Rᵀ."""
    cos, sin = angle.cos(), angle.sin()
    turn = torch.stack([cos, -sin, sin, cos], -1).reshape(-1, 2, 2)
    return turn @ torch.diag_embed(sigmas**2) @ turn.mT


def exact(
    mean: Tensor, size: tuple[int, int] = (64, 64), seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Maps without noise of means (N, 2); their covariances and amplitudes."""
    generator = torch.Generator().manual_seed(seed)
    draw = torch.rand(len(mean), 4, generator=generator, dtype=torch.float64)
    sigmas, angle = 1.2 + 2 * draw[:, :2], math.pi * (draw[:, 2] - 0.5)
    amplitude = 0.2 + draw[:, 3]
    maps = gaussians(mean, sigmas, angle, amplitude, *size)
    return maps, covariances(sigmas, angle), amplitude


def points(count: int, low: float, high: float) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return low + (high - low) * torch.rand(count, 2, generator=generator, dtype=torch.float64)


def all_finite(fit: GaussianFit) -> bool:
    fields = (getattr(fit, name) for name in (*FIELDS, "covering", "sigma_x", "sigma_y", "angle"))
    return all(bool(field.isfinite().all()) for field in fields)


def same(one: GaussianFit, other: GaussianFit, tolerance: float = 1e-6) -> None:
    for name in FIELDS:
        torch.testing.assert_close(
            getattr(one, name), getattr(other, name), rtol=tolerance, atol=tolerance
        )
    assert torch.equal(one.converged, other.converged)


class TestExact:
    @pytest.mark.parametrize("window", [24, 32, 33, 64, 200])
    def test_recovers_any_centre_width_and_angle(self, window: int) -> None:
        mean = points(300, 10, 53)
        maps, covariance, amplitude = exact(mean)
        fit = fit_gaussians(maps, window)
        torch.testing.assert_close(fit.mean, mean, atol=1e-6, rtol=0)
        torch.testing.assert_close(fit.covariance, covariance, atol=1e-6, rtol=0)
        torch.testing.assert_close(fit.amplitude, amplitude, atol=1e-6, rtol=0)
        assert fit.converged.all()
        assert fit.residual.max() < 1e-4
        assert fit.second_mode.max() < 0.03

    def test_near_and_beyond_the_border(self) -> None:
        """A peak that is cut off, even one whose top is outside, is still the same Gaussian."""
        steps = torch.linspace(-0.9, 6, 12, dtype=torch.float64)
        low = torch.cartesian_prod(steps, steps)
        mean = torch.cat([low, torch.tensor([47.0, 63.0]) - low])
        maps, covariance, _ = exact(mean, (64, 48))
        fit = fit_gaussians(maps)
        assert fit.converged.all()
        torch.testing.assert_close(fit.mean, mean, atol=1e-6, rtol=0)
        torch.testing.assert_close(fit.covariance, covariance, atol=1e-5, rtol=0)

    @pytest.mark.parametrize("degrees", [-45, -30, 0, 10, 44, 45])
    def test_axes_and_angle(self, degrees: float) -> None:
        """sigma_x is along the axis nearest to x, the longer one or not."""
        for sigmas in ((3.0, 1.5), (1.5, 3.0)):
            one = torch.ones(1, dtype=torch.float64)
            angle = one * math.radians(degrees)
            shape = torch.tensor([sigmas], dtype=torch.float64)
            fit = fit_gaussians(gaussians(30.3 * torch.ones(1, 2), shape, angle, one, 64, 64))
            assert fit.sigma_x.item() == pytest.approx(sigmas[0], abs=1e-6) or abs(degrees) == 45
            assert sorted([fit.sigma_x.item(), fit.sigma_y.item()]) == pytest.approx([1.5, 3.0])
            turned = covariances(torch.stack([fit.sigma_x, fit.sigma_y], -1), fit.angle)
            torch.testing.assert_close(turned, fit.covariance)
            assert abs(fit.angle) <= math.pi / 4 + 1e-12

    def test_wide_ones_in_a_small_window(self) -> None:
        mean = points(20, 25, 40)
        wide = torch.full((20, 2), 9.0, dtype=torch.float64)
        one = torch.ones(20, dtype=torch.float64)
        fit = fit_gaussians(gaussians(mean, wide, 0 * one, one, 64, 64), window=16)
        torch.testing.assert_close(fit.sigma_x, 9 * one, atol=1e-4, rtol=0)

    def test_single_precision(self) -> None:
        mean = points(100, 10, 53)
        maps, covariance, _ = exact(mean)
        fit = fit_gaussians(maps.float())
        assert {getattr(fit, name).dtype for name in FIELDS} == {torch.float32}
        torch.testing.assert_close(fit.mean.double(), mean, atol=2e-5, rtol=0)
        torch.testing.assert_close(fit.covariance.double(), covariance, atol=1e-4, rtol=0)

    def test_half_precision_gives_single(self) -> None:
        maps, covariance, _ = exact(points(10, 10, 53))
        fit = fit_gaussians(maps.half())
        assert fit.mean.dtype == torch.float32
        torch.testing.assert_close(fit.covariance.double(), covariance, atol=0.02, rtol=0.01)


class TestScipy:
    @pytest.mark.parametrize("window", [32, None])
    def test_the_same_minimum_in_noise(self, window: int | None) -> None:
        drawn = simulate(60, seed=3, two_peaked=0.0)
        maps = drawn.maps.numpy()
        scipy = np.stack([curve_fitted(values, window, 1e-12) for values in maps])
        fit = fit_gaussians(drawn.maps, window or 64)
        expected = covariances(torch.tensor(scipy[:, 3:5]), torch.tensor(scipy[:, 5]))
        assert (fit.mean - torch.tensor(scipy[:, 1:3])).abs().max() < 1e-4
        assert (fit.amplitude - torch.tensor(scipy[:, 0])).abs().max() < 1e-4
        gap = (fit.covariance - expected).abs().amax((1, 2))
        assert gap.median() < 1e-4
        assert gap.max() < 3e-3

    def test_no_neighbour_is_better(self) -> None:
        """The sum of squares rises in every direction of the parameters."""
        drawn = simulate(20, seed=4, two_peaked=0.0)
        fit = fit_gaussians(drawn.maps, 64)
        parts = [fit.mean, torch.stack([fit.sigma_x, fit.sigma_y], -1),
                 fit.angle[:, None], fit.amplitude[:, None]]  # fmt: skip
        best = torch.cat(parts, -1)

        def squares(row: Tensor) -> Tensor:
            model = gaussians(row[:, :2], row[:, 2:4], row[:, 4], row[:, 5], 64, 64)
            return (drawn.maps - model).square().sum((1, 2))

        for step in 1e-3 * torch.cat([torch.eye(6), -torch.eye(6)]).double():
            assert (squares(best + step) > squares(best)).all()
        torch.testing.assert_close(
            fit.residual, (squares(best) / drawn.maps.square().sum((1, 2))).sqrt()
        )


class TestSymmetry:
    def maps(self) -> Tensor:
        return simulate(40, seed=5, size=48).maps

    def test_transposed(self) -> None:
        fit, other = fit_gaussians(self.maps()), fit_gaussians(self.maps().mT)
        good = fit.converged & other.converged
        torch.testing.assert_close(other.mean.flip(-1)[good], fit.mean[good], atol=1e-5, rtol=0)
        flipped = other.covariance.flip(-1, -2)
        torch.testing.assert_close(flipped[good], fit.covariance[good], atol=1e-4, rtol=1e-4)

    def test_shifted(self) -> None:
        padded = torch.nn.functional.pad(self.maps(), (5, 0, 3, 0))
        fit, other = fit_gaussians(self.maps(), 48), fit_gaussians(padded, 53)
        shift = torch.tensor([5.0, 3.0])
        # Zeros beyond the border are data too: only what is far from it is as it was.
        inner = ((fit.mean > 12) & (fit.mean < 36)).all(-1) & (fit.residual < 0.3)
        assert inner.sum() > 10
        torch.testing.assert_close(other.mean[inner] - shift, fit.mean[inner], atol=1e-4, rtol=0)
        torch.testing.assert_close(
            other.covariance[inner], fit.covariance[inner], atol=2e-3, rtol=0
        )

    @pytest.mark.parametrize("scale", [1e-12, 3.0, 255.0, 1e12])
    def test_in_another_unit(self, scale: float) -> None:
        fit, other = fit_gaussians(self.maps()), fit_gaussians(scale * self.maps())
        torch.testing.assert_close(other.amplitude / scale, fit.amplitude, atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(other.mean, fit.mean, atol=1e-6, rtol=0)
        torch.testing.assert_close(other.second_mode, fit.second_mode, atol=1e-6, rtol=1e-6)
        assert torch.equal(other.converged, fit.converged)

    def test_a_batch_is_its_maps_one_at_a_time(self) -> None:
        odd = torch.stack([torch.zeros(48, 48), torch.ones(48, 48)]).double()
        maps = torch.cat([self.maps(), odd])
        alone = [fit_gaussians(one) for one in maps]
        joined = GaussianFit(
            *(torch.stack([getattr(fit, name) for fit in alone]) for name in (*FIELDS, "converged"))
        )
        same(fit_gaussians(maps), joined, 1e-5)

    def test_any_batch_shape_and_memory_layout(self) -> None:
        maps = self.maps()
        fit = fit_gaussians(maps.reshape(4, 10, 48, 48))
        assert fit.mean.shape == (4, 10, 2)
        assert fit.covariance.shape == (4, 10, 2, 2)
        assert fit.converged.shape == fit.sigma_x.shape == (4, 10)
        same(fit[1], fit_gaussians(maps[10:20]), 1e-5)
        backwards = maps.mT.contiguous().mT
        same(fit_gaussians(backwards), fit_gaussians(maps), 1e-5)
        assert fit_gaussians(maps[0]).mean.shape == (2,)

    def test_a_fit_can_be_learned_from(self) -> None:
        """Its tensors are ordinary ones: a loss may keep them for its gradient."""
        fit = fit_gaussians(self.maps().requires_grad_())
        scale = torch.ones((), dtype=torch.float64, requires_grad=True)
        (scale * fit.mean + scale * fit.covering.sum()).sum().backward()
        assert scale.grad is not None
        assert not fit.mean.requires_grad

    def test_the_maps_are_left_as_they_were(self) -> None:
        maps = self.maps()
        before = maps.clone()
        fit_gaussians(maps.requires_grad_())
        assert torch.equal(maps.detach(), before)


class TestTwoPeaks:
    def test_flagged(self) -> None:
        drawn = simulate(600, seed=6)
        fit = fit_gaussians(drawn.maps.float())
        flagged = fit.two_peaked | ~fit.converged
        assert (flagged & drawn.two).sum() > 0.93 * drawn.two.sum()
        assert (flagged & ~drawn.two).sum() <= 0.01 * flagged.sum()
        assert fit.converged[~drawn.two].all()
        assert all_finite(fit)

    @pytest.mark.parametrize("ratio", [0.25, 0.6, 0.95])
    def test_share_place_and_covering(self, ratio: float) -> None:
        mean = torch.tensor([[20.2, 15.7], [44.6, 40.1]]).double()
        sigmas = torch.tensor([[2.0, 2.0], [2.0, 2.0]]).double()
        amplitude = torch.tensor([1.0, ratio]).double()
        maps = gaussians(mean, sigmas, 0 * amplitude, amplitude, 64, 64).sum(0)
        fit = fit_gaussians(maps)
        share = ratio / (1 + ratio)
        assert fit.second_mode.item() == pytest.approx(share, rel=0.1)
        assert (fit.second_mean - mean[1]).abs().max() < 2.5
        gap = mean[1] - mean[0]
        expected = 4 * torch.eye(2) + share * gap[:, None] * gap
        torch.testing.assert_close(fit.covering, expected.double(), rtol=0.15, atol=1)

    def test_covering_adds_nothing_where_there_is_one_peak(self) -> None:
        fit = fit_gaussians(simulate(300, seed=8, two_peaked=0.0).maps)
        assert torch.equal(fit.covering, fit.covariance)
        assert not fit.two_peaked.any()

    def test_what_is_not_flagged_is_covered(self) -> None:
        """One Gaussian over both peaks is as wide as they are apart."""
        drawn = simulate(600, seed=6)
        fit = fit_gaussians(drawn.maps)
        missed = drawn.two & fit.converged & ~fit.two_peaked
        assert missed.any()
        assert torch.maximum(fit.sigma_x, fit.sigma_y)[missed].min() > 3.5


class TestFailures:
    def odd_maps(self) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        spike = torch.zeros(64, 48)
        spike[20, 30] = 1
        ramp = torch.arange(48.0).expand(64, 48)
        noise = torch.randn(64, 48, generator=generator)
        maps = [torch.zeros(64, 48), torch.ones(64, 48), -torch.ones(64, 48), spike, ramp, noise]
        return torch.stack([*maps, -ramp - 1, 1e-38 * spike, 1e38 * spike])

    def test_are_told_finite_and_wide(self) -> None:
        fit = fit_gaussians(self.odd_maps())
        assert not fit.converged.any()
        assert all_finite(fit)
        assert (fit.residual == 1).all()
        assert (torch.linalg.eigvalsh(fit.covariance) > 0).all()

    def test_are_wider_than_any_sure_joint(self) -> None:
        """One pixel above a low ground, or far above all else, is not certainty."""
        sure = simulate(20, seed=9, two_peaked=0.0).maps
        low, outlier = sure - sure.amax((1, 2), keepdim=True) + 0.01, sure.clone()
        outlier[:, 5, 7] = 1e6
        for maps in (self.odd_maps(), low, outlier):
            fit = fit_gaussians(maps)
            assert not fit.converged.any()
            assert torch.linalg.eigvalsh(fit.covariance).min() > 0.999 * (2 * 2.0) ** 2
        wider = fit_gaussians(outlier, sigma=3.0)
        assert torch.linalg.eigvalsh(wider.covariance).min() > 0.999 * (2 * 3.0) ** 2

    def test_do_not_touch_their_neighbours(self) -> None:
        maps, covariance, _ = exact(points(5, 10, 40), (64, 48))
        fit = fit_gaussians(torch.cat([self.odd_maps(), maps.float()]))
        assert fit.converged[-5:].all()
        torch.testing.assert_close(fit.covariance[-5:].double(), covariance, atol=1e-4, rtol=0)

    @pytest.mark.parametrize("value", [0.0, -1.0, 0.7])
    def test_a_flat_map_may_be_anywhere(self, value: float) -> None:
        fit = fit_gaussians(torch.full((64, 48), value))
        torch.testing.assert_close(fit.mean, torch.tensor([23.5, 31.5]))
        uniform = torch.diag(torch.tensor([48.0**2, 64.0**2])) / 12
        torch.testing.assert_close(fit.covariance, uniform)

    def test_spread_is_that_of_the_whole_map_about_its_peak(self) -> None:
        """Against sums over the pixels one by one."""
        noise = self.odd_maps()[5].double()
        fit = fit_gaussians(noise)
        peak = np.unravel_index(int(noise.argmax()), noise.shape)
        assert fit.mean.tolist() == [peak[1], peak[0]]
        total, squares = 0.0, np.zeros((2, 2))
        for (y, x), value in np.ndenumerate(noise.numpy()):
            gap = np.array([x - peak[1], y - peak[0]])
            total += max(value, 0)
            squares += max(value, 0) * np.outer(gap, gap)
        expected = squares / total + np.eye(2) / 12
        np.testing.assert_allclose(fit.covariance.numpy(), expected, rtol=1e-9)

    def test_noise_alone_is_no_peak(self) -> None:
        generator = torch.Generator().manual_seed(2)
        for size in (16, 64):
            assert not fit_gaussians(
                torch.randn(200, size, size, generator=generator)
            ).converged.any()

    @pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 40), (3, 3), (2, 7)])
    def test_maps_too_small_for_six_numbers(self, size: tuple[int, int]) -> None:
        generator = torch.Generator().manual_seed(0)
        fit = fit_gaussians(torch.rand(50, *size, generator=generator))
        assert all_finite(fit)
        assert (torch.linalg.eigvalsh(fit.covariance) > 0).all()

    def test_tiny_maps_are_fitted_where_they_show_a_peak(self) -> None:
        mean = points(50, 1.2, 2.8)
        maps, covariance, _ = exact(mean, (5, 5))
        fit = fit_gaussians(maps)
        assert fit.converged.float().mean() > 0.9
        good = fit.converged
        torch.testing.assert_close(fit.mean[good], mean[good], atol=1e-4, rtol=0)
        torch.testing.assert_close(fit.covariance[good], covariance[good], atol=1e-3, rtol=1e-3)

    def test_an_empty_batch(self) -> None:
        fit = fit_gaussians(torch.zeros(0, 17, 64, 48))
        assert fit.mean.shape == (0, 17, 2)
        assert fit.covering.shape == (0, 17, 2, 2)
        assert fit.converged.dtype == torch.bool


class TestBadInput:
    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_what_is_not_finite_is_named(self, value: float) -> None:
        maps = torch.zeros(3, 17, 64, 48)
        maps[2, 5, 10, 33] = value
        with pytest.raises(
            InputError, match=r"heatmaps\[2, 5\]: .* found (nan|-?inf) at x = 33, y = 10"
        ):
            fit_gaussians(maps)

    def test_a_sum_beyond_the_largest_number_is_not_taken_for_it(self) -> None:
        fit = fit_gaussians(torch.full((2, 8, 8), 1e38))
        assert all_finite(fit)

    @pytest.mark.parametrize(
        "heatmaps", [torch.zeros(5), torch.zeros(2, 0, 4), torch.zeros(4, 4, dtype=torch.int64)]
    )
    def test_what_are_no_maps(self, heatmaps: Tensor) -> None:
        with pytest.raises(InputError, match="fit_gaussians: heatmaps"):
            fit_gaussians(heatmaps)

    def test_window_and_sigma(self) -> None:
        with pytest.raises(InputError, match="window: expected at least 3 px, found 2"):
            fit_gaussians(torch.zeros(8, 8), 2)
        with pytest.raises(InputError, match="sigma: expected a positive number"):
            fit_gaussians(torch.zeros(8, 8), sigma=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_on_a_gpu_as_on_the_cpu() -> None:
    maps = simulate(200, seed=7).maps
    fit = fit_gaussians(maps.cuda())
    assert fit.mean.is_cuda
    assert fit.converged.is_cuda
    on_cpu = GaussianFit(*(getattr(fit, name).cpu() for name in (*FIELDS, "converged")))
    same(on_cpu, fit_gaussians(maps), 1e-5)
