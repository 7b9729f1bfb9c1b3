"""Joint angles of poses in degrees, for those who think in them: knee, hip, elbow, shoulder, trunk.

Keypoints tell where limbs point, not how they are rolled about their own axis, so these are
the parts of the ISB's angles (Wu et al. 2002, 2005) that positions determine. 0 is upright
standing with straight, hanging limbs.

The pelvis has the axes right (left hip to right hip), up (pelvis to spine, or to thorax where
there is no spine, made orthogonal to right) and forward (up x right); the trunk has up from spine
to thorax, or from pelvis to thorax.
"""

from __future__ import annotations

import torch
from torch import Tensor

from poseterior.errors import InputError, known
from poseterior.geometry.skeleton import Skeleton

__all__ = ["ANGLES", "angle_joints", "joint_angle", "joint_angles"]

_SIDES = ("left", "right")
_NEEDS = {
    "{}_knee_flexion": ("{}_hip", "{}_knee", "{}_ankle"),
    "{}_elbow_flexion": ("{}_shoulder", "{}_elbow", "{}_wrist"),
    "{}_hip_flexion": ("left_hip", "right_hip", "pelvis", "{}_knee"),
    "{}_hip_abduction": ("left_hip", "right_hip", "pelvis", "{}_knee"),
    "{}_shoulder_elevation": ("thorax", "{}_shoulder", "{}_elbow"),
}
# A direction of the trunk ends at the first of these that the skeleton has.
_ENDS = {"hip_flexion": ("spine", "thorax"), "hip_abduction": ("spine", "thorax"),
         "shoulder_elevation": ("spine", "pelvis")}  # fmt: skip
# Angle -> joints that it needs in any skeleton, see `angle_joints`.
ANGLES: dict[str, tuple[str, ...]] = {
    name.format(side): tuple(joint.format(side) for joint in joints)
    for name, joints in _NEEDS.items()
    for side in _SIDES
} | {"trunk_flexion": ("left_hip", "right_hip", "pelvis", "spine", "thorax")}


def angle_joints(skeleton: Skeleton) -> dict[str, tuple[str, ...]]:
    """The angles that a skeleton's joints determine, each with all joints that it depends on."""
    found = {}
    for name, joints in ANGLES.items():
        ends = _ENDS.get(name.partition("_")[2], ())
        end = next((joint for joint in ends if joint in skeleton.joints), None)
        if set(joints) <= set(skeleton.joints) and (end or not ends):
            found[name] = (*joints, end) if end else joints
    return found


def joint_angles(pose: Tensor, skeleton: Skeleton) -> dict[str, Tensor]:
    """The angles that a skeleton's joints determine, by name, each (...,) in degrees.

    - knee, elbow flexion: between the limb's two bones, 0 to 180, 0 straight. A knee that
      bends forward reads the same as one that bends backward.
    - hip flexion: the thigh's direction in the pelvis's plane of up and forward, -180 to 180,
      forward positive. Meaningless for a thigh that points sideways.
    - hip abduction: the thigh's elevation out of that plane, -90 to 90, outward positive.
    - shoulder elevation: between the upper arm and the trunk's downward direction, 0 to 180.
    - trunk flexion: the bend from the lower to the upper trunk about right, forward positive.

    Args:
        pose: (..., J, 3) positions in any right-handed axes and unit, such as hypotheses.
        skeleton: their joints.

    Raises:
        InputError: J is not the skeleton's number of joints.
    """
    at = _joints(pose, skeleton)
    return {name: torch.rad2deg(_angle(name, at)) for name in angle_joints(skeleton)}


def joint_angle(pose: Tensor, skeleton: Skeleton, name: str) -> Tensor:
    """One of the `joint_angles`, (...,) in degrees.

    Raises:
        InputError: as of `joint_angles`, or an angle that the skeleton does not determine.
    """
    known(f"angle of {skeleton.name}", name, angle_joints(skeleton))
    return torch.rad2deg(_angle(name, _joints(pose, skeleton)))


def _joints(pose: Tensor, skeleton: Skeleton) -> dict[str, Tensor]:
    """Positions (..., 3) by name."""
    if pose.shape[-2:] != (len(skeleton), 3):
        expected = f"(..., {len(skeleton)}, 3)"
        raise InputError("joint_angles", "pose", expected=expected, found=tuple(pose.shape))
    return {name: pose[..., index, :] for index, name in enumerate(skeleton.joints)}


def _angle(name: str, at: dict[str, Tensor]) -> Tensor:
    side, _, kind = name.partition("_")
    if kind == "knee_flexion":
        return _between(at[f"{side}_knee"] - at[f"{side}_hip"],
                        at[f"{side}_ankle"] - at[f"{side}_knee"])  # fmt: skip
    if kind == "elbow_flexion":
        return _between(at[f"{side}_elbow"] - at[f"{side}_shoulder"],
                        at[f"{side}_wrist"] - at[f"{side}_elbow"])  # fmt: skip
    if kind == "shoulder_elevation":
        down = at["spine" if "spine" in at else "pelvis"] - at["thorax"]
        return _between(at[f"{side}_elbow"] - at[f"{side}_shoulder"], down)
    right, up, forward = _pelvis(at)
    if name == "trunk_flexion":
        lower, upper = at["spine"] - at["pelvis"], at["thorax"] - at["spine"]
        return _heading(upper, up, forward) - _heading(lower, up, forward)
    thigh = at[f"{side}_knee"] - at[f"{side}_hip"]
    if kind == "hip_flexion":
        return _heading(thigh, -up, forward)
    outward = right if side == "right" else -right
    across = _dot(thigh, outward)
    return torch.atan2(across, (thigh - across[..., None] * outward).norm(dim=-1))


def _pelvis(at: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Unit axes right, up and forward."""
    right = torch.nn.functional.normalize(at["right_hip"] - at["left_hip"], dim=-1)
    up = at["spine" if "spine" in at else "thorax"] - at["pelvis"]
    up = torch.nn.functional.normalize(up - _dot(up, right)[..., None] * right, dim=-1)
    return right, up, torch.linalg.cross(up, right)


def _heading(vector: Tensor, zero: Tensor, positive: Tensor) -> Tensor:
    """Angle of a vector in the plane of two unit axes, 0 along the first."""
    return torch.atan2(_dot(vector, positive), _dot(vector, zero))


def _between(first: Tensor, second: Tensor) -> Tensor:
    """Angle between vectors, exact near 0 and 180 degrees too."""
    return torch.atan2(torch.linalg.cross(first, second).norm(dim=-1), _dot(first, second))


def _dot(first: Tensor, second: Tensor) -> Tensor:
    return (first * second).sum(-1)
