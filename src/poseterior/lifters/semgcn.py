"""`semgcn`: the semantic graph convolutional network of Zhao et al. 2019, a point estimate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from poseterior.geometry.skeleton import H36M_17, Skeleton
from poseterior.keypoints import Keypoints
from poseterior.lifters.conditioning import JOINT_FEATURES, condition
from poseterior.lifters.semantic_graph import SemanticGraphConv, SemanticGraphNetwork, adjacent
from poseterior.posterior import Lifter
from poseterior.posteriors import PointPosterior

__all__ = ["SemGCN", "SemGCNConfig"]


@dataclass(frozen=True)
class SemGCNConfig:
    """Sizes as published.

    Attributes:
        width: channels of a joint.
        blocks: residual blocks of two graph convolutions.
        non_local: whether the first convolution and each block end in a non-local block.
        dropout: after each convolution but the last.
    """

    width: int = 128
    blocks: int = 4
    non_local: bool = True
    dropout: float = 0.0


class SemGCN(Lifter):
    """One pose per observation, trained by the squared errors of joints and of bones.

    The graph is the skeleton's tree. The original sees 2D coordinates alone; here a joint has
    their covariance and validity too.
    """

    name = "semgcn"
    Config = SemGCNConfig
    PRESETS: ClassVar[dict[str, SemGCNConfig]] = {
        "small": SemGCNConfig(width=96),
        "paper": SemGCNConfig(),
    }

    def __init__(self, config: SemGCNConfig | None = None, skeleton: Skeleton = H36M_17) -> None:
        super().__init__()
        self.config, self.skeleton = config or SemGCNConfig(), skeleton
        c, mask = self.config, adjacent(skeleton)
        self.network = SemanticGraphNetwork(
            JOINT_FEATURES, c.width, c.blocks, c.non_local, c.dropout, mask
        )
        # Small at first: joints are fractions of a metre from the root.
        self.last = SemanticGraphConv(c.width, 3, mask, gain=0.1)

    def pose(self, keypoints: Keypoints) -> Tensor:
        """The estimate (B, J, 3), metres, camera axes, with gradient."""
        conditions = condition(keypoints, self.skeleton)
        joints = self.last(self.network(conditions.joint_features)).float()
        root = self.skeleton.root
        with torch.autocast(joints.device.type, enabled=False):
            return conditions.to_camera(joints - joints[:, root : root + 1])

    def forward(self, keypoints: Keypoints) -> PointPosterior:
        """All mass at the estimate."""
        return PointPosterior(self.pose(keypoints), self.skeleton)

    def losses(
        self, keypoints: Keypoints, pose: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Mean squared errors of the joints' and of the bones' coordinates, metres²."""
        predicted = self.pose(keypoints)
        parents, children = map(list, zip(*self.skeleton.edges, strict=True))
        bones, true_bones = (p[:, children] - p[:, parents] for p in (predicted, pose))
        return {
            "joints": functional.mse_loss(predicted[:, children], pose[:, children]),
            "bones": functional.mse_loss(bones, true_bones),
        }
