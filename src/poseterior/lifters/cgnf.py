"""`cgnf`: the conditional graph normalizing flow of Pierzchlewicz et al. 2022, arXiv 2210.11179."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from poseterior.flows.graph import GraphContext, GraphFlow, adjacency, gather
from poseterior.geometry.skeleton import H36M_17, Skeleton
from poseterior.keypoints import Keypoints
from poseterior.lifters.conditioning import JOINT_FEATURES, Conditions, condition, feature_count
from poseterior.lifters.residual import ResidualNetwork
from poseterior.posterior import Lifter, drop_root
from poseterior.posteriors import FlowPosterior

__all__ = ["CGNF", "CGNFConfig"]

# The original multiplies millimetres by 0.0036: one unit of the flow, in metres.
_UNIT_M = 1 / 3.6


@dataclass(frozen=True)
class CGNFConfig:
    """Sizes and weights as published.

    Attributes:
        layers: couplings, each of one dimension.
        hidden: numbers in a message.
        context: numbers in a joint's embedded context.
        encoder: what embeds the context: "graph", two GraphSAGE layers over the skeleton as
            published, or "residual", a residual network that sees all joints at once.
        encoder_width: hidden numbers of the encoder.
        encoder_blocks: of a residual encoder.
        spread: see `GraphFlow`; published: 1, the first batch scaling every dimension.
        scale_floor: least scale of a coupling; more than published keeps rare samples, drawn
            where little was learned, from flying off.
        labelled: whether every joint has biases of its own; published: one set for all joints.
        prior, posterior: weights of the negative log-likelihoods, in nats per joint.
        mode: weight of the error of the latent centre, per millimetre.
        auxiliary_share: share of the batch on which prior and mode terms are computed.
    """

    layers: int = 10
    hidden: int = 100
    context: int = 10
    encoder: Literal["graph", "residual"] = "graph"
    encoder_width: int = 128
    encoder_blocks: int = 2
    spread: float = 1.0
    scale_floor: float = 1e-3
    labelled: bool = False
    prior: float = 0.5
    posterior: float = 0.5
    mode: float = 0.1
    auxiliary_share: float = 1.0


class _GraphEncoder(nn.Module):
    """Two GraphSAGE layers: ReLU(W [own, mean of the neighbours] + b), the last one linear."""

    neighbours: Tensor

    def __init__(self, config: CGNFConfig, skeleton: Skeleton) -> None:
        super().__init__()
        edges = adjacency(skeleton.edges, len(skeleton))
        self.register_buffer("neighbours", edges / edges.sum(1, keepdim=True), persistent=False)
        self.first = nn.Linear(2 * JOINT_FEATURES, config.encoder_width)
        self.last = nn.Linear(2 * config.encoder_width, config.context)

    def forward(self, conditions: Conditions) -> Tensor:
        """Contexts (J, B, C) of all joints."""
        joints = conditions.joint_features.transpose(0, 1)
        return self.last(self._with_neighbours(self.first(self._with_neighbours(joints)).relu()))

    def _with_neighbours(self, joints: Tensor) -> Tensor:
        return torch.cat([joints, gather(self.neighbours, joints)], -1)


class _ResidualEncoder(nn.Module):
    """A residual network over all joints whose output is shared out among them."""

    def __init__(self, config: CGNFConfig, skeleton: Skeleton) -> None:
        super().__init__()
        width, self.context = config.encoder_width, config.context
        self.body = ResidualNetwork(feature_count(len(skeleton)), width, config.encoder_blocks)
        self.last = nn.Linear(width, len(skeleton) * config.context)

    def forward(self, conditions: Conditions) -> Tensor:
        """Contexts (J, B, C) of all joints."""
        contexts = self.last(self.body(conditions.features))
        return contexts.unflatten(-1, (-1, self.context)).transpose(0, 1)


class CGNF(Lifter):
    """A conditional graph normalizing flow over the free joints, in the person's frame.

    The free joints are the nodes; the root, fixed at the origin, sends its context to all of
    them. A joint's context embeds its keypoint with covariance and validity (the original:
    the 2D point, the edge removed where it is occluded).

    The likelihood is the joint density of a whole pose, the sum over all joints; the original
    reports averages over nodes and samples. `latent_centre` is not the mode: the couplings
    change volumes.
    """

    name = "cgnf"
    Config = CGNFConfig
    PRESETS: ClassVar[dict[str, CGNFConfig]] = {
        "small": CGNFConfig(
            layers=6, hidden=64, context=24, encoder="residual", encoder_width=256,
            spread=0.1, scale_floor=0.2, labelled=True, mode=0.01, auxiliary_share=0.25,
        ),
        "paper": CGNFConfig(),
    }  # fmt: skip
    temperature: Tensor

    def __init__(self, config: CGNFConfig | None = None, skeleton: Skeleton = H36M_17) -> None:
        super().__init__()
        self.config, self.skeleton = config or CGNFConfig(), skeleton
        c, encoders = self.config, {"graph": _GraphEncoder, "residual": _ResidualEncoder}
        self.encoder = encoders[c.encoder](c, skeleton)
        free = list(skeleton.free)
        neighbours = adjacency(skeleton.edges, len(skeleton))[free][:, free]
        self.flow = GraphFlow(
            neighbours,
            dimensions=3,
            context=c.context,
            hidden=c.hidden,
            layers=c.layers,
            labelled=c.labelled,
            unit=_UNIT_M,
            spread=c.spread,
            floor=c.scale_floor,
        )
        # Standard deviation of the latent: 1 as trained; a recalibration may change it.
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, keypoints: Keypoints) -> FlowPosterior:
        """The posterior given keypoints with batch shape (B,)."""
        conditions = condition(keypoints, self.skeleton)
        return self._posterior(self._context(conditions), conditions.rotation)

    def prior(self, keypoints: Keypoints) -> FlowPosterior:
        """The same flow without a context, in each observation's own frame.

        A pose has the same density whatever was seen, but for the turn into that frame.
        """
        return self._posterior(None, condition(keypoints, self.skeleton).rotation)

    def losses(
        self, keypoints: Keypoints, pose: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Negative log-likelihoods without and with context, nats per joint, and mode error.

        The mode error is the mean distance, in mm, of `latent_centre` to the pose (B, J, 3).
        """
        c, nodes = self.config, len(self.skeleton.free)
        conditions = condition(keypoints, self.skeleton)
        context = self._context(conditions)
        some = slice(math.ceil(c.auxiliary_share * len(pose)))
        rotation = conditions.rotation
        prior = self._posterior(None, rotation[some]).log_prob(pose[some])
        posterior = self._posterior(context, rotation).log_prob(pose)
        centre = self._posterior(context[some], rotation[some]).latent_centre
        error = drop_root(centre - pose[some], self.skeleton).unflatten(-1, (nodes, 3)).norm(dim=-1)
        return {
            "prior": -c.prior * prior.mean() / nodes,
            "posterior": -c.posterior * posterior.mean() / nodes,
            "mode": c.mode * 1000 * error.mean(),
        }

    def _context(self, conditions: Conditions) -> GraphContext:
        contexts = self.encoder(conditions)
        return GraphContext(contexts[list(self.skeleton.free)], contexts[self.skeleton.root])

    def _posterior(self, context: GraphContext | None, rotation: Tensor) -> FlowPosterior:
        scale = self.temperature.expand(len(rotation))
        return FlowPosterior(self.flow(context), rotation, scale, self.skeleton)
