"""What the usual confidences measure: a heatmap's peak (Eq. 17) and 1 - sigma of regression.

Paper 003, Section 4.3. A detector trained by squared error on Gaussian target heatmaps draws
their expectation, and the target drawn about an annotation p has at a pixel m the height
exp(-|m - p|² / (2 l~²)): the OKS of m with l~² for tolerance. So the ideal heatmap is the map of
the expected OKS of a person whose every keypoint has the tolerance l~², 4 px² where the targets
have a standard deviation of 2 px, however large the person. That is why a peak ranks keypoints of
one size, and not people.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from poseterior.confidence.expected_oks import expected_oks, expected_oks_at_mean
from poseterior.heatmaps import TARGET_SIGMA_PX

__all__ = [
    "L1_TO_SIGMA",
    "expected_heatmap",
    "heatmap_peak",
    "mean_l1_error",
    "regression_confidence",
    "variance_of_peak",
]

# sigma over E |p - mean|_1 of p ~ N(mean, sigma² I), in one and two dimensions: a coordinate's
# mean deviation is sqrt(2 / pi) sigma, and the L1 norm of two adds both. Eq. 18 prints
# sqrt(pi / 8), which is right for the L1 norm of the 2D point.
L1_TO_SIGMA = {1: math.sqrt(math.pi / 2), 2: math.sqrt(math.pi / 8)}


def expected_heatmap(
    pixels: Tensor, mean: Tensor, covariance: Tensor, target_sigma: float = TARGET_SIGMA_PX
) -> Tensor:
    """Eq. 14 and 15: the heatmap of least expected squared error at `pixels`, (...).

    2 pi l~² times the density of N(mean, S + l~² I); the paper's Eq. 15 prints 2 pi².

    Args:
        pixels: (..., 2) heatmap px.
        mean: (..., 2) heatmap px, of the annotation.
        covariance: (..., 2, 2) px², of the annotation.
        target_sigma: l~ in heatmap px, of the targets that training draws.

    Raises:
        InputError: as `expected_oks`.

    >>> expected_heatmap(torch.zeros(2), torch.zeros(2), 4 * torch.eye(2))
    tensor(0.5000)
    """
    return expected_oks(pixels, mean, covariance, torch.as_tensor(target_sigma**2))


def heatmap_peak(variance: Tensor, target_sigma: float = TARGET_SIGMA_PX) -> Tensor:
    """Eq. 16 and 17: the ideal heatmap's maximum l~² / (sigma² + l~²), (...).

    Args:
        variance: (...) heatmap px², sigma² of the annotation.
        target_sigma: l~ in heatmap px.

    >>> heatmap_peak(torch.tensor([0.0, 4.0, 12.0]))
    tensor([1.0000, 0.5000, 0.2500])
    """
    return expected_oks_at_mean(variance, torch.as_tensor(target_sigma**2))


def variance_of_peak(peak: Tensor, target_sigma: float = TARGET_SIGMA_PX) -> Tensor:
    """Eq. 17 solved for sigma² (...) px²: what a peak in (0, 1] says where no heatmap is left.

    Peaks above 1, which trained detectors do draw, say 0; 0 and below say infinity.

    >>> variance_of_peak(torch.tensor([1.2, 1.0, 0.5, 0.0]))
    tensor([0., 0., 4., inf])
    """
    return target_sigma**2 * (1 / peak.clamp(min=0.0) - 1).clamp(min=0.0)


def regression_confidence(sigma: Tensor) -> Tensor:
    """Eq. 3 and 18: 1 - sigma (...), which knows neither the person's size nor the keypoint.

    Sigma is in the unit that the detector regresses, usually a share of the crop, and at the
    optimum of a Gaussian likelihood it is that of the annotation (Eq. 57). Then 1 - sigma is
    E (1 - sqrt(pi / 8) |prediction - p|_1), as printed: `L1_TO_SIGMA` of two dimensions. With
    a Laplace density for Q the scale is another, and the mean L1 error 2 b.
    """
    return 1 - sigma


def mean_l1_error(deviation: Tensor, sigma: Tensor) -> Tensor:
    """E |d + sigma z|_1 of z ~ N(0, I), (...): the right side of Eq. 18 for any prediction.

        sum over axes of sigma sqrt(2 / pi) exp(-d² / (2 sigma²)) + d erf(d / (sigma sqrt(2)))

    Args:
        deviation: (..., 2) d, of the prediction from the annotation's mean.
        sigma: (...) positive, in the same unit.

    >>> found = mean_l1_error(torch.zeros(2), torch.tensor(0.1))
    >>> found, L1_TO_SIGMA[2] * found
    (tensor(0.1596), tensor(0.1000))
    """
    ratio = deviation / (sigma[..., None] * math.sqrt(2))
    spread = sigma[..., None] * math.sqrt(2 / math.pi) * (-ratio.square()).exp()
    return (spread + deviation * torch.erf(ratio)).sum(-1)
