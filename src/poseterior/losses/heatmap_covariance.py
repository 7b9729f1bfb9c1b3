"""Hypotheses should vary in the image as the heatmaps say (paper 001, Eq. 3 and 4)."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["covariance_of_hypotheses", "heatmap_covariance_loss"]


def covariance_of_hypotheses(hypotheses: Tensor) -> Tensor:
    """Unbiased covariance (..., D, D) over the first axis of hypotheses (H, ..., D)."""
    centred = hypotheses - hypotheses.mean(0)
    return torch.einsum("h...i,h...j->...ij", centred, centred) / (len(hypotheses) - 1)


def heatmap_covariance_loss(
    hypotheses: Tensor,
    fitted: Tensor,
    valid: Tensor,
    sigma_t_px: float = 2.1,
    metres_per_px: float = 0.01,
) -> Tensor:
    """Masked lower-bound RMSE between covariances in m², averaged over joints and batch.

    m (max(0, S11 - C11)² + max(0, S22 - C22)² + (S12 - C12)²)^(1/2) per joint, C the
    covariance of the hypotheses' x and y, S the fitted one in metres, and m = 1 where
    S11 or S22 exceeds sigma_t² and the joint was detected, else 0.

    Args:
        hypotheses: (H, B, J, 2 or 3) metres, camera axes; H at least 2.
        fitted: (B, J, 2, 2) covariances of the Gaussians fitted to the heatmaps, heatmap px².
        valid: (B, J) which joints were detected: the others have no heatmap to agree with.
        sigma_t_px: a heatmap narrower than this is certain.
        metres_per_px: what a heatmap pixel is taken for.
    """
    variances = fitted.diagonal(dim1=-2, dim2=-1)
    mask = valid & (variances > sigma_t_px**2).any(-1)
    gap = metres_per_px**2 * fitted - covariance_of_hypotheses(hypotheses[..., :2])
    squares = gap.diagonal(dim1=-2, dim2=-1).clamp_min(0).square().sum(-1)
    squares = squares + gap[..., 0, 1].square()
    # The root of zero has no gradient: a masked joint takes that of one.
    return torch.where(mask, torch.where(mask, squares, 1.0).clamp_min(1e-30).sqrt(), 0.0).mean()
