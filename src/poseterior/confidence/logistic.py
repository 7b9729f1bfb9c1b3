"""Logistic regression to chances, held near to a start; what temperature and detections share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

__all__ = ["logistic"]

_PRIOR = 1.0  # observations that pull each weight towards its start


def logistic(
    inputs: NDArray[np.float64],
    target: NDArray[np.float64],
    start: Sequence[float],
    rising: Sequence[int] = (),
) -> NDArray[np.float64]:
    """Weights (F,) of least cross-entropy of sigmoid(inputs @ weights) to targets.

    Args:
        inputs: (N, F).
        target: (N,) from 0 to 1; the optimum is their expectation given the inputs.
        start: (F,) what the weights are without observations.
        rising: the weights that are not negative.
    """
    at = np.asarray(start, dtype=np.float64)

    def loss(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        a = inputs @ w
        value = np.logaddexp(0, a).sum() - target @ a + 0.5 * _PRIOR * ((w - at) ** 2).sum()
        return float(value), inputs.T @ (expit(a) - target) + _PRIOR * (w - at)

    bounds = [(0, None) if f in rising else (None, None) for f in range(len(at))]
    return minimize(loss, at, jac=True, method="L-BFGS-B", bounds=bounds).x
