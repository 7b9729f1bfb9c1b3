"""Maximum mean discrepancy between two samples."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from poseterior.errors import require

__all__ = ["BANDWIDTHS", "inverse_multiquadratic", "mmd"]

# Of paper 001, Eq. 10.
BANDWIDTHS = (0.0025, 0.04, 0.81)


def inverse_multiquadratic(
    first: Tensor, second: Tensor, bandwidths: Sequence[float] = BANDWIDTHS
) -> Tensor:
    """Kernel (n, m) of vectors (n, D) and (m, D): sum over b of b / (b + |v - v'|²)."""
    lengths = first.square().sum(-1)[:, None] + second.square().sum(-1)
    squares = (lengths - 2 * first @ second.mT).clamp_min(0)
    return torch.stack([b / (b + squares) for b in bandwidths]).sum(0)


def mmd(first: Tensor, second: Tensor, bandwidths: Sequence[float] = BANDWIDTHS) -> Tensor:
    """The unbiased estimator of the squared discrepancy, so it may be negative.

    The mean kernel of different vectors of each sample minus twice that across the samples
    (Gretton et al. 2012; paper 001, Eq. 6 and 10).

    Args:
        first: (n, D), at least two vectors, or `InputError`.
        second: (m, D), likewise.
        bandwidths: of `inverse_multiquadratic`.
    """
    for sample in (first, second):
        require(len(sample) > 1, "mmd", "sample", expected="2 or more", found=len(sample))
    across = inverse_multiquadratic(first, second, bandwidths).mean()
    return _within(first, bandwidths) + _within(second, bandwidths) - 2 * across


def _within(sample: Tensor, bandwidths: Sequence[float]) -> Tensor:
    kernel = inverse_multiquadratic(sample, sample, bandwidths)
    count = len(sample)
    return (kernel.sum() - kernel.diagonal().sum()) / (count * (count - 1))
