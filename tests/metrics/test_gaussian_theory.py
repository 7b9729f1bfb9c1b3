"""The exact minMPJPE of Gaussians against closed forms and against draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import gammaln
from scipy.stats import multivariate_normal

from poseterior.errors import InputError
from poseterior.metrics.gaussian_theory import (
    ece,
    least_error,
    nll,
    optimal_sigma,
    optimal_sigmas,
)

# D, N, sigma, true sigma, shift.
POINTS = [
    (1, 2, 0.3, 0.5, 0.0), (1, 100, 0.6, 0.5, 0.4), (2, 5, 0.4, 0.5, 0.0), (2, 499, 0.6, 0.5, 1.0),
    (3, 7, 0.2, 0.5, 0.3), (6, 50, 0.5, 1.0, 0.0), (14, 187, 0.3, 0.5, 0.0),
    (45, 200, 0.197, 0.5, 0.0), (45, 200, 0.5, 0.5, 1.0), (100, 13, 0.07, 0.5, 0.0),
]  # fmt: skip


def drawn(point: tuple, trials: int = 3000) -> tuple[float, float]:
    """The least error by simulation, and its standard error."""
    dims, hypotheses, sigma, true, shift = point
    rng = np.random.default_rng(dims * 1000 + hypotheses)
    errors = []
    for _ in range(trials):
        truth = true * rng.standard_normal(dims)
        truth[0] += shift
        guesses = sigma * rng.standard_normal((hypotheses, dims))
        errors.append(np.linalg.norm(truth - guesses, axis=1).min())
    return float(np.mean(errors)), float(np.std(errors) / math.sqrt(trials))


@pytest.mark.parametrize("point", POINTS)
def test_the_least_error_is_that_of_draws(point: tuple) -> None:
    dims, hypotheses, *rest = point
    mean, error = drawn(point)
    assert abs(least_error(dims, [hypotheses], *rest)[0] - mean) < 3.5 * error


@pytest.mark.parametrize("dims", [1, 2, 3, 45, 100])
@pytest.mark.parametrize("sigma", [0.05, 0.5, 2.0])
def test_one_hypothesis_has_a_closed_form(dims: int, sigma: float) -> None:
    width = math.hypot(sigma, 0.5)
    chi = math.sqrt(2) * math.exp(gammaln((dims + 1) / 2) - gammaln(dims / 2))
    assert least_error(dims, [1], sigma, 0.5)[0] == pytest.approx(width * chi, rel=2e-6)


@pytest.mark.parametrize(("dims", "count"), [(1, 2), (2, 26), (3, 499), (18, 70), (45, 200)])
def test_the_optimum_is_one(dims: int, count: int) -> None:
    best = optimal_sigma(dims, count, 0.5)
    around = [least_error(dims, [count], f * best, 0.5)[0] for f in (0.95, 0.99, 1, 1.01, 1.05)]
    assert around[2] == min(around)
    assert around[0] > around[1]
    assert around[4] > around[3]
    assert optimal_sigma(dims, count, 2.0) == pytest.approx(4 * best, rel=1e-3)


def test_the_pose_point_is_the_papers() -> None:
    assert optimal_sigma(45, 200, 0.5) == pytest.approx(0.197, abs=5e-4)
    assert least_error(45, [200], 0.1973, 0.5)[0] == pytest.approx(3.065, abs=1e-3)
    assert least_error(45, [200], 0.5, 0.5)[0] == pytest.approx(3.559, abs=1e-3)


def test_optima_grow_with_hypotheses_and_fall_with_dimensions() -> None:
    table = np.stack([optimal_sigmas(dims, [1, 2, 10, 100, 500]) for dims in (1, 3, 20, 100)])
    assert np.all(table[:, 0] == 0)
    assert np.all(np.diff(table, axis=1) > 0)
    assert np.all(np.diff(table[:, 1:], axis=0) < 0)
    assert table[0, -1] > 1 > table[-1, -1]  # too wide in one dimension, too narrow in many


def test_the_likelihood_is_that_of_draws_and_best_at_the_truth() -> None:
    rng = np.random.default_rng(0)
    truth = 0.5 * rng.standard_normal((200_000, 3)) + [0.3, 0, 0]
    model = multivariate_normal(np.zeros(3), 0.4**2 * np.eye(3))
    assert nll(3, 0.4, 0.5, 0.3) == pytest.approx(-model.logpdf(truth).mean(), rel=1e-2)
    assert nll(45, 0.5, 0.5) < min(nll(45, 0.49, 0.5), nll(45, 0.51, 0.5), nll(45, 0.5, 0.5, 0.1))


def test_calibration_is_silent_on_the_truth_and_fires_on_others() -> None:
    assert ece(3, 0.5, 0.5) == pytest.approx(0, abs=1e-12)
    assert all(ece(3, *other) > 0.1 for other in ((0.25, 0.5), (1.0, 0.5), (0.5, 0.5, 0.6)))


@pytest.mark.parametrize(
    ("arguments", "field"),
    [((0, [2], 1.0), "dims"), ((3, [0], 1.0), "hypotheses"), ((3, [2], 0.0), "sigma"),
     ((3, [2], 1.0, -1.0), "true_sigma"), ((3, [2], math.nan), "sigma"),
     ((3, [2], 1.0, 1.0, -1.0), "shift")],
)  # fmt: skip
def test_numbers_out_of_range_are_named(arguments: tuple, field: str) -> None:
    with pytest.raises(InputError, match=field):
        least_error(*arguments)
