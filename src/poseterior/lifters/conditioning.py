"""What a lifter sees of an observation, in a frame that depends only on the person.

The camera is turned so that it looks at the person: keypoints become directions in a
virtual camera whose optical axis passes through their (precision-weighted) centre, divided
by their spread. The spread itself, an angle, stays as one feature, for it tells how strong
the perspective is. A pose predicted in that frame is turned back by the same rotation, whose
Jacobian is 1, so densities do not change.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.geometry.skeleton import Skeleton
from poseterior.keypoints import Keypoints

__all__ = [
    "JOINT_FEATURES",
    "Conditions",
    "condition",
    "feature_count",
    "focal_and_centre",
    "looking_at",
    "normalised_points",
    "size_feature",
    "turned_points",
]

# Numbers that a joint has in `Conditions.joint_features`.
JOINT_FEATURES = 8

# A certain joint still counts for no more than one known to this fraction of the spread.
_PRECISION_FLOOR = 0.1
# Smallest standard deviation, as a fraction of the spread, that features tell apart.
_SIGMA_FLOOR = 1e-3
# Of one or two joints the spread is next to nothing and all else many times that; of four
# joints or more no feature is as large.
_LARGEST = 8.0
# Brings the logarithm of the usual spread, an angle, near zero.
_LOG_SPREAD_OFFSET = 2.0


@dataclass(frozen=True)
class Conditions:
    """Observations with batch shape (B,), seen by their virtual cameras.

    Attributes:
        features: (B, F) all that is known, for networks that take one vector.
        rotation: (B, 3, 3) camera -> virtual camera, the person's frame.
        points: (B, J, 2) image points x/z, y/z in the virtual camera, 0 where not valid.
        covariance: (B, J, 2, 2) of these points, 0 where not valid.
        valid: (B, J) which joints were detected.
    """

    features: Tensor
    rotation: Tensor
    points: Tensor
    covariance: Tensor
    valid: Tensor

    @property
    def joint_features(self) -> Tensor:
        """(B, J, 8): the features joint by joint, with the shared one, for graph networks."""
        size = self.features[:, None, -1:]
        own = self.features[:, :-1].unflatten(1, (self.valid.shape[1], JOINT_FEATURES - 1))
        return torch.cat([own, size.expand(-1, own.shape[1], -1)], -1)

    @property
    def spread(self) -> Tensor:
        """(B,) root mean square distance of the points from their centre, as features have it."""
        return (self.features[:, -1] - _LOG_SPREAD_OFFSET).exp()

    def to_person(self, pose: Tensor) -> Tensor:
        """Poses (..., B, J, 3) from camera axes to the virtual camera's axes."""
        return pose @ self.rotation.mT

    def to_camera(self, pose: Tensor) -> Tensor:
        """The inverse of `to_person`."""
        return pose @ self.rotation


def feature_count(joints: int) -> int:
    """Number of features of a skeleton with that many joints."""
    return (JOINT_FEATURES - 1) * joints + 1


def focal_and_centre(
    intrinsics: Tensor | None, image_size: Tensor | None, source: str = "Keypoints"
) -> tuple[Tensor, Tensor]:
    """Focal length (B, 2) and principal point (B, 2) px; assumed from the image size if unknown."""
    if intrinsics is not None:
        k = intrinsics
        return torch.stack([k[..., 0, 0], k[..., 1, 1]], -1), k[..., :2, 2]
    require(
        image_size is not None,
        source, "intrinsics", expected="intrinsics or image_size", found="neither",
    )  # fmt: skip
    assert image_size is not None
    return 1.15 * image_size.amax(-1, keepdim=True).expand_as(image_size), image_size / 2


def normalised_points(keypoints: Keypoints) -> tuple[Tensor, Tensor]:
    """Image points (B, J, 2) of keypoints and their covariances (B, J, 2, 2), 0 where not valid."""
    valid = keypoints.valid
    focal, centre = focal_and_centre(keypoints.intrinsics, keypoints.image_size)
    points = torch.where(valid[..., None], keypoints.pixels, 0.0)
    points = (points - centre[:, None]) / focal[:, None]
    points = torch.where(valid[..., None], points, 0.0)
    covariance = torch.where(valid[..., None, None], keypoints.covariance, 0.0)
    return points, covariance / (focal[:, None, :, None] * focal[:, None, None, :])


