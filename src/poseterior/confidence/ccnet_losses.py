"""What a confidence network is trained by (paper 003, Eq. 19-21), and what it is compared with.

All are sums over the keypoints and means over the people. s-hat are predicted confidences (B, K),
s the keypoints' OKS (B, K) and v (B, K) 1 where a keypoint is labelled, else 0: nobody knows how
near the others are.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

__all__ = [
    "aleatoric_loss",
    "cross_entropy_loss",
    "ranking_loss",
    "squared_loss",
    "visibility_loss",
]

# OKS above which a person counts as found: COCO's ten.
_THRESHOLDS = tuple(0.5 + 0.05 * step for step in range(10))
_MARGIN = 1.0


def squared_loss(confidence: Tensor, oks: Tensor, v: Tensor) -> Tensor:
    """Eq. 19, weighted by visibility as in Algorithm 1: sum of v (s-hat - s)²."""
    return (v * (confidence - oks).square()).sum(-1).mean()


def cross_entropy_loss(logit: Tensor, oks: Tensor, v: Tensor) -> Tensor:
    """-s log s-hat - (1 - s) log(1 - s-hat), of the logit of s-hat: as Eq. 20, of OKS."""
    entropy = binary_cross_entropy_with_logits(logit, oks, reduction="none")
    return (v * entropy).sum(-1).mean()


def aleatoric_loss(confidence: Tensor, log_variance: Tensor, oks: Tensor, v: Tensor) -> Tensor:
    """((s-hat - s)² / exp(u) + u) / 2 with a predicted u (Kendall and Gal 2017, Eq. 8)."""
    error = (confidence - oks).square() * (-log_variance).exp()
    return 0.5 * (v * (error + log_variance)).sum(-1).mean()


def visibility_loss(logit: Tensor, v: Tensor) -> Tensor:
    """Eq. 20, of the logit of v-hat."""
    return binary_cross_entropy_with_logits(logit, v, reduction="none").sum(-1).mean()


def ranking_loss(score: Tensor, oks: Tensor) -> Tensor:
    """1 less the surrogate of the mean average precision (SOAP: Qi et al. 2021, Eq. 5).

    For each threshold t, people of OKS > t are positive, and

        1 - AP = 1 - mean over positive i of sum_{positive j} l(j, i) / sum_j l(j, i)
        l(j, i) = max(0, 1 - (c_i - c_j))²

    with l in the place of 1[c_j >= c_i]. Their moving averages of both sums over the batches
    (Algorithm 1) are the batch's own here (gamma = 1), which is the surrogate of the batch itself.

    Args:
        score: (B,) confidences c of people.
        oks: (B,) of people.
    """
    pairs = (_MARGIN - (score[:, None] - score[None])).clamp_min(0).square()  # (i, j)
    losses = []
    for threshold in _THRESHOLDS:
        positive = (oks > threshold).to(score)
        share = (pairs * positive).sum(-1) / pairs.sum(-1).clamp_min(1e-6)
        losses.append(1 - (positive * share).sum() / positive.sum().clamp_min(1))
    return torch.stack(losses).mean()
