"""Quantile calibration of paper 000, Algorithm 1: coverage per level, and its ECE.

For each free joint, the distance of the target from the centre of the hypotheses is ranked
among the hypotheses' own distances. A calibrated posterior covers the target at level q in
a share q of the poses. The expected calibration error is the mean over levels of
|median over joints of the coverage - q|.

The rank gives all levels at once: the q-quantile of the distances lies between two
neighbouring order statistics, so only a level whose two neighbours enclose the target's
distance needs the interpolated value, and all others follow from counting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.geometry.skeleton import Skeleton
from poseterior.metrics.bootstrap import GroupSums
from poseterior.metrics.weighted import (
    hypotheses_last,
    normalised,
    row_pieces,
    weighted_mean,
    weighted_median,
    weighted_quantile,
)

__all__ = [
    "LEVELS",
    "Centre",
    "Coverage",
    "CoverageResult",
    "Rule",
    "calibration_error",
    "distances_to",
    "first_covered_level",
    "median_over_joints",
]

LEVELS = tuple(step / 20 for step in range(21))
Centre = Literal["median", "mean", "mode", "latent_centre"]
Rule = Literal["interpolated", "cdf"]


def distances_to(centre: Tensor, hypotheses: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Distances of hypotheses (M, H, J, 3) and target (M, J, 3) from a centre (M, J, 3).

    Returns:
        (M, J, H) and (M, J), float64: in float32 about one count in a million would depend on
        the order of the additions.
    """
    columns = hypotheses_last(hypotheses).permute(0, 2, 3, 1)
    return _norm(columns, centre[..., None]), _norm(target[..., None], centre[..., None])[..., 0]


def _norm(columns: Tensor, centre: Tensor) -> Tensor:
    """(M, J, 3, H) and (M, J, 3, 1) -> (M, J, H): the same operations for both distances, so
    that a target equal to a hypothesis ties with it exactly.
    """
    x, y, z = (columns.double() - centre.double()).square_().unbind(2)
    return (x + y).add_(z).sqrt_()


def first_covered_level(
    distances: Tensor,
    target: Tensor,
    *,
    rule: Rule = "interpolated",
    weights: Tensor | None = None,
    levels: tuple[float, ...] = LEVELS,
) -> Tensor:
    """Index of the lowest level at which the target is covered; len(levels) if at none.

    Args:
        distances: (..., H) of the hypotheses from their centre.
        target: (...) of the target from the same centre.
        rule: "interpolated", as the published figures were computed: covered if the target's
            distance is strictly below the linearly interpolated q-quantile (`numpy.quantile`),
            so coverage at q = 1 may be below 1. "cdf", Algorithm 1 as printed: covered if the
            share of hypotheses at or below the target's distance is <= q.
        weights: normalised, broadcast to `distances`; the quantile rule is `weighted`'s.
        levels: ascending, in [0, 1].

    Both rules cover at every level above one that covers, so the index tells all.

    >>> distances = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    >>> [LEVELS[first_covered_level(distances, torch.tensor(d))] for d in (0.5, 2.9, 4.0)]
    [0.0, 0.5, 0.8]
    """
    require(
        rule in get_args(Rule), "coverage", "rule", expected=f"one of {get_args(Rule)}", found=rule
    )
    at = torch.tensor(levels, dtype=torch.float64, device=distances.device)
    distances, target = distances.double(), target.double()
    if rule == "cdf":
        within = distances <= target[..., None]
        # Shares of equal weights are exact; sums of others are rounded, which must not decide.
        share = within.double().mean(-1) if weights is None else (within * weights).sum(-1) - 1e-12
        covered = share[..., None] <= at
    elif weights is None:
        return _lowest_interpolated(distances, target, at)
    else:
        covered = target[..., None] < weighted_quantile(distances, at, weights)
    return (~covered).sum(-1)


def _lowest_interpolated(distances: Tensor, target: Tensor, levels: Tensor) -> Tensor:
    """The rule "interpolated" at equal weights, to the last bit `numpy.quantile`'s.

    With r distances at or below the target's, a quantile between order statistics k and k+1
    (from 0) is not above it for k < r - 1 and is above it for k >= r; for k = r - 1 it is
    interpolated between the largest distance at or below and the smallest above.
    """
    position = levels * (distances.shape[-1] - 1)
    lower = position.floor()
    rank = (distances <= target[..., None]).sum(-1)
    lowest = torch.searchsorted(lower, rank.double())
    # Only levels of this index stand between the two neighbours; most ranks have none.
    close = torch.isin(rank - 1, lower.long())
    near, here = distances[close], target[close][..., None]
    within = near <= here
    below = near.masked_fill(~within, -torch.inf).amax(-1, keepdim=True)
    above = near.masked_fill(within, torch.inf).amin(-1, keepdim=True)
    fraction, gap = position - lower, above - below
    quantile = torch.where(fraction < 0.5, below + gap * fraction, above - gap * (1 - fraction))
    between = (lower == rank[close][..., None] - 1) & (here < quantile)
    lowest[close] -= between.sum(-1)
    return lowest


def median_over_joints(per_joint: Tensor) -> Tensor:
    """Coverage (..., K, L) -> (..., L), leaving out joints without a pose (NaN)."""
    return torch.nanquantile(per_joint, 0.5, dim=-2)


