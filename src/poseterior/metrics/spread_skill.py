"""Spread-skill: is the error as large as the predicted spread, where that is small and large?

A posterior may be right on average and yet not know which of its poses are the hard ones.
Poses are sorted by predicted spread into bins of fixed ratio, and the error of the mean in each
bin is compared with the spread: equal for a right posterior (Fortin et al. 2014).
Both are root mean squares, of which the expectation is exact: that of the squared error of the
mean of H hypotheses is the posterior's own plus its variance / H (times sum w² with weights).
The latter is subtracted, which is right whether or not the posterior is.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from poseterior.geometry.skeleton import Skeleton
from poseterior.geometry.units import mm
from poseterior.metrics.bootstrap import GroupSums, interval
from poseterior.metrics.joint_table import number
from poseterior.metrics.log_bins import LogBins
from poseterior.metrics.pose_spread import PoseSpread, left_out, pose_spread
from poseterior.metrics.weighted import hypotheses_last, normalised

__all__ = ["SpreadSkill"]

# From 1 mm to 4.1 m, four to an octave.
_BINS = LogBins(0.001, 4.096, 48)
# What is summed in each bin.
_COUNT, _VARIANCE, _ERROR, _NOISE = range(4)
# Whose spread, and in which columns of a `PoseSpread`.
_LEVELS = ("pose", "joint")
_COLUMNS = (slice(-1, None), slice(None, -1))


class SpreadSkill:
    """Streams poses into error by predicted spread, of whole poses and of joints.

    Args:
        skeleton: of the poses; the root is left out.
        seed: of the hypotheses that stand in for targets in `perfect_correlation`.

    >>> from poseterior.geometry.skeleton import H36M_17
    >>> generator = torch.Generator().manual_seed(0)
    >>> width = torch.rand(500, 1, 1, 1, generator=generator) * 0.1
    >>> draw = width * torch.randn(500, 101, 17, 3, generator=generator)
    >>> skill = SpreadSkill(H36M_17)
    >>> skill.update(draw[:, 1:], draw[:, 0], group=torch.arange(500))
    >>> round(skill.compute(torch.ones(1, 500, dtype=torch.float64))["pose"]["slope"], 1)
    1.0
    """

    def __init__(self, skeleton: Skeleton, *, seed: int = 0) -> None:
        self._free = list(skeleton.free)
        self._generator = torch.Generator().manual_seed(seed)
        self._bins = GroupSums(len(_LEVELS), len(_BINS), 4)
        # Of spread s and error e: n, s, e, s², e², s e.
        self._moments = GroupSums(len(_LEVELS), 6)
        self._perfect = torch.zeros(len(_LEVELS), 6, dtype=torch.float64)

    @torch.no_grad()
    def update(
        self,
        hypotheses: Tensor,
        target: Tensor,
        *,
        weights: Tensor | None = None,
        valid_joints: Tensor | None = None,
        group: Tensor,
    ) -> None:
        """Add poses, checked and masked as the pieces of a `Chunk` are.

        Args:
            hypotheses: (M, H, J, 3) metres, the root included.
            target: (M, J, 3) metres.
            weights: (M, H).
            valid_joints: (M, J) bool; a pose's spread and error are its valid joints' means.
            group: (M,) int64, of clips.
        """
        free, truth = hypotheses_last(hypotheses, self._free), target[:, self._free]
        valid = None if valid_joints is None else valid_joints[:, self._free]
        spread = pose_spread(free, truth, weights=weights, valid_joints=valid)
        fake = None
        if normalised(weights) is None:
            fake = left_out(free, spread, self._generator, valid)
        for level, columns in enumerate(_COLUMNS):
            groups, variance, error, noise, own = _points(spread, columns, group)
            self._add_bins(level, groups, variance, own, noise)
            self._moments.add(groups, _one_level(_products(variance, error), level))
            if fake is not None:
                _, variance, error, *_ = _points(fake, columns, group)
                self._perfect[level] += _products(variance, error).sum(0)

    def _add_bins(
        self, level: int, group: Tensor, variance: Tensor, error: Tensor, noise: Tensor
    ) -> None:
        index = _BINS.index(variance.sqrt())
        # The noise of the root: that of the variance over (2 root)².
        slack = torch.where(variance > 0, noise / (4 * variance), 0.0)
        values = torch.stack([torch.ones_like(error), variance, error, slack], dim=-1)
        table = values.new_zeros(len(index), len(_BINS), 4)
        table[torch.arange(len(index)), index] = values
        self._bins.add(group, _one_level(table, level))

    def compute(self, draws: Tensor) -> dict[str, Any] | None:
        """The result's `spread_skill`: `pose` and `joint`; None without two hypotheses a pose.

        Each has the bins that are not empty, `spread_mm`, `error_mm` and `poses` (of `joint`:
        joints of poses); `slope` of the error on the spread, the least-squares line through the
        bins weighted by their counts, with its `slope_interval`; and `correlation` of spread and
        error over poses, with its `correlation_interval`. A right posterior has the slope 1,
        one of half the spread 2, one whose spread tells nothing 0; no slope is given where the
        spread differs between poses by little more than the noise of H hypotheses, which is
        else corrected for. The correlation of a right posterior is below 1, since an error is
        one draw: it is `perfect_correlation`, of hypotheses that stand in for the targets.

        Args:
            draws: (R, G) from `bootstrap.resamples`.
        """
        sums = self._bins.sums
        if not bool(sums.any()):
            return None
        draws = draws[:, : len(sums)]
        bins, moments = sums.sum(0), self._moments.sums.sum(0)
        resampled = torch.tensordot(draws, sums, dims=1)
        products = torch.tensordot(draws, self._moments.sums, dims=1)
        return {
            level: {
                **_curve(bins[k]),
                **_estimate("slope", _slope(bins[k]), _slope(resampled[:, k])),
                **_estimate("correlation", _correlation(moments[k]), _correlation(products[:, k])),
                "perfect_correlation": number(_correlation(self._perfect[k])),
            }
            for k, level in enumerate(_LEVELS)
        }


def _points(spread: PoseSpread, columns: slice, group: Tensor) -> tuple[Tensor, ...]:
    """Of all that exist in the columns: group, variance, error, noise, the posterior's error."""
    variance, error = spread.variance[:, columns], spread.error[:, columns]
    own = error - spread.excess[:, None] * variance
    known = variance.isfinite()
    values = (group[:, None].expand(known.shape), variance, error, spread.noise[:, columns], own)
    return tuple(value[known] for value in values)


