"""Similarity alignment by SVD (Kabsch 1976, Umeyama 1991): the textbook formula, batched."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["align"]


def align(prediction: Tensor, target: Tensor) -> Tensor:
    """Predictions (..., J, 3) laid over targets (..., J, 3), in float64."""
    x, y = prediction.double(), target.double()
    x_mean, y_mean = x.mean(-2, keepdim=True), y.mean(-2, keepdim=True)
    x, y = x - x_mean, y - y_mean
    left, values, right = torch.linalg.svd(y.mT @ x)
    sign = torch.ones_like(values)
    sign[..., 2] = torch.linalg.det(left @ right).sign()
    rotation = left * sign[..., None, :] @ right
    scale = (values * sign).sum(-1) / x.square().sum((-1, -2))
    return scale[..., None, None] * x @ rotation.mT + y_mean
