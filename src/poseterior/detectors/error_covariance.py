"""From the width of a heatmap to the error of a detection.

A detector that regresses heatmaps learns the mean of its targets: Gaussians of standard deviation
sigma_t around joints that are wherever p says, given the image. That mean is p convolved with the
target, so covariances add and

    error = fitted - sigma_t² I

is that of p: where the joint is. Without the subtraction even a joint that is beyond doubt looks
sigma_t unsure, and lifters are trained on errors, not on heatmaps.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["SMALLEST_SIGMA", "error_covariance"]

# Heatmap px. What is left of a certain joint is rounding of fits and targets, not certainty.
SMALLEST_SIGMA = 0.3


def error_covariance(
    fitted: Tensor, target_sigma: float, smallest_sigma: float = SMALLEST_SIGMA
) -> Tensor:
    """Covariances (..., 2, 2) of the detection's error, no principal axis below the smallest.

    Args:
        fitted: (..., 2, 2) px² of the heatmap, symmetric.
        target_sigma: px of the heatmap, of the Gaussians that the detector was trained on; 0
            leaves the fits' covariances as they are where they are wide enough.
        smallest_sigma: px of the heatmap.

    >>> error_covariance(torch.tensor([[4.0, 0.0], [0.0, 13.0]]), target_sigma=2.0)
    tensor([[0.0900, 0.0000],
            [0.0000, 9.0000]])
    """
    variances, axes = torch.linalg.eigh(fitted)
    left = (variances - target_sigma**2).clamp_min(smallest_sigma**2)
    return axes * left[..., None, :] @ axes.mT
