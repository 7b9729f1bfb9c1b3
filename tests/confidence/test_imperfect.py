"""Optima of regression and heatmaps against brute force; the paper's slips are slips."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize, minimize_scalar

from poseterior.confidence import ad_hoc, imperfect

CASES = [(1.5, 0.0), (1.5, 2.5), (3.0, 1.0), (0.7, 6.0)]  # sigma, Delta in px


def tensors(sigma, delta):
    return torch.tensor(sigma**2).double(), torch.tensor(delta).double()


def best_heatmap(sigma, delta, target=2.0):
    """Height and variance that minimise the squared error over a grid, by simplex search."""
    line = np.arange(-40, 40, 0.5)
    x, y = np.meshgrid(line, line)
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    # The target heatmap is a product over axes, and so is its expectation.
    along = [
        np.exp(-((line[:, None] - sigma * nodes) ** 2) / (2 * target**2)) @ weights / weights.sum()
    ] * 2
    expected = np.outer(along[1], along[0])
    apart = (x - delta) ** 2 + y**2

    def loss(parameters):
        height, variance = np.exp(parameters)
        return ((height * np.exp(-apart / (2 * variance)) - expected) ** 2).sum()

    found = minimize(loss, np.log([0.3, 15.0]), method="Nelder-Mead",
                     options={"xatol": 1e-9, "fatol": 1e-13, "maxiter": 2000})  # fmt: skip
    return np.exp(found.x)


@pytest.mark.parametrize(("sigma", "delta"), CASES)
def test_the_best_heatmap_is_that_of_the_mended_equation(sigma, delta):
    height, variance = best_heatmap(sigma, delta)
    given = tensors(sigma, delta)
    assert imperfect.heatmap_variance(*given).item() == pytest.approx(variance, rel=1e-4)
    assert imperfect.heatmap_confidence(*given).item() == pytest.approx(height, rel=1e-4)
    printed = imperfect.heatmap_confidence_printed(*given).item()
    s = variance + sigma**2 + 4
    assert height == pytest.approx(printed * math.exp(-(delta**2) / (2 * s)), rel=1e-4)
    assert (printed > height * 1.01) == (delta > 0)


@pytest.mark.parametrize(("sigma", "delta"), CASES)
def test_both_conditions_meet_at_the_optimum_only(sigma, delta):
    given = tensors(sigma, delta)
    best = imperfect.heatmap_variance(*given)
    for factor, same in ((1.0, True), (1.3, False)):
        scales = [f(best * factor, *given).item()
                  for f in (imperfect.heatmap_scale, imperfect.stationary_scale)]  # fmt: skip
        assert (scales[0] == pytest.approx(scales[1], rel=1e-9)) == same


def test_the_height_is_largest_at_the_root_with_delta_squared():
    given = tensors(1.0, 7.0)
    found = minimize_scalar(
        lambda s: -imperfect.heatmap_scale(torch.tensor(s).double(), *given).item(),
        bounds=(0.0, 100.0), method="bounded", options={"xatol": 1e-7},
    ).x  # fmt: skip
    assert imperfect.variance_of_largest_scale(*given).item() == pytest.approx(found, abs=1e-3)
    assert imperfect.variance_of_largest_scale(*tensors(3.0, 1.0)).item() == 0


def test_regression_learns_half_the_squared_deviation():
    generator = np.random.default_rng(0)
    drawn = 2 * generator.standard_normal((200_000, 2)) + [3.0, 0.0]

    def nll(log_variance):
        return log_variance + (drawn**2).sum(1).mean() / (2 * np.exp(log_variance))

    best = np.exp(minimize_scalar(nll).x)
    assert imperfect.regression_variance(*tensors(2.0, 3.0)).item() == pytest.approx(best, rel=0.01)


def test_the_constant_of_equation_18_is_right_in_two_dimensions():
    generator = torch.Generator().manual_seed(0)
    drawn = 0.3 * torch.randn(400_000, 2, generator=generator, dtype=torch.float64)
    for dims, constant in ad_hoc.L1_TO_SIGMA.items():
        norm = drawn[:, :dims].abs().sum(1)
        error = constant * norm.std() / len(norm) ** 0.5
        assert abs(constant * norm.mean() - 0.3) < 4 * error
        assert abs(ad_hoc.L1_TO_SIGMA[3 - dims] * norm.mean() - 0.3) > 40 * error
    off = torch.tensor([0.4, -0.1]).double()
    norm = (off + drawn).abs().sum(1)
    wanted = ad_hoc.mean_l1_error(off, torch.tensor(0.3).double())
    assert abs(norm.mean() - wanted) < 4 * norm.std() / len(norm) ** 0.5
    assert ad_hoc.regression_confidence(torch.tensor(0.25)) == 0.75


def test_a_peak_is_the_mean_of_targets_and_tells_the_variance():
    generator = torch.Generator().manual_seed(0)
    drawn = 3 * torch.randn(200_000, 2, generator=generator, dtype=torch.float64)
    pixel = torch.tensor([1.0, 2.0]).double()
    for place, wanted in (
        (torch.zeros(2).double(), ad_hoc.heatmap_peak(torch.tensor(9.0).double())),
        (pixel, ad_hoc.expected_heatmap(pixel, torch.zeros(2), 9 * torch.eye(2).double())),
    ):
        target = (-(drawn - place).square().sum(1) / 8).exp()
        assert abs(target.mean() - wanted) < 4 * target.std() / len(target) ** 0.5
    variance = torch.rand(20) * 30
    assert torch.allclose(ad_hoc.variance_of_peak(ad_hoc.heatmap_peak(variance)), variance,
                          rtol=1e-4)  # fmt: skip
