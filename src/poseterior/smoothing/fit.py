"""Fit the model of a track to held-out tracks of which the truth is known.

The motion is fitted by maximum likelihood of the true positions: the noise q of each joint and,
for "velocity", the time that all share. The share of the errors that lasts is what keeps the
smoothed posterior as calibrated as the single frames were: the truth's mean squared distance
from the mean, in units of the spread, stays the same. How large it is, is not asked here: that
is what recalibration is for.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from scipy.linalg import toeplitz
from scipy.optimize import brentq, minimize_scalar
from torch import Tensor

from poseterior.errors import known
from poseterior.smoothing.kalman import StateSpace
from poseterior.smoothing.measurement import Measured
from poseterior.smoothing.motion import MODELS, Motion, Velocity, Walk

__all__ = ["fit_model", "fit_motion", "fit_share"]

_TIMES = (0.01, 100.0)  # seconds that can be told from none and from forever
_MOST = 0.99


def fit_model(name: str, target: Tensor, measured: Measured, seconds: float) -> StateSpace:
    """The model of windows of T frames, `seconds` apart.

    Args:
        name: "walk" or "velocity".
        target: (N, T, J, 3) metres, T at least 3.
        measured: mean (N, T, J, 3), covariance (N, T, J, 3, 3) and seen, all of it.
        seconds: between two frames.

    Raises:
        InputError: an unknown name, a joint that never moves.
    """
    motion = fit_motion(name, target, seconds)
    return StateSpace(motion, fit_share(motion, target, measured, seconds))


def fit_motion(name: str, target: Tensor, seconds: float) -> Motion:
    """The most likely motion of windows (N, T, J, 3) whose frames are `seconds` apart."""
    known("--model", name, MODELS)
    steps = target.double().diff(dim=1)
    if MODELS[name] is Walk:
        return Walk(steps.square().mean((0, 1, 3)) / seconds)

    def loss(log_time: float) -> float:
        return _motion_loss(steps, seconds, math.exp(log_time))[0]

    low, high = map(math.log, _TIMES)
    best = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-3})
    time = math.exp(float(best.x))
    return Velocity(_motion_loss(steps, seconds, time)[1], time)


def _motion_loss(steps: Tensor, seconds: float, time: float) -> tuple[float, Tensor]:
    """Negative log-likelihood a number, up to a constant, and the best noise (J,).

    Steps (N, T, J, 3) of a velocity that is forgotten in `time` depend on how many frames are
    between them alone: their covariance is a Toeplitz matrix times the noise.
    """
    lost = -math.expm1(-seconds / time)
    apart = np.arange(steps.shape[1])
    column = time**3 / 2 * lost**2 * np.exp((1 - apart) * seconds / time)
    column[0] = time**2 * (seconds - time * lost)
    factor = torch.linalg.cholesky(torch.as_tensor(toeplitz(column)))
    by_frame = steps.permute(1, 2, 0, 3).flatten(1)
    white = torch.linalg.solve_triangular(factor, by_frame, upper=False)
    noise = white.square().unflatten(1, (steps.shape[2], -1)).mean((0, 2))
    log_det = float(factor.diagonal().log().mean())
    return float(noise.log().mean()) / 2 + log_det, noise


def fit_share(motion: Motion, target: Tensor, measured: Measured, seconds: float) -> float:
    """The share of the errors that lasts, from 0 to 0.99; as `fit_model`."""
    windows = len(target)
    many = motion.repeated(windows)
    truth, *parts = (_side_by_side(part) for part in (target.double(), *measured))
    seen = Measured(*parts)
    waits = [0.0] + [seconds] * (len(truth) - 1)
    before = _surprise(truth, seen.mean, seen.covariance)

    def excess(share: float) -> float:
        model = StateSpace(many, share)
        smoothed = model.backward(model.forward(model.begin(), waits, seen))
        return math.log(_surprise(truth, *smoothed) / before)

    return _root(excess)


def _root(excess: Callable[[float], float]) -> float:
    """Where a falling function is 0, or the end that comes nearest."""
    if excess(0.0) <= 0:
        return 0.0
    return _MOST if excess(_MOST) >= 0 else float(brentq(excess, 0.0, _MOST, xtol=0.005))


def _side_by_side(windows: Tensor) -> Tensor:
    """(N, T, J, ...) -> (T, N J, ...): joints of all windows as if of one person."""
    return windows.transpose(0, 1).flatten(1, 2)


def _surprise(target: Tensor, mean: Tensor, covariance: Tensor) -> float:
    """The mean of (x - m)^T P^-1 (x - m) / 3, which is 1 for a right Gaussian."""
    wrong = (target - mean)[..., None]
    return float((wrong * torch.linalg.solve(covariance, wrong)).sum((-2, -1)).mean() / 3)
