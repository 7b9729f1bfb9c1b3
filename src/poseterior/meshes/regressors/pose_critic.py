"""The adversarial prior of mesh regressors: critics of each joint's rotation and of the whole pose.

Kanazawa et al., End-to-end Recovery of Human Shape and Pose, CVPR 2018, Section 3.2: least
squares, one small critic for every joint and one for all of them together.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["PoseCritic", "critic_loss", "generator_loss"]


class PoseCritic(nn.Module):
    """Rotations (B, N, 3, 3) to scores (B, N + 1), 1 for what looks real: each joint, then all.

    Joints share the two layers that see their nine numbers; sizes are as published.
    """

    def __init__(self, joints: int, joint_width: int = 32, width: int = 1024) -> None:
        super().__init__()
        self.shared = nn.Sequential(
            nn.Linear(9, joint_width), nn.ReLU(), nn.Linear(joint_width, joint_width), nn.ReLU()
        )
        self.weight = nn.Parameter(torch.randn(joints, joint_width) / joint_width**0.5)
        self.bias = nn.Parameter(torch.zeros(joints))
        self.whole = nn.Sequential(
            nn.Linear(joints * joint_width, width), nn.ReLU(),
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1),
        )  # fmt: skip

    def forward(self, rotations: Tensor) -> Tensor:
        hidden = self.shared(rotations.flatten(-2))
        each = (hidden * self.weight).sum(-1) + self.bias
        return torch.cat([each, self.whole(hidden.flatten(-2))], -1)


def generator_loss(scores: Tensor) -> Tensor:
    """(...): sum over critics of (D - 1)², of scores (..., N + 1) of what a regressor made."""
    return (scores - 1).square().sum(-1)


def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Mean over the batch of sum (D(real) - 1)² + D(fake)², of scores (B, N + 1)."""
    return ((real - 1).square() + fake.square()).sum(-1).mean()
