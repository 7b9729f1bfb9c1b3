"""Trees of bones: forward kinematics, bone vectors, lengths, kinematic chain space.

A bone goes from a joint's parent to the joint; bones are ordered as `Skeleton.free`, so bone
b of (..., J-1, 3) ends at joint `skeleton.free[b]`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.geometry.skeleton import Skeleton

__all__ = [
    "bone_lengths",
    "bone_vectors",
    "forward_kinematics",
    "kinematic_chain_space",
    "positions_from_bones",
    "rescale_bones",
]


def forward_kinematics(
    rotations: Tensor, offsets: Tensor, skeleton: Skeleton
) -> tuple[Tensor, Tensor]:
    """Positions (..., J, 3) and orientations (..., J, 3, 3) of all joints in the world.

    G_j = G_parent R_j and p_j = p_parent + G_parent o_j, from the root, whose orientation is
    R_root and whose position is its offset.

    Args:
        rotations: (..., J, 3, 3) of each joint relative to its parent.
        offsets: (..., J, 3) metres, each joint in its parent's axes; broadcasts with the
            rotations' leading dimensions, so that one skeleton serves a whole motion.
        skeleton: the tree.

    Raises:
        InputError: if either has another number of joints.
    """
    _check(rotations, "rotations", (len(skeleton), 3, 3))
    _check(offsets, "offsets", (len(skeleton), 3))
    turns: dict[int, Tensor] = {}
    places: dict[int, Tensor] = {}
    for joint in skeleton.order:
        own, offset = rotations[..., joint, :, :], offsets[..., joint, :]
        parent = skeleton.parents[joint]
        if parent < 0:
            turns[joint], places[joint] = own, offset.expand_as(own[..., 0] + offset)
            continue
        turns[joint] = turns[parent] @ own
        places[joint] = places[parent] + (turns[parent] @ offset[..., None]).squeeze(-1)
    every = range(len(skeleton))
    return torch.stack([places[j] for j in every], -2), torch.stack([turns[j] for j in every], -3)


def bone_vectors(positions: Tensor, skeleton: Skeleton) -> Tensor:
    """Child minus parent (..., J-1, 3) of positions (..., J, 3), ordered as `skeleton.free`."""
    _check(positions, "positions", (len(skeleton), 3))
    parents = [skeleton.parents[joint] for joint in skeleton.free]
    return positions[..., list(skeleton.free), :] - positions[..., parents, :]


def bone_lengths(positions: Tensor, skeleton: Skeleton) -> Tensor:
    """Lengths (..., J-1) of the bones, in the unit of the positions."""
    return bone_vectors(positions, skeleton).norm(dim=-1)


def positions_from_bones(
    bones: Tensor, skeleton: Skeleton, root_position: Tensor | None = None
) -> Tensor:
    """Positions (..., J, 3) from bone vectors (..., J-1, 3): the inverse of `bone_vectors`.

    The root is at `root_position` (..., 3), or at the origin.
    """
    _check(bones, "bones", (len(skeleton) - 1, 3))
    at = {joint: bone for bone, joint in enumerate(skeleton.free)}
    root = torch.zeros_like(bones[..., 0, :]) if root_position is None else root_position
    places = {skeleton.root: root.expand_as(bones[..., 0, :])}
    for joint in skeleton.order[1:]:
        places[joint] = places[skeleton.parents[joint]] + bones[..., at[joint], :]
    return torch.stack([places[joint] for joint in range(len(skeleton))], dim=-2)


def rescale_bones(positions: Tensor, factors: Tensor, skeleton: Skeleton) -> Tensor:
    """The pose (..., J, 3) with every bone's length times its factor (..., J-1).

    Directions and the root's place stay.
    """
    bones = bone_vectors(positions, skeleton) * factors[..., None]
    return positions_from_bones(bones, skeleton, positions[..., skeleton.root, :])


def kinematic_chain_space(positions: Tensor, skeleton: Skeleton) -> Tensor:
    """Psi = BᵀB (..., J-1, J-1), B (3, J-1) the matrix of bone vectors, in metres².

    The diagonal holds squared bone lengths and the rest |a| |b| cos of the angle between two
    bones: lengths, proportions and joint angles as one polynomial of the pose, blind to
    where it stands and how it is turned. It is what a critic of poses looks at (Wandt,
    Ackermann and Rosenhahn, ECCV Workshops 2018; the critic of Wehrbein et al., ICCV 2021,
    section 3), since symmetry and plausible limbs are simple functions of it.
    """
    bones = bone_vectors(positions, skeleton)
    return bones @ bones.mT


def _check(values: Tensor, field: str, event: tuple[int, ...]) -> None:
    require(
        tuple(values.shape[-len(event) :]) == event,
        "kinematics", field, expected=f"shape (..., {', '.join(map(str, event))})",
        found=tuple(values.shape),
    )  # fmt: skip
