"""Proper scores of hypotheses: energy score, CRPS, and the spread and likelihood beside them.

Two estimators of E|X - X'| by name. "fair" leaves out the pairs of a hypothesis with itself,
and so is unbiased however few hypotheses there are; "standard" (the V-statistic) counts them,
and so rewards too wide a spread at small H. With weights that sum to one the fair sum over
pairs is divided by 1 - sum w², which is (H - 1) / H at equal weights.

Lengths are metres in and out. All functions take the joints that they are given: pass the
free ones, since the root is not random.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.metrics.weighted import hypotheses_last, normalised, sort_last, weighted_mean

__all__ = ["Estimator", "crps", "energy_score", "joint_variance", "nll"]

Estimator = Literal["fair", "standard"]

# Pairs of hypotheses held at a time: 2 MB of float32, which stays in the processor's cache.
_PAIRS = 2**19


def energy_score(
    hypotheses: Tensor,
    target: Tensor,
    *,
    weights: Tensor | None = None,
    valid_joints: Tensor | None = None,
    estimator: Estimator = "fair",
) -> Tensor:
    """E|X - y| - E|X - X'| / 2 of each pose as one vector (Gneiting & Raftery 2007, Eq. 22).

    Args:
        hypotheses: (M, H, J, 3) metres. Pairs are taken in their dtype, about the mean: in
            float32 to a millionth of the spread.
        target: (M, J, 3) metres.
        weights: (M, H).
        valid_joints: (M, J) bool; the score is over the vector of the valid joints, and NaN
            for a pose that has none.
        estimator: of E|X - X'|; "fair" is 0/0 for one hypothesis, and gives NaN.

    Returns:
        (M,) metres, float64.

    >>> pose = torch.zeros(1, 1, 3)
    >>> energy_score(torch.tensor([[[[0.1, 0, 0]], [[-0.1, 0, 0]]]]), pose)
    tensor([0.], dtype=torch.float64)
    >>> energy_score(torch.tensor([[[[0.1, 0, 0]], [[-0.1, 0, 0]]]]), pose, estimator="standard")
    tensor([0.0500], dtype=torch.float64)
    """
    weights = normalised(weights)
    middle = weighted_mean(hypotheses, weights).to(hypotheses.dtype)
    points = (hypotheses - middle[:, None]).flatten(2)
    truth = (target - middle).flatten(1)
    if valid_joints is not None:
        kept = valid_joints.repeat_interleave(3, dim=-1)
        points, truth = points * kept[:, None], truth * kept
    chances = _chances(hypotheses, weights)
    error = (chances * (points - truth[:, None]).norm(dim=-1)).sum(-1)
    size = max(1, _PAIRS // hypotheses.shape[1] ** 2)
    pairs = torch.cat([
        _pair_distance(some, chance)
        for some, chance in zip(points.split(size), chances.split(size), strict=True)
    ])  # fmt: skip
    score = error - pairs / _pair_chance(chances, estimator) / 2
    return score if valid_joints is None else score.where(valid_joints.any(-1), torch.nan)


def _chances(hypotheses: Tensor, weights: Tensor | None) -> Tensor:
    """Normalised weights (M, H), spelt out where they are equal."""
    if weights is not None:
        return weights
    shape, count = hypotheses.shape[:2], hypotheses.shape[1]
    return torch.full(shape, 1 / count, dtype=torch.float64, device=hypotheses.device)


def _pair_distance(points: Tensor, chances: Tensor) -> Tensor:
    """Sum over pairs i, j of w_i w_j |x_i - x_j|, (M, H, D) -> (M,), float64."""
    factor = chances.to(points.dtype)[..., None]
    total = chances.new_zeros(len(points))
    size = max(1, _PAIRS // points.shape[1])
    for start in range(0, points.shape[1], size):
        rows = slice(start, start + size)
        distances = torch.cdist(points[:, rows], points)
        # A matrix product leaves rounding where a point meets itself.
        distances.diagonal(offset=start, dim1=1, dim2=2).zero_()
        total += (chances[:, rows] * (distances @ factor).squeeze(-1)).sum(-1)
    return total


def _pair_chance(chances: Tensor, estimator: Estimator) -> Tensor:
    """What the pairs' weights sum to, (M,): 1, or without the pairs of one with itself.

    One hypothesis that has all the weight stands for a point: its spread is 0, not 0/0.
    """
    require(
        estimator in get_args(Estimator), "scores", "estimator",
        expected=f"one of {get_args(Estimator)}", found=estimator,
    )  # fmt: skip
    if estimator == "standard":
        return torch.ones_like(chances[:, 0])
    if chances.shape[1] == 1:
        return torch.full_like(chances[:, 0], torch.nan)
    lost = 1 - chances.square().sum(-1)
    return lost.where((chances > 0).sum(-1) > 1, 1.0)


def crps(
    hypotheses: Tensor,
    target: Tensor,
    *,
    weights: Tensor | None = None,
    estimator: Estimator = "fair",
) -> Tensor:
    """Continuous ranked probability score of each coordinate, (M, J, 3), metres, float64.

    E|X - y| - E|X - X'| / 2 in one dimension, the pairs by sorting: the sum over i < j of
    w_i w_j (x_j - x_i) is the sum over j of w_j x_j (weight below x_j - weight above it).
    Arguments as of `energy_score`.

    >>> crps(torch.tensor([[[[0.0]], [[1.0]]]]), torch.tensor([[[0.5]]]))
    tensor([[[0.]]], dtype=torch.float64)
    """
    columns = hypotheses_last(hypotheses).permute(0, 2, 3, 1)
    weights = normalised(weights)
    if weights is None:
        return _crps_equal(columns, target, estimator)
    chances = weights[:, None, None]
    error = (chances * (columns - target[..., None]).abs()).sum(-1)
    ordered, order = columns.sort(-1)
    ranked = chances.expand(columns.shape).gather(-1, order)
    balance = 2 * ranked.cumsum(-1) - ranked - 1
    pairs = (ranked * balance * ordered).sum(-1)
    return error - pairs / _pair_chance(weights, estimator)[:, None, None]


def _crps_equal(columns: Tensor, target: Tensor, estimator: Estimator) -> Tensor:
    """`crps` at equal weights, (M, J, 3, H) -> (M, J, 3)."""
    count = columns.shape[-1]
    error = (columns - target[..., None]).abs_().mean(-1, dtype=torch.float64)
    balance = torch.arange(1 - count, count, 2, dtype=torch.float64, device=columns.device)
    pairs = sort_last(columns).double() @ (balance / count**2)
    chances = torch.full((1, count), 1 / count, dtype=torch.float64, device=columns.device)
    return error - pairs / _pair_chance(chances, estimator)


def joint_variance(hypotheses: Tensor, weights: Tensor | None = None) -> Tensor:
    """Trace of the 3 x 3 covariance of each joint's hypotheses, (M, J), metres², float64.

    The unbiased estimate: divided by 1 - sum w², so by H - 1 at equal weights; NaN for one
    hypothesis. `sharpness` is the root of its mean over free joints and poses.
    """
    chances = _chances(hypotheses, normalised(weights))
    offset = hypotheses - weighted_mean(hypotheses, weights)[:, None]
    spread = torch.einsum("mh,mhjc->mj", chances, offset.square_())
    return spread / _pair_chance(chances, "fair")[:, None]


def nll(target_log_prob: Tensor) -> Tensor:
    """Negative log-likelihood (M,) in nats per pose, from the posterior's density at the target.

    The density is that of the free joints in metres: nats of two methods compare only in the
    same unit and skeleton.
    """
    return -target_log_prob.double()
