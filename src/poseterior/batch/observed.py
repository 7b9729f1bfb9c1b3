"""Observations in the lifter's skeleton."""

from __future__ import annotations

import torch
from torch import Tensor

from poseterior.geometry.skeleton import Skeleton
from poseterior.keypoints import Keypoints

__all__ = ["in_skeleton"]


def in_skeleton(
    keypoints: Keypoints, target: Tensor | None, skeleton: Skeleton
) -> tuple[Keypoints, Tensor | None, Tensor]:
    """Keypoints (m,), target (m, J, 3) or None, and which joints count, (m, J) bool."""
    known = torch.ones(*keypoints.batch_shape, len(skeleton), dtype=torch.bool)
    if keypoints.skeleton == skeleton:
        return keypoints, target, known
    raise NotImplementedError
