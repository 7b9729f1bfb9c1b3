"""Scores and spread of a posterior by joint and by axis: where it is good, and where it is not.

The energy score of one joint is that of its three coordinates; of one axis, that of the vector
of all joints' coordinates along it. None of them adds up to the whole pose's, but each is
proper, and none of them is spoilt by another's faults.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from poseterior.geometry.skeleton import Skeleton
from poseterior.geometry.units import mm
from poseterior.metrics.joint_table import AXES, JointTable
from poseterior.metrics.pose_error import masked_mean
from poseterior.metrics.scores import crps, energy_score, joint_variance
from poseterior.metrics.variogram import variogram_score
from poseterior.metrics.weighted import hypotheses_last, normalised

__all__ = ["DecomposedScores", "axis_variance", "decomposed_energy"]

# Partners of each hypothesis of which the decomposed energy looks at the distance.
_PARTNERS = 32


def decomposed_energy(
    hypotheses: Tensor,
    target: Tensor,
    *,
    weights: Tensor | None = None,
    valid_joints: Tensor | None = None,
    generator: torch.Generator | None = None,
    partners: int = _PARTNERS,
) -> tuple[Tensor, Tensor]:
    """Energy score, "fair", of each joint (M, K) and of each axis (M, 3), metres, float64.

    E|X - y| - E|X - X'| / 2 (Gneiting & Raftery 2007, Eq. 22) of a joint's three coordinates
    and of an axis's K. All pairs of 200 hypotheses in 19 spaces would take most of a minute for
    10,000 poses. Given a `generator`, the hypotheses are put into a random order, and each is
    compared with those that are up to `partners` / 2 places away in the circle. That is unbiased
    whatever order they came in, and nearly as precise as all pairs, since every hypothesis is
    used equally often (Blom 1976, incomplete U-statistics). All pairs where there are no more,
    where hypotheses have weights, and without a generator.

    Args:
        hypotheses: (M, H, K, 3) metres.
        target: (M, K, 3) metres.
        weights: (M, H).
        valid_joints: (M, K) bool; an axis's score is over its valid joints. NaN for a joint
            that is not valid, an axis without a valid joint, and for one hypothesis.
        generator: of the order; one order is drawn a call.
        partners: how many each hypothesis has at least.

    >>> x = torch.tensor([[[[0.1, 0, 0]], [[-0.1, 0, 0]]]])
    >>> decomposed_energy(x, torch.tensor([[[0.0, 0, 0.4]]]))[1]  # an axis without spread: |y|
    tensor([[0.0000, 0.0000, 0.4000]], dtype=torch.float64)
    """
    weights = normalised(weights)
    points = hypotheses_last(hypotheses).permute(2, 3, 0, 1).contiguous()
    truth = target.permute(1, 2, 0)[..., None].to(points.dtype)
    if valid_joints is not None:
        kept = valid_joints.T[:, None, :, None]
        points, truth = points * kept, truth * kept
    count, reach = points.shape[-1], points.shape[-1] // 2
    if generator is not None and weights is None and reach > partners // 2:
        reach = partners // 2
        order = torch.randperm(count, generator=generator)
        points = points[..., order.to(points.device)]
    error = _mean(_lengths(points - truth), weights)
    score = (error - _pair_distance(points, weights, reach) / 2).T
    joints, axes = score[:, : -len(AXES)], score[:, -len(AXES) :]
    if valid_joints is None:
        return joints, axes
    some = valid_joints.any(-1, keepdim=True)
    return joints.where(valid_joints, torch.nan), axes.where(some, torch.nan)


def _lengths(offsets: Tensor) -> Tensor:
    """Lengths of the offsets (K, 3, M, H) of joints, then of axes: (K + 3, M, H)."""
    squares = offsets.square_()
    # Three slices add up much faster than a sum over so short an axis.
    joints = squares[:, 0] + squares[:, 1] + squares[:, 2]
    return torch.cat([joints, squares.sum(0)]).sqrt_()


def _mean(values: Tensor, weights: Tensor | None) -> Tensor:
    """Mean over the last axis of (N, M, H), weighted by (M, H), float64."""
    if weights is None:
        return values.mean(-1).double()
    return (values * weights.to(values.dtype)).sum(-1).double()


def _pair_distance(points: Tensor, weights: Tensor | None, reach: int) -> Tensor:
    """E|X - X'| over pairs at most `reach` places apart in the circle, (K + 3, M)."""
    count = points.shape[-1]
    circle = torch.cat([points, points[..., :reach]], dim=-1)
    total = points.new_zeros(len(points) + len(AXES), points.shape[2], dtype=torch.float64)
    chance = torch.zeros(points.shape[2], dtype=torch.float64, device=points.device)
    for places in range(1, reach + 1):
        # Halfway round the circle each pair is met from both its ends.
        share = 0.5 if 2 * places == count else 1.0
        lengths = _lengths(points - circle[..., places : places + count])
        both = None if weights is None else weights * weights.roll(-places, -1)
        total += share * _mean(lengths, both)
        chance += share if both is None else share * both.sum(-1)
    alone = (chance == 0) & (count > 1)  # one has all the weight: a point, without spread
    return total / chance.where(~alone, 1.0)


