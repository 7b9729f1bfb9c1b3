"""The covariance of the Gaussian that would be fitted to each joint's heatmap."""

from __future__ import annotations

import torch
from torch import Tensor

from poseterior.data.simulated_detector import heatmap_pixel
from poseterior.heatmaps import TARGET_SIGMA_PX
from poseterior.lifters.conditioning import Conditions

__all__ = ["MISSING_SIGMA_PX", "fitted_covariance", "heatmap_pixels"]

# Of a joint that was not detected: about as wide as if it lay anywhere in the person's box,
# which is 51 heatmap pixels long (51 / sqrt(12) = 14.8).
MISSING_SIGMA_PX = 16.0


def heatmap_pixels(conditions: Conditions) -> Tensor:
    """Size (B,) of a heatmap pixel in units of the virtual camera's image plane.

    1/64 of 1.25 times the longer side of the bounding box of the valid joints.
    """
    valid = conditions.valid[..., None]
    count = valid.sum(-2, keepdim=True).clamp_min(1)
    # A missing joint stands at the mean of the others, which is inside their box.
    mean = conditions.points.sum(-2, keepdim=True) / count
    size = heatmap_pixel(torch.where(valid, conditions.points, mean))
    return size.clamp_min(1e-6)


def fitted_covariance(conditions: Conditions) -> Tensor:
    """Sigma (B, J, 2, 2) in heatmap px²: the observation's covariance plus 2² I.

    A detector's heatmap is the error of its peak convolved with the Gaussian it was trained
    to draw, so their covariances add. A joint that was not detected has 16² I, and no
    observation is taken for wider than that: where a joint or two give the box its size, a
    heatmap pixel is tiny and the covariance in its unit without bounds.
    """
    pixel = heatmap_pixels(conditions)[:, None, None, None]
    identity = torch.eye(2).to(conditions.covariance)
    observed = conditions.covariance / pixel.square()
    total = observed.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None].clamp_min(1e-6)
    observed = observed * (2 * MISSING_SIGMA_PX**2 / total).clamp_max(1.0)
    fitted = observed + TARGET_SIGMA_PX**2 * identity
    return torch.where(conditions.valid[..., None, None], fitted, MISSING_SIGMA_PX**2 * identity)
