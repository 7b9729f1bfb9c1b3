"""Variogram score: whether joints depend on each other as the posterior says they do.

CRPS looks at each coordinate alone, and the energy score hardly notices a wrong dependence
between coordinates whose margins are right. The variogram score is made for that: it compares
how far apart pairs of joints are with how far apart the hypotheses put them.
"""

from __future__ import annotations

from typing import get_args

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.metrics.scores import Estimator
from poseterior.metrics.weighted import hypotheses_last, normalised, row_pieces

__all__ = ["variogram_score"]


def variogram_score(
    hypotheses: Tensor,
    target: Tensor,
    *,
    p: float = 0.5,
    weights: Tensor | None = None,
    valid_joints: Tensor | None = None,
    estimator: Estimator = "fair",
) -> Tensor:
    """Variogram score of order p by joint and axis (Scheuerer & Hamill 2015, VS-p).

    For one axis it is the sum over pairs of joints j < k of (|y_j - y_k|^p - E|x_j - x_k|^p)², all
    pairs of equal weight. Each joint has half of what its pairs score, so that the sum over
    joints is the score of the axis. It does not see a shift that all joints share.

    Args:
        hypotheses: (M, H, K, 3) metres, of two or more joints that are not fixed.
        target: (M, K, 3) metres.
        p: order, above zero; the paper's choice of 0.5 resists outliers best.
        weights: (M, H).
        valid_joints: (M, K) bool; only pairs of valid joints count.
        estimator: "standard" takes E|x_j - x_k|^p as known, and so is larger by its variance
            over H; "fair" subtracts an unbiased estimate of that, which leaves the score of the
            distribution itself whatever H, and may be negative. NaN for one hypothesis.

    Returns:
        (M, K, 3) metres^(2p), float64; NaN for a joint that is not valid, or is the only one.

    Raises:
        InputError: for p <= 0, an unknown estimator, bad weights.

    >>> pose = torch.tensor([[[0.0, 0, 0], [0.25, 0, 0]]])
    >>> variogram_score(torch.zeros(1, 2, 2, 3), pose)[0, :, 0]  # (0.5 - 0)², half for each
    tensor([0.1250, 0.1250], dtype=torch.float64)
    """
    require(p > 0, "variogram", "p", expected="an order above 0", found=p)
    require(
        estimator in get_args(Estimator), "variogram", "estimator",
        expected=f"one of {get_args(Estimator)}", found=estimator,
    )  # fmt: skip
    chances = normalised(weights)
    excess = _variance_factor(hypotheses, chances) if estimator == "fair" else None
    score = torch.empty(target.shape, dtype=torch.float64, device=hypotheses.device)
    for rows in row_pieces(hypotheses):
        score[rows] = _shares(
            hypotheses_last(hypotheses[rows]).permute(0, 2, 3, 1),
            target[rows],
            p,
            None if chances is None else chances[rows],
            None if excess is None else excess[rows],
            None if valid_joints is None else valid_joints[rows],
        )
    if valid_joints is None:
        return score if hypotheses.shape[2] > 1 else torch.full_like(score, torch.nan)
    paired = valid_joints & (valid_joints.sum(-1, keepdim=True) > 1)
    return score.where(paired[..., None], torch.nan)


def _variance_factor(hypotheses: Tensor, chances: Tensor | None) -> Tensor:
    """What takes the hypotheses' own variance to that of their mean, (M,): 1 / (H - 1).

    With weights that sum to one sum w² / (1 - sum w²), 0 where one has all the weight.
    """
    poses, count = hypotheses.shape[:2]
    if count == 1:
        return hypotheses.new_full((poses,), torch.nan, dtype=torch.float64)
    if chances is None:
        return hypotheses.new_full((poses,), 1 / (count - 1), dtype=torch.float64)
    squares = chances.square().sum(-1)
    return (squares / (1 - squares)).where((chances > 0).sum(-1) > 1, 0.0)


def _shares(
    columns: Tensor,
    target: Tensor,
    p: float,
    chances: Tensor | None,
    excess: Tensor | None,
    valid: Tensor | None,
) -> Tensor:
    """Half shares (M, K, 3) of few poses, their hypotheses as (M, K, 3, H)."""
    shares = torch.zeros(target.shape, dtype=torch.float64, device=columns.device)
    truth = target.double()
    for joint in range(target.shape[1] - 1):
        # All pairs of this joint with the later ones.
        rest = slice(joint + 1, None)
        gaps = (columns[:, rest] - columns[:, joint, None]).abs_().pow_(p)
        mean = _mean(gaps, chances)
        terms = ((truth[:, rest] - truth[:, joint, None]).abs().pow(p) - mean).square()
        if excess is not None:
            variance = _mean(gaps.square_(), chances) - mean.square()
            terms -= variance * excess[:, None, None]
        if valid is not None:
            terms *= (valid[:, rest] & valid[:, joint, None])[..., None]
        shares[:, joint] += terms.sum(1) / 2
        shares[:, rest] += terms / 2
    return shares


def _mean(values: Tensor, chances: Tensor | None) -> Tensor:
    """Mean over the last axis of (M, P, 3, H), weighted by (M, H), float64."""
    if chances is None:
        return values.mean(-1).double()
    mean = values.flatten(1, 2) @ chances[..., None].to(values.dtype)
    return mean.view(values.shape[:-1]).double()
