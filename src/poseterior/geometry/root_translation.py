"""Where the root of a root-relative pose is, from its 2D keypoints and the camera."""

from __future__ import annotations

import torch
from torch import Tensor

from poseterior.errors import require

__all__ = ["fit_root_translation"]

_STEPS = 5
_JITTER_PX2 = 1e-9  # a covariance without rank still has an inverse


def fit_root_translation(
    pose: Tensor,
    pixels: Tensor,
    intrinsics: Tensor,
    covariance: Tensor | None = None,
    valid: Tensor | None = None,
) -> Tensor:
    """The translation t (..., 3) in metres that puts `pose` where the keypoints saw it.

    Least squares of the re-projection, with K the intrinsics, S the keypoints' covariance and
    pi(x) = (x1 / x3, x2 / x3):

        t = argmin sum_j  r_j' S_j^-1 r_j,   r_j = u_j - pi(K (p_j + t))

    The start is the linear solution of (K_12 - u_j K_3)(p_j + t) = 0; five Gauss-Newton steps
    follow. It is exact for keypoints without error. The pose's own errors go into t: a body
    1 % too big is put 1 % too far away.

    Args:
        pose: (..., J, 3) metres, root-relative, camera axes.
        pixels: (..., J, 2) px.
        intrinsics: (..., 3, 3), last row (0, 0, 1).
        covariance: (..., J, 2, 2) px², or None for equal weights.
        valid: (..., J) bool, or None for all. At least two joints must be valid.

    Raises:
        InputError: fewer than two valid joints, or no solution in front of the camera.

    >>> pose = torch.tensor([[0.0, 0.0, 0.0], [0.1, -0.5, 0.0], [-0.1, 0.4, 0.2]])
    >>> camera = torch.tensor([[1150.0, 0.0, 500.0], [0.0, 1150.0, 500.0], [0.0, 0.0, 1.0]])
    >>> seen = (pose + torch.tensor([0.2, -0.1, 4.0])) @ camera.mT
    >>> fit_root_translation(pose, seen[..., :2] / seen[..., 2:], camera)
    tensor([ 0.2000, -0.1000,  4.0000])
    """
    used = torch.ones(pixels.shape[:-1], dtype=torch.bool) if valid is None else valid
    fewest = int(used.sum(-1).min())
    require(fewest >= 2, "pixels", "valid", expected="at least 2 valid joints", found=fewest)
    camera = intrinsics.double().unsqueeze(-3)
    points, seen = pose.double(), torch.where(used[..., None], pixels.double(), 0.0)
    weight = _whitening(covariance, used) * used[..., None, None]

    rows = weight @ _rows(camera, seen)
    translation = _solve(rows, -rows @ points.unsqueeze(-1))
    for _ in range(_STEPS):
        in_camera = (camera @ (points + translation[..., None, :]).unsqueeze(-1)).squeeze(-1)
        depth = in_camera[..., 2:]
        projected = in_camera[..., :2] / depth
        jacobian = weight @ _rows(camera, projected) / depth.unsqueeze(-1)
        translation = translation + _solve(jacobian, weight @ (seen - projected).unsqueeze(-1))
    _require_in_front(points, translation)
    return translation.to(pose.dtype)


def _rows(camera: Tensor, pixels: Tensor) -> Tensor:
    """(..., J, 2, 3): the rows K_12 - u K_3, zero on points that project to u."""
    return camera[..., :2, :] - pixels.unsqueeze(-1) * camera[..., 2:, :]


def _whitening(covariance: Tensor | None, used: Tensor) -> Tensor:
    """(..., J, 2, 2): W with W' W = covariance^-1; the identity where there is none."""
    identity = torch.eye(2, dtype=torch.float64)
    if covariance is None:
        return identity.expand(*used.shape, 2, 2)
    known = torch.where(used[..., None, None], covariance.double(), identity)
    factor = torch.linalg.cholesky(known + _JITTER_PX2 * identity)
    return torch.linalg.solve_triangular(factor, identity.expand_as(factor), upper=False)


def _solve(rows: Tensor, right: Tensor) -> Tensor:
    """Least squares of rows (..., J, 2, 3) against right (..., J, 2, 1)."""
    return torch.linalg.lstsq(rows.flatten(-3, -2), right.flatten(-3, -2)).solution.squeeze(-1)


def _require_in_front(points: Tensor, translation: Tensor) -> None:
    nearest = (points[..., 2] + translation[..., None, 2]).amin()
    require(
        bool(torch.isfinite(translation).all() and nearest > 0), "pixels", "root translation",
        expected="a pose in front of the camera", found=f"nearest joint at {nearest:.3g} m",
    )  # fmt: skip
