"""What coverage to expect of a perfect posterior, to read a reliability curve against.

Even draws of the true posterior do not cover at exactly q: a target is as likely to fall into
any of the H + 1 gaps between H distances, not H, and it is farther from the hypotheses' own
centre than they are. Nor do M poses give the expected share. Both are stated here, since an
ECE of 0.04 is perfect at H = 20 and poor at H = 200.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import binom
from torch import Tensor

from poseterior.metrics.coverage import (
    LEVELS,
    Centre,
    CoverageResult,
    Rule,
    calibration_error,
    distances_to,
    median_over_joints,
)
from poseterior.metrics.weighted import sort_last, weighted_mean, weighted_median

__all__ = ["PerfectECE", "binomial_band", "by_level", "perfect_coverage", "perfect_ece"]


def by_level(result: CoverageResult) -> dict[str, float]:
    """Median over joints of the observed coverage, level as text -> coverage."""
    return dict(zip(map(str, result.levels), result.observed.tolist(), strict=True))


def binomial_band(
    poses: int, coverage: Tensor, confidence: float = 0.95
) -> tuple[list[float], list[float]]:
    """Where one joint's observed coverage falls if `coverage` (L,) is its expected value.

    The central interval of a binomial over `poses` independent poses: too narrow where
    frames of one clip resemble each other, too wide for the median over joints.

    >>> binomial_band(100, torch.tensor([0.5]))
    ([0.4], [0.6])
    """
    tail = (1 - confidence) / 2
    low, high = (binom.ppf(end, poses, coverage.numpy()) / poses for end in (tail, 1 - tail))
    return low.tolist(), high.tolist()


def perfect_coverage(
    hypotheses: int,
    *,
    centre: Centre = "median",
    rule: Rule = "interpolated",
    levels: tuple[float, ...] = LEVELS,
    seed: int = 0,
) -> Tensor:
    """Expected coverage (L,) of a perfect posterior with H hypotheses, to about 0.001.

    For an isotropic normal joint: hypotheses are drawn, their target is integrated out in
    closed form. The centres "mode" and "latent_centre" are the true one. For those the
    expectation is nearly ((H - 1) q + 1) / (H + 1) whatever the distribution.

    >>> perfect_coverage(20, centre="mode")[[0, 10, 20]].round(decimals=2)
    tensor([0.0500, 0.5000, 0.9500], dtype=torch.float64)
    """
    repeats = min(max(600_000 // hypotheses, 500), 20_000)
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros(len(levels), dtype=torch.float64)
    for start in range(0, repeats, 500):
        size = min(500, repeats - start)
        draws = torch.randn(size, hypotheses, 1, 3, generator=generator)
        middle = _centre_of(draws, centre)
        distances = sort_last(distances_to(middle, draws, middle)[0])[:, 0]
        radius = _radius(distances, torch.tensor(levels, dtype=torch.float64), rule)
        total += _normal_within(radius, middle[:, 0].norm(dim=-1, keepdim=True)).sum(0)
    return total / repeats


def _centre_of(draws: Tensor, centre: Centre) -> Tensor:
    if centre == "median":
        return weighted_median(draws)
    return weighted_mean(draws) * (centre == "mean")


def _radius(ordered: Tensor, levels: Tensor, rule: Rule) -> Tensor:
    """Distance below which a target is covered at each level, (R, H) -> (R, L)."""
    if rule == "interpolated":
        return torch.quantile(ordered, levels, dim=-1).T
    beyond = torch.nn.functional.pad(ordered, (0, 1), value=torch.inf)
    return beyond[:, (levels * ordered.shape[-1] + 1e-9).floor().long()]


def _normal_within(radius: Tensor, offset: Tensor) -> Tensor:
    """P(|z - c| < r) for z standard normal in three dimensions and |c| = offset.

    The non-central chi distribution with three degrees of freedom, in closed form; the offset
    is kept off zero, where the formula is 0/0 but its limit continuous.
    """
    offset = offset.clamp(min=1e-4)
    near, far = radius - offset, radius + offset
    mass = (torch.erf(near / math.sqrt(2)) + torch.erf(far / math.sqrt(2))) / 2
    shell = torch.exp(-near.square() / 2) - torch.exp(-far.square() / 2)
    return mass - shell / (offset * math.sqrt(2 * math.pi))


@dataclass(frozen=True)
class PerfectECE:
    """ECE of a perfect posterior: its expectation and where 95 % of such scores fall.

    Beside it the expected mean and largest of the joints' own.
    """

    expected: float
    low: float
    high: float
    joint_mean: float
    joint_max: float


def perfect_ece(
    coverage: Tensor, poses: int, joints: int, *, levels: tuple[float, ...] = LEVELS, seed: int = 0
) -> PerfectECE:
    """ECE that `perfect_coverage` (L,) gives for M poses of K free joints, all independent.

    Frames of one clip are not independent, so that fewer poses than M count; with fewer the
    expectation is larger.

    >>> perfect_ece(perfect_coverage(20), poses=1500, joints=16).expected
    0.04...
    """
    shares = np.diff(coverage.clamp(0.0, 1.0).cummax(0).values.numpy(), prepend=0.0, append=1.0)
    drawn = np.random.default_rng(seed).multinomial(poses, shares, size=(1000, joints))
    observed = torch.from_numpy(drawn[..., :-1]).cumsum(-1).double() / poses
    scores, each = calibration_error(median_over_joints(observed), levels), calibration_error(
        observed, levels
    )  # fmt: skip
    low, high = torch.quantile(scores, torch.tensor([0.025, 0.975], dtype=scores.dtype)).tolist()
    return PerfectECE(
        scores.mean().item(), low, high, each.mean().item(), each.amax(-1).mean().item()
    )
