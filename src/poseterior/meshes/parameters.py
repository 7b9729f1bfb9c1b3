"""`BodyParameters`: what a body model is posed and shaped by, in SMPL's names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.geometry.rotations import from_6d, from_axis_angle, to_6d, to_axis_angle

__all__ = ["BodyParameters"]


@dataclass(frozen=True, eq=False)
class BodyParameters:
    """Parameters of bodies, any number of leading batch dimensions `...`.

    Rotations are matrices inside; files and users have axis-angle (`from_axis_angle`), networks
    the 6D representation (`from_6d`; Zhou et al., CVPR 2019).

    Attributes:
        global_orient: (..., 3, 3) rotation of the root, about the root joint.
        body_pose: (..., K-1, 3, 3) rotation of each other joint relative to its parent.
        betas: (..., S) shape; 0 is the mean body, 1 one standard deviation.
        transl: (..., 3) metres, added last: the root joint of the body at rest moves by it.
    """

    global_orient: Tensor
    body_pose: Tensor
    betas: Tensor
    transl: Tensor

    def __post_init__(self) -> None:
        batch = tuple(self.global_orient.shape[:-2])
        joints, betas = self.body_pose.shape[-3:-2], self.betas.shape[-1:]
        shapes = {
            "global_orient": (3, 3), "body_pose": (*joints, 3, 3),
            "betas": tuple(betas), "transl": (3,),
        }  # fmt: skip
        for name, event in shapes.items():
            found, expected = tuple(getattr(self, name).shape), (*batch, *event)
            require(
                found == expected,
                "BodyParameters", name, expected=f"shape {expected}", found=found,
            )  # fmt: skip

    @classmethod
    def of(cls, rotations: Tensor, betas: Tensor, transl: Tensor | None = None) -> BodyParameters:
        """From rotations (..., K, 3, 3), the root first; `transl` zero if None."""
        transl = torch.zeros_like(rotations[..., 0, :, 0]) if transl is None else transl
        return cls(rotations[..., 0, :, :], rotations[..., 1:, :, :], betas, transl)

    @classmethod
    def from_axis_angle(
        cls, global_orient: Tensor, body_pose: Tensor, betas: Tensor, transl: Tensor
    ) -> BodyParameters:
        """From axis-angle vectors (..., 3) and (..., K-1, 3), or the latter flat, (..., 3(K-1))."""
        if body_pose.shape[:-1] == global_orient.shape[:-1]:
            body_pose = body_pose.unflatten(-1, (-1, 3))
        return cls(from_axis_angle(global_orient), from_axis_angle(body_pose), betas, transl)

    @classmethod
    def from_6d(
        cls, columns: Tensor, betas: Tensor, transl: Tensor | None = None
    ) -> BodyParameters:
        """From two columns of each rotation, (..., K, 6), the root first, made orthonormal."""
        return cls.of(from_6d(columns), betas, transl)

    @property
    def rotations(self) -> Tensor:
        """(..., K, 3, 3) of all joints, the root first."""
        return torch.cat([self.global_orient.unsqueeze(-3), self.body_pose], -3)

    @property
    def batch_shape(self) -> torch.Size:
        """The leading dimensions, one body each."""
        return self.global_orient.shape[:-2]

    def to_6d(self) -> Tensor:
        """(..., K, 6): the inverse of `from_6d`."""
        return to_6d(self.rotations)

    def to_axis_angle(self) -> dict[str, Tensor]:
        """By SMPL's names: `global_orient` (..., 3), `body_pose` (..., K-1, 3), the rest as is."""
        return {
            "global_orient": to_axis_angle(self.global_orient),
            "body_pose": to_axis_angle(self.body_pose),
            "betas": self.betas,
            "transl": self.transl,
        }

    def __len__(self) -> int:
        return len(self.betas)

    def __getitem__(self, index: Any) -> BodyParameters:
        """Bodies by index over the first batch dimension."""
        return self.map(lambda value: value[index])

    def to(self, *args: Any, **kwargs: Any) -> BodyParameters:
        """Every tensor moved or cast as by `Tensor.to`."""
        return self.map(lambda value: value.to(*args, **kwargs))

    def detach(self) -> BodyParameters:
        """The same numbers without gradient."""
        return self.map(Tensor.detach)

    def expand(self, *batch_shape: int) -> BodyParameters:
        """The same bodies for a larger batch, as by `Tensor.expand`."""
        own = len(self.batch_shape)
        return self.map(lambda value: value.expand(*batch_shape, *value.shape[own:]))

    def map(self, function: Callable[[Tensor], Tensor]) -> BodyParameters:
        """A function of the batch dimensions applied to every tensor."""
        return BodyParameters(**{f.name: function(getattr(self, f.name)) for f in fields(self)})
