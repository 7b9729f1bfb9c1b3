"""`sigma`: how narrow a Gaussian minMPJPE wants to be (paper 000, Figure 1a, A.1 and A.2).

Nothing is trained or drawn but the draws that A.1 is checked with: all else is quadrature
(`poseterior.metrics.gaussian_theory`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from poseterior.metrics.gaussian_theory import (
    ece,
    least_error,
    nll,
    optimal_sigma,
    optimal_sigmas,
)

__all__ = ["DIMS", "HYPOTHESES", "POSE_POINT", "TRUE_SIGMA", "best_draw", "sigma_study"]

Array = NDArray[Any]

TRUE_SIGMA = 0.5
# Integer parts of 20 logarithmically spaced numbers, repeated ones kept.
DIMS = tuple(int(d) for d in np.logspace(0, 2, 20).round(9))
HYPOTHESES = tuple(int(n) for n in np.logspace(0, np.log10(500), 20).round(9))
POSE_POINT = (45, 200)

_SHIFTS = np.linspace(0, 2, 17)
_SIGMAS = TRUE_SIGMA * 10 ** np.linspace(-1, 0.5, 31)  # the true one among them
_DRAWS = 200_000


def sigma_study(seed: int = 0) -> dict[str, Any]:
    """Everything that `sigma.json` holds.

    Returns:
        `true_sigma`; `dims`, `hypotheses` and `sigma` [20][20], rows by dims; `pose_point`;
        `landscapes` of the errors over shift of the mean and sigma; `a1`, `a2`: the
        appendices' claims as numbers.
    """
    rows = {dims: optimal_sigmas(dims, HYPOTHESES, TRUE_SIGMA) for dims in sorted(set(DIMS))}
    return {
        "study": "sigma",
        "true_sigma": TRUE_SIGMA,
        "dims": list(DIMS),
        "hypotheses": list(HYPOTHESES),
        "sigma": [rows[dims].tolist() for dims in DIMS],
        "pose_point": _pose_point(),
        "landscapes": _landscapes(),
        "a1": _single_error(seed),
        "a2": _best_of_many(),
    }


def _pose_point() -> dict[str, Any]:
    dims, hypotheses = POSE_POINT
    sigma = optimal_sigma(dims, hypotheses, TRUE_SIGMA)
    errors = [least_error(dims, [hypotheses], s, TRUE_SIGMA)[0] for s in (sigma, TRUE_SIGMA)]
    return {
        "dims": dims,
        "hypotheses": hypotheses,
        "sigma": sigma,
        "min_mpjpe": float(errors[0]),
        "oracle_min_mpjpe": float(errors[1]),
        "nll": nll(dims, sigma, TRUE_SIGMA),
        "oracle_nll": nll(dims, TRUE_SIGMA, TRUE_SIGMA),
    }


def _landscapes() -> dict[str, Any]:
    """minMPJPE, NLL and ECE [shift][sigma] at the pose point."""
    dims, hypotheses = POSE_POINT
    grid = [[(float(sigma), float(shift)) for sigma in _SIGMAS] for shift in _SHIFTS]

    def over(function: Any) -> list[list[float]]:
        return [[float(function(sigma, shift)) for sigma, shift in row] for row in grid]

    return {
        "dims": dims,
        "hypotheses": hypotheses,
        "shift": _SHIFTS.tolist(),
        "sigma": _SIGMAS.tolist(),
        "min_mpjpe": over(lambda s, m: least_error(dims, [hypotheses], s, TRUE_SIGMA, m)[0]),
        "nll": over(lambda s, m: nll(dims, s, TRUE_SIGMA, m)),
        "ece": over(lambda s, m: ece(dims, s, TRUE_SIGMA, m)),
    }


def _single_error(seed: int) -> dict[str, Any]:
    """A.1: E (x - s)² of one hypothesis is s*² + sigma², least without any spread."""
    rng = np.random.default_rng(seed)
    truth, draw = TRUE_SIGMA * rng.standard_normal(_DRAWS), rng.standard_normal(_DRAWS)
    sigmas = [0.0, 0.25, 0.5, 1.0]
    squares = [(truth - sigma * draw) ** 2 for sigma in sigmas]
    return {
        "sigma": sigmas,
        "expected": [TRUE_SIGMA**2 + sigma**2 for sigma in sigmas],
        "drawn": [float(each.mean()) for each in squares],
        "standard_error": [float(each.std() / np.sqrt(_DRAWS)) for each in squares],
    }


def _best_of_many() -> dict[str, Any]:
    """A.2: the best draw leans towards the truth as a sigmoid of the mean's error."""
    shifts, hypotheses, sigma = np.linspace(-4, 4, 33), 200, 0.2
    leaning = [best_draw(float(shift), hypotheses, sigma, TRUE_SIGMA) for shift in shifts]
    return {
        "hypotheses": hypotheses,
        "sigma": sigma,
        "shift": shifts.tolist(),
        "best_draw": leaning,
        "limit": _expected_largest(hypotheses),
    }


def best_draw(shift: float, hypotheses: int, sigma: float, true_sigma: float = 1.0) -> float:
    """E z* of the hypothesis m + sigma z* nearest to x ~ N(m + shift, true_sigma²), one dimension.

    It is 0 without a shift, and far away the expected largest of so many normal draws, which
    is the C of the paper's sigmoid. By quadrature.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    places = (shift + true_sigma * nodes) / sigma
    z = np.linspace(-8, 8, 4001)
    # The nearest is at z if all others are farther from the place than z is.
    away = np.abs(z - places[:, None])
    inside = norm.cdf(places[:, None] + away) - norm.cdf(places[:, None] - away)
    chance = hypotheses * norm.pdf(z) * (1 - inside).clip(0, 1) ** (hypotheses - 1)
    total = chance.sum(1)
    expected = np.where(total > 0, (chance * z).sum(1) / np.where(total > 0, total, 1), 0.0)
    return float(expected @ weights / weights.sum())


def _expected_largest(hypotheses: int) -> float:
    z = np.linspace(-9, 9, 20_001)
    density = hypotheses * norm.pdf(z) * norm.cdf(z) ** (hypotheses - 1)
    return float((z * density).sum() * (z[1] - z[0]))