def axis_variance(hypotheses: Tensor, weights: Tensor | None = None) -> Tensor:
    """Variance of each coordinate over the hypotheses, (M, K, 3), metres², float64.

    Unbiased, as `scores.joint_variance`, which is its sum over axes; NaN for one hypothesis.
    """
    axes = [joint_variance(axis, weights) for axis in hypotheses.split(1, dim=-1)]
    return torch.stack(axes, dim=-1)


class DecomposedScores:
    """Streams poses into energy score, CRPS, variogram score and sharpness, with their parts.

    Args:
        skeleton: of the poses; the root is left out.
        seed: of the pairs that the energy by joint and axis looks at.

    >>> from poseterior.geometry.skeleton import H36M_17
    >>> draw = 0.05 * torch.randn(200, 51, 17, 3, generator=torch.Generator().manual_seed(0))
    >>> scores = DecomposedScores(H36M_17)
    >>> scores.update(draw[:, 1:], draw[:, 0], group=torch.arange(200) // 10)
    >>> found = scores.compute(torch.ones(1, 20, dtype=torch.float64))
    >>> round(found["sharpness_mm"]["value"]), round(found["sharpness_mm"]["z"])
    (87, 50)
    """

    def __init__(self, skeleton: Skeleton, *, seed: int = 0) -> None:
        self._free = list(skeleton.free)
        self._generator = torch.Generator().manual_seed(seed)
        self._scores = {
            # The variogram score of order 1/2 is in metres: of (metres^1/2)².
            name: JointTable(skeleton, mm)
            for name in ("energy_mm", "crps_mm", "variogram")
        }
        self._sharpness = JointTable(skeleton, lambda mean: mm(mean.sqrt()), least=0.0)

    @torch.no_grad()
    def update(
        self,
        hypotheses: Tensor,
        target: Tensor,
        *,
        weights: Tensor | None = None,
        valid_joints: Tensor | None = None,
        group: Tensor,
        energy: Tensor | None = None,
    ) -> None:
        """Add poses, checked and masked as the pieces of a `Chunk` are.

        Args:
            hypotheses: (M, H, J, 3) metres, the root included.
            target: (M, J, 3) metres.
            weights: (M, H).
            valid_joints: (M, J) bool.
            group: (M,) int64, of clips.
            energy: (M,) metres, `energy_score` of these poses' free joints where it is known.
        """
        free, truth = hypotheses_last(hypotheses, self._free), target[:, self._free]
        valid = None if valid_joints is None else valid_joints[:, self._free]
        if energy is None:
            energy = energy_score(free, truth, weights=weights, valid_joints=valid)
        joints, axes = decomposed_energy(
            free, truth, weights=weights, valid_joints=valid, generator=self._generator
        )
        self._scores["energy_mm"].add(group, energy, axes, joints)
        each = crps(free, truth, weights=weights)
        self._scores["crps_mm"].add(group, *_means(each, valid, each.mean(-1)))
        shares = variogram_score(free, truth, weights=weights, valid_joints=valid)
        self._scores["variogram"].add(group, *_sums(shares))
        variance = axis_variance(free, weights)
        self._sharpness.add(group, *_means(variance, valid, variance.sum(-1)))

    def compute(self, draws: Tensor) -> dict[str, Any]:
        """The result's `scores` {`energy_mm`, `crps_mm`, `variogram`} and `sharpness_mm`.

        Each is `value`, `interval`, `x`, `y`, `z`, `joints`, in mm (the variogram score is a
        squared root of a length, and so in mm too); None where not computable. `value` is of
        whole poses: the energy score of all coordinates; CRPS the mean of joints and axes;
        the variogram score the sum of axes, or of joints; sharpness the root of a joint's mean
        variance, x² + y² + z². A pose's valid joints only: fewer of them, smaller sums.
        """
        scores = {name: table.compute(draws) for name, table in self._scores.items()}
        return {"scores": scores, "sharpness_mm": self._sharpness.compute(draws)}


def _means(each: Tensor, valid: Tensor | None, joints: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Whole (M,), axes (M, 3) and joints (M, K): means over valid joints of `each` (M, K, 3)."""
    axes = masked_mean(each.mT, None if valid is None else valid[:, None])
    whole = masked_mean(joints, valid)
    return whole, axes, joints if valid is None else joints.where(valid, torch.nan)


def _sums(shares: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Whole (M,), axes (M, 3) and joints (M, K) of shares (M, K, 3) that are NaN where absent."""
    absent = shares.isnan().all(1)
    axes = shares.nansum(1).where(~absent, torch.nan)
    return axes.sum(-1), axes, shares.sum(-1)
