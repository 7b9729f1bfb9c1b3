"""What regression and heatmaps learn to say where their prediction stays off the mean.

Paper 003, appendix A.5. The annotation is p ~ N(mean, sigma² I), the prediction is held at a
distance Delta from the mean, and what is left to learn is the width: of the likelihood by
regression, of a heatmap o exp(-|m - prediction|² / (2 s)), with its height o, by a detector that
minimises the squared error to targets of width l~. Throughout, s~ = sigma² + l~² (Eq. 76) and
s- = s + s~ (Eq. 84).

Two slips of the paper are mended here. Eq. 110 drops the factor exp(-Delta² / (2 s-)) of Eq. 87:
`heatmap_confidence` has it, `heatmap_confidence_printed` does not. Below Eq. 89 the bound reads
Delta / 2 - s~ for Delta² / 2 - s~ (`variance_of_largest_scale`).
"""

from __future__ import annotations

import torch
from torch import Tensor

from poseterior.heatmaps import TARGET_SIGMA_PX

__all__ = [
    "heatmap_confidence",
    "heatmap_confidence_printed",
    "heatmap_scale",
    "heatmap_variance",
    "regression_variance",
    "stationary_scale",
    "variance_of_largest_scale",
]


def regression_variance(variance: Tensor, deviation: Tensor) -> Tensor:
    """Eq. 59 to 62: sigma² + Delta² / 2 (...), that minimises the expected NLL at a fixed mean.

    Regression that is uncertain of its own mean says so: 1 minus its root is Eq. 63.

    Args:
        variance: (...) px², sigma² of the annotation.
        deviation: (...) px, Delta.

    >>> regression_variance(torch.tensor(4.0), torch.tensor(2.0))
    tensor(6.)
    """
    return variance + deviation.square() / 2


def heatmap_scale(
    fitted: Tensor, variance: Tensor, deviation: Tensor, target_sigma: float = TARGET_SIGMA_PX
) -> Tensor:
    """Eq. 87: the best height o (...) of a heatmap of variance `fitted` about the prediction.

        2 l~² / s- * exp(-Delta² / (2 s-))

    Args:
        fitted: (...) px², s of the heatmap.
        variance: (...) px², sigma² of the annotation.
        deviation: (...) px, Delta.
        target_sigma: l~ in px.

    >>> heatmap_scale(torch.tensor(8.0), torch.tensor(4.0), torch.tensor(0.0))  # Eq. 17 again
    tensor(0.5000)
    """
    both = fitted + variance + target_sigma**2
    return 2 * target_sigma**2 / both * (-deviation.square() / (2 * both)).exp()


def variance_of_largest_scale(
    variance: Tensor, deviation: Tensor, target_sigma: float = TARGET_SIGMA_PX
) -> Tensor:
    """Eq. 88 and 89: s (...) px² at which `heatmap_scale` is largest, Delta² / 2 - s~, or 0.

    Below it the height grows with s, above it falls. The root of Eq. 89 has Delta²; the bound
    printed below it has Delta.

    >>> variance_of_largest_scale(torch.tensor(4.0), torch.tensor([0.0, 6.0]))
    tensor([ 0., 10.])
    """
    return (deviation.square() / 2 - variance - target_sigma**2).clamp(min=0.0)


def stationary_scale(
    fitted: Tensor, variance: Tensor, deviation: Tensor, target_sigma: float = TARGET_SIGMA_PX
) -> Tensor:
    """Eq. 105: the height (...) at which the squared error does not change with s.

        2 l~² (2 s~ s- + s Delta²) / s-³ * exp(-Delta² / (2 s-))

    Arguments as of `heatmap_scale`; equal to it only at `heatmap_variance` (Eq. 106).
    """
    tilde = variance + target_sigma**2
    both = fitted + tilde
    share = (2 * tilde * both + fitted * deviation.square()) / both**3
    return 2 * target_sigma**2 * share * (-deviation.square() / (2 * both)).exp()


def heatmap_variance(
    variance: Tensor, deviation: Tensor, target_sigma: float = TARGET_SIGMA_PX
) -> Tensor:
    """Eq. 109: the variance s (...) px² of the best heatmap about the prediction.

        sqrt(s~² + Delta⁴ / 4) + Delta² / 2

    The root of s² - Delta² s - s~² = 0: Eq. 107 multiplied out. (Eq. 108 must end in s~², the
    sigma-tilde⁴ of the paper; with sigma-hat⁴ it would have no positive root.)

    >>> heatmap_variance(torch.tensor(4.0), torch.tensor([0.0, 4.0]))
    tensor([ 8.0000, 19.3137])
    """
    half = deviation.square() / 2
    return torch.hypot(variance + target_sigma**2, half) + half


def heatmap_confidence(
    variance: Tensor, deviation: Tensor, target_sigma: float = TARGET_SIGMA_PX
) -> Tensor:
    """Eq. 110, mended: the height (...) of the best heatmap, which is Eq. 87 at Eq. 109's s.

    Arguments as of `heatmap_variance`.

    >>> heatmap_confidence(torch.tensor(4.0), torch.tensor([0.0, 4.0]))
    tensor([0.5000, 0.2185])
    """
    fitted = heatmap_variance(variance, deviation, target_sigma)
    return heatmap_scale(fitted, variance, deviation, target_sigma)


def heatmap_confidence_printed(
    variance: Tensor, deviation: Tensor, target_sigma: float = TARGET_SIGMA_PX
) -> Tensor:
    """Eq. 110 as printed, without exp(-Delta² / (2 s-)): an upper bound, too high by that factor.

    >>> printed = heatmap_confidence_printed(torch.tensor(4.0), torch.tensor([0.0, 4.0]))
    >>> printed, printed < torch.tensor(4.0 / 8.0)  # the inequality beside it holds
    (tensor([0.5000, 0.2929]), tensor([False,  True]))
    """
    fitted = heatmap_variance(variance, deviation, target_sigma)
    return 2 * target_sigma**2 / (fitted + variance + target_sigma**2)
