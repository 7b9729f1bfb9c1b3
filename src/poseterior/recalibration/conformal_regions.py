"""How far a target lies from a posterior in its own spreads, and the regions of that shape.

The score of a joint is the distance of the target from the hypotheses' weighted mean, divided by
their spread, the root of `joint_variance`. A bound of the score is then a ball about the mean,
large where the posterior is wide: the region follows the posterior from pose to pose, and the
score needs no hypothesis beyond the target, which a narrow posterior does not have. (The target's
rank among the hypotheses' distances, extended beyond the last, gave regions of the same size
and the same cover of narrow and of wide poses on three lifters; it depends on the outermost
hypothesis.)

A whole pose has two scores: the largest of its joints' (all joints in their balls at once), and
the distance of the vector of all joints, divided by the spread of that vector (one ball in all
coordinates, as small as the joints' errors are of one size).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from poseterior.data.prediction_fields import PredictionRows
from poseterior.errors import require
from poseterior.geometry.skeleton import Skeleton
from poseterior.metrics.scores import joint_variance
from poseterior.metrics.weighted import weighted_mean

__all__ = ["PoseRegions", "centre_and_spread", "region_scores", "score_names", "valid_free"]

# Spreads up to this are rounding.
_LEAST_M = 1e-9


def score_names(skeleton: Skeleton) -> tuple[str, ...]:
    """Names of the K + 2 scores: the free joints, and the two of the whole pose."""
    return (*(skeleton.joints[joint] for joint in skeleton.free), "all_joints", "vector")


@dataclass(frozen=True, eq=False)
class PoseRegions:
    """Regions of m poses at one level, in metres; the root has radius 0.

    Attributes:
        centre: (m, J, 3), the weighted mean of the hypotheses.
        joint: (m, J) radii of the balls of single joints.
        all_joints: (m, J) radii of the balls that hold all joints at once.
        vector: (m,) radius of the ball of the vector of all joints.
    """

    centre: Tensor
    joint: Tensor
    all_joints: Tensor
    vector: Tensor

    @classmethod
    def of(cls, centre: Tensor, spread: Tensor, bounds: Tensor, skeleton: Skeleton) -> Self:
        """From means (m, J, 3), spreads (m, K) and the bounds (K + 2,) of the scores."""
        free = list(skeleton.free)
        joint = spread.new_zeros(centre.shape[:2])
        all_joints = joint.clone()
        joint[:, free] = (bounds[: len(free)] * spread).where(spread > 0, 0.0)
        all_joints[:, free] = (bounds[-2] * spread).where(spread > 0, 0.0)
        whole = spread.norm(dim=-1)
        return cls(centre, joint, all_joints, (bounds[-1] * whole).where(whole > 0, 0.0))

    def cover(
        self, target: Tensor, valid_joints: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Whether targets (m, J, 3) lie within: each joint (m, J), all joints (m,), vector (m,).

        Joints that are not valid, by `valid_joints` (m, J), are left out of the whole pose.
        """
        distance = (target.double() - self.centre).norm(dim=-1)
        used = torch.ones_like(distance, dtype=torch.bool) if valid_joints is None else valid_joints
        every = ((distance <= self.all_joints) | ~used).all(-1)
        whole = distance.mul(used).norm(dim=-1) <= self.vector
        return distance <= self.joint, every, whole


def centre_and_spread(
    rows: PredictionRows, skeleton: Skeleton, source: object = "conformal"
) -> tuple[Tensor, Tensor]:
    """Weighted mean (m, J, 3) and spread (m, K) of the K free joints, metres, float64.

    The spread of a joint that is not valid is 0. `InputError` for fewer than two hypotheses, or
    hypotheses of a valid joint that are all equal.
    """
    require(
        rows.hypotheses.shape[1] > 1, source, "hypotheses",
        expected="two or more of each pose", found=rows.hypotheses.shape[1],
    )  # fmt: skip
    centre = weighted_mean(rows.hypotheses, rows.weights)
    spread = joint_variance(rows.hypotheses, rows.weights)[:, list(skeleton.free)].sqrt()
    used = valid_free(rows, skeleton)
    constant = (used & (spread <= _LEAST_M)).nonzero()
    if len(constant):
        row, joint = constant[0].tolist()
        name = skeleton.joints[skeleton.free[joint]]
        require(
            False, source, "hypotheses", expected=f"hypotheses of {name} that differ",
            found=f"all equal in row {rows.start + row}",
        )  # fmt: skip
    return centre, spread * used


def valid_free(rows: PredictionRows, skeleton: Skeleton) -> Tensor:
    """Valid free joints (m, K) of valid rows."""
    used = rows.valid[:, None].expand(-1, len(skeleton.free))
    return used if rows.valid_joints is None else used & rows.valid_joints[:, list(skeleton.free)]


def region_scores(rows: PredictionRows, skeleton: Skeleton, source: object = "conformal") -> Tensor:
    """Scores (m, K + 2) of the targets of rows, as `score_names` calls them.

    NaN for what is not valid; the scores of a whole pose are those of its valid joints. They do
    not change when a pose is turned, moved or scaled with its hypotheses.
    """
    assert rows.target is not None
    centre, spread = centre_and_spread(rows, skeleton, source)
    used = valid_free(rows, skeleton)
    distance = (rows.target.double() - centre).norm(dim=-1)[:, list(skeleton.free)] * used
    each = distance / spread
    largest = each.where(used, -torch.inf).amax(-1)
    whole = distance.norm(dim=-1) / spread.norm(dim=-1)
    some = used.any(-1)
    pose = torch.stack([largest, whole], -1).where(some[:, None], torch.nan)
    return torch.cat([each.where(used, torch.nan), pose], -1)
