"""`multi_bodies`: a set of plausible bodies, trained by the best of them (paper 004).

A trained `hmr` is given M heads in the place of one and trained on: the best hypothesis bears
the losses of the truth, all have to agree with the keypoints seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from poseterior.geometry.skeleton import H36M_17, Skeleton
from poseterior.meshes.regressors.hmr import SMALL, RegressorSizes, SeveralBodies
from poseterior.meshes.regressors.mesh_losses import LossWeights

__all__ = ["MultiBodies", "MultiBodiesConfig"]


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


class MultiBodies(SeveralBodies):
    """M bodies of equal weight; `prior_weighted` weighs them by a pose prior (Eq. 2)."""

    name = "multi_bodies"
    Config = MultiBodiesConfig
    PRESETS: ClassVar[dict[str, MultiBodiesConfig]] = {
        "small": MultiBodiesConfig(heads=50, sizes=SMALL),
        "paper": MultiBodiesConfig(),
    }

    def __init__(
        self, config: MultiBodiesConfig | None = None, skeleton: Skeleton = H36M_17
    ) -> None:
        config = config or MultiBodiesConfig()
        super().__init__(config, skeleton, config.heads)
