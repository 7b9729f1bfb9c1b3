"""What the hypotheses of a frame say of its joints: their mean and their covariance.

A frame's hypotheses are one measurement y of the joint's position x, and their covariance R is
that of its error. Part of the error is new in every frame; a share c of its variance lasts,
because the same detector looks at the same occlusion and the same ambiguity of depth misleads
the lifter in the same direction while a pose lasts:

    y = x + sqrt(c) R^(1/2) u + sqrt(1 - c) R^(1/2) e,    u the same in all frames, e new in each.

A frame alone is thus exactly as sure as its hypotheses; further frames reduce the new part, and
the lasting one only where they are surer themselves. c = 0, errors that know nothing of each
other, is the textbook smoother, which becomes overconfident.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.metrics.weighted import hypotheses_last, normalised

__all__ = ["Measured", "joint_moments", "symmetric_root"]


class Measured(NamedTuple):
    """Frames of one track: `mean` (T, J, 3), `covariance` (T, J, 3, 3), `seen` (T, J) bool.

    float64, metres; a joint that is not seen was not measured, its numbers mean nothing.
    """

    mean: Tensor
    covariance: Tensor
    seen: Tensor


def joint_moments(hypotheses: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Mean (M, J, 3) and covariance (M, J, 3, 3) of each joint, float64, metres and m².

    The covariance S of H hypotheses is drawn towards (tr S / 3) I by the oracle approximating
    shrinkage (Chen, Wiesel, Eldar and Hero, Shrinkage algorithms for MMSE covariance estimation,
    2010, eq. 23), of effective number n = 1 / sum w²: little at H = 200, much at H = 5.

    Args:
        hypotheses: (M, H, J, 3), H at least 2.
        weights: (M, H); equal if None.

    Raises:
        InputError: fewer than 2 hypotheses, bad weights.
    """
    count = hypotheses.shape[1]
    require(
        count >= 2, "smoothing", "hypotheses", expected="2 or more, to tell their spread",
        found=count,
    )  # fmt: skip
    share = normalised(weights)
    if share is None:
        share = torch.full((1, count), 1 / count, dtype=torch.float64)
    columns = hypotheses_last(hypotheses).permute(0, 2, 3, 1).double()
    share = share[:, None, None]
    mean = (columns * share).sum(-1)
    offset = columns - mean[..., None]
    lost = share.square().sum(-1)[..., None]
    biased = (offset * share) @ offset.mT
    return mean, _shrunk(biased, 1 / lost) / (1 - lost).clamp_min(torch.finfo(lost.dtype).eps)


def _shrunk(covariance: Tensor, count: Tensor) -> Tensor:
    """(..., 3, 3) of `count` draws, nearer to a multiple of the identity."""
    size = covariance.shape[-1]
    trace = covariance.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]
    squares = covariance.square().sum((-2, -1), keepdim=True)
    above = (1 - 2 / size) * squares + trace.square()
    below = (count + 1 - 2 / size) * (squares - trace.square() / size)
    weight = torch.where(below > above, above / below, 1.0)
    return (1 - weight) * covariance + weight * trace / size * torch.eye(size).to(covariance)


def symmetric_root(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The symmetric square root of positive definite matrices (..., n, n), and its inverse."""
    values, vectors = torch.linalg.eigh(matrix)
    roots = values.clamp_min(torch.finfo(matrix.dtype).tiny).sqrt()
    roots = roots[..., None, :]
    return (vectors * roots) @ vectors.mT, (vectors / roots) @ vectors.mT
