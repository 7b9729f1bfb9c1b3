"""Small random bodies, for tests."""

from __future__ import annotations

import torch
from torch import Tensor

from poseterior.geometry.rotations import from_axis_angle
from poseterior.geometry.skeleton import H36M_17, SMPL_24, Skeleton
from poseterior.meshes import BodyArrays, BodyParameters, SkinnedBody


def random_arrays(
    points: int = 60, shapes: int = 5, tree: Skeleton = SMPL_24, corrections: bool = True
) -> BodyArrays:
    """A body of random points, float64; its last ten points are no vertices."""
    draw = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draw, dtype=torch.float64)

    joints = len(tree)
    faces = torch.randint(points - 10, (40, 3), generator=draw)
    weights = normal(points, joints).exp()
    regressor = normal(len(H36M_17), points).exp() * (normal(len(H36M_17), points) > 1)
    regressor[:, -1] += 0.1
    return BodyArrays(
        template=normal(points, 3),
        shapes=0.1 * normal(shapes, points, 3),
        heads=normal(joints, 3),
        head_shapes=0.1 * normal(shapes, joints, 3),
        weights=weights / weights.sum(1, keepdim=True),
        tree=tree,
        faces=faces,
        betas=shapes,
        regressors={"h36m_17": regressor / regressor.sum(1, keepdim=True)},
        corrections=0.01 * normal(9 * (joints - 1), points, 3) if corrections else None,
        extra=10,
    )


def random_parameters(body: SkinnedBody, *batch: int, seed: int = 1) -> BodyParameters:
    """Bodies of any pose and shape, float64."""
    draw = torch.Generator().manual_seed(seed)
    joints = len(body.tree)
    turns = torch.randn((*batch, joints, 3), generator=draw, dtype=torch.float64)
    betas = torch.randn((*batch, body.betas), generator=draw, dtype=torch.float64)
    transl = torch.randn((*batch, 3), generator=draw, dtype=torch.float64)
    return BodyParameters.of(from_axis_angle(turns), betas, transl)
