"""`hmr`: one body by iterative regression (Kanazawa et al., CVPR 2018), as paper 004 begins.

Its heads are what `multi_bodies` and the baselines multiply.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from poseterior.geometry.skeleton import H36M_17, Skeleton
from poseterior.lifters.conditioning import Conditions
from poseterior.meshes.mesh_posterior import BodySet
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.regressors.image_backbone import Observation
from poseterior.meshes.regressors.mesh_lifter import MeshLifter
from poseterior.meshes.regressors.mesh_losses import LossWeights
from poseterior.posterior import Lifter

__all__ = ["BodyHeads", "Hmr", "HmrConfig", "IterativeHead", "RegressorSizes", "SeveralBodies"]

# What tells the heads apart at first, in numbers of a body's vector (a turn by about 6 degrees).
_JITTER = 0.1


@dataclass(frozen=True)
class RegressorSizes:
    """Sizes of a mesh regressor's network.

    Attributes:
        width, blocks, dropout: of the residual network that encodes keypoints.
        hidden: of the two layers of the head; 1024 as published (Kanazawa et al., Section 3.3).
        head_dropout: after each of them, as published.
        iterations: of the head, as published.
    """

    width: int = 1024
    blocks: int = 2
    dropout: float = 0.0
    hidden: int = 1024
    head_dropout: float = 0.5
    iterations: int = 3


SMALL = RegressorSizes(width=512, hidden=512, head_dropout=0.1)


@dataclass(frozen=True)
class HmrConfig:
    """A body, a network and the losses' weights (paper 004, Section 4.1).

    Attributes:
        body: by name or file, as of `open_body`.
        sizes, weights: of the network and of the losses.
        backbone: what sees the observation: `keypoints`, or a ResNet as of `open_backbone`.
    """

    body: str = "anny_light"
    sizes: RegressorSizes = field(default_factory=RegressorSizes)
    weights: LossWeights = field(default_factory=LossWeights)
    backbone: str = "keypoints"


class IterativeHead(nn.Module):
    """Features (B, D) to M vectors (M, B, P), each a sum of corrections of a mean vector.

    An iteration sees the features and the mean of the M present vectors; its last layer
    alone is M times larger than that of one vector (paper 004, Section 4).

    Args:
        features: D; with a latent beside them, both together.
        start: (P,) the vector before the first iteration.
        sizes: of the network.
        heads: M.
    """

    start: Tensor

    def __init__(self, features: int, start: Tensor, sizes: RegressorSizes, heads: int = 1) -> None:
        super().__init__()
        self.iterations, self.heads = sizes.iterations, heads
        self.trunk = nn.Sequential(
            nn.Linear(features + len(start), sizes.hidden), nn.ReLU(),
            nn.Dropout(sizes.head_dropout),
            nn.Linear(sizes.hidden, sizes.hidden), nn.ReLU(),
            nn.Dropout(sizes.head_dropout),
        )  # fmt: skip
        self.last = nn.Linear(sizes.hidden, heads * len(start))
        # Small first corrections, so that training starts from the mean body.
        nn.init.xavier_uniform_(self.last.weight, gain=0.01)
        nn.init.zeros_(self.last.bias)
        self.register_buffer("start", start)

    def forward(self, features: Tensor) -> Tensor:
        vectors = self.start.expand(self.heads, len(features), -1)
        for _ in range(self.iterations):
            seen = torch.cat([features, vectors.mean(0)], -1)
            change = self.last(self.trunk(seen)).unflatten(-1, (self.heads, -1))
            vectors = vectors + change.movedim(-2, 0)
        return vectors


class BodyHeads(MeshLifter):
    """What regressors of a set of bodies share: an encoder, and the head that says all of them.

    Args:
        config: with `sizes` and `weights` besides what `MeshLifter` needs.
        skeleton: of the keypoints.
        heads: M.
    """

    def __init__(self, config: Any, skeleton: Skeleton, heads: int) -> None:
        super().__init__(config, skeleton)
        self.encoder = self.new_encoder()
        self.head = IterativeHead(config.sizes.width, self.vector.start(), config.sizes, heads)

    def forward(self, keypoints: Observation) -> BodySet:
        conditions = self.conditions(keypoints)
        bodies = self.vector.to_camera(self.bodies(conditions), conditions)
        return BodySet(bodies, self.body, self.skeleton)

    def bodies(self, conditions: Conditions) -> BodyParameters:
        """(M, B) in the person's axes."""
        return self.vector.decode(self.head(self.encoder(conditions.features)), conditions)

    def losses(
        self, keypoints: Observation, bodies: BodyParameters, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Paper 004, Eq. 8; metres, and keypoints in units of their spread."""
        conditions = self.conditions(keypoints)
        target = self.vector.to_person(bodies, conditions)
        return self.total_loss(self.bodies(conditions), target, conditions, self.config.weights)


class Hmr(BodyHeads):
    """One body: every hypothesis is the same."""

    name = "hmr"
    Config = HmrConfig
    PRESETS: ClassVar[dict[str, HmrConfig]] = {
        "small": HmrConfig(sizes=SMALL),
        "paper": HmrConfig(),
    }

    def __init__(self, config: HmrConfig | None = None, skeleton: Skeleton = H36M_17) -> None:
        super().__init__(config or HmrConfig(), skeleton, heads=1)


class SeveralBodies(BodyHeads):
    """Regressors of many bodies that begin as a trained `hmr` (paper 004, appendix D).

    Its last layer is repeated for every head, a little changed.
    """

    base: ClassVar[type[Lifter]] = Hmr

    @property
    def base_config(self) -> HmrConfig:
        """The configuration of the lifter that `use_base` takes."""
        c = self.config
        return HmrConfig(c.body, c.sizes, c.weights, c.backbone)

    @torch.no_grad()
    def use_base(self, lifter: Lifter) -> None:
        """Take the weights of a trained `hmr` of the same sizes."""
        assert isinstance(lifter, Hmr)
        self.encoder.load_state_dict(lifter.encoder.state_dict())
        if self.backbone is not None and lifter.backbone is not None:
            self.backbone.load_state_dict(lifter.backbone.state_dict())
        self.head.trunk.load_state_dict(lifter.head.trunk.state_dict())
        weight, bias = lifter.head.last.weight, lifter.head.last.bias
        self.head.last.weight.copy_(weight.repeat(self.head.heads, 1))
        draw = torch.Generator().manual_seed(0)
        jitter = torch.randn(self.head.last.bias.shape, generator=draw).to(bias)
        several = bias.repeat(self.head.heads) + _JITTER / self.head.iterations * jitter
        self.head.last.bias.copy_(several)
