"""Poses drawn from a distribution over a body's rotations, for bodies to train on.

A Gaussian over all joints but the root, fitted to a motion's rotations: joints bend together as
they did there, though in no pose that was recorded. It has one mode and no notion of what bodies
can do, so each angle is kept within the range that it had in the motion.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from poseterior.geometry.rotations import from_axis_angle, to_axis_angle
from poseterior.meshes.fitting.generic_prior import GenericPrior
from poseterior.meshes.skinned_body import SkinnedBody

__all__ = ["DrawnPoses"]

# Of the motion's angles, those that lie beyond the range at either end.
_BEYOND = 0.001
# Draws with an angle out of range are made again so often, then held at its end.
_ROUNDS = 10


@dataclass(frozen=True, eq=False)
class DrawnPoses:
    """A `body_source.PosePrior`: rotations C_k exp(r_k) with r Gaussian, within limits.

    Attributes:
        prior: C and the covariance of r.
        low, high: (3(K-1),) radians, the least and the largest of each number of r.
    """

    prior: GenericPrior
    low: Tensor
    high: Tensor

    @classmethod
    @torch.no_grad()
    def fitted(cls, body: SkinnedBody, rotations: Tensor) -> DrawnPoses:
        """To rotations (F, K, 3, 3) of a motion, the root's left out; errors as `GenericPrior`."""
        prior = GenericPrior.fitted(body, rotations)
        vectors = to_axis_angle(prior.centre.mT @ rotations[:, 1:].to(prior.centre)).flatten(1)
        ordered = vectors.sort(0).values
        beyond = int(_BEYOND * len(ordered))
        return cls(prior, ordered[beyond].cpu(), ordered[-1 - beyond].cpu())

    @torch.no_grad()
    def __call__(self, count: int, generator: torch.Generator) -> Tensor:
        """(count, K-1, 3, 3), on the CPU; `generator` is of the CPU."""
        factor, centre = self.prior.factor.cpu(), self.prior.centre.cpu()
        angles = torch.zeros(count, len(factor), dtype=factor.dtype)
        out = torch.ones(count, dtype=torch.bool)
        for _ in range(_ROUNDS):
            noise = torch.randn((int(out.sum()), len(factor)), generator=generator)
            angles[out] = noise.to(factor) @ factor.mT
            out = ((angles < self.low) | (angles > self.high)).any(1)
            if not bool(out.any()):
                break
        angles = torch.minimum(torch.maximum(angles, self.low), self.high)
        return centre @ from_axis_angle(angles.unflatten(-1, (-1, 3)))
