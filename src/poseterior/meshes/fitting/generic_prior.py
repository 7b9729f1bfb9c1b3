"""A prior of bodies that knows nothing of the observation but where the person stands.

As SMPLify's (Bogo et al., ECCV 2016): the comparison that paper 002 fits against.
"""

from __future__ import annotations

from dataclasses import dataclass

import roma
import torch
from torch import Tensor

from poseterior.errors import InputError, require
from poseterior.geometry.rotations import from_axis_angle, to_axis_angle
from poseterior.geometry.skeleton import Skeleton
from poseterior.keypoints import Keypoints
from poseterior.meshes.fitting.fitting_evidence import person_size
from poseterior.meshes.fitting.fitting_prior import GivenPrior, expected_root, place_latents, placed
from poseterior.meshes.motion.inverse_kinematics import landmarks_at_rest
from poseterior.meshes.motion.joint_prior import JointPrior
from poseterior.meshes.motion.pose_start import hinge_axis
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.skinned_body import SkinnedBody

__all__ = ["GenericPrior"]

# Standard deviations of heading (nearly as good as uniform) and lean, radians.
_HEADING, _LEAN = 3.0, 0.7
# Upright and facing the camera, for one at rest in SMPL's axes.
_FACING = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
# How far knees and elbows bend, radians, and the standard deviation of what goes beyond.
_STRETCHED, _BENT, _BEYOND = -0.1, 2.7, 0.1
_HINGES = {"knee": ("thigh", "hip"), "elbow": ("arm", "shoulder")}


@dataclass(frozen=True, eq=False)
class GenericPrior:
    """A Gaussian over the body's pose, whatever is observed, with limits of knees and elbows.

    With C_k a mean rotation, joint k is turned by C_k exp(r_k), r = L u. Betas are standard normal,
    headings nearly uniform, leans 40 degrees from upright, and the root joint stands about where
    the size of the person in the image tells, as `FlowPrior`.

    Attributes:
        body: whose joints.
        centre: (K-1, 3, 3) C.
        factor: (3(K-1), 3(K-1)) L; L L' is the covariance, radians².
        limits: whether knees and elbows that bend the wrong way, or too far, cost more.
    """

    body: SkinnedBody
    centre: Tensor
    factor: Tensor
    limits: bool = True

    @classmethod
    def about_rest(cls, body: SkinnedBody, limits: bool = True) -> GenericPrior:
        """By anatomy alone (`joint_prior.JointPrior`), for want of motions."""
        skeleton = _with_limbs(body)
        scale = JointPrior.of(body.tree, landmarks_at_rest(body, skeleton), skeleton, None).scale
        factor = torch.block_diag(*torch.linalg.inv(scale[1:].to(body.heads)))
        return cls(body, torch.eye(3).to(factor).repeat(len(body.tree) - 1, 1, 1), factor, limits)

    @classmethod
    def fitted(cls, body: SkinnedBody, rotations: Tensor, limits: bool = True) -> GenericPrior:
        """To rotations (T, K, 3, 3) of motions, the root's left out.

        Raises:
            InputError: rotations of another body, not finite, or fewer than two.
        """
        shape, found = (len(rotations), len(body.tree), 3, 3), tuple(rotations.shape)
        good = found == shape and len(rotations) > 1 and bool(rotations.isfinite().all())
        expected = f"finite (T, {', '.join(map(str, shape[1:]))}), T > 1"
        require(good, "GenericPrior", "rotations", expected=expected, found=found)
        turned = rotations[:, 1:].to(body.heads)
        centre = roma.special_procrustes(turned.mean(0))
        vectors = to_axis_angle(centre.mT @ turned).flatten(1)
        # A degree of its own for every angle, so that none is held fast.
        own = 0.02**2 * torch.eye(vectors.shape[1]).to(vectors)
        return cls(body, centre, torch.linalg.cholesky(vectors.T.cov() + own), limits)

    @torch.no_grad()
    def given(self, keypoints: Keypoints) -> GivenPrior:
        root = expected_root(*person_size(keypoints)).to(self.factor)
        return _GivenGeneric(self, root)


