"""Keypoints with variances from SimCC scores: one row of bins for each axis (RTMPose).

The network is trained so that softmax(sharpness * scores) of an axis is the expected softmax of
its target, a Gaussian of height 1 over the bins (Jiang et al. 2023; sharpness 10). The latter
is a constant everywhere plus a peak, so what stands out of the softmax is the distribution of
the joint convolved with that peak. `peak_variance` tells how wide that is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from poseterior.errors import InputError, require
from poseterior.heatmaps.gaussian_fit import SECOND_MODE

__all__ = ["SHARPNESS", "SimccFit", "fit_simcc", "peak_variance"]

SHARPNESS = 10.0
# Bins below this share of the highest one are background: a Gaussian reaches it at 3 sigma.
_BACKGROUND = 0.01


@dataclass(frozen=True, eq=False)
class SimccFit:
    """What the bins say of keypoints (...), in px of the network's input, (x, y).

    Attributes:
        mean: (..., 2) px, of the mode with the highest bin.
        variance: (..., 2) px² of that mode, along x and along y.
        confidence: (...) the lower of both axes' highest scores.
        second_mode: (..., 2) share of the other modes' mass, from 0 to 1.
        second_mean: (..., 2) px, their mean; `mean` where there are none.
        converged: (...) bool. False where the bins of an axis are all alike: mean is the
            middle, and variance that of a joint that may lie anywhere.
    """

    mean: Tensor
    variance: Tensor
    confidence: Tensor
    second_mode: Tensor
    second_mean: Tensor
    converged: Tensor

    @property
    def covariance(self) -> Tensor:
        """(..., 2, 2) px², diagonal: two axes by themselves know no correlation."""
        return torch.diag_embed(self.variance)

    @property
    def two_peaked(self) -> Tensor:
        """(...) bool: `second_mode` of an axis is above 0.1, as of `GaussianFit`."""
        return (self.second_mode > SECOND_MODE).any(-1)

    @property
    def covering(self) -> Tensor:
        """(..., 2, 2) px²: second moment about `mean` with the other modes, each axis alone."""
        gap = self.second_mean - self.mean
        return torch.diag_embed(self.variance + self.second_mode * gap.square())


def fit_simcc(
    x: Tensor, y: Tensor, bins_per_pixel: float = 2.0, *, sharpness: float = SHARPNESS
) -> SimccFit:
    """Mean and variance of each keypoint's x and y from their bins.

    q = max(0, softmax(sharpness * scores) - its median) is split at the bins below 1 % of the
    highest; the stretch with the highest bin is the mode that mean and variance are of.
    Bin b lies at b / bins_per_pixel px.

    Args:
        x: (..., w r) scores of the bins along x, as the network gives them.
        y: (..., h r) along y.
        bins_per_pixel: r, SimCC's split ratio.
        sharpness: factor before softmax in the network's training.

    Raises:
        InputError: scores are not floating or not finite (names the index), their batches
            differ, or a number is not positive.

    >>> bins = torch.arange(96.0)
    >>> scores = torch.exp(-((bins - 40) ** 2) / 50), torch.exp(-((bins - 61) ** 2) / 50)
    >>> fit_simcc(*scores).mean
    tensor([20.0000, 30.5000])
    """
    for name, value in (("bins_per_pixel", bins_per_pixel), ("sharpness", sharpness)):
        require(0 < value < math.inf, "fit_simcc", name, expected="a positive number", found=value)
    batch = tuple(x.shape[:-1])
    same = batch == tuple(y.shape[:-1])
    require(same, "fit_simcc", "y", expected=f"batch shape {batch}", found=tuple(y.shape[:-1]))
    axes = [_axis(scores, sharpness, f"fit_simcc: {name}") for name, scores in (("x", x), ("y", y))]
    mean, variance, share, second, highest, found = (
        torch.stack(a, -1) for a in zip(*axes, strict=True)
    )
    mean, second = mean / bins_per_pixel, second / bins_per_pixel
    variance = variance / bins_per_pixel**2
    return SimccFit(mean, variance, highest.amin(-1), share, second, found.all(-1))


def peak_variance(sigma: float, sharpness: float = SHARPNESS) -> float:
    """Variance of exp(sharpness g) - 1, g the Gaussian of height 1 and this sigma; unit² of it.

    What `fit_simcc` finds of a joint that the network has no doubt about.

        sigma² sum_k s^k / (k! k^(3/2)) / sum_k s^k / (k! k^(1/2))

    >>> round(peak_variance(4.9 / 2) ** 0.5, 2)  # px, RTMPose's targets along x
    0.86
    """
    k = torch.arange(1, 30 + int(4 * sharpness), dtype=torch.float64)
    weight = (k * torch.tensor(sharpness).double().log() - torch.lgamma(k + 1)).exp() / k.sqrt()
    return sigma**2 * float((weight / k).sum() / weight.sum())


def _axis(scores: Tensor, sharpness: float, source: str) -> tuple[Tensor, ...]:
    """Mean, variance, other modes' share and mean, highest score, and whether there is a peak.

    Each has the batch shape of scores (..., bins); positions are in bins.
    """
    scores = _checked(scores, source)
    bins = torch.arange(scores.shape[-1]).to(scores)
    # Less the maximum before the factor, so that neither is too large a number.
    probability = torch.softmax(sharpness * (scores - scores.amax(-1, keepdim=True)), -1)
    above = (probability - probability.median(-1, keepdim=True).values).clamp_min(0)
    highest, peak = above.max(-1, keepdim=True)
    found = highest > 0
    above = torch.where(found, above, 1.0) * (above >= _BACKGROUND * highest)
    main = torch.where(_stretch(above > 0, peak), above, 0.0)
    rest = above - main
    mean = _mean(main, bins, 0.0)
    variance = (main * (bins - mean).square()).sum(-1, keepdim=True) / main.sum(-1, keepdim=True)
    share = rest.sum(-1, keepdim=True) / above.sum(-1, keepdim=True)
    columns = mean, variance.clamp_min(1 / 12), share, _mean(rest, bins, mean), found
    mean, variance, share, second, found = (column[..., 0] for column in columns)
    return mean, variance, share, second, scores.amax(-1), found


def _checked(scores: Tensor, source: str) -> Tensor:
    """Finite scores (..., bins) of at least single precision."""
    shape = tuple(scores.shape)
    right = len(shape) > 0 and shape[-1] > 0 and scores.is_floating_point()
    expected = "floating scores (..., bins)"
    require(right, source, "scores", expected=expected, found=f"{scores.dtype} {shape}")
    scores = scores.detach().to(torch.promote_types(scores.dtype, torch.float32))
    bad = (~scores.isfinite()).nonzero()
    if len(bad):
        *index, place = bad[0].tolist()
        found = f"{scores[tuple(bad[0])].item()} at bin {place}"
        raise InputError(source, f"scores{index or ''}", expected="finite values", found=found)
    return scores


def _mean(weight: Tensor, bins: Tensor, otherwise: Tensor | float) -> Tensor:
    """Weighted mean bin (..., 1), where there is any weight."""
    total = weight.sum(-1, keepdim=True)
    mean = (weight * bins).sum(-1, keepdim=True) / torch.where(total > 0, total, 1.0)
    return torch.where(total > 0, mean, otherwise)


def _stretch(inside: Tensor, peak: Tensor) -> Tensor:
    """The bins (..., bins) that a run of True joins to the one at peak (..., 1)."""
    bins = torch.arange(inside.shape[-1], device=inside.device)
    # The last False before the peak, and the first one after it.
    before = torch.where(~inside & (bins < peak), bins, -1).amax(-1, keepdim=True)
    after = torch.where(~inside & (bins > peak), bins, len(bins)).amin(-1, keepdim=True)
    return (bins > before) & (bins < after)
