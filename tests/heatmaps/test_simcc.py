"""SimCC bins: sub-bin means, closed-form widths, second modes, and rows without a peak."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from poseterior.errors import InputError
from poseterior.heatmaps import fit_simcc, peak_variance

RATIO = 2.0


def target(centre: Tensor, count: int, sigma: float = 5.0) -> Tensor:
    """Scores (..., count) of a network without doubt: a Gaussian of height 1, centre in bins."""
    bins = torch.arange(count, dtype=torch.float64)
    return torch.exp(-((bins - centre[..., None]) ** 2) / (2 * sigma**2))


def scores_of(probability: Tensor) -> Tensor:
    """Scores whose softmax with a sharpness of 10 is this."""
    return probability.log() / 10


def expected_softmax(centre: float, spread: float, count: int, sigma: float = 5.0) -> Tensor:
    """What training by cross-entropy drives the softmax to: its mean over annotations."""
    places = torch.linspace(-4, 4, 201, dtype=torch.float64)
    weight = torch.exp(-(places**2) / 2)
    labels = torch.softmax(10 * target(centre + spread * places, count, sigma), -1)
    return (weight[:, None] * labels).sum(0) / weight.sum()


def test_means_between_bins() -> None:
    x = torch.linspace(30, 350, 97, dtype=torch.float64)
    y = torch.linspace(470, 40, 97, dtype=torch.float64)
    fit = fit_simcc(target(x, 384), target(y, 512), RATIO)
    expected = torch.stack([x, y], -1) / RATIO
    torch.testing.assert_close(fit.mean, expected, atol=8e-3, rtol=0)
    assert fit.converged.all()
    assert fit.second_mode.max() == 0
    torch.testing.assert_close(fit.second_mean, fit.mean)
    torch.testing.assert_close(fit.confidence, torch.ones_like(x), atol=0.01, rtol=0)


@pytest.mark.parametrize("sigma", [3.0, 4.9, 8.0])
def test_width_of_a_joint_without_doubt(sigma: float) -> None:
    scores = target(torch.tensor([200.0]), 400, sigma)
    fit = fit_simcc(scores, scores, 1.0)
    # Tails below 1 % of the highest bin are cut off: 3 sigma, 3 to 8 % of the variance.
    assert 0.92 < fit.variance[0, 0].item() / peak_variance(sigma) < 1


@pytest.mark.parametrize("sharpness", [1.0, 10.0, 25.0])
def test_peak_variance_by_quadrature(sharpness: float) -> None:
    x = np.linspace(-12, 12, 100_001)
    weight = np.expm1(sharpness * np.exp(-(x**2) / 2))
    assert peak_variance(1.0, sharpness) == pytest.approx(
        np.average(x**2, weights=weight), rel=1e-6
    )
    assert peak_variance(3.0, sharpness) == pytest.approx(9 * peak_variance(1.0, sharpness))


@pytest.mark.parametrize("spread", [3.0, 6.0, 12.0])
def test_doubt_adds_to_the_width(spread: float) -> None:
    """The annotations' variance is found once the target's own is taken off."""
    scores = scores_of(expected_softmax(190.0, spread, 384))[None]
    fit = fit_simcc(scores, scores, 1.0)
    assert fit.mean[0, 0].item() == pytest.approx(190, abs=0.01)
    assert fit.variance[0, 0].item() - peak_variance(5.0) == pytest.approx(spread**2, rel=0.1)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.45])
def test_second_modes(share: float) -> None:
    one, other = (expected_softmax(at, 2.0, 384) for at in (100.0, 220.0))
    x = scores_of((1 - share) * one + share * other)
    y = scores_of(expected_softmax(60.0, 2.0, 512))
    fit = fit_simcc(x, y, RATIO)
    assert fit.mean.tolist() == pytest.approx([50, 30], abs=0.05)
    assert fit.second_mode.tolist() == pytest.approx([share, 0], abs=0.01)
    assert fit.second_mean.tolist() == pytest.approx([110, 30], abs=0.1)
    assert fit.covering[0, 0].item() == pytest.approx(
        fit.variance[0].item() + share * 60**2, rel=0.05
    )
    torch.testing.assert_close(fit.covering[1, 1], fit.variance[1])
    assert fit.covering[0, 1] == fit.covariance[0, 1] == 0


def test_ratio_is_the_unit() -> None:
    scores = target(torch.tensor([100.0]), 384)
    one, two = fit_simcc(scores, scores, 1.0), fit_simcc(scores, scores, 2.0)
    torch.testing.assert_close(two.mean, one.mean / 2)
    torch.testing.assert_close(two.variance, one.variance / 4)


def test_a_constant_added_to_the_scores_changes_only_the_confidence() -> None:
    scores = target(torch.tensor([100.0, 33.3]), 384)
    fit, other = fit_simcc(scores, scores), fit_simcc(scores + 3, scores - 2)
    torch.testing.assert_close(other.mean, fit.mean)
    torch.testing.assert_close(other.variance, fit.variance)
    torch.testing.assert_close(other.confidence, fit.confidence - 2)


@pytest.mark.parametrize("value", [0.0, -3.0, 1e30])
def test_flat_rows_may_be_anywhere(value: float) -> None:
    peak = target(torch.tensor([50.0]), 200)
    fit = fit_simcc(peak, torch.full((1, 120), value, dtype=torch.float64), RATIO)
    assert fit.converged.tolist() == [False]
    assert fit.mean[0].tolist() == pytest.approx([25, 59.5 / 2], abs=1e-3)
    assert fit.variance[0, 1].item() == pytest.approx((120**2 - 1) / 12 / 4)
    assert fit.second_mode.tolist() == [[0, 0]]


def test_noise_gives_finite_numbers() -> None:
    generator = torch.Generator().manual_seed(0)
    for scale in (1e-3, 1.0, 1e3):
        x, y = (scale * torch.randn(50, count, generator=generator) for count in (384, 512))
        fit = fit_simcc(x, y)
        for value in (fit.mean, fit.variance, fit.second_mode, fit.second_mean, fit.confidence):
            assert value.isfinite().all()
            assert value.dtype == torch.float32
        assert (fit.variance > 0).all()


def test_shapes() -> None:
    fit = fit_simcc(torch.rand(2, 17, 96), torch.rand(2, 17, 128))
    assert fit.mean.shape == fit.second_mode.shape == (2, 17, 2)
    assert fit.covariance.shape == (2, 17, 2, 2)
    assert fit.confidence.shape == fit.converged.shape == (2, 17)
    assert fit_simcc(torch.rand(0, 17, 96), torch.rand(0, 17, 128)).mean.shape == (0, 17, 2)


def test_bad_input() -> None:
    x, y = torch.rand(2, 17, 96), torch.rand(2, 17, 128)
    with pytest.raises(InputError, match=r"y: expected batch shape \(2, 17\), found \(2, 16\)"):
        fit_simcc(x, y[:, :16])
    with pytest.raises(InputError, match="bins_per_pixel: expected a positive number"):
        fit_simcc(x, y, 0)
    y[1, 3, 7] = math.nan
    with pytest.raises(InputError, match=r"fit_simcc: y: scores\[1, 3\]: .* found nan at bin 7"):
        fit_simcc(x, y)


def test_two_peaked_by_either_axis() -> None:
    one, other = (expected_softmax(at, 2.0, 384) for at in (100.0, 220.0))
    both, alone = scores_of(0.7 * one + 0.3 * other), scores_of(one)
    fit = fit_simcc(torch.stack([both, alone, alone]), torch.stack([alone, both, alone]))
    assert fit.two_peaked.tolist() == [True, True, False]


def test_scores_as_large_as_numbers_are() -> None:
    largest = torch.finfo(torch.float32).max
    peak = torch.full((1, 96), -largest)
    peak[0, 40] = largest
    fit = fit_simcc(peak, torch.full((1, 96), largest))
    assert fit.mean.tolist() == [[20, 47.5 / 2]]
    assert fit.variance.isfinite().all()
    assert fit.converged.tolist() == [False]
