"""More poses of a body than a motion holds. Rotations are (B, K, 3, 3), relative to the parents;
the root's takes the body from its rest axes to the world, z up.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from poseterior.data.augmentation import tilt
from poseterior.geometry.rotations import from_axis_angle
from poseterior.geometry.skeleton import Skeleton

__all__ = ["BodyAugmentation", "augment_rotations", "jitter", "limbs_of", "mirror", "swap_limbs"]

_LEG = ("hip", "knee", "ankle", "foot")
_ARM = ("collar", "shoulder", "elbow", "wrist", "hand")


@dataclass(frozen=True)
class BodyAugmentation:
    """How often and how far rotations are changed.

    `mirror`, `swapped`, `jittered` and `tilted` are probabilities. A swapped body takes its
    legs, and each arm, from other poses of the batch with probability 1/2 each. In a jittered
    one every joint but the root is turned by N(0, jitter_std_deg) about each axis. A tilted one
    is turned as a whole about a random horizontal axis by N(0, tilt_std_deg).
    """

    mirror: float = 0.5
    swapped: float = 0.4
    jittered: float = 0.5
    jitter_std_deg: float = 4.0
    tilted: float = 0.1
    tilt_std_deg: float = 40.0


def mirror(rotations: Tensor, tree: Skeleton) -> Tensor:
    """The body's reflection in the plane x = 0 of its world, left and right joints exchanged.

    With S = diag(-1, 1, 1) joint k gets S R_k' S of its partner k': the landmarks of a body
    whose sides are alike become their mirror images.
    """
    flip = rotations.new_tensor([-1.0, 1.0, 1.0])
    return rotations[..., list(tree.partners), :, :] * flip[:, None] * flip


def limbs_of(tree: Skeleton) -> list[list[int]]:
    """Joints of both legs, of the left arm and of the right arm, by SMPL's names."""

    def joints(sides: tuple[str, ...], parts: tuple[str, ...]) -> list[int]:
        names = [f"{side}_{part}" for side in sides for part in parts]
        return [joint for joint, name in enumerate(tree.joints) if name in names]

    return [joints(("left", "right"), _LEG), joints(("left",), _ARM), joints(("right",), _ARM)]


def swap_limbs(rotations: Tensor, tree: Skeleton, generator: torch.Generator) -> Tensor:
    """Legs, left arm and right arm each taken from a random body of the batch, or kept."""
    rotations = rotations.clone()
    batch = len(rotations)
    whole = rotations.clone()
    for limb in limbs_of(tree):
        other = torch.randint(batch, (batch,), generator=generator)
        chosen = torch.rand(batch, generator=generator) < 0.5
        moved = whole[other][:, limb]
        rotations[:, limb] = torch.where(_over(chosen, moved), moved, whole[:, limb])
    return rotations


def jitter(rotations: Tensor, std_deg: float, generator: torch.Generator) -> Tensor:
    """Every joint but the root turned by N(0, std_deg) about each of its axes."""
    draw = torch.randn(*rotations.shape[:-1], generator=generator, dtype=rotations.dtype)
    turns = torch.deg2rad(std_deg * draw)
    turns[:, 0] = 0
    return rotations @ from_axis_angle(turns)


def augment_rotations(
    rotations: Tensor, tree: Skeleton, augmentation: BodyAugmentation, generator: torch.Generator
) -> Tensor:
    """Rotations (B, K, 3, 3) changed as `BodyAugmentation` says."""
    a, batch = augmentation, len(rotations)
    axes = torch.eye(3).expand(batch, 3, 3)

    def tilted(turned: Tensor) -> Tensor:
        turn = tilt(axes, a.tilt_std_deg, generator).mT.to(turned)
        return torch.cat([turn[:, None] @ turned[:, :1], turned[:, 1:]], 1)

    steps = (
        (a.swapped, lambda r: swap_limbs(r, tree, generator)),
        (a.jittered, lambda r: jitter(r, a.jitter_std_deg, generator)),
        (a.mirror, lambda r: mirror(r, tree)),
        (a.tilted, tilted),
    )
    for probability, change in steps:
        changed = change(rotations)
        chosen = torch.rand(batch, generator=generator) < probability
        rotations = torch.where(_over(chosen, rotations), changed, rotations)
    return rotations


def _over(chosen: Tensor, like: Tensor) -> Tensor:
    return chosen.view(-1, *(1,) * (like.ndim - 1))
