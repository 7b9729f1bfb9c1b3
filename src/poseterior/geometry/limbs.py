"""Where limbs point and how far apart things are: orientation and distances of poses.

A direction is a unit vector from one joint to another. Against gravity it has an elevation above
the horizontal plane and an azimuth in it. Gravity is `down`, (0, 1, 0) unless told: the y axis of
a camera that is held level. Positions are in the axes and unit of the pose; a point or a plane is
relative to the root where the pose is (see `root_translation.py` for where the root is).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from poseterior.errors import known, require
from poseterior.geometry.skeleton import Skeleton

__all__ = [
    "LEVEL_CAMERA",
    "Vector",
    "azimuth",
    "direction_between",
    "direction_cone",
    "distance_between",
    "distance_to_point",
    "elevation",
    "height_above_plane",
    "joint_position",
    "limb_directions",
    "limb_names",
]

Vector = Tensor | Sequence[float]
LEVEL_CAMERA = (0.0, 1.0, 0.0)


def joint_position(pose: Tensor, skeleton: Skeleton, joint: str) -> Tensor:
    """(..., J, 3) -> (..., 3).

    Raises:
        InputError: J is not the skeleton's number of joints, or it has no such joint.
    """
    require(
        pose.shape[-2:] == (len(skeleton), 3), "limbs", "pose",
        expected=f"(..., {len(skeleton)}, 3)", found=tuple(pose.shape),
    )  # fmt: skip
    return pose[..., skeleton.index(known(f"joint of {skeleton.name}", joint, skeleton.joints)), :]


def limb_names(skeleton: Skeleton) -> tuple[str, ...]:
    """Names "parent-child" of the limbs, one for each of `skeleton.edges`, in that order.

    >>> from poseterior.geometry.skeleton import H36M_17
    >>> limb_names(H36M_17)[:3]
    ('pelvis-right_hip', 'right_hip-right_knee', 'right_knee-right_ankle')
    """
    return tuple(f"{skeleton.joints[a]}-{skeleton.joints[b]}" for a, b in skeleton.edges)


def limb_directions(pose: Tensor, skeleton: Skeleton) -> Tensor:
    """Unit vectors (..., J-1, 3) from parent to child, one for each of `limb_names`.

    A limb of no length has no direction: NaN. `InputError` as of `joint_position`.
    """
    joint_position(pose, skeleton, skeleton.joints[0])
    start, end = (list(joints) for joints in zip(*skeleton.edges, strict=True))
    return _unit(pose[..., end, :] - pose[..., start, :])


def direction_between(pose: Tensor, skeleton: Skeleton, start: str, end: str) -> Tensor:
    """The unit vector (..., 3) from one joint to another; NaN where they are one point."""
    return _unit(joint_position(pose, skeleton, end) - joint_position(pose, skeleton, start))


def elevation(direction: Tensor, down: Vector = LEVEL_CAMERA) -> Tensor:
    """Degrees (...) of vectors (..., 3) above the horizontal plane: 90 up, -90 down.

    Args:
        direction: any length but 0; in camera axes unless `down` says otherwise.
        down: (3,) or (..., 3), the direction of gravity in the same axes, any length.

    Raises:
        InputError: `down` is not finite or has no length.
    """
    up = -_given_direction(down, direction, "down")
    across = torch.linalg.cross(direction, up.expand_as(direction)).norm(dim=-1)
    return torch.rad2deg(torch.atan2((direction * up).sum(-1), across))


def azimuth(direction: Tensor, down: Vector = LEVEL_CAMERA) -> Tensor:
    """Degrees (...) of vectors (..., 3) in the horizontal plane, -180 to 180.

    0 is away from the camera (its z axis made horizontal), 90 to the camera's right. Circular,
    and vague where the direction is nearly vertical.

    Raises:
        InputError: as of `elevation`, or a camera that looks straight up or down.
    """
    down = _given_direction(down, direction, "down")
    right = torch.linalg.cross(down, torch.tensor([0.0, 0.0, 1.0]).to(down).expand_as(down))
    length = right.norm(dim=-1, keepdim=True)
    require(
        float(length.min()) > 1e-3, "limbs", "down",
        expected="a camera that does not look straight up or down",
        found=f"down {tuple(down.reshape(-1, 3)[0].tolist())}",
    )  # fmt: skip
    right = right / length
    away = torch.linalg.cross(right, down)
    return torch.rad2deg(torch.atan2((direction * right).sum(-1), (direction * away).sum(-1)))


def direction_cone(directions: Tensor, level: float = 0.9) -> tuple[Tensor, Tensor]:
    """The cone about the mean direction that holds a share of the hypotheses.

    The mean direction is that of the sum of unit vectors; the cone's half-angle is the least that
    ceil(level H) of the H hypotheses do not exceed.

    Args:
        directions: (H, ..., 3) unit vectors.
        level: above 0, at most 1.

    Returns:
        Mean direction (..., 3), and half-angle (...) in degrees, 0 to 180.

    Raises:
        InputError: another level.
    """
    require(0 < level <= 1, "direction_cone", "level", expected="above 0, at most 1", found=level)
    mean = _unit(directions.sum(0))
    across = torch.linalg.cross(directions, mean.expand_as(directions)).norm(dim=-1)
    angles = torch.rad2deg(torch.atan2(across, (directions * mean).sum(-1)))
    held = math.ceil(round(level * len(directions), 9))
    return mean, angles.sort(0).values[held - 1]


def distance_between(pose: Tensor, skeleton: Skeleton, first: str, second: str) -> Tensor:
    """Distance (...) of two joints in the unit of the pose; `InputError` for unknown ones."""
    start, end = (joint_position(pose, skeleton, joint) for joint in (first, second))
    return _distance(start, end)


def distance_to_point(pose: Tensor, skeleton: Skeleton, joint: str, point: Vector) -> Tensor:
    """Distance (...) of a joint from a point (3,) or (..., 3), in the axes and unit of the pose.

    Raises:
        InputError: an unknown joint, or a point that is not three finite numbers.
    """
    return _distance(joint_position(pose, skeleton, joint), _given(point, pose, "point"))


def height_above_plane(
    pose: Tensor, skeleton: Skeleton, joint: str, point: Vector, down: Vector = LEVEL_CAMERA
) -> Tensor:
    """Signed distance (...) of a joint from a plane such as the floor, positive above it.

        (point - position) . down / |down|

    Args:
        pose: (..., J, 3).
        skeleton: of the pose.
        joint: by name.
        point: (3,) or (..., 3), any point of the plane, in the axes and unit of the pose.
        down: (3,) or (..., 3), perpendicular to the plane; gravity where it is the floor.

    Raises:
        InputError: an unknown joint, or a vector that is not finite or has no direction.
    """
    below = _given(point, pose, "point") - joint_position(pose, skeleton, joint)
    return (below * _given_direction(down, pose, "down")).sum(-1)


def _distance(first: Tensor, second: Tensor) -> Tensor:
    return (first - second).norm(dim=-1)


def _unit(vectors: Tensor) -> Tensor:
    return vectors / vectors.norm(dim=-1, keepdim=True)


def _given(vector: Vector, like: Tensor, name: str) -> Tensor:
    """A user's vector as a tensor, if it is finite and has three components."""
    found = torch.as_tensor(vector, dtype=like.dtype, device=like.device)
    good = found.ndim > 0 and found.shape[-1] == 3 and bool(found.isfinite().all())
    require(good, "limbs", name, expected="three finite numbers", found=vector)
    return found


def _given_direction(vector: Vector, like: Tensor, name: str) -> Tensor:
    found = _given(vector, like, name)
    nonzero = bool((found.norm(dim=-1) > 0).all())
    require(nonzero, "limbs", name, expected="a vector with a direction", found=vector)
    return _unit(found)
