"""What `cinn` sees: a standardised 2D pose and Gaussian coefficients (paper 001, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from poseterior.geometry.skeleton import Skeleton
from poseterior.keypoints import Keypoints
from poseterior.lifters.conditioning import Conditions, condition
from poseterior.lifters.heatmap_covariance import fitted_covariance, heatmap_pixels

__all__ = ["COEFFICIENTS", "Observation", "conditioned_joints", "observe"]

# Of a Gaussian: amplitude, mean x and y, covariance xx, xy and yy.
COEFFICIENTS = 6


@dataclass(frozen=True)
class Observation:
    """Observations with batch shape (B,), in the person's frame.

    Attributes:
        points: (B, J, 2) centred on the mean of the detected joints and divided by the
            standard deviation of their coordinates; 0 where not detected.
        gaussians: (B, J, 6) of each joint's heatmap in those units; all 0 where not detected.
        fitted: (B, J, 2, 2) covariance of each joint's heatmap in heatmap px².
        conditions: the same observations for all lifters.
    """

    points: Tensor
    gaussians: Tensor
    fitted: Tensor
    conditions: Conditions


def conditioned_joints(skeleton: Skeleton) -> list[int]:
    """Joints whose Gaussians are a condition: all but the root and, by name, the hips.

    Poses are centred at the root, which leaves these little room.
    """
    hips = ("left_hip", "right_hip")
    return [j for j in skeleton.free if skeleton.joints[j] not in hips]


def observe(keypoints: Keypoints, skeleton: Skeleton) -> Observation:
    """The observation of keypoints with batch shape (B,), always in full precision."""
    conditions = condition(keypoints, skeleton)
    with torch.autocast(keypoints.pixels.device.type, enabled=False):
        points, size = _standardised(conditions)
        fitted = fitted_covariance(conditions)
        unit = (heatmap_pixels(conditions) / size).square()
        gaussians = _coefficients(points, unit[:, None, None, None] * fitted, conditions.valid)
    return Observation(points, gaussians, fitted, conditions)


def _standardised(conditions: Conditions) -> tuple[Tensor, Tensor]:
    """Points (B, J, 2) and the standard deviation (B,) that they were divided by."""
    valid = conditions.valid[..., None]
    count = valid.sum(1, keepdim=True).clamp_min(1)
    mean = (valid * conditions.points).sum(1, keepdim=True) / count
    centred = valid * (conditions.points - mean)
    size = (centred.square().sum((1, 2)) / (2 * count[:, 0, 0])).sqrt().clamp_min(1e-5)
    return centred / size[:, None, None], size


def _coefficients(points: Tensor, covariance: Tensor, valid: Tensor) -> Tensor:
    """(B, J, 6) with amplitude 1 where valid."""
    one = torch.ones_like(points[..., :1])
    xx, xy, yy = (covariance[..., i, j, None] for i, j in ((0, 0), (0, 1), (1, 1)))
    return torch.where(valid[..., None], torch.cat([one, points, xx, xy, yy], -1), 0.0)
