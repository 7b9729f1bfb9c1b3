"""`graph_mdn`: semantic graph convolutions that end in a mixture (Oikarinen et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from poseterior.geometry.skeleton import H36M_17, Skeleton
from poseterior.kernel_posterior import KernelPosterior
from poseterior.keypoints import Keypoints
from poseterior.lifters.conditioning import JOINT_FEATURES, condition
from poseterior.lifters.mdn import kernel_posterior, positive
from poseterior.lifters.semantic_graph import SemanticGraphConv, SemanticGraphNetwork, adjacent
from poseterior.lifters.semgcn import SemGCN, SemGCNConfig
from poseterior.posterior import Lifter, drop_root, insert_root

__all__ = ["GraphMDN", "GraphMDNConfig"]

# Coordinates are bounded by it. The original's bound of 1 m cuts raised hands off.
_REACH_M = 2.0
# Kernels start out alike: as wide as each other, and near each other.
_GAIN = 0.1


@dataclass(frozen=True)
class GraphMDNConfig:
    """Sizes as published: five kernels, a `semgcn` with dropout 0.1.

    Attributes:
        kernels: Gaussians in the mixture.
        network: sizes of the graph network.
    """

    kernels: int = 5
    network: SemGCNConfig = field(default_factory=lambda: SemGCNConfig(dropout=0.1))


class GraphMDN(Lifter):
    """Kernels with one standard deviation for each joint, by exact likelihood.

    Of the original's two kinds of weights, of each joint's own mixture and of the whole pose,
    it is the second: joints of one hypothesis belong together. The original sees 2D coordinates
    alone; here a joint has their covariance and validity too.
    """

    name = "graph_mdn"
    Config = GraphMDNConfig
    PRESETS: ClassVar[dict[str, GraphMDNConfig]] = {
        "small": GraphMDNConfig(network=SemGCN.PRESETS["small"]),
        "paper": GraphMDNConfig(),
    }

    def __init__(self, config: GraphMDNConfig | None = None, skeleton: Skeleton = H36M_17) -> None:
        super().__init__()
        self.config, self.skeleton = config or GraphMDNConfig(), skeleton
        c, mask = self.config.network, adjacent(skeleton)
        self.network = SemanticGraphNetwork(
            JOINT_FEATURES, c.width, c.blocks, c.non_local, c.dropout, mask
        )
        self.last = SemanticGraphConv(c.width, 5 * self.config.kernels, mask, gain=_GAIN)

    def forward(self, keypoints: Keypoints) -> KernelPosterior:
        """The mixture; a kernel's weight is the softmax of its logits' mean over the joints."""
        conditions = condition(keypoints, self.skeleton)
        outputs = self.last(self.network(conditions.joint_features)).float()
        kernels = outputs.unflatten(-1, (self.config.kernels, 5)).permute(2, 0, 1, 3)
        means = _REACH_M * (kernels[..., :3] / _REACH_M).tanh()
        rooted = insert_root(drop_root(means, self.skeleton), self.skeleton)
        scale, logits = positive(kernels[..., 3]), kernels[..., 4].mean(-1)
        return kernel_posterior(rooted, scale, logits, conditions, self.skeleton)

    def losses(
        self, keypoints: Keypoints, pose: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Negative log-likelihood of the mixture, nats."""
        return {"nll": -self(keypoints).log_prob(pose).mean()}
