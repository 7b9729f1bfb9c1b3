"""How landmarks of a body move with its parameters, in closed form where there is one.

A small turn w of joint k, about world axes, moves landmark j by w x a_jk, a_jk the landmark's
share below k seen from k (`inverse_kinematics.py`). Pulling a derivative back through that costs
nothing of what it costs through the chain of joints.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from poseterior.geometry.skeleton import Skeleton
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.skinned_body import SkinnedBody
from poseterior.meshes.skinning import below

__all__ = ["LandmarkSlopes", "landmark_slopes"]


class LandmarkSlopes(NamedTuple):
    """Derivatives by a body's parameters; `rotations` for changes that keep rotations rotations.

    Attributes:
        rotations: (..., J, Q, K, 3, 3).
        betas: (..., J, Q, S).
        transl: (..., J, Q, 3).
    """

    rotations: Tensor
    betas: Tensor
    transl: Tensor


@torch.no_grad()
def landmark_slopes(
    body: SkinnedBody, bodies: BodyParameters, skeleton: Skeleton, directions: Tensor
) -> LandmarkSlopes:
    """Of how far each landmark moves along each of Q directions.

    Args:
        body: without pose corrections (`SkinnedBody.corrected`).
        bodies: any batch shape `...`.
        skeleton: of the landmarks.
        directions: (..., J, Q, 3) of any length, such as the rows of a camera's derivative.
    """
    batch = bodies.batch_shape
    flat = bodies.map(lambda value: value.reshape(-1, *value.shape[len(batch) :]))
    ways = directions.reshape(-1, *directions.shape[len(batch) :])
    parts, mass, joints, world = body.landmark_parts(flat, skeleton)
    hangs = below(body.tree).to(parts)
    arm = torch.einsum("njlx,lk->njkx", parts, hangs)
    arm = arm - (mass @ hangs)[..., None] * joints[:, None]  # (n, J, K, 3)
    # g . (w x a) = w . (a x g), and w = world' own.
    turn = torch.linalg.cross(arm[:, :, None], ways[..., None, :], dim=-1)  # (n, J, Q, K, 3)
    own = torch.einsum("nkxy,njqkx->njqky", world, turn)
    # R [own]x / 2, row by row, whose product with R [v]x is own . v.
    by_rotations = torch.linalg.cross(flat.rotations[:, None, None], own[..., None, :], dim=-1) / 2
    by_betas = ways @ _by_betas(body, flat, skeleton)
    each = (by_rotations, by_betas, ways)
    return LandmarkSlopes(*(value.reshape(*batch, *value.shape[1:]) for value in each))


def _by_betas(body: SkinnedBody, bodies: BodyParameters, skeleton: Skeleton) -> Tensor:
    """(n, J, 3, S): landmarks are affine in the coefficients that betas stand for."""
    betas, count = bodies.betas, len(bodies.betas)
    units = torch.eye(body.betas).to(betas)[:, None].expand(-1, count, -1)
    start, slopes = betas, units
    if body.coefficients is not None:
        several = betas.repeat(body.betas, 1)
        moved: Any = torch.func.jvp(body.coefficients, (several,), (units.flatten(0, 1).clone(),))
        start, slopes = moved
        start, slopes = start[:count], slopes.unflatten(0, (-1, count))
    known = torch.cat([start[None], start + slopes]).flatten(0, 1)
    repeated = bodies.expand(1 + body.betas, count).map(lambda value: value.flatten(0, 1))
    landmarks = body.landmarks_shaped(repeated, known, skeleton).unflatten(0, (-1, count))
    return (landmarks[1:] - landmarks[0]).movedim(0, -1)
