"""What keeps rotations of a body's joints near others where landmarks do not tell.

The vector r = log(C' R) of each joint, relative to its parent, costs |L r|^2. L is the inverse of
a standard deviation about each axis: of rest, wide for hips and shoulders, narrow for the spine,
the collars and the ends of limbs, and for knees and elbows wide about the axis that they bend
about and narrow across it. The root is free.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from poseterior.geometry.rotations import to_axis_angle
from poseterior.geometry.skeleton import Skeleton
from poseterior.meshes.motion.pose_start import hinge_axis

__all__ = ["JointPrior", "PriorTerms", "landmark_std"]

# Radians, by SMPL's name without the side; others as _OTHER.
_STD = {"hip": 1.0, "shoulder": 1.0, "collar": 0.15, "neck": 0.4, "head": 0.4}
_SPINE, _OTHER, _HINGE, _ACROSS, _TOWARD = 0.3, 0.2, 2.0, 0.15, 0.15
_HINGES = {"knee": ("thigh", "hip"), "elbow": ("arm", "shoulder")}
# Metres: landmarks of limbs mean the same point everywhere, those of the trunk and head less so.
_LIMB, _TRUNK = 0.01, 0.03
_LIMB_JOINTS = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")


def landmark_std(skeleton: Skeleton) -> Tensor:
    """(J,) metres by which a body's landmark and the joint of that name may differ."""
    std = [_LIMB if joint.endswith(_LIMB_JOINTS) else _TRUNK for joint in skeleton.joints]
    return torch.tensor(std)


class PriorTerms(NamedTuple):
    """Costs (N,), gradients (N, K, 3) and Hessians (N, K, 3, 3) about turns in world axes."""

    cost: Tensor
    gradient: Tensor
    hessian: Tensor


@dataclass(frozen=True, eq=False)
class JointPrior:
    """Rotations (N, K, 3, 3), or None for rest, and what leaving them costs, L (K, 3, 3)."""

    centre: Tensor | None
    scale: Tensor

    @classmethod
    def of(
        cls, tree: Skeleton, rest: Tensor, skeleton: Skeleton, centre: Tensor | None
    ) -> JointPrior:
        """About rest, or 0.15 radians about rotations (N, K, 3, 3) that are known.

        `rest` (J, 3) are the landmarks of `skeleton` at rest: they tell the hinges' axes.
        """
        scale = torch.eye(3).to(rest).repeat(len(tree), 1, 1)
        for joint, name in enumerate(tree.joints):
            if joint == tree.root:
                scale[joint] = 0
            elif centre is not None:
                scale[joint] /= _TOWARD
            elif name.endswith(tuple(_HINGES)):
                scale[joint] = _hinge_scale(name, rest, skeleton)
            else:
                scale[joint] /= _std(name)
        return cls(centre, scale)

    def rows(self, rows: Tensor) -> JointPrior:
        """The prior of some of the poses."""
        return self if self.centre is None else JointPrior(self.centre[rows], self.scale)

    def __call__(self, rotations: Tensor, world: Tensor) -> PriorTerms:
        """Terms at rotations (N, K, 3, 3) whose orientations are `world`."""
        off = rotations if self.centre is None else self.centre.mT @ rotations
        # The root is free; the vector of a half turn has no derivative.
        off = torch.cat([torch.eye(3).to(off).expand_as(off[:, :1]), off[:, 1:]], 1)
        vector = to_axis_angle(off)
        value = (self.scale @ vector[..., None])[..., 0]
        slope = self.scale @ _inverse_right_jacobian(vector) @ world.mT
        gradient = (slope.mT @ value[..., None])[..., 0]
        return PriorTerms(value.square().sum((-1, -2)), gradient, slope.mT @ slope)


def _std(name: str) -> float:
    if name.startswith("spine"):
        return _SPINE
    return _STD.get(name.removeprefix("left_").removeprefix("right_"), _OTHER)


def _hinge_scale(name: str, rest: Tensor, skeleton: Skeleton) -> Tensor:
    """(3, 3) of a knee or an elbow."""
    side, _, joint = name.partition("_")
    part, start = _HINGES[joint]
    upper = rest[skeleton.index(name)] - rest[skeleton.index(f"{side}_{start}")]
    axis = hinge_axis(upper, part)
    along = axis[:, None] * axis
    return along / _HINGE + (torch.eye(3).to(along) - along) / _ACROSS


def _inverse_right_jacobian(vector: Tensor) -> Tensor:
    """(..., 3, 3): how log(R exp(w)) moves with small w, at log R = vector."""
    angle = vector.norm(dim=-1)[..., None, None].clamp(1e-4, 3.1)
    x, y, z = vector.unbind(-1)
    o = torch.zeros_like(x)
    skew = torch.stack([o, -z, y, z, o, -x, -y, x, o], -1).unflatten(-1, (3, 3))
    second = 1 / angle.square() - (1 + angle.cos()) / (2 * angle * angle.sin())
    second = torch.where(angle < 0.05, 1 / 12, second)
    return torch.eye(3).to(vector) + skew / 2 + second * skew @ skew