class _GivenGeneric:
    """Latents: heading and lean, the joints' angles, betas, place."""

    def __init__(self, prior: GenericPrior, root: Tensor) -> None:
        self.prior, self.body, self.root = prior, prior.body, root
        self._sizes = [3, len(prior.factor), prior.body.betas, 3]
        self.like = root.new_empty(len(root), sum(self._sizes))
        self._hinges = _hinges(prior.body) if prior.limits else []

    def decode(self, latents: Tensor) -> BodyParameters:
        facing, pose, betas, place = latents.split(self._sizes, -1)
        turns = from_axis_angle((pose @ self.prior.factor.mT).unflatten(-1, (-1, 3)))
        transl = placed(self.root, place) - self.body.root_at_rest(betas)
        return BodyParameters(_faced(facing), self.prior.centre @ turns, betas, transl)

    def more(self, bodies: BodyParameters) -> Tensor:
        beyond = []
        for joint, axis in self._hinges:
            angle = _twist(bodies.body_pose[..., joint - 1, :, :], axis)
            beyond.append((_STRETCHED - angle).clamp_min(0) + (angle - _BENT).clamp_min(0))
        if not beyond:
            return bodies.betas[..., :0]
        return torch.stack(beyond, -1) / _BEYOND

    def encode(self, bodies: BodyParameters) -> Tensor:
        vectors = to_axis_angle(self.prior.centre.mT @ bodies.body_pose).flatten(-2)
        pose = torch.linalg.solve(self.prior.factor, vectors[..., None])[..., 0]
        root = self.body.root_at_rest(bodies.betas) + bodies.transl
        return torch.cat(
            [_facing(bodies.global_orient), pose, bodies.betas, place_latents(self.root, root)], -1
        )

    def starts(self) -> Tensor:
        """Facing the camera, from either side and from behind."""
        starts = torch.zeros_like(self.like).repeat(4, 1, 1)
        quarter = torch.pi / 2 / _HEADING
        starts[..., 0] = quarter * starts.new_tensor([0.0, 1.0, 2.0, -1.0])[:, None]
        return starts


def _faced(latents: Tensor) -> Tensor:
    """(..., 3, 3) of three numbers: heading, then leans about the body's x and z axes."""
    heading, lean = latents[..., :1], latents[..., 1:]
    none = torch.zeros_like(heading)
    about_up = from_axis_angle(_HEADING * torch.cat([none, heading, none], -1))
    leaned = from_axis_angle(_LEAN * torch.cat([lean[..., :1], none, lean[..., 1:]], -1))
    return _FACING.to(latents) @ about_up @ leaned


def _facing(rotation: Tensor) -> Tensor:
    """The inverse of `_faced`: the twist about the vertical, and the swing that is left."""
    turned = _FACING.to(rotation) @ rotation
    up = rotation.new_tensor([0.0, 1.0, 0.0])
    heading = _twist(turned, up)
    lean = to_axis_angle(from_axis_angle(-heading[..., None] * up) @ turned)
    return torch.stack([heading / _HEADING, lean[..., 0] / _LEAN, lean[..., 2] / _LEAN], -1)


def _twist(rotation: Tensor, axis: Tensor) -> Tensor:
    """(...) radians: how far rotations (..., 3, 3) turn about a unit axis (3,)."""
    odd = rotation - rotation.mT
    sine = torch.stack([odd[..., 2, 1], odd[..., 0, 2], odd[..., 1, 0]], -1) @ axis
    along = ((rotation @ axis) * axis).sum(-1)
    cosine = rotation.diagonal(dim1=-2, dim2=-1).sum(-1) - along
    return torch.atan2(sine, cosine)


def _with_limbs(body: SkinnedBody) -> Skeleton:
    """A skeleton of the body's that has all joints of the limbs."""
    for skeleton in body.landmarks.values():
        if {"left_hip", "left_shoulder"} <= set(skeleton.joints):
            return skeleton
    raise InputError(
        body.name, "landmarks", expected="a skeleton with hips and shoulders", found="none"
    )


def _hinges(body: SkinnedBody) -> list[tuple[int, Tensor]]:
    """Knees and elbows: joint, and the axis at rest that it bends about."""
    skeleton = _with_limbs(body)
    rest = dict(zip(skeleton.joints, landmarks_at_rest(body, skeleton), strict=True))
    found = []
    for joint, name in enumerate(body.tree.joints):
        side, _, part = name.partition("_")
        if part in _HINGES:
            limb, start = _HINGES[part]
            upper = rest[name] - rest[f"{side}_{start}"]
            found.append((joint, hinge_axis(upper, limb)))
    return found
