"""The mathematics of split conformal prediction: which score bounds the next one, how surely.

A score says how far a target lies from what was predicted. If the scores of n held-out poses
and that of a new one are exchangeable, the new one is at most the k-th smallest of them with
probability k / (n + 1) (Vovk, Gammerman & Shafer 2005), so k = ceil((n + 1) level) covers at
`level` or more. The same with weights: the new pose's own weight is put at infinity (Tibshirani,
Foygel Barber, Candes & Ramdas, Conformal prediction under covariate shift, 2019, Lemma 3).
"""

from __future__ import annotations

import math

from torch import Tensor

from poseterior.errors import InputError, require

__all__ = ["check_level", "conformal_quantile", "conformal_rank", "fewest"]

# Levels are typed in decimal: 0.9 times 10 must be 9, not the next whole number above it.
_ROUNDING = 1e-9


def check_level(level: float) -> float:
    """The level; `InputError` unless it is above 0 and below 1."""
    require(0 < level < 1, "conformal", "level", expected="above 0, below 1", found=level)
    return level


def fewest(level: float) -> int:
    """How many exchangeable scores a region at `level` needs: ceil(1 / (1 - level)) - 1.

    >>> fewest(0.9), fewest(0.95), fewest(0.5)
    (9, 19, 1)
    """
    return math.ceil(1 / (1 - check_level(level)) - _ROUNDING) - 1


def conformal_rank(count: int, level: float) -> int:
    """Which of `count` sorted scores bounds a new one: the k-th, k = ceil((count + 1) level).

    With continuous scores the coverage, given the held-out ones, follows the law
    Beta(k, count + 1 - k); its mean k / (count + 1) is from `level` to `level` + 1 / (count + 1).

    Raises:
        InputError: too few scores; it says how many are needed.

    >>> conformal_rank(99, 0.9), conformal_rank(9, 0.9)
    (90, 9)
    """
    needed = fewest(level)
    require(
        count >= needed, "conformal", "level",
        expected=f"{needed} or more scores for level {level:g}", found=count,
    )  # fmt: skip
    return max(1, math.ceil((count + 1) * level - _ROUNDING))


def conformal_quantile(
    scores: Tensor, level: float, weights: Tensor | None = None, new: float = 1.0
) -> Tensor:
    """The bound of a new score at `level`, for each column of scores (N, ...).

    Args:
        scores: (N, ...) of held-out poses.
        level: the coverage asked for.
        weights: (N,) of the held-out poses, each the ratio of its density among new poses to
            that among held-out ones, up to a common factor; all equal if None. The coverage is
            then that of new poses, whose inputs may differ from the held-out ones in frequency,
            though not in how far the target lies from what is predicted of an input.
        new: the weight of the new pose.

    Returns:
        (...) float64: the smallest score with sum of w_i over scores <= it at least
        level (sum of w_i + new).

    Raises:
        InputError: no finite bound holds at this level; negative weights, or none above zero.

    >>> import torch
    >>> conformal_quantile(torch.arange(1.0, 20), 0.9)
    tensor(18., dtype=torch.float64)
    >>> late = torch.cat([torch.zeros(9), torch.ones(10)])
    >>> conformal_quantile(torch.arange(1.0, 20), 0.5, late)
    tensor(15., dtype=torch.float64)
    """
    scores = scores.double()
    ordered, order = scores.sort(0)
    if weights is None:
        return ordered[conformal_rank(len(scores), level) - 1]
    weights = _checked(weights, len(scores), new)
    upto = weights[order].cumsum(0)
    wanted = check_level(level) * (weights.sum() + new)
    index = (upto < wanted - _ROUNDING * wanted).sum(0)
    if bool((index == len(scores)).any()):
        share = float(weights.sum() / (weights.sum() + new))
        raise InputError(
            "conformal", "level", found=f"{share:.4g}",
            expected=f"held-out weights that are {level:g} or more of all, the new one's included",
        )  # fmt: skip
    return ordered.gather(0, index[None]).squeeze(0)


def _checked(weights: Tensor, count: int, new: float) -> Tensor:
    weights = weights.double()
    good = weights.shape == (count,) and bool((weights >= 0).all() and weights.isfinite().all())
    require(
        good and new >= 0 and bool(weights.sum() > 0), "conformal", "weights",
        expected=f"{count} finite weights >= 0, not all zero, and a new one >= 0",
        found=f"shape {tuple(weights.shape)}, "
        + (f"least {weights.min().item():g}, sum {weights.sum().item():g}" if count else "none")
        + f", new {new:g}",
    )  # fmt: skip
    return weights
