"""Angles on the circle in degrees, where 179 and -179 are neighbours.

An interval of angles is taken of `unrolled` ones: quantiles of those are numbers on a line, and
`from_turn` brings them back to where their median is an ordinary angle.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["circular_mean", "from_turn", "unrolled", "wrapped"]


def wrapped(degrees: Tensor) -> Tensor:
    """The same angles, from -180 up to but without 180.

    >>> wrapped(torch.tensor([190.0, -180.0, 360.0]))
    tensor([-170., -180.,    0.])
    """
    return (degrees + 180).remainder(360) - 180


def circular_mean(degrees: Tensor, weights: Tensor | None = None, dim: int = 0) -> Tensor:
    """Direction of the mean of the unit vectors at the angles, float64 degrees.

        atan2(sum w sin a, sum w cos a)

    Args:
        degrees: angles along the axis `dim`, which the mean has not.
        weights: of the same shape, any positive sum; equal if None.
        dim: the axis of the hypotheses.

    >>> circular_mean(torch.tensor([170.0, -160.0])).item()
    -175.0...
    """
    turns = torch.deg2rad(degrees.double())
    sine, cosine = turns.sin(), turns.cos()
    if weights is not None:
        sine, cosine = weights * sine, weights * cosine
    return torch.rad2deg(torch.atan2(sine.sum(dim), cosine.sum(dim)))


def unrolled(degrees: Tensor, weights: Tensor | None = None, dim: int = 0) -> Tensor:
    """The same angles, float64, each within half a turn of their circular mean.

    Arguments as of `circular_mean`.

    >>> unrolled(torch.tensor([178.0, -176.0])).tolist()
    [-182.0, -176.0]
    """
    middle = circular_mean(degrees, weights, dim).unsqueeze(dim)
    return middle + wrapped(degrees.double() - middle)


def from_turn(quantiles: Tensor, median: Tensor) -> Tensor:
    """Quantiles of unrolled angles moved by whole turns, so that `median` is in [-180, 180).

    >>> from_turn(torch.tensor([170.0, 185.0, 200.0]), torch.tensor(185.0)).tolist()
    [-190.0, -175.0, -160.0]
    """
    return quantiles + (wrapped(median) - median)
