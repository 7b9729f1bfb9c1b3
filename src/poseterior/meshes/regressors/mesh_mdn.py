"""`mesh_mdn`: a mixture over joint rotations, the first baseline of paper 004 (appendix C).

Its density is over log-rotations with equal weights and a fixed variance. What the losses of a
single body are applied to is a virtual prediction: the means, weighted by how likely each is
to have made the truth (Eq. 9). Orientation, shape and place are the same for all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from poseterior.geometry.rotations import from_axis_angle, to_axis_angle
from poseterior.geometry.skeleton import H36M_17, Skeleton
from poseterior.lifters.conditioning import Conditions
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.regressors.hmr import SMALL, RegressorSizes, SeveralBodies
from poseterior.meshes.regressors.image_backbone import Observation
from poseterior.meshes.regressors.mesh_losses import LossWeights

__all__ = ["MeshMDN", "MeshMDNConfig", "virtual_prediction"]


@dataclass(frozen=True)
class MeshMDNConfig:
    """A body, a network, a mixture and the losses' weights.

    Attributes:
        body: by name or file, as of `open_body`.
        components: M of the mixture; the paper does not tell it. As `multi_bodies` has heads.
        variance: of every component, radians squared, as published.
        nll: weight of the mixture's negative log-likelihood, not published: with 1 it would
            outweigh all other terms a thousand times.
        sizes, weights: of the network and of the losses.
        backbone: what sees the observation: `keypoints`, or a ResNet as of `open_backbone`.
    """

    body: str = "anny_light"
    components: int = 100
    variance: float = 0.001
    nll: float = 0.001
    sizes: RegressorSizes = field(default_factory=RegressorSizes)
    weights: LossWeights = field(default_factory=LossWeights)
    backbone: str = "keypoints"


class MeshMDN(SeveralBodies):
    """Hypotheses are the means of the mixture, as at test time in the paper."""

    name = "mesh_mdn"
    Config = MeshMDNConfig
    PRESETS: ClassVar[dict[str, MeshMDNConfig]] = {
        "small": MeshMDNConfig(components=50, sizes=SMALL),
        "paper": MeshMDNConfig(),
    }

    def __init__(self, config: MeshMDNConfig | None = None, skeleton: Skeleton = H36M_17) -> None:
        config = config or MeshMDNConfig()
        super().__init__(config, skeleton, config.components)
        # Untrained means must differ too, or all of them stay equally likely for ever.
        torch.nn.init.normal_(self.head.last.bias, std=0.03)

    def bodies(self, conditions: Conditions) -> BodyParameters:
        """(M, B) in the person's axes; all but `body_pose` is the mean over the components."""
        vectors = self.head(self.encoder(conditions.features))
        shared = vectors.mean(0, keepdim=True).expand_as(vectors)
        turns = self.vector.rotations
        first, last = shared[..., :6], shared[..., turns:]
        return self.vector.decode(torch.cat([first, vectors[..., 6:turns], last], -1), conditions)

    def losses(
        self, keypoints: Observation, bodies: BodyParameters, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Paper 004, Eq. 8 of the virtual prediction, and the mixture's likelihood in nats."""
        conditions = self.conditions(keypoints)
        target = self.vector.to_person(bodies, conditions)
        mixture = self.bodies(conditions)
        theta = to_axis_angle(mixture.body_pose).flatten(-2)
        truth = to_axis_angle(target.body_pose).flatten(-2)
        virtual, nll = virtual_prediction(theta, truth, self.config.variance)
        rotations = from_axis_angle(virtual.unflatten(-1, (-1, 3)))
        single = replace(mixture[0], body_pose=rotations).map(lambda value: value[None])
        terms = self.total_loss(single, target, conditions, self.config.weights)
        return {"nll": self.config.nll * nll.mean(), **terms}


def virtual_prediction(means: Tensor, target: Tensor, variance: float) -> tuple[Tensor, Tensor]:
    """Eq. 9: sum_m mu_m p(m | theta), and -log p(theta) in nats, of a mixture of equal weights.

    Args:
        means: (M, B, D), radians.
        target: (B, D) theta.
        variance: of every component in every dimension.

    Returns:
        Predictions (B, D) and negative log-likelihoods (B,).
    """
    squares = (means - target).square().sum(-1)
    constant = 0.5 * target.shape[-1] * math.log(2 * math.pi * variance)
    log_each = -0.5 * squares / variance - constant - math.log(len(means))
    posterior = log_each.softmax(0)
    return (posterior[..., None] * means).sum(0), -log_each.logsumexp(0)
