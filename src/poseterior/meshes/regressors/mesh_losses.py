"""What mesh regressors are trained with: errors of bodies in 3D, in the image and of parameters.

Paper 004, Eq. 1 and 5 to 8. Its norms are taken joint by joint (vertex by vertex) and averaged,
so that no weight depends on how many there are; distances are in metres, those in the image
in units of the keypoints' spread, which is what a crop about the person is scaled by.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from poseterior.lifters.conditioning import Conditions
from poseterior.meshes.parameters import BodyParameters

__all__ = [
    "LossWeights",
    "distance",
    "gather_bodies",
    "image_points",
    "parameter_losses",
    "reprojection",
]

# A landmark nearer than this to the camera's plane, metres, is projected as if at it.
_NEAREST = 0.1


@dataclass(frozen=True)
class LossWeights:
    """Weights of paper 004, Section 4.1; `best_reprojection` is not published: that of `ri`.

    Attributes:
        best: joints of the best hypothesis, Eq. 1.
        theta, beta, vertices: its parameters and mesh, Eq. 6 and 7.
        reprojection: of every hypothesis onto the keypoints that were seen, summed, Eq. 5.
        best_reprojection: of the best one onto all true keypoints, Eq. 7.
    """

    best: float = 25.0
    theta: float = 1.0
    beta: float = 0.001
    vertices: float = 1.0
    reprojection: float = 1.0
    best_reprojection: float = 1.0


def distance(prediction: Tensor, target: Tensor) -> Tensor:
    """(...): mean distance of points (..., N, D), one by one."""
    return _norm(prediction - target).mean(-1)


def image_points(landmarks: Tensor) -> Tensor:
    """(..., 2): x/z and y/z of points (..., 3) in the person's axes, metres."""
    return landmarks[..., :2] / landmarks[..., 2:].clamp_min(_NEAREST)


def reprojection(points: Tensor, target: Tensor, valid: Tensor, conditions: Conditions) -> Tensor:
    """(..., B): mean distance of image points (..., B, J, 2) from targets (B, J, 2).

    Over the keypoints' spread, of the joints `valid` (B, J) alone; zero where there is none.
    """
    off = _norm(points - target) / conditions.spread[:, None]
    share = valid.to(off.dtype)
    return (off * share).sum(-1) / share.sum(-1).clamp_min(1)


def parameter_losses(prediction: BodyParameters, target: BodyParameters) -> tuple[Tensor, Tensor]:
    """Of rotations and of betas, each (...): Eq. 6 and 7.

    Rotations by the mean Frobenius distance of their matrices, which has no jump where an
    axis-angle vector turns round; all joints but the root, and the root, alike.
    """
    theta = distance(prediction.rotations.flatten(-2), target.rotations.flatten(-2))
    return theta, _norm(prediction.betas - target.betas)


def gather_bodies(parameters: BodyParameters, index: Tensor) -> BodyParameters:
    """Body `index` (B,) of each observation, of bodies (M, B)."""
    return parameters[index, torch.arange(len(index), device=index.device)]


def _norm(difference: Tensor) -> Tensor:
    """(...) length of vectors (..., D), with a gradient of zero at zero."""
    return difference.square().sum(-1).clamp_min(1e-12).sqrt()
