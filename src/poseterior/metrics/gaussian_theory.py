"""What minMPJPE rewards when truth and hypotheses are Gaussian, computed exactly (paper 000).

The truth is N(m*, s*² I) in D dimensions, the N hypotheses are independent draws of N(m, s² I), and
`shift` is |m - m*|. All that matters of the truth is its distance rho from m: rho² / s*² is
non-central chi-square, and given rho so is the squared distance of a hypothesis over s². The
expected least error is

    E min_i |x - s_i| = E_rho integral over r of (1 - F(r² / s²; D, rho² / s²))^N

and both integrals are Gauss-Legendre sums. One error is of the whole vector: D = 3 is a joint,
D = 45 stands for a pose.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.polynomial import Chebyshev
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import chndtr
from scipy.stats import chi2, ncx2

from poseterior.errors import require
from poseterior.metrics.coverage import LEVELS

__all__ = ["ece", "least_error", "nll", "optimal_sigma", "optimal_sigmas"]

Array = NDArray[Any]

# Nodes of both integrals. In one or two dimensions the least error has more structure.
_OUTER, _INNER = 32, 72
_FEW_DIMENSIONS, _TIMES = 2, 3
_TAIL, _DEVIATIONS = 1e-12, 6.5
# Optima of two hypotheses or more lie between these: multiples of the true sigma over the root of
# D, and of the true sigma.
_LEAST, _MOST, _DEGREE = 0.25, 2.0, 18


def least_error(
    dims: int, hypotheses: Sequence[int], sigma: float, true_sigma: float = 1.0, shift: float = 0.0
) -> Array:
    """E min_i |x - s_i| for each number of hypotheses, in the unit of the sigmas.

    Args:
        dims: D, at least 1.
        hypotheses: each N, at least 1.
        sigma: of the hypotheses, above 0.
        true_sigma: of the truth, above 0.
        shift: distance of the two means.

    Raises:
        InputError: a number out of its range.

    >>> least_error(45, [200], 0.197, 0.5).round(3), least_error(45, [200], 0.5, 0.5).round(3)
    (array([3.065]), array([3.559]))
    """
    _check(dims, hypotheses, sigma, true_sigma, shift)
    times = _TIMES if dims <= _FEW_DIMENSIONS else 1
    rho, weight = _distances(dims, true_sigma, shift, times * _OUTER)
    noncentral = (rho / sigma) ** 2
    # In units of sigma, a hypothesis's distance has a standard deviation of at most 1.
    middle = np.sqrt(dims + noncentral)
    low, high = sigma * np.maximum(middle - _DEVIATIONS, 0), sigma * (middle + _DEVIATIONS)
    nodes, weights = np.polynomial.legendre.leggauss(times * _INNER)
    half = (high - low)[:, None] / 2
    radius = low[:, None] + half * (nodes + 1)
    beyond = 1 - chndtr((radius / sigma) ** 2, dims, noncentral[:, None]).clip(0, 1)
    least = [low + half[:, 0] * (weights * beyond**count).sum(1) for count in hypotheses]
    return np.array(least) @ weight


def _check(
    dims: int, hypotheses: Sequence[int], sigma: float, true_sigma: float, shift: float
) -> None:
    numbers = {"dims": dims, "hypotheses": min(hypotheses, default=1)}
    for name, value in numbers.items():
        require(value >= 1, "least_error", name, expected="1 or more", found=value)
    for name, width in {"sigma": sigma, "true_sigma": true_sigma}.items():
        require(
            0 < width < math.inf, "least_error", name, expected="above 0 and finite", found=width
        )
    require(0 <= shift < math.inf, "least_error", "shift", expected="0 or more", found=shift)


def _distances(dims: int, true_sigma: float, shift: float, count: int) -> tuple[Array, Array]:
    """Nodes and weights of the distribution of |x - m|."""
    law = ncx2(dims, (shift / true_sigma) ** 2) if shift else chi2(dims)
    low, high = np.sqrt(law.ppf([_TAIL, 1 - _TAIL]))
    nodes, weights = np.polynomial.legendre.leggauss(count)
    ratio = (high - low) / 2 * (nodes + 1) + low
    weight = (high - low) / 2 * weights * law.pdf(ratio**2) * 2 * ratio
    return true_sigma * ratio, weight / weight.sum()


def optimal_sigmas(dims: int, hypotheses: Sequence[int], true_sigma: float = 1.0) -> Array:
    """The sigma of least expected error for each number of hypotheses, means equal.

    The error is interpolated between Chebyshev nodes of log sigma, which all N share, and the
    interpolant minimised. One hypothesis is best at the mean: its optimum is 0.

    Raises:
        InputError: as `least_error`.
    """
    _check(dims, hypotheses, 1.0, true_sigma, 0.0)
    ends = math.log(_LEAST / math.sqrt(dims)), math.log(_MOST)
    nodes = np.polynomial.chebyshev.chebpts2(_DEGREE + 1)
    logs = ends[0] + (nodes + 1) / 2 * (ends[1] - ends[0])
    errors = np.stack([least_error(dims, hypotheses, float(np.exp(x))) for x in logs])
    found = []
    for count, column in zip(hypotheses, errors.T, strict=True):
        curve = Chebyshev.fit(logs, column, _DEGREE, domain=list(ends))
        start = int(column.argmin())
        near = logs[max(start - 1, 0)], logs[min(start + 1, _DEGREE)]
        best = minimize_scalar(curve, bounds=near, method="bounded", options={"xatol": 1e-7})
        found.append(0.0 if count == 1 else true_sigma * math.exp(best.x))
    return np.array(found)


def optimal_sigma(dims: int, hypotheses: int, true_sigma: float = 1.0) -> float:
    """The sigma that minMPJPE rewards most, for one D and N.

    >>> round(optimal_sigma(45, 200, 0.5), 3)
    0.197
    """
    return float(optimal_sigmas(dims, [hypotheses], true_sigma)[0])


def nll(dims: int, sigma: float, true_sigma: float = 1.0, shift: float = 0.0) -> float:
    """Expected negative log-likelihood of the truth under the model, nats."""
    _check(dims, [1], sigma, true_sigma, shift)
    squares = (dims * true_sigma**2 + shift**2) / sigma**2
    return 0.5 * (dims * math.log(2 * math.pi * sigma**2) + squares)


def ece(dims: int, sigma: float, true_sigma: float = 1.0, shift: float = 0.0) -> float:
    """Calibration error of infinitely many hypotheses about their centre (Algorithm 1)."""
    _check(dims, [1], sigma, true_sigma, shift)
    levels = np.asarray(LEVELS, float)
    radius = chi2.ppf(levels, dims) * (sigma / true_sigma) ** 2
    law = ncx2(dims, (shift / true_sigma) ** 2) if shift else chi2(dims)
    return float(np.abs(law.cdf(radius) - levels).mean())
