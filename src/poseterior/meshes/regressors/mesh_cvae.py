"""`mesh_cvae`: a conditional variational autoencoder, the second baseline of paper 004.

An encoder sees the true mesh and says in z which of the possible bodies it is; the decoder is
the iterative head with z beside the features (appendix C; Sohn et al., NeurIPS 2015).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from poseterior.geometry.skeleton import H36M_17, Skeleton
from poseterior.lifters.conditioning import Conditions
from poseterior.meshes.mesh_posterior import LatentBodies
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.regressors.hmr import SMALL, IterativeHead, RegressorSizes
from poseterior.meshes.regressors.image_backbone import Observation
from poseterior.meshes.regressors.mesh_lifter import MeshLifter
from poseterior.meshes.regressors.mesh_losses import LossWeights

__all__ = ["MeshCVAE", "MeshCVAEConfig"]


@dataclass(frozen=True)
class MeshCVAEConfig:
    """A body, a network, a latent and the losses' weights.

    Attributes:
        body: by name or file, as of `open_body`.
        latent: numbers of z; not published.
        encoder: width of the two layers that see the true mesh; not published.
        kl: weight of the divergence from N(0, I), nats; not published.
        sizes, weights: of the network and of the losses.
        backbone: what sees the observation: `keypoints`, or a ResNet as of `open_backbone`.
    """

    body: str = "anny_light"
    latent: int = 32
    encoder: int = 512
    kl: float = 0.01
    sizes: RegressorSizes = field(default_factory=RegressorSizes)
    weights: LossWeights = field(default_factory=LossWeights)
    backbone: str = "keypoints"


class MeshCVAE(MeshLifter):
    """Bodies decoded from z ~ N(0, I); without a density."""

    name = "mesh_cvae"
    Config = MeshCVAEConfig
    PRESETS: ClassVar[dict[str, MeshCVAEConfig]] = {
        "small": MeshCVAEConfig(sizes=SMALL, encoder=256),
        "paper": MeshCVAEConfig(),
    }

    def __init__(self, config: MeshCVAEConfig | None = None, skeleton: Skeleton = H36M_17) -> None:
        super().__init__(config or MeshCVAEConfig(), skeleton)
        c = self.config
        self.encoder = self.new_encoder()
        self.head = IterativeHead(c.sizes.width + c.latent, self.vector.start(), c.sizes)
        self.recognition = nn.Sequential(
            nn.Linear(3 * self.body.vertex_count + c.sizes.width, c.encoder), nn.ReLU(),
            nn.Linear(c.encoder, c.encoder), nn.ReLU(),
            nn.Linear(c.encoder, 2 * c.latent),
        )  # fmt: skip

    def forward(self, keypoints: Observation) -> LatentBodies:
        conditions = self.conditions(keypoints)
        features = self.encoder(conditions.features)

        def decode(latents: Tensor) -> BodyParameters:
            bodies = self._bodies(features, latents, conditions)
            return self.vector.to_camera(bodies, conditions)

        like = features.new_empty(len(features), self.config.latent)
        return LatentBodies(decode, like, self.body, self.skeleton)

    def _bodies(self, features: Tensor, latents: Tensor, conditions: Conditions) -> BodyParameters:
        """(N, B) in the person's axes, of features (B, D) and latents (N, B, L)."""
        seen = torch.cat([features.expand(len(latents), -1, -1), latents], -1)
        vectors = self.head(seen.flatten(0, 1))[0].unflatten(0, latents.shape[:2])
        return self.vector.decode(vectors, conditions)

    def losses(
        self, keypoints: Observation, bodies: BodyParameters, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Paper 004, Eq. 8 of one decoded body, and the divergence of z from N(0, I) in nats."""
        conditions = self.conditions(keypoints)
        target = self.vector.to_person(bodies, conditions)
        features = self.encoder(conditions.features)
        mesh = self.mesh_about_root(target).flatten(1)
        mean, log_std = self.recognition(torch.cat([mesh, features], -1)).float().chunk(2, -1)
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        latents = mean + log_std.exp() * noise
        kl = 0.5 * (mean.square() + (2 * log_std).exp() - 1).sum(-1) - log_std.sum(-1)
        decoded = self._bodies(features, latents[None], conditions)
        terms = self.total_loss(decoded, target, conditions, self.config.weights)
        return {"kl": self.config.kl * kl.mean(), **terms}
