"""What finitely many hypotheses tell: credible intervals, and the share in which an event holds.

Both are statements about the posterior, as honest as it is. That the hypotheses are finitely
many adds to them: an interval needs enough for its level, and a share has an interval of its own.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from poseterior.errors import require

__all__ = ["check_level", "effective_number", "fewest_hypotheses", "quantiles", "share_interval"]


def check_level(level: float, source: object = "interval") -> None:
    """`InputError` for a level that is not between 0 and 1."""
    between = 0 < level < 1  # not so for NaN
    require(between, source, "level", expected="between 0 and 1", found=level)


def fewest_hypotheses(level: float) -> int:
    """The least H whose extremes enclose an equal-tailed interval: ceil(2 / (1 - level)) - 1.

    The k-th least of H independent draws is expected at the k / (H + 1) quantile, so that a
    tail of (1 - level) / 2 must hold 1 / (H + 1).

    Raises:
        InputError: a level that is not between 0 and 1.

    >>> fewest_hypotheses(0.5), fewest_hypotheses(0.9), fewest_hypotheses(0.95)
    (3, 19, 39)
    """
    check_level(level)
    return math.ceil(round(2 / (1 - level), 9)) - 1


def effective_number(weights: Tensor) -> Tensor:
    """(sum w)² / sum w² over the last axis: how many equal weights say as much; float64.

    >>> effective_number(torch.tensor([0.5, 0.5, 0.0])).item()
    2.0
    """
    weights = weights.double()
    return weights.sum(-1).square() / weights.square().sum(-1)


def quantiles(samples: Tensor, levels: Tensor) -> Tensor:
    """Quantiles (L, ...) at levels (L,) of samples (H, ...), float64, as `numpy.quantile`.

    (`torch.quantile` refuses more than 2^24 numbers.)

    >>> quantiles(torch.tensor([4.0, 1.0, 2.0]), torch.tensor([0.0, 0.25, 1.0]))
    tensor([1.0000, 1.5000, 4.0000], dtype=torch.float64)
    """
    ordered = samples.double().sort(0).values
    place = levels.double() * (len(ordered) - 1)
    below = place.floor().long()
    above = (below + 1).clamp_max(len(ordered) - 1)
    weight = (place - below).reshape(-1, *[1] * (samples.ndim - 1))
    return torch.lerp(ordered[below], ordered[above], weight)


def share_interval(
    share: Tensor, hypotheses: float | Tensor, level: float = 0.95
) -> tuple[Tensor, Tensor]:
    """Where a probability is, of which a share of independent hypotheses is known.

    Wilson's score interval (Wilson, JASA 1927): with z the normal quantile of (1 + level) / 2,
    all p with |share - p| <= z sqrt(p (1 - p) / H). 0 of 200 is not 0: its interval ends at 0.019.

    Args:
        share: (...) from 0 to 1.
        hypotheses: H, or an effective number (...) such as `effective_number` of weights.
        level: of confidence.

    Returns:
        Both ends (...), float64, from 0 to 1.

    Raises:
        InputError: a level that is not between 0 and 1.

    >>> low, high = share_interval(torch.tensor([0.0, 0.5]), 200)
    >>> low, high
    (tensor([0.0000, 0.4314], dtype=torch.float64), tensor([0.0188, 0.5686], dtype=torch.float64))
    """
    check_level(level, "share_interval")
    share = share.double()
    z2 = 2 * torch.special.erfinv(torch.tensor(level, dtype=torch.float64)).square()
    ratio = (z2 / hypotheses).to(share.device)
    middle = (share + ratio / 2) / (1 + ratio)
    half = (ratio * (share * (1 - share) + ratio / 4)).sqrt() / (1 + ratio)
    # In exact numbers the ends enclose the share, and are exactly 0 and 1 where it is.
    low, high = torch.minimum(middle - half, share), torch.maximum(middle + half, share)
    return low.clamp_min(0), high.clamp_max(1)
