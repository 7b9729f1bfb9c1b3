"""`coupling_flow`, the default lifter: an ensemble of conditional coupling flows.

Couplings with soft-clamped scales (paper 001, Eq. 1 and 2), trained by exact likelihood and
conditioned on normalised keypoints, their covariances and which of them are valid. A few
flows are averaged, for where an observation is unlike the training data they disagree, and
the posterior widens there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from zuko.transforms import PermutationTransform

from poseterior.flows.coupling import Chain, ConditionalAffine, SoftClampedCoupling
from poseterior.geometry.skeleton import H36M_17, Skeleton
from poseterior.keypoints import Keypoints
from poseterior.lifters.conditioning import Conditions, condition, feature_count
from poseterior.lifters.residual import ResidualNetwork
from poseterior.posterior import Lifter, Posterior
from poseterior.posteriors import FlowPosterior, MixturePosterior

__all__ = ["CouplingFlow", "CouplingFlowConfig"]


@dataclass(frozen=True)
class CouplingFlowConfig:
    """The size of a coupling flow.

    Attributes:
        members: flows in the ensemble.
        width, residual_blocks, dropout: the network that encodes an observation.
        context: numbers that it hands to every coupling.
        blocks: coupling blocks, each of two couplings and a fixed permutation.
        hidden, depth: hidden layers of a coupling's subnetwork.
        alpha: soft clamp of the log scales.
        covariances: whether it sees the keypoints' covariances; points alone if False, to show
            what the detector's uncertainty is worth (paper 001, Section 3.2).
    """

    members: int = 2
    width: int = 704
    residual_blocks: int = 2
    dropout: float = 0.0
    context: int = 192
    blocks: int = 4
    hidden: int = 192
    depth: int = 2
    alpha: float = 2.0
    covariances: bool = True


class _Member(nn.Module):
    """One flow: conditions -> transform from the free joints to the latent."""

    permutations: Tensor

    def __init__(self, config: CouplingFlowConfig, joints: int, seed: int) -> None:
        super().__init__()
        c, size = config, 3 * (joints - 1)
        self.encoder = ResidualNetwork(feature_count(joints), c.width, c.residual_blocks, c.dropout)
        self.context = nn.Linear(c.width, c.context)
        self.affine = ConditionalAffine(size, c.width)
        self.couplings = nn.ModuleList(
            SoftClampedCoupling(size, c.context, c.hidden, c.depth, c.alpha, first)
            for _ in range(c.blocks)
            for first in (True, False)
        )
        generator = torch.Generator().manual_seed(seed)
        orders = [torch.randperm(size, generator=generator) for _ in range(c.blocks)]
        self.register_buffer("permutations", torch.stack(orders))

    def forward(self, features: Tensor) -> Chain:
        hidden = self.encoder(features)
        context = functional.gelu(self.context(hidden))
        transforms = [self.affine(hidden)]
        for i, order in enumerate(self.permutations):
            first, second = self.couplings[2 * i], self.couplings[2 * i + 1]
            transforms += [PermutationTransform(order), first(context), second(context)]
        return Chain(*transforms)


class CouplingFlow(Lifter):
    """Conditional coupling flows over the free joints; an exact density, no exact mode."""

    name = "coupling_flow"
    Config = CouplingFlowConfig
    PRESETS: ClassVar[dict[str, CouplingFlowConfig]] = {
        "small": CouplingFlowConfig(),
        "small_points": CouplingFlowConfig(covariances=False),
        "paper": CouplingFlowConfig(
            members=1, width=1024, context=256, blocks=8, hidden=1024, depth=1
        ),
        "paper_points": CouplingFlowConfig(
            members=1, width=1024, context=256, blocks=8, hidden=1024, depth=1, covariances=False
        ),
    }
    temperature: Tensor

    def __init__(
        self, config: CouplingFlowConfig | None = None, skeleton: Skeleton = H36M_17
    ) -> None:
        super().__init__()
        self.config, self.skeleton = config or CouplingFlowConfig(), skeleton
        self.members = nn.ModuleList(
            _Member(self.config, len(skeleton), seed) for seed in range(self.config.members)
        )
        # Standard deviation of the latent: 1 as trained; a recalibration may change it.
        self.register_buffer("temperature", torch.ones(()))

    def _conditions(self, keypoints: Keypoints) -> Conditions:
        if not self.config.covariances:
            keypoints = replace(keypoints, covariance=torch.zeros_like(keypoints.covariance))
        return condition(keypoints, self.skeleton)

    def _posteriors(self, conditions: Conditions) -> list[FlowPosterior]:
        scale = self.temperature.expand(len(conditions.features))
        return [
            FlowPosterior(member(conditions.features), conditions.rotation, scale, self.skeleton)
            for member in self.members
        ]

    def forward(self, keypoints: Keypoints) -> Posterior:
        """The posterior given keypoints with batch shape (B,)."""
        posteriors = self._posteriors(self._conditions(keypoints))
        return posteriors[0] if len(posteriors) == 1 else MixturePosterior(posteriors)

    def losses(
        self, keypoints: Keypoints, pose: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """The negative log-likelihood of every member, in nats, averaged over the batch."""
        posteriors = self._posteriors(self._conditions(keypoints))
        return {f"nll_{k}": -p.log_prob(pose).mean() for k, p in enumerate(posteriors)}
