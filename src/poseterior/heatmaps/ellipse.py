"""Covariances of two dimensions as ellipses: their axes, and what is left of a known blur."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["TARGET_SIGMA_PX", "axes", "determinant", "inverse", "no_narrower", "without_blur"]

# Standard deviation of the Gaussians that a detector is trained to draw (paper 001, section 4.2).
TARGET_SIGMA_PX = 2.0


def axes(covariance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Standard deviations and angle (...) each of covariances (..., 2, 2).

    With R(angle) the rotation from x towards y, covariance = R diag(sigma_x², sigma_y²) Rᵀ, the
    angle within [-pi/4, pi/4]: sigma_x belongs to the axis nearest to x, whichever is longer.

    >>> sigma_x, sigma_y, angle = axes(torch.tensor([[2.0, 1.0], [1.0, 2.0]]))
    >>> [round(float(value), 4) for value in (sigma_x**2, sigma_y**2, angle.rad2deg())]
    [3.0, 1.0, 45.0]
    """
    xx, xy, yy = covariance[..., 0, 0], covariance[..., 0, 1], covariance[..., 1, 1]
    half = (xx - yy) / 2
    sign = torch.where(half < 0, -1.0, 1.0).to(half)
    reach = sign * half.hypot(xy)
    middle = (xx + yy) / 2
    angle = torch.atan2(sign * xy, sign * half) / 2
    return (middle + reach).clamp_min(0).sqrt(), (middle - reach).clamp_min(0).sqrt(), angle


def determinant(matrices: Tensor) -> Tensor:
    """Of (..., 2, 2): many times faster than `torch.linalg.det` of as many."""
    (a, b), (c, d) = (row.unbind(-1) for row in matrices.unbind(-2))
    return a * d - b * c


def inverse(matrices: Tensor) -> Tensor:
    """Of (..., 2, 2), as `determinant`."""
    (a, b), (c, d) = (row.unbind(-1) for row in matrices.unbind(-2))
    adjugate = torch.stack([d, -b, -c, a], -1).reshape(matrices.shape)
    return adjugate / determinant(matrices)[..., None, None]


def no_narrower(covariance: Tensor, least: float) -> Tensor:
    """Covariance (..., 2, 2) with standard deviations >= `least` along both axes of its ellipse."""
    sigma_x, sigma_y, angle = axes(covariance)
    wide = torch.stack([sigma_x, sigma_y], -1).square().clamp_min(least**2)
    cos, sin = angle.cos(), angle.sin()
    turn = torch.stack([cos, -sin, sin, cos], -1).reshape(covariance.shape)
    return turn @ torch.diag_embed(wide) @ turn.mT


def without_blur(covariance: Tensor, blur: float = TARGET_SIGMA_PX, least: float = 0.3) -> Tensor:
    """Covariance (..., 2, 2) of the detector's error, from that of its heatmaps.

    A heatmap is the distribution of the joint convolved with the Gaussian of standard deviation
    `blur` that the detector was trained to draw (2 px in paper 001, section 4.2; paper 003,
    section 4.3), so covariances add: what is left without blur² I, along both axes of the
    ellipse no less than `least`².

    >>> without_blur(torch.tensor([[13.0, 0.0], [0.0, 3.9]])).diagonal().sqrt()
    tensor([3.0000, 0.3000])
    """
    return no_narrower(covariance - blur**2 * torch.eye(2).to(covariance), least)
