"""What a network says of a body: one vector of numbers, and the body that it stands for.

The vector holds the 6D rotations of all joints, the betas and three numbers for the place of
the root joint, all in the frame of the person (`lifters.conditioning`): a virtual camera that
looks at the person, so that nothing depends on where in the image it stands.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from poseterior.geometry.rotations import from_6d, to_6d
from poseterior.lifters.conditioning import Conditions
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.skinned_body import SkinnedBody

__all__ = ["BodyVector"]

# Keypoints of a person spread about so far from their centre, metres: what tells the distance
# of a person from the size of its image, before a network has learnt any better.
_SPREAD = 0.45
# Upright and facing the camera, for one at rest in SMPL's axes.
_FACING = torch.diag(torch.tensor([1.0, -1.0, -1.0]))


@dataclass(frozen=True)
class BodyVector:
    """Vectors (..., P) of numbers <-> `BodyParameters` of a body, P = 6 K + S + 3."""

    body: SkinnedBody

    @property
    def rotations(self) -> int:
        """Numbers of the rotations, 6 K; they come first."""
        return 6 * len(self.body.tree)

    @property
    def size(self) -> int:
        """Numbers of a body, P."""
        return self.rotations + self.body.betas + 3

    def start(self) -> Tensor:
        """(P,): the mean body at rest, upright, facing the camera, at the distance expected."""
        turns = torch.eye(3).repeat(len(self.body.tree), 1, 1)
        turns[0] = _FACING
        return torch.cat([to_6d(turns).flatten(), torch.zeros(self.body.betas + 3)])

    def decode(self, vector: Tensor, conditions: Conditions) -> BodyParameters:
        """Bodies with batch shape (..., B) in the person's axes, of vectors (..., B, P).

        The three last numbers a, b, c place the root joint at z = 0.45 exp(a) / s and
        (x, y) = z s (b, c), where s is the spread of the keypoints.
        """
        sizes = [self.rotations, self.body.betas, 3]
        # Never in bfloat16: a millimetre at a few metres has more digits.
        vector = vector.to(torch.promote_types(vector.dtype, torch.float32))
        turns, betas, place = vector.split(sizes, -1)
        rotations = from_6d(turns.unflatten(-1, (-1, 6)))
        spread = conditions.spread
        depth = _SPREAD * place[..., 0].clamp(-3, 3).exp() / spread
        root = torch.cat([(depth * spread)[..., None] * place[..., 1:], depth[..., None]], -1)
        return BodyParameters.of(rotations, betas, root - self.body.root_at_rest(betas))

    def encode_rotations(self, parameters: BodyParameters) -> Tensor:
        """(..., 6 K): the rotations' part of the vector of bodies in the person's axes."""
        return parameters.to_6d().flatten(-2)

    def to_camera(self, parameters: BodyParameters, conditions: Conditions) -> BodyParameters:
        """Bodies (..., B) from the person's axes to the camera's."""
        return self._turned(parameters, conditions.rotation.mT)

    def to_person(self, parameters: BodyParameters, conditions: Conditions) -> BodyParameters:
        """The inverse of `to_camera`."""
        return self._turned(parameters, conditions.rotation)

    def _turned(self, parameters: BodyParameters, rotation: Tensor) -> BodyParameters:
        """Bodies turned about the origin by rotations (B, 3, 3)."""
        rest = self.body.root_at_rest(parameters.betas)
        root = ((rest + parameters.transl)[..., None, :] @ rotation.mT).squeeze(-2)
        turned = rotation @ parameters.global_orient
        return replace(parameters, global_orient=turned, transl=root - rest)
