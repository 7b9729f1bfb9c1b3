"""What the ranks say by joint, axis, whole pose and clip, as parts of a diagnosis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from poseterior.geometry.units import mm
from poseterior.metrics.cluster_test import GroupedMean, holm
from poseterior.metrics.coverage import LEVELS
from poseterior.metrics.evidence import centred_squares, factor_interval
from poseterior.metrics.joint_table import AXES, number
from poseterior.metrics.rank_histogram import (
    design_effect,
    histogram_p_values,
    simultaneous_band,
)
from poseterior.metrics.rank_sums import BINS, RankSums
from poseterior.metrics.reliability import PerfectECE, perfect_ece
from poseterior.metrics.spread_factor import spread_factor
from poseterior.metrics.strata import stratum

__all__ = ["bias", "clips", "factors", "joints", "perfect", "ranks", "whole_pose"]

_REGIONS = {
    "radius": "Regions about the centre that hold the nearest hypotheses.",
    "tarp": "Regions about a random pose: accuracy with random points (TARP).",
    "density": "Regions of highest density.",
    "together_x": "Share of the deviations along x that all joints have in common.",
    "together_y": "Share of the deviations along y that all joints have in common.",
    "together_z": "Share of the deviations along z that all joints have in common.",
    "bones": "Share of the deviations in which neighbouring joints differ.",
}


def _joints(sums: RankSums) -> list[str]:
    return [sums.skeleton.joints[joint] for joint in sums.skeleton.free]


def factors(sums: RankSums) -> dict[str, Any]:
    """What spreads must be multiplied by: `common`, and `per_joint` with its axes."""
    squares = centred_squares(sums)
    by_joint = squares.average(-1)
    joints = torch.stack(factor_interval(by_joint, sums.hypotheses))
    common = [end.item() for end in factor_interval(by_joint.average(-1), sums.hypotheses)]
    axes = spread_factor(squares.estimate, sums.hypotheses)
    table = {}
    for k, name in enumerate(_joints(sums)):
        factor, low, high = (number(value) for value in joints[:, k])
        by_axis = dict(zip(AXES, map(number, axes[k]), strict=True))
        table[name] = {"factor": factor, "interval": [low, high], **by_axis}
    return {"common": {"factor": common[0], "interval": common[1:]}, "per_joint": table}


def bias(sums: RankSums) -> dict[str, dict[str, dict[str, float | None]]]:
    """Mean of target - hypotheses by joint and axis: in sigmas of its own scatter, and in mm.

    `p_value` is corrected for all joints and axes.
    """
    scores, offsets = sums.score(0), mm(sums.offsets().estimate)
    scatter = (sums.score(1).estimate - scores.estimate.square()).clamp(min=1e-6).sqrt()
    sigmas = scores.estimate / scatter
    p_values = holm(scores.p_value().flatten()).reshape(sigmas.shape)
    return {
        name: {
            axis: {
                "sigma": number(sigmas[k, c]), "mm": number(offsets[k, c]),
                "p_value": number(p_values[k, c]),
            }
            for c, axis in enumerate(AXES)
        }
        for k, name in enumerate(_joints(sums))
    }  # fmt: skip


def ranks(sums: RankSums) -> dict[str, Any]:
    """Rank histograms by joint and axis, with their band and p-values."""
    bins, counts = sums.bins(), sums.counts.sum(0)[:, None].expand(-1, 3)
    effect = design_effect(bins, counts)
    independent = counts.max().item() / effect
    low, high = simultaneous_band(independent, BINS)
    p_values = histogram_p_values(bins, counts, effect)
    return {
        "bins": BINS,
        "expected": [1 / BINS] * BINS,
        "band": [[low] * BINS, [high] * BINS],
        "independent_poses": independent,
        "joints": {name: _by_axis(bins.estimate[k]) for k, name in enumerate(_joints(sums))},
        "pooled": _by_axis(bins.estimate.nanmean(0)),
        "p_value": {
            name: dict(zip(AXES, map(number, p_values[k]), strict=True))
            for k, name in enumerate(_joints(sums))
        },
    }


def _by_axis(shares: Tensor) -> dict[str, list[float | None]]:
    """(3, B) as lists."""
    return {axis: [number(share) for share in shares[c]] for c, axis in enumerate(AXES)}


def whole_pose(sums: RankSums) -> dict[str, Any]:
    """Coverage curves of whole-pose statistics, with pointwise 95 % bands about a right one's."""
    return {
        name: _curve(mean, sums.whole_poses(name), words)
        for name, words in _REGIONS.items()
        if (mean := sums.whole(name)) is not None
    }