def _products(variance: Tensor, error: Tensor) -> Tensor:
    """n, s, e, s², e², s e of each point, (N, 6)."""
    s, e = variance.sqrt(), error.sqrt()
    return torch.stack([torch.ones_like(s), s, e, variance, error, s * e], dim=-1)


def _one_level(values: Tensor, level: int) -> Tensor:
    """Values (N, ...) as (N, levels, ...), zero at the other levels."""
    table = values.new_zeros(len(values), len(_LEVELS), *values.shape[1:])
    table[:, level] = values
    return table


def _curve(bins: Tensor) -> dict[str, list[float] | list[int]]:
    filled = bins[bins[:, _COUNT] > 0]
    roots = mm((filled / filled[:, _COUNT, None]).clamp(min=0.0).sqrt())
    return {
        "spread_mm": roots[:, _VARIANCE].tolist(),
        "error_mm": roots[:, _ERROR].tolist(),
        "poses": filled[:, _COUNT].long().tolist(),
    }


def _slope(bins: Tensor) -> Tensor:
    """Least squares through the bins (..., B, 4), corrected for the noise of the spread, (...).

    NaN where noise makes up half of how much the spread differs, or more.
    """
    count = bins[..., _COUNT]
    share = count / count.sum(-1, keepdim=True)
    safe = count.clamp(min=1.0)
    spread, error = ((bins[..., k] / safe).clamp(min=0.0).sqrt() for k in (_VARIANCE, _ERROR))
    off = spread - (share * spread).sum(-1, keepdim=True)
    differs = (share * off.square()).sum(-1)
    noise = bins[..., _NOISE].sum(-1) / count.sum(-1)
    slope = (share * off * error).sum(-1) / (differs - noise)
    return slope.where(noise < differs / 2, torch.nan)


def _correlation(moments: Tensor) -> Tensor:
    """Pearson's, from sums (..., 6); NaN where spread or error is the same throughout."""
    s, e, ss, ee, se = (moments[..., 1:] / moments[..., :1]).unbind(-1)
    deviations = (ss - s * s).clamp(min=0.0) * (ee - e * e).clamp(min=0.0)
    return ((se - s * e) / deviations.sqrt()).where(deviations > 1e-12 * ss * ee, torch.nan)


def _estimate(name: str, value: Tensor, replicates: Tensor) -> dict[str, Any]:
    plain = number(value)
    within = None if plain is None else interval(replicates, plain, least=-math.inf)
    return {name: plain, f"{name}_interval": within}