def looking_at(point: Tensor) -> Tensor:
    """The smallest rotation (B, 3, 3) after which the camera looks at image points (B, 2).

    These are x/z and y/z, as all image points here.
    """
    ray = torch.cat([point, torch.ones_like(point[..., :1])], -1)
    x, y, z = torch.nn.functional.normalize(ray, dim=-1).unbind(-1)
    k = 1 / (1 + z)
    rows = [1 - x * x * k, -x * y * k, -x, -x * y * k, 1 - y * y * k, -y, x, y, z]
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def turned_points(points: Tensor, covariance: Tensor, rotation: Tensor) -> tuple[Tensor, Tensor]:
    """Image points (B, J, 2) and covariances (B, J, 2, 2) for a camera rotated by (B, 3, 3)."""
    rays = torch.cat([points, torch.ones_like(points[..., :1])], -1) @ rotation.mT
    # A ray more than 84 degrees off the person's centre is no measurement of the person.
    depth = rays[..., 2:].clamp_min(0.1)
    points = rays[..., :2] / depth
    jacobian = (rotation[:, None, :2, :2] - points[..., None] * rotation[:, None, 2:, :2]) / (
        depth[..., None]
    )
    return points, jacobian @ covariance @ jacobian.mT


def size_feature(spread: Tensor) -> Tensor:
    """(B, 1) the last of all features, of spreads (B,), which `Conditions.spread` inverts."""
    return spread.clamp_min(1e-6).log()[:, None] + _LOG_SPREAD_OFFSET


def _centre(points: Tensor, covariance: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Precision-weighted mean (B, 1, 2) of points and the weights (B, J, 1), summing to 1."""
    mask = valid[..., None].to(points.dtype)
    count = mask.sum(1, keepdim=True).clamp_min(1)
    mean = (mask * points).sum(1, keepdim=True) / count
    spread = (mask * (points - mean).square()).sum((1, 2)) / count[:, 0, 0]
    variance = covariance.diagonal(dim1=-2, dim2=-1).sum(-1)
    floor = _PRECISION_FLOOR**2 * spread[:, None] + 1e-12
    weight = mask / (variance + floor)[..., None]
    weight = weight / weight.sum(1, keepdim=True).clamp_min(1e-12)
    return (weight * points).sum(1, keepdim=True), weight


def condition(keypoints: Keypoints, skeleton: Skeleton) -> Conditions:
    """Features of observations with batch shape (B,), which must be of that skeleton.

    Always in full precision: a bfloat16 ray would be off by millimetres.
    """
    found = keypoints.skeleton
    require(
        found == skeleton,
        "Keypoints", "skeleton", expected=f"{skeleton.name}, the lifter's", found=found.name,
    )  # fmt: skip
    with torch.autocast(keypoints.pixels.device.type, enabled=False):
        return _condition(keypoints)


def _condition(keypoints: Keypoints) -> Conditions:
    valid = keypoints.valid
    points, covariance = normalised_points(keypoints)
    middle, _ = _centre(points, covariance, valid)
    rotation = looking_at(middle[:, 0])
    points, covariance = turned_points(points, covariance, rotation)
    points = torch.where(valid[..., None], points, 0.0)
    return Conditions(_features(points, covariance, valid), rotation, points, covariance, valid)


def _features(points: Tensor, covariance: Tensor, valid: Tensor) -> Tensor:
    """(B, F) from points and covariances in the virtual camera, centred and scaled."""
    middle, weight = _centre(points, covariance, valid)
    points = points - middle
    size = (weight * points.square()).sum((1, 2)).sqrt().clamp_min(1e-6)
    points = points / size[:, None, None]
    covariance = covariance / size.square()[:, None, None, None]
    of_joint = [points, _spread_features(covariance), torch.ones_like(points[..., :1])]
    joint = torch.where(valid[..., None], torch.cat(of_joint, -1), 0.0)
    features = torch.cat([joint.flatten(1), size_feature(size)], -1)
    return features.clamp(-_LARGEST, _LARGEST)


def _spread_features(covariance: Tensor) -> Tensor:
    """Cholesky factor (3 numbers) and log standard deviation of covariances (..., 2, 2)."""
    a = covariance[..., 0, 0].clamp_min(0).sqrt().clamp_min(_SIGMA_FLOOR)
    b = covariance[..., 0, 1] / a
    c = (covariance[..., 1, 1] - b * b).clamp_min(_SIGMA_FLOOR**2).sqrt()
    return torch.stack([3 * a, 3 * b, 3 * c, 0.5 * (a * c).log() + 2.5], -1)
