"""The metrics' definitions written out pose by pose in NumPy, as slow and plain as they read."""

from __future__ import annotations

import numpy as np
import torch

from oracles import umeyama


def mean_error(prediction: np.ndarray, target: np.ndarray, joints: list[int]) -> float:
    """MPJPE in mm over the named joints, one joint at a time."""
    return (
        1000 * sum(float(np.linalg.norm(prediction[j] - target[j])) for j in joints) / len(joints)
    )


def pose_errors(
    hypotheses: np.ndarray,
    target: np.ndarray,
    root: int,
    weights: np.ndarray | None = None,
    valid: np.ndarray | None = None,
) -> dict[str, float]:
    """All errors of one pose: hypotheses (H, J, 3), target (J, 3), weights (H,), valid (J,)."""
    count, size = hypotheses.shape[:2]
    weights = np.ones(count) if weights is None else weights
    joints = [j for j in range(size) if valid is None or valid[j]]
    free = [j for j in joints if j != root]
    present = [h for h in range(count) if weights[h] > 0]
    mean = sum(weights[h] * hypotheses[h] for h in present) / sum(weights[h] for h in present)
    each = {h: mean_error(hypotheses[h], target, joints) for h in present}
    best = min(each, key=lambda h: each[h])
    errors = [1000 * np.linalg.norm(hypotheses[best, j] - target[j]) for j in free]
    reach = [max(1000 * np.linalg.norm(hypotheses[h, j] - target[j]) for j in joints)
             for h in present]  # fmt: skip
    aligned = [
        1000 * np.linalg.norm(_aligned(hypotheses[h][joints], target[joints]) - target[joints],
                              axis=-1).mean() for h in present]  # fmt: skip
    return {
        "mpjpe_mean_mm": mean_error(mean, target, joints),
        "expected_mpjpe_mm": sum(weights[h] * each[h] for h in present) / weights.sum(),
        "min_mpjpe_mm": each[best],
        "min_pa_mpjpe_mm": min(aligned),
        "pck150": sum(e < 150 for e in errors) / len(errors),
        "auc": float(np.mean([np.mean([e < t for e in errors]) for t in range(0, 151, 5)])),
        "cps_mm": max(max(0.0, 300 - r) for r in reach),
    }


def _aligned(prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
    return umeyama.align(torch.from_numpy(prediction), torch.from_numpy(target)).numpy()


def coverage_counts(
    hypotheses: np.ndarray,
    target: np.ndarray,
    centre: np.ndarray,
    levels: np.ndarray,
    rule: str = "interpolated",
) -> np.ndarray:
    """How many of (M, J, 3) targets are covered, (J, L), counted pose by pose.

    By `numpy.quantile`, or by Algorithm 1 as printed: empirical CDF at the target <= q.
    """
    counts = np.zeros((target.shape[1], len(levels)), dtype=int)
    for some, truth, middle in zip(hypotheses, target, centre, strict=True):
        distances = np.linalg.norm(some.astype(np.float64) - middle, axis=-1)
        own = np.linalg.norm(truth.astype(np.float64) - middle, axis=-1)
        if rule == "interpolated":
            counts += own[:, None] < np.quantile(distances, levels, axis=0).T
        else:
            counts += np.mean(distances <= own, axis=0)[:, None] <= levels
    return counts


def expected_calibration_error(counts: np.ndarray, poses: int, levels: np.ndarray) -> float:
    """Median over joints, mean over levels of the absolute difference."""
    return float(np.mean(np.abs(np.median(counts / poses, axis=0) - levels)))


def weighted_quantile(values: np.ndarray, level: float, weights: np.ndarray) -> float:
    """The mean of the weighted inverse CDF over a window of width 1 / n, piece by piece."""
    order = np.argsort(values)
    values, weights = values[order], weights[order] / weights.sum()
    width = np.sum(weights**2)
    start = level * (1 - width)
    upto = np.concatenate([[0.0], np.cumsum(weights)])
    total = 0.0
    for value, low, high in zip(values, upto[:-1], upto[1:], strict=True):
        total += value * max(0.0, min(high, start + width) - max(low, start))
    return float(total / width)
