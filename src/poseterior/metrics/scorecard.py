"""From accumulated sums to scores, their intervals, and the tables that a report shows."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from poseterior.geometry.skeleton import Skeleton
from poseterior.geometry.units import mm
from poseterior.metrics.bootstrap import GroupSums, interval
from poseterior.metrics.coverage import (
    Centre,
    Coverage,
    CoverageResult,
    Rule,
    calibration_error,
    median_over_joints,
)
from poseterior.metrics.reliability import binomial_band, perfect_coverage, perfect_ece

__all__ = [
    "MEAN_KEYS",
    "SCORE_KEYS",
    "Score",
    "coverage_score",
    "ece_scores",
    "mean_scores",
    "per_joint",
    "reliability",
]

_ERROR_KEYS = (
    "mpjpe_mean_mm", "mpjpe_mode_mm", "mpjpe_latent_centre_mm", "expected_mpjpe_mm",
    "min_mpjpe_mm", "min_pa_mpjpe_mm", "pck150", "auc", "cps_mm",
)  # fmt: skip
_ECE_KEYS = (
    "ece_median", "ece_mean", "ece_mode", "ece_latent_centre", "ece_joint_mean", "ece_joint_max",
)  # fmt: skip
_SPREAD_KEYS = ("energy_score_mm", "crps_mm", "sharpness_mm", "nll")
# What is a mean over poses (`sharpness_mm` the root of one), and all scores in their order.
MEAN_KEYS = (*_ERROR_KEYS, *_SPREAD_KEYS)
SCORE_KEYS = (*_ERROR_KEYS, *_ECE_KEYS, *_SPREAD_KEYS)


class Score(NamedTuple):
    """A number and its 95 % interval [low, high]; None where not computable."""

    value: float | None = None
    interval: list[float] | None = None


def _score(estimate: Tensor, replicates: Tensor, *, least: float = 0.0) -> Score:
    value = estimate.item()
    if math.isnan(value):
        return Score()
    return Score(value, interval(replicates, value, least=least))


def mean_scores(means: GroupSums, draws: Tensor) -> dict[str, Score]:
    """Means over poses from sums and counts (G, len(MEAN_KEYS), 2), resampled by `draws` (R, G)."""

    def ratio(sums: Tensor) -> Tensor:
        mean = sums[..., 0] / sums[..., 1]
        root = MEAN_KEYS.index("sharpness_mm")
        mean[..., root] = mean[..., root].sqrt()
        return mean

    estimates = ratio(means.sums.sum(0))
    replicates = ratio(torch.tensordot(draws, means.sums, dims=1))
    least = {"nll": -math.inf}
    return {
        key: _score(estimates[k], replicates[:, k], least=least.get(key, 0.0))
        for k, key in enumerate(MEAN_KEYS)
    }


def ece_scores(coverage: dict[Centre, Coverage], draws: Tensor) -> dict[str, Score]:
    """Calibration errors by centre; per joint (mean and worst) with the median centre."""
    scores = dict.fromkeys(_ECE_KEYS, Score())
    for centre, accumulated in coverage.items():
        if accumulated.empty:
            continue
        result, levels = accumulated.compute(), accumulated.levels
        replicates = accumulated.resampled(draws)
        observed = calibration_error(median_over_joints(replicates), levels)
        scores[f"ece_{centre}"] = _score(torch.tensor(result.ece), observed)
        if centre == "median":
            joints, each = result.joint_ece, calibration_error(replicates, levels)
            scores["ece_joint_mean"] = _score(joints.nanmean(), each.nanmean(-1))
            worst = joints.nan_to_num(0.0).max(), each.nan_to_num(0.0).amax(-1)
            scores["ece_joint_max"] = _score(*worst)
    return scores


def coverage_score(coverage: Coverage, draws: Tensor, level: float = 0.9) -> Score:
    """Coverage at the level nearest `level`, the median over joints."""
    if coverage.empty:
        return Score()
    at = min(range(len(coverage.levels)), key=lambda k: abs(coverage.levels[k] - level))
    replicates = median_over_joints(coverage.resampled(draws))[:, at]
    return _score(coverage.compute().observed[at], replicates)


def per_joint(
    skeleton: Skeleton, errors: Tensor, coverage: CoverageResult | None
) -> dict[str, dict[str, Any]]:
    """{joint: {ece, mpjpe_mm, coverage}}; `errors` (J, 2) sums and counts of metres."""
    table: dict[str, dict[str, Any]] = {
        joint: {"ece": None, "mpjpe_mm": None, "coverage": None} for joint in skeleton.joints
    }
    for name, (total, count) in zip(skeleton.joints, errors.tolist(), strict=True):
        if count:
            table[name]["mpjpe_mm"] = mm(total / count)
    if coverage is not None:
        rows = zip(skeleton.free, coverage.joint_ece, coverage.per_joint, strict=True)
        for joint, ece, observed in rows:
            if not ece.isnan():
                table[skeleton.joints[joint]] |= {"ece": ece.item(), "coverage": observed.tolist()}
    return table


def reliability(result: CoverageResult, hypotheses: int | None, rule: Rule) -> dict[str, Any]:
    """The reliability curve, and what a perfect posterior with H hypotheses would show.

    `hypotheses` None, as for weighted ones: nothing is known of the perfect posterior, and the
    band is about the levels themselves.
    """
    levels = torch.tensor(result.levels, dtype=torch.float64)
    poses = int(result.poses.max())
    curve = {"levels": list(result.levels), "observed": result.observed.tolist()}
    if hypotheses is None:
        return curve | {"band": list(binomial_band(poses, levels)), "perfect": None}
    perfect = perfect_coverage(hypotheses, rule=rule, levels=result.levels)
    expected = perfect_ece(perfect, poses, len(result.poses), levels=result.levels)
    return curve | {
        "band": list(binomial_band(poses, perfect)),
        "perfect": {
            "observed": perfect.tolist(),
            "ece": expected.expected,
            "ece_interval": [expected.low, expected.high],
        },
    }
