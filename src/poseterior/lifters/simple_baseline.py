"""`simple_baseline`: the residual network of Martinez et al. 2017, a point estimate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from poseterior.geometry.skeleton import H36M_17, Skeleton
from poseterior.keypoints import Keypoints
from poseterior.lifters.conditioning import condition, feature_count
from poseterior.posterior import Lifter, drop_root, insert_root
from poseterior.posteriors import PointPosterior

__all__ = ["Backbone", "MaxNormLinear", "SimpleBaseline", "SimpleBaselineConfig"]


@dataclass(frozen=True)
class SimpleBaselineConfig:
    """Sizes as published: linear 1024, two residual blocks, dropout 0.5, max norm 1."""

    width: int = 1024
    residual_blocks: int = 2
    dropout: float = 0.5
    max_norm: float = 1.0


class MaxNormLinear(nn.Linear):
    """A linear layer whose weight matrix is scaled down to a Frobenius norm of `max_norm`."""

    def __init__(self, features: int, width: int, max_norm: float) -> None:
        super().__init__(features, width)
        self.max_norm = max_norm
        nn.init.kaiming_normal_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        scale = (self.max_norm / self.weight.norm().clamp_min(1e-12)).clamp_max(1.0)
        return functional.linear(input, self.weight * scale, self.bias)


def _layer(features: int, config: SimpleBaselineConfig) -> nn.Sequential:
    return nn.Sequential(
        MaxNormLinear(features, config.width, config.max_norm),
        nn.BatchNorm1d(config.width),
        nn.ReLU(),
        nn.Dropout(config.dropout),
    )


class Backbone(nn.Module):
    """The network up to its last layer, which other methods build on too."""

    def __init__(self, features: int, config: SimpleBaselineConfig) -> None:
        super().__init__()
        c = config
        self.first = _layer(features, c)
        self.blocks = nn.ModuleList(
            nn.Sequential(_layer(c.width, c), _layer(c.width, c)) for _ in range(c.residual_blocks)
        )

    def hidden(self, features: Tensor) -> Tensor:
        """(B, features) -> (B, width)."""
        hidden = self.first(features)
        for block in self.blocks:
            hidden = hidden + block(hidden)
        return hidden


class SimpleBaseline(Backbone, Lifter):
    """One pose per observation, trained by the squared error of its coordinates."""

    name = "simple_baseline"
    Config = SimpleBaselineConfig
    PRESETS: ClassVar[dict[str, SimpleBaselineConfig]] = {
        "small": SimpleBaselineConfig(width=512, dropout=0.1),
        "paper": SimpleBaselineConfig(),
    }

    def __init__(
        self, config: SimpleBaselineConfig | None = None, skeleton: Skeleton = H36M_17
    ) -> None:
        c = config or SimpleBaselineConfig()
        super().__init__(feature_count(len(skeleton)), c)
        self.config, self.skeleton = c, skeleton
        self.last = MaxNormLinear(c.width, 3 * (len(skeleton) - 1), c.max_norm)

    def pose(self, keypoints: Keypoints) -> Tensor:
        """The estimate (B, J, 3), metres, camera axes, with gradient."""
        conditions = condition(keypoints, self.skeleton)
        free = self.last(self.hidden(conditions.features))
        return conditions.to_camera(insert_root(free.float(), self.skeleton))

    def forward(self, keypoints: Keypoints) -> PointPosterior:
        """All mass at the estimate."""
        return PointPosterior(self.pose(keypoints), self.skeleton)

    def losses(
        self, keypoints: Keypoints, pose: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Mean squared error of the free joints' coordinates, metres²."""
        predicted = drop_root(self.pose(keypoints), self.skeleton)
        return {"mse": functional.mse_loss(predicted, drop_root(pose, self.skeleton))}
