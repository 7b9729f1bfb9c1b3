"""Linear blend skinning: a mesh that follows its joints (Loper et al., SMPL, 2015, Eq. 2 to 4).

    v' = sum_k w_vk (G_k (v - h_k) + p_k)

with joint k at h_k at rest and at p_k posed, G_k its orientation, and weights that sum to 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from poseterior.geometry.kinematics import forward_kinematics
from poseterior.geometry.skeleton import Skeleton

__all__ = ["bone_transforms", "skin"]

# Bodies skinned at a time: what lies between the steps then stays in a core's cache.
_BODIES = 4


def bone_transforms(
    rotations: Tensor, heads: Tensor, tree: Skeleton
) -> tuple[Tensor, Tensor, Tensor]:
    """Where joints come to be, and how the mesh about each moves.

    Args:
        rotations: (B, K, 3, 3) of each joint relative to its parent, the root first.
        heads: (B, K, 3) metres, the joints at rest.
        tree: their tree, the root joint 0.

    Returns:
        Joints p (B, K, 3), linear parts G (B, K, 3, 3) and translations t = p - G h (B, K, 3).
    """
    parents = list(tree.parents)
    parents[0] = 0
    offsets = heads - heads[:, parents]
    offsets = torch.cat([heads[:, :1], offsets[:, 1:]], 1)
    joints, linear = forward_kinematics(rotations, offsets, tree)
    return joints, linear, joints - (linear @ heads[..., None]).squeeze(-1)


def skin(points: Tensor, weights: Tensor, linear: Tensor, translation: Tensor) -> Tensor:
    """Points (B, 3, V) at rest -> (B, 3, V) posed.

    Args:
        points: (B, 3, V) metres, coordinate by coordinate, for then every step runs over
            memory in order.
        weights: (K, V), columns sum to 1.
        linear: (B, K, 3, 3) as of `bone_transforms`.
        translation: (B, K, 3) metres.
    """
    moves = torch.cat([linear, translation[..., None]], -1)  # (B, K, 3, 4)
    moves = moves.permute(0, 2, 3, 1).flatten(1, 2)  # (B, 12, K)
    parts = zip(points.split(_BODIES), moves.split(_BODIES), strict=True)
    return torch.cat([_skin(some, move @ weights) for some, move in parts])


def _skin(points: Tensor, blended: Tensor) -> Tensor:
    """(B, 3, V) from the blended transform (B, 12, V) of each point."""
    rows = blended.unflatten(1, (3, 4))
    moved = torch.addcmul(rows[:, :, 3], rows[:, :, 0], points[:, None, 0])
    moved = torch.addcmul(moved, rows[:, :, 1], points[:, None, 1])
    return torch.addcmul(moved, rows[:, :, 2], points[:, None, 2])
