"""The whole trajectory of a joint as one Gaussian, conditioned at once: what smoothers must give.

Generalised least squares by NumPy with dense matrices: no recursion, no state.
"""

from __future__ import annotations

import numpy as np


def motion_covariance(model: str, times: np.ndarray, noise: float, time: float) -> np.ndarray:
    """Covariance (T, T) of x(t) - x(t_0) of one axis, from the models' autocovariances."""
    since = times - times[0]
    if model == "walk":
        return noise * np.minimum(since[:, None], since[None])
    # The double integral of the velocity's covariance q T / 2 exp(-|a - b| / T), a to s, b to t.
    s, t = since[:, None], since[None]
    fades = np.exp(-s / time) + np.exp(-t / time) - np.exp(-np.abs(s - t) / time)
    return noise * time / 2 * (2 * time * np.minimum(s, t) - time**2 + time**2 * fades)


def root(matrix: np.ndarray) -> np.ndarray:
    """Symmetric square roots of (..., 3, 3)."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(values)[..., None, :]) @ np.swapaxes(vectors, -1, -2)


def condition(
    motion: np.ndarray, mean: np.ndarray, covariance: np.ndarray, seen: np.ndarray, share: float
) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean (T, 3) and covariances (T, 3, 3) of one joint, nothing known beforehand.

    x = 1 x_0 + d with d ~ N(0, motion x I): x_0 is estimated by generalised least squares, d by
    kriging; both are linear in y. The errors' new part enters as covariance, the lasting part
    by its effect on that linear map.
    """
    frames = len(mean)
    prior = np.kron(motion, np.eye(3))
    pick = np.kron(np.eye(frames)[seen], np.eye(3))
    fresh = np.zeros((3 * frames, 3 * frames))
    for t in range(frames):
        fresh[3 * t : 3 * t + 3, 3 * t : 3 * t + 3] = (1 - share) * covariance[t]
    ones = np.tile(np.eye(3), (frames, 1))
    total = np.linalg.inv(pick @ (prior + fresh) @ pick.T)
    design = pick @ ones
    start = np.linalg.solve(design.T @ total @ design, design.T @ total)
    kriging = prior @ pick.T @ total
    linear = ones @ start + kriging @ (np.eye(len(design)) - design @ start)
    left = np.eye(3 * frames) - linear @ pick
    new = left @ prior @ left.T + linear @ pick @ fresh @ pick.T @ linear.T
    shift = linear @ pick @ (np.sqrt(share) * root(covariance)).reshape(-1, 3)
    whole = new + shift @ shift.T
    answer = linear @ pick @ mean.reshape(-1)
    blocks = [whole[3 * t : 3 * t + 3, 3 * t : 3 * t + 3] for t in range(frames)]
    return answer.reshape(-1, 3), np.stack(blocks)
