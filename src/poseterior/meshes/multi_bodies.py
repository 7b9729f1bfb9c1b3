"""`multi_bodies`: a set of plausible bodies, trained by the best of them (paper 004).

A trained `hmr` is given M heads in the place of one and trained on: the best hypothesis bears
the losses of the truth, all have to agree with the keypoints seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch

from poseterior.geometry.skeleton import H36M_17, Skeleton
from poseterior.meshes.hmr import SMALL, BodyHeads, Hmr, HmrConfig, RegressorSizes
from poseterior.meshes.mesh_losses import LossWeights
from poseterior.posterior import Lifter

__all__ = ["MultiBodies", "MultiBodiesConfig"]

# What tells the heads apart at first, in numbers of a body's vector (a turn by about 6 degrees).
_JITTER = 0.1


@dataclass(frozen=True)
class MultiBodiesConfig:
    """A body, a network, the number of heads and the losses' weights (paper 004, Section 4.1).

    Attributes:
        body: by name or file, as of `open_body`.
        heads: M; the paper does not tell it. 100, for which its quantisation is fast.
        sizes: of the network, those of the `hmr` that it begins as.
        weights: of the losses; `reprojection` 0 leaves Eq. 5 out (its Table 2).
        backbone: what sees the observation: `keypoints`, or a ResNet as of `open_backbone`.
    """

    body: str = "anny_light"
    heads: int = 100
    sizes: RegressorSizes = field(default_factory=RegressorSizes)
    weights: LossWeights = field(default_factory=LossWeights)
    backbone: str = "keypoints"


class MultiBodies(BodyHeads):
    """M bodies of equal weight; `prior_weighted` weighs them by a pose prior (Eq. 2)."""

    name = "multi_bodies"
    Config = MultiBodiesConfig
    base: ClassVar[type[Lifter]] = Hmr
    PRESETS: ClassVar[dict[str, MultiBodiesConfig]] = {
        "small": MultiBodiesConfig(heads=50, sizes=SMALL),
        "paper": MultiBodiesConfig(),
    }

    def __init__(
        self, config: MultiBodiesConfig | None = None, skeleton: Skeleton = H36M_17
    ) -> None:
        config = config or MultiBodiesConfig()
        super().__init__(config, skeleton, config.heads)

    @property
    def base_config(self) -> HmrConfig:
        """The configuration of the lifter that `use_base` takes."""
        c = self.config
        return HmrConfig(c.body, c.sizes, c.weights, c.backbone)

    @torch.no_grad()
    def use_base(self, lifter: Lifter) -> None:
        """Begin as a trained `hmr` of the same sizes, its last layer repeated, a little changed."""
        assert isinstance(lifter, Hmr)
        self.encoder.load_state_dict(lifter.encoder.state_dict())
        if self.backbone is not None and lifter.backbone is not None:
            self.backbone.load_state_dict(lifter.backbone.state_dict())
        self.head.trunk.load_state_dict(lifter.head.trunk.state_dict())
        weight, bias = lifter.head.last.weight, lifter.head.last.bias
        self.head.last.weight.copy_(weight.repeat(self.config.heads, 1))
        draw = torch.Generator().manual_seed(0)
        jitter = torch.randn(self.head.last.bias.shape, generator=draw).to(bias)
        several = bias.repeat(self.config.heads) + _JITTER / self.head.iterations * jitter
        self.head.last.bias.copy_(several)
