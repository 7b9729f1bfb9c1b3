"""`glow`: a conditional Glow over the features of Martinez et al. 2017 (paper 002).

This is the paper's probabilistic 2D pose lifting (sections 2 and 3 of its supplement), with
the mode, the image of z = 0, trained by regression beside the likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from poseterior.flows.glow import ConditionalGlow
from poseterior.geometry.skeleton import H36M_17, Skeleton
from poseterior.keypoints import Keypoints
from poseterior.lifters.conditioning import Conditions, condition, feature_count
from poseterior.lifters.simple_baseline import Backbone, SimpleBaselineConfig
from poseterior.posterior import Lifter, drop_root
from poseterior.posteriors import FlowPosterior

__all__ = ["Glow", "GlowConfig", "GlowPosterior"]


@dataclass(frozen=True)
class GlowConfig:
    """Sizes and loss weights, as published.

    Attributes:
        steps: of activation normalisation, linear map and coupling.
        hidden, blocks: channels and residual blocks of a coupling's network.
        dropout, batch_norm: in these blocks; the paper names neither.
        nll_weight, mode_weight: of the two losses.
        network: sizes of the residual network whose features are the context.
    """

    steps: int = 4
    hidden: int = 1024
    blocks: int = 2
    dropout: float = 0.5
    batch_norm: bool = True
    nll_weight: float = 0.001
    mode_weight: float = 1.0
    network: SimpleBaselineConfig = field(default_factory=SimpleBaselineConfig)


class GlowPosterior(FlowPosterior):
    """The image of a normal latent under a map of constant volume, which keeps the mode."""

    has_mode = True

    @property
    def mode(self) -> Tensor:
        """The image of z = 0: the Jacobian is constant, so the densest latent gives the mode."""
        return self.latent_centre


class Glow(Lifter):
    """A conditional Glow over the free joints; exact density and exact mode.

    Its Jacobian determinant is the same everywhere and for every observation, and so is the
    density at the mode: the spread changes its shape with the observation, never its volume.
    The original sees 2D coordinates alone; this sees their covariance and validity too.
    """

    name = "glow"
    Config = GlowConfig
    PRESETS: ClassVar[dict[str, GlowConfig]] = {
        "small": GlowConfig(
            hidden=256,
            dropout=0.0,
            batch_norm=False,
            network=SimpleBaselineConfig(width=512, dropout=0.1),
        ),
        "paper": GlowConfig(),
    }

    def __init__(self, config: GlowConfig | None = None, skeleton: Skeleton = H36M_17) -> None:
        super().__init__()
        self.config, self.skeleton = config or GlowConfig(), skeleton
        c, joints = self.config, len(skeleton)
        self.backbone = Backbone(feature_count(joints), c.network)
        self.flow = ConditionalGlow(
            3 * (joints - 1), c.network.width, c.steps, c.hidden, c.blocks, c.dropout, c.batch_norm
        )

    def forward(self, keypoints: Keypoints) -> GlowPosterior:
        """The posterior given keypoints with batch shape (B,)."""
        return self._posterior(condition(keypoints, self.skeleton))

    def _posterior(self, conditions: Conditions) -> GlowPosterior:
        transform = self.flow(self.backbone.hidden(conditions.features))
        scale = torch.ones_like(conditions.features[:, 0])
        return GlowPosterior(transform, conditions.rotation, scale, self.skeleton)

    def losses(
        self, keypoints: Keypoints, pose: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """0.001 of the negative log-likelihood in nats and the mode's L1 error in metres.

        The error is the sum over coordinates; both are means over the batch. The first batch
        seen in training mode initialises the activation normalisation.
        """
        conditions = condition(keypoints, self.skeleton)
        if self.training:
            with torch.autocast(pose.device.type, enabled=False):
                self.flow.initialise(drop_root(conditions.to_person(pose), self.skeleton))
        posterior = self._posterior(conditions)
        error = drop_root(posterior.mode - pose, self.skeleton).abs().sum(-1)
        return {
            "nll": -self.config.nll_weight * posterior.log_prob(pose).mean(),
            "mode": self.config.mode_weight * error.mean(),
        }
