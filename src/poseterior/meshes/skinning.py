"""Linear blend skinning: a mesh that follows its joints (Loper et al., SMPL, 2015, Eq. 2 to 4).

    v' = sum_k w_vk (G_k (v - h_k) + p_k)

with joint k at h_k at rest and at p_k posed, G_k its orientation, and weights that sum to 1;
t_k = p_k - G_k h_k.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import torch
from torch import Tensor

from poseterior.geometry.skeleton import Skeleton

__all__ = ["below", "bone_transforms", "joints_of", "skin"]

# Bodies skinned at a time, by each core: what lies between the steps then stays in its cache;
# and by a GPU, so that its memory suffices.
_BODIES, _BODIES_OF_GPU = 4, 1024


def bone_transforms(rotations: Tensor, heads: Tensor, tree: Skeleton) -> tuple[Tensor, Tensor]:
    """How the mesh about each joint moves.

    Joint k turns all that is below it about h_k; G_k and t_k are the product of those motions
    from the root to k, had for all joints of one depth in the tree at once.

    Args:
        rotations: (B, K, 3, 3) of each joint relative to its parent, the root first.
        heads: (B, K, 3) metres, the joints at rest.
        tree: their tree, the root joint 0.

    Returns:
        Linear parts G (B, K, 3, 3) and translations t (B, K, 3).
    """
    points = heads[..., None]
    rigid = torch.cat([rotations, points - rotations @ points], -1)  # (B, K, 3, 4)
    last = rigid.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*rigid.shape[:2], 1, 4)
    order, back, depths = _by_depth(tree, rigid.device)
    levels = torch.cat([rigid, last], -2).index_select(1, order).split([len(d) for d in depths], 1)
    moves = [levels[0]]
    for level, parents in zip(levels[1:], depths[1:], strict=True):
        moves.append(moves[-1].index_select(1, parents) @ level)
    world = torch.cat(moves, 1).index_select(1, back)
    return world[..., :3, :3], world[..., :3, 3]


def joints_of(heads: Tensor, linear: Tensor, translation: Tensor) -> Tensor:
    """Where joints (B, K, 3) come to be: p = G h + t."""
    return (linear @ heads[..., None]).squeeze(-1) + translation


def below(tree: Skeleton) -> Tensor:
    """(K, K): 1 where joint l hangs from joint k or is it, at [l, k]."""
    rows = torch.eye(len(tree))
    for joint in tree.order[1:]:
        rows[joint] += rows[tree.parents[joint]]
    return rows


@cache
def _by_depth(tree: Skeleton, device: torch.device) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    """Joints by their depth; the way back; for each depth, whose children its joints are.

    The last are places among the joints of the depth before.
    """
    depths = [[tree.root]]
    while below := [j for j, parent in enumerate(tree.parents) if parent in depths[-1]]:
        depths.append(below)
    order = torch.tensor([joint for depth in depths for joint in depth], device=device)
    parents = [[0]]
    for above, depth in pairwise(depths):
        parents.append([above.index(tree.parents[joint]) for joint in depth])
    places = tuple(torch.tensor(places, device=device) for places in parents)
    return order, order.argsort(), places


def skin(
    points: Tensor,
    weights: Tensor,
    linear: Tensor,
    translation: Tensor,
    place: Tensor,
    out: Tensor | None = None,
) -> Tensor:
    """Points (B, 3, V) at rest -> (B, 3, V) posed.

    Args:
        points: (B, 3, V) metres, coordinate by coordinate, for then every step runs over
            memory in order.
        weights: (K, V), columns sum to 1.
        linear: (B, K, 3, 3) as of `bone_transforms`.
        translation: (B, K, 3) metres.
        place: (B, 3) metres, added last.
        out: where to write, `points` themselves if they are not needed any more: faster, for
            new memory costs more than arithmetic, but without gradients.
    """
    moves = torch.cat([linear, translation[..., None]], -1)  # (B, K, 3, 4)
    moves = moves.permute(0, 2, 3, 1).flatten(1, 2)  # (B, 12, K)
    size = _BODIES * torch.get_num_threads() if points.device.type == "cpu" else _BODIES_OF_GPU
    parts = zip(*(x.split(size) for x in (points, moves, place[..., None])), strict=True)
    if out is None:
        return torch.cat([_moved(some, move @ weights) + at for some, move, at in parts])
    blended, posed = (points.new_empty(min(size, len(points)), n, points.shape[2]) for n in (12, 3))
    for (some, move, at), written in zip(parts, out.split(size), strict=True):
        rows, moved = blended[: len(some)], posed[: len(some)]
        torch.mm(move.flatten(0, 1), weights, out=rows.flatten(0, 1))
        torch.add(_moved(some, rows, moved), at, out=written)
    return out


def _moved(points: Tensor, blended: Tensor, out: Tensor | None = None) -> Tensor:
    """(B, 3, V) from the blended transform (B, 12, V) of each point."""
    rows = blended.unflatten(1, (3, 4))
    moved = torch.addcmul(rows[:, :, 3], rows[:, :, 0], points[:, None, 0], out=out)
    moved = torch.addcmul(moved, rows[:, :, 1], points[:, None, 1], out=out)
    return torch.addcmul(moved, rows[:, :, 2], points[:, None, 2], out=out)