def _curve(mean: GroupedMean, poses: float, words: str) -> dict[str, Any]:
    """Cumulative shares of the ranks, whose mean under a right posterior is the level.

    The band is binomial for as many independent poses as the groups' variance speaks of.
    """
    shares = mean.change(mean.estimate[-BINS:], mean.influence[:, -BINS:])
    independent = poses / design_effect(shares, torch.tensor(poses))
    levels = torch.linspace(0, 1, BINS + 1, dtype=torch.float64)
    reach = 1.96 * (levels * (1 - levels) / max(independent, 1.0)).sqrt()
    band = [(levels - reach).clamp(min=0), (levels + reach).clamp(max=1)]
    return {
        "levels": levels.tolist(),
        "observed": [0.0, *shares.estimate.cumsum(-1).tolist()],
        "expected": levels.tolist(),
        "band": [end.tolist() for end in band],
        "score": mean.estimate[0].item(),
        "squared_score": mean.estimate[1].item(),
        "says": words,
    }


def joints(sums: RankSums) -> list[dict[str, Any]]:
    """One stratum a joint that has poses."""
    columns = _axis_means(sums)
    return [
        stratum("joint", name, columns[:, k], sums.counts[:, k, None], sums.hypotheses)
        for k, name in enumerate(_joints(sums))
        if bool(sums.counts[:, k].any())
    ]


def clips(sums: RankSums, names: Mapping[int, str]) -> list[dict[str, Any]]:
    """One stratum a group, the farthest from right first; without interval, for it is one group."""
    columns, counts = _axis_means(sums).sum(1), sums.counts.sum(-1)
    found = [
        stratum("clip", name, columns[g, None], counts[g, None, None], sums.hypotheses)
        | {"interval": None, "poses": int(sums.counts[g].max())}
        for g, name in names.items()
        if counts[g] > 0
    ]
    return sorted(found, key=lambda part: -abs(torch.tensor(part["factor"]).log().item()))


def _axis_means(sums: RankSums) -> Tensor:
    """Sums (G, K, 4) over poses of the scores' means over axes."""
    return torch.stack([sums.joint_sums(column) / 3 for column in range(4)], dim=-1)


def perfect(sums: RankSums, score: Mapping[str, Any], independent: float) -> dict[str, Any] | None:
    """What a perfect posterior scores with as many hypotheses and poses; None with weights.

    Args:
        sums: of the poses.
        score: of `ScoreAccumulator.compute`.
        independent: poses that depend on no other, of which there are as good as; with them the
            calibration errors of chance are larger: `at_independent_poses`.
    """
    known = (score["reliability"] or {}).get("perfect")
    if known is None:
        return None
    coverage = torch.tensor(known["observed"], dtype=torch.float64)
    joints = len(sums.skeleton.free)
    every, fewer = (
        perfect_ece(coverage, max(int(poses), 1), joints)
        for poses in (sums.counts.sum(0).max().item(), independent)
    )
    return {
        **_errors(every),
        "coverage_90": coverage[LEVELS.index(0.9)].item(),
        # Of the root mean square error of the mean over the spread: the mean is a draw too.
        "error_over_spread": (1 + 1 / sums.hypotheses) ** 0.5,
        "at_independent_poses": {"poses": independent, **_errors(fewer)},
    }


def _errors(expected: PerfectECE) -> dict[str, float]:
    return {
        "ece_median": expected.expected,
        "ece_joint_mean": expected.joint_mean,
        "ece_joint_max": expected.joint_max,
    }
