"""Rows of `oks_theory` by Monte Carlo: expected OKS, ideal heatmaps, regression (Eq. 10-63)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from scipy.optimize import minimize
from torch import Tensor

from poseterior.confidence import ad_hoc, expected_oks, imperfect
from poseterior.studies.oks_rows import drawn, searched

__all__ = ["DRAWS", "rows_by_draws"]

DRAWS = 200_000
# sigma, l, distance of the prediction from the mean, px: small and large people, near and off.
_ISOTROPIC = ((2.0, 3.0, 0.0), (2.0, 3.0, 4.0), (8.0, 3.0, 4.0), (5.0, 20.0, 10.0))
# Standard deviations along the axes and the angle between the first and x.
_ELLIPSES = ((6.0, 1.0, 0.0), (6.0, 1.0, 0.6), (9.0, 4.0, 2.2))
_TARGET = 2.0

Rows = Iterator[dict[str, Any]]


def _f64(*values: float) -> Tensor:
    return torch.tensor(values if len(values) > 1 else values[0], dtype=torch.float64)


def rows_by_draws(generator: torch.Generator) -> Rows:
    """All of them, each part from its own standard normal draws (N, 2)."""
    for part in (_isotropic, _general, _heatmaps, _l1, _likelihood):
        yield from part(torch.randn(DRAWS, 2, generator=generator, dtype=torch.float64))


def _similarity(point: Tensor, drawn: Tensor, l2: float) -> Tensor:
    return (-(drawn - point).square().sum(-1) / (2 * l2)).exp()


def _isotropic(noise: Tensor) -> Rows:
    for sigma, reach, delta in _ISOTROPIC:
        given = {"sigma": sigma, "l": reach, "delta": delta}
        point = _f64(delta, 0.0)
        args = (point, torch.zeros(2), _f64(sigma**2), _f64(reach**2))
        closed = expected_oks.expected_oks_isotropic(*args)
        samples = _similarity(point, sigma * noise, reach**2)
        yield drawn("10-11, 22-24, 30, 35", "expected OKS", given, closed, samples)
        if not delta:
            closed = expected_oks.expected_oks_at_mean(_f64(sigma**2), _f64(reach**2))
            yield drawn("12", "expected OKS at the mean", given, closed, samples)
        else:
            # Eq. 31 changes the variable of a plane by 1 / D; it takes 1 / D².
            factor = math.sqrt((sigma**2 + reach**2) / (2 * sigma**2 * reach**2))
            yield drawn("31-34", "expected OKS with 1 / D", given, closed * factor, samples, True)


def _general(noise: Tensor) -> Rows:
    point, reach = _f64(3.0, -2.0), 4.0
    for long, short, angle in _ELLIPSES:
        c, s = math.cos(angle), math.sin(angle)
        factor = _f64(long, short).diag()
        factor = torch.tensor([[c, -s], [s, c]], dtype=torch.float64) @ factor
        covariance = factor @ factor.T
        closed = expected_oks.expected_oks(point, torch.zeros(2), covariance, _f64(reach**2))
        given = {"sigma_1": long, "sigma_2": short, "angle": angle, "l": reach,
                 "delta": float(point.norm())}  # fmt: skip
        samples = _similarity(point, noise @ factor.T, reach**2)
        yield drawn("11, any covariance", "expected OKS", given, closed, samples)


def _heatmaps(noise: Tensor) -> Rows:
    for sigma in (1.0, 4.0):
        given = {"sigma": sigma, "l~": _TARGET}
        samples = _similarity(torch.zeros(2), sigma * noise, _TARGET**2)
        closed = ad_hoc.heatmap_peak(_f64(sigma**2))
        yield drawn("16-17", "peak of the mean target heatmap", given, closed, samples)
        pixel = _f64(2.0, -1.0)
        covariance = sigma**2 * torch.eye(2, dtype=torch.float64)
        closed = ad_hoc.expected_heatmap(pixel, torch.zeros(2), covariance)
        samples = _similarity(pixel, sigma * noise, _TARGET**2)
        given = {**given, "delta": float(pixel.norm())}
        yield drawn("13-15", "mean target heatmap off the mean", given, closed, samples)


def _l1(noise: Tensor) -> Rows:
    for dims, other in ((2, 1), (1, 2)):
        norm = 0.2 * noise[:, :dims].abs().sum(1)
        given = {"sigma": 0.2, "dimensions": dims}
        constant = ad_hoc.L1_TO_SIGMA
        yield drawn("18", f"sigma from the L1 norm, constant {constant[dims]:.4f}", given, 0.2,
                    constant[dims] * norm)  # fmt: skip
        if dims == 1:
            yield drawn("18", f"in one dimension, constant {constant[other]:.4f}", given, 0.2,
                        constant[other] * norm, True)  # fmt: skip
    off = _f64(0.3, -0.1)
    closed = ad_hoc.mean_l1_error(off, _f64(0.2))
    given = {"sigma": 0.2, "delta": float(off.norm())}
    yield drawn(
        "18, off the mean", "mean L1 error", given, closed, (off + 0.2 * noise).abs().sum(1)
    )


def _likelihood(noise: Tensor) -> Rows:
    sigma, mean = 3.0, _f64(1.0, -2.0)
    draws, root = mean + sigma * noise, math.sqrt(len(noise))
    at = _optimum(draws)
    given = {"sigma": sigma}
    yield searched("37-41, 47-51", "mean of the best likelihood, x", given, mean[0], at[0],
                   sigma / root)  # fmt: skip
    yield searched("52-57", "sigma of the best likelihood", given, sigma, math.exp(at[2] / 2),
                   sigma / (2 * root))  # fmt: skip
    yield from _derivatives(draws, mean, sigma)
    for delta in (1.0, 5.0):
        given = {"sigma": sigma, "delta": delta}
        # At a fixed mean the best variance is the mean of |p - prediction|² / 2.
        half = (draws - mean - _f64(delta, 0.0)).square().sum(1) / 2
        found = _optimum(draws, mean + _f64(delta, 0.0))
        closed = imperfect.regression_variance(_f64(sigma**2), _f64(delta))
        error = float(half.std()) / root
        yield searched("58-62", "best variance off the mean", given, closed, math.exp(found[2]),
                       error)  # fmt: skip
        closed, measured = 1 - closed.sqrt() / 100, 1 - math.exp(found[2] / 2) / 100
        error /= 200 * math.exp(found[2] / 2)
        yield searched("63", "1 - sigma off the mean, of a 100 px crop", given, closed, measured,
                       error)  # fmt: skip


def _optimum(draws: Tensor, held: Tensor | None = None) -> Tensor:
    """Mean x, y and log variance (3,) of least NLL by a quasi-Newton search; mean held if given."""

    def loss(values: Any) -> tuple[float, Any]:
        point = torch.tensor(values, dtype=torch.float64, requires_grad=True)
        centre = point[:2] if held is None else held
        apart = (draws - centre).square().sum(1)
        nll = (point[2] + apart / (2 * point[2].exp())).mean()
        nll.backward()
        assert point.grad is not None
        return nll.item(), point.grad.numpy()

    found = minimize(loss, [0.0, 0.0, 1.0], jac=True, method="BFGS", options={"gtol": 1e-9})
    return torch.from_numpy(found.x)


def _derivatives(draws: Tensor, mean: Tensor, sigma: float) -> Rows:
    """Eq. 42-50 and 52-56 away from the optimum, by automatic differentiation of each term."""
    point = (mean + _f64(1.5, 0.0)).expand(draws.shape).clone().requires_grad_()
    variance = torch.full((len(draws),), 5.0, dtype=torch.float64, requires_grad=True)
    likelihood = -variance.log() - (draws - point).square().sum(1) / (2 * variance)
    by_mean, by_variance = torch.autograd.grad(likelihood.sum(), (point, variance))
    given = {"sigma": sigma, "delta": 1.5, "sigma^": math.sqrt(5.0)}
    yield drawn("43-44, 47-49", "derivative by the mean, x", given, -1.5 / 5, by_mean[:, 0])
    closed = -1 / 5 + (2 * sigma**2 + 1.5**2) / (2 * 5**2)
    yield drawn("42, 45-46, 52-54", "derivative by the variance", given, closed, by_variance)