def calibration_error(coverage: Tensor, levels: tuple[float, ...] = LEVELS) -> Tensor:
    """Mean over levels of |coverage - level|, (..., L) -> (...)."""
    return (coverage - torch.tensor(levels, dtype=coverage.dtype)).abs().mean(-1)


@dataclass(frozen=True, eq=False)
class CoverageResult:
    """Observed coverage of the K free joints at L levels.

    Attributes:
        levels: (L,).
        counts: (K, L) int64, poses whose target the joint's level covers.
        poses: (K,) int64, poses in which the joint is valid.
    """

    levels: tuple[float, ...]
    counts: Tensor
    poses: Tensor

    @property
    def per_joint(self) -> Tensor:
        """Coverage (K, L) in [0, 1]; NaN for a joint that was never valid."""
        return self.counts.double() / self.poses[:, None]

    @property
    def observed(self) -> Tensor:
        """Median over joints of the coverage, (L,)."""
        return median_over_joints(self.per_joint)

    @property
    def ece(self) -> float:
        """Expected calibration error of Algorithm 1; NaN without a pose."""
        return calibration_error(self.observed, self.levels).item()

    @property
    def joint_ece(self) -> Tensor:
        """Calibration error of each joint by itself, (K,)."""
        return calibration_error(self.per_joint, self.levels)


class Coverage:
    """Streams poses and keeps counts per joint and level, one set per group of clips.

    >>> from poseterior.geometry.skeleton import H36M_17
    >>> draw = torch.randn(300, 51, 17, 3, generator=torch.Generator().manual_seed(0))
    >>> coverage = Coverage(H36M_17)
    >>> coverage.update(0.1 * draw[:, 1:], 0.1 * draw[:, 0])
    >>> narrow = Coverage(H36M_17)
    >>> narrow.update(0.03 * draw[:, 1:], 0.1 * draw[:, 0])
    >>> round(coverage.compute().ece, 2), round(narrow.compute().ece, 2)
    (0.02, 0.46)
    """

    def __init__(
        self,
        skeleton: Skeleton,
        centre: Centre = "median",
        rule: Rule = "interpolated",
        levels: tuple[float, ...] = LEVELS,
    ) -> None:
        self.free, self.centre, self.rule = list(skeleton.free), centre, rule
        self.levels = levels
        # Per joint, a histogram of the lowest covered level; the last bin is "none".
        self._sums = GroupSums(len(self.free), len(levels) + 1)

    def update(
        self,
        hypotheses: Tensor,
        target: Tensor,
        *,
        centre: Tensor | None = None,
        weights: Tensor | None = None,
        valid_joints: Tensor | None = None,
        group: Tensor | None = None,
    ) -> None:
        """Count poses: (M, H, J, 3) and (M, J, 3) metres, H >= 2.

        Args:
            hypotheses: (M, H, J, 3).
            target: (M, J, 3).
            centre: (M, J, 3), needed for the centres "mode" and "latent_centre".
            weights: (M, H).
            valid_joints: (M, J) bool; other joints are not counted.
            group: (M,) int64, from `ClipGroups`; all one group if None.
        """
        require(
            hypotheses.shape[1] > 1, "coverage", "hypotheses",
            expected="two or more per pose", found=hypotheses.shape[1],
        )  # fmt: skip
        group = torch.zeros(len(target), dtype=torch.long) if group is None else group
        known = {"centre": centre, "weights": weights, "valid_joints": valid_joints}
        for rows in row_pieces(hypotheses):
            some = {name: None if value is None else value[rows] for name, value in known.items()}
            self._sums.add(group[rows], self._bins(hypotheses[rows], target[rows], **some))

    def _bins(
        self,
        hypotheses: Tensor,
        target: Tensor,
        centre: Tensor | None,
        weights: Tensor | None,
        valid_joints: Tensor | None,
    ) -> Tensor:
        """Each pose's lowest covered level per joint, one-hot (M, K, L + 1)."""
        hypotheses, target = hypotheses_last(hypotheses, self.free), target[:, self.free]
        centre = self._centre(hypotheses, weights) if centre is None else centre[:, self.free]
        weights = normalised(weights)
        lowest = first_covered_level(
            *distances_to(centre, hypotheses, target),
            rule=self.rule,
            weights=None if weights is None else weights[:, None],
            levels=self.levels,
        )
        bins = torch.nn.functional.one_hot(lowest, len(self.levels) + 1)
        return bins if valid_joints is None else bins * valid_joints[:, self.free, None]

    def _centre(self, hypotheses: Tensor, weights: Tensor | None) -> Tensor:
        require(
            self.centre in ("median", "mean"), "coverage", self.centre,
            expected="the centre of each pose, (M, J, 3)", found=None,
        )  # fmt: skip
        return (weighted_median if self.centre == "median" else weighted_mean)(hypotheses, weights)

    @property
    def empty(self) -> bool:
        """Whether no joint was counted yet."""
        return not bool(self._sums.sums.any())

    def compute(self) -> CoverageResult:
        """The coverage of all poses so far."""
        bins = self._sums.sums.sum(0).long()
        return CoverageResult(self.levels, bins[:, :-1].cumsum(-1), bins.sum(-1))

    def resampled(self, draws: Tensor) -> Tensor:
        """Coverage per joint (R, K, L) with the groups drawn as often as `draws` (R, G) says."""
        bins = torch.tensordot(draws[:, : len(self._sums.sums)], self._sums.sums, dims=1)
        return bins[..., :-1].cumsum(-1) / bins.sum(-1, keepdim=True)
