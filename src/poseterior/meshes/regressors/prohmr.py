"""`prohmr`: a conditional flow over the rotations of a body (paper 002).

Latents become 6D rotations by a Glow whose volume does not depend on the input, so the image
of z = 0 is the mode of its density; shape and place come from the features alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

from poseterior.flows.coupling import Chain
from poseterior.flows.glow import ConditionalGlow
from poseterior.geometry.skeleton import H36M_17, Skeleton
from poseterior.lifters.conditioning import Conditions
from poseterior.meshes.mesh_posterior import LatentBodies
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.regressors.hmr import SMALL, RegressorSizes
from poseterior.meshes.regressors.image_backbone import Observation
from poseterior.meshes.regressors.mesh_lifter import MeshLifter
from poseterior.meshes.regressors.mesh_losses import image_points
from poseterior.meshes.regressors.pose_critic import PoseCritic, critic_loss, generator_loss

__all__ = ["BodyFlowPosterior", "ProHMR", "ProHMRConfig", "ProHMRWeights"]


@dataclass(frozen=True)
class ProHMRWeights:
    """Weights of the losses, as published (paper 002, Section 3)."""

    nll: float = 0.001
    expected_2d: float = 0.001
    expected_adversarial: float = 0.0005
    mode_2d: float = 0.01
    mode_adversarial: float = 0.0005
    mode_theta: float = 0.001
    mode_beta: float = 0.0005
    mode_3d: float = 0.05
    orthogonal: float = 0.1


@dataclass(frozen=True)
class ProHMRConfig:
    """A body, networks and the losses' weights.

    Attributes:
        body: by name or file, as of `open_body`.
        steps: of the flow; the supplement does not tell it.
        hidden, blocks: channels (published) and residual blocks of a coupling's network.
        noise: standard deviation added to the true 6D rotations before their likelihood, as
            the authors' code does: they lie on a surface, where a density has no bound.
        critic: width of the critic of whole poses.
        sizes: of the encoder (`width`, `blocks`, `dropout`) and of the head of shape and place
            (`hidden`).
        weights: of the losses.
        backbone: what sees the observation: `keypoints`, or a ResNet as of `open_backbone`.
    """

    body: str = "anny_light"
    steps: int = 4
    hidden: int = 1024
    blocks: int = 2
    noise: float = 0.005
    critic: int = 1024
    sizes: RegressorSizes = field(default_factory=RegressorSizes)
    weights: ProHMRWeights = field(default_factory=ProHMRWeights)
    backbone: str = "keypoints"


class BodyFlowPosterior(LatentBodies):
    """Bodies of a flow: besides what `LatentBodies` does, the density of their rotations."""

    def __init__(self, flow: Chain, lifter: ProHMR, conditions: Conditions, rest: Tensor) -> None:
        self.flow, self._lifter, self._conditions, self._rest = flow, lifter, conditions, rest
        like = rest.new_empty(len(rest), lifter.vector.rotations)
        super().__init__(self._decode, like, lifter.body, lifter.skeleton)

    def _decode(self, latents: Tensor) -> BodyParameters:
        bodies = self.person_bodies(self.columns(latents))
        return self._lifter.vector.to_camera(bodies, self._conditions)

    def columns(self, latents: Tensor) -> Tensor:
        """(N, B, 6 K): 6D rotations in the person's axes, not yet orthonormal."""
        start = self._lifter.start
        if torch.is_grad_enabled():
            return start + self.flow.inv(latents)
        every = slice(0, latents.shape[1])
        return start + self.flow.inverter(latents)(latents.clone(), every)

    def person_bodies(self, columns: Tensor) -> BodyParameters:
        """(N, B) in the person's axes, of 6D rotations (N, B, 6 K)."""
        rest = self._rest.expand(*columns.shape[:-1], -1)
        return self._lifter.vector.decode(torch.cat([columns, rest], -1), self._conditions)

    def rotation_log_prob(self, columns: Tensor) -> Tensor:
        """(..., B) nats of 6D rotations (..., B, 6 K) in the person's axes."""
        latent, log_det = self.flow.call_and_ladj(columns - self._lifter.start)
        constant = 0.5 * columns.shape[-1] * math.log(2 * math.pi)
        return log_det - 0.5 * latent.square().sum(-1) - constant


class ProHMR(MeshLifter):
    """Bodies drawn through a conditional flow; `centre_parameters` is the mode of its density."""

    start: Tensor
    name = "prohmr"
    Config = ProHMRConfig
    PRESETS: ClassVar[dict[str, ProHMRConfig]] = {
        "small": ProHMRConfig(sizes=SMALL, hidden=256, critic=256),
        "paper": ProHMRConfig(),
    }

    def __init__(self, config: ProHMRConfig | None = None, skeleton: Skeleton = H36M_17) -> None:
        super().__init__(config or ProHMRConfig(), skeleton)
        c = self.config
        width = c.sizes.width
        self.encoder = self.new_encoder()
        self.flow = ConditionalGlow(self.vector.rotations, width, c.steps, c.hidden, c.blocks)
        self.rest = nn.Sequential(
            nn.Linear(width, c.sizes.hidden), nn.ReLU(),
            nn.Linear(c.sizes.hidden, self.body.betas + 3),
        )  # fmt: skip
        # Of the flow's zero: no rotation has columns of zeros.
        self.register_buffer("start", self.vector.start()[: self.vector.rotations])
        self.critic = PoseCritic(len(self.body.tree) - 1, width=c.critic)

    def forward(self, keypoints: Observation) -> BodyFlowPosterior:
        return self._posterior(self.conditions(keypoints))

    def _posterior(self, conditions: Conditions) -> BodyFlowPosterior:
        features = self.encoder(conditions.features)
        return BodyFlowPosterior(self.flow(features), self, conditions, self.rest(features))

    def losses(
        self, keypoints: Observation, bodies: BodyParameters, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """The nine terms of paper 002, Section 3: sums over dimensions, means over the batch.

        L1 in metres and in units of the keypoints' spread; L2 of rotation matrices and betas.
        The first batch seen in training mode initialises the flow.
        """
        conditions = self.conditions(keypoints)
        target = self.vector.to_person(bodies, conditions)
        columns = self.vector.encode_rotations(target)
        noise = torch.randn(columns.shape, generator=generator, device=columns.device)
        columns = columns + self.config.noise * noise
        if self.training:
            self.flow.initialise(columns - self.start)
        posterior = self._posterior(conditions)
        latents = torch.randn((1, *columns.shape), generator=generator, device=columns.device)
        both = posterior.columns(torch.cat([torch.zeros_like(latents), latents]))
        made = posterior.person_bodies(both)
        w = self.config.weights
        terms = {
            "nll": -w.nll * posterior.rotation_log_prob(columns),
            "orthogonal": w.orthogonal * _skewness(both.unflatten(-1, (-1, 6))).mean(0),
            **self._mode_terms(made[0], target, conditions),
            **self._drawn_terms(made, conditions),
        }
        return {name: term.mean() for name, term in terms.items()}

    def _mode_terms(
        self, mode: BodyParameters, target: BodyParameters, conditions: Conditions
    ) -> dict[str, Tensor]:
        """Errors of the mode's joints, rotations and shape, each (B,)."""
        w, joints = self.config.weights, self.body.landmarks_of
        off = self.relative(joints(mode, self.skeleton)) - self.relative(
            joints(target, self.skeleton)
        )
        turned = (mode.rotations - target.rotations).square().flatten(1)
        return {
            "mode_3d": w.mode_3d * off.abs().sum((-2, -1)),
            "mode_theta": w.mode_theta * turned.sum(-1),
            "mode_beta": w.mode_beta * (mode.betas - target.betas).square().sum(-1),
        }

    def _drawn_terms(self, made: BodyParameters, conditions: Conditions) -> dict[str, Tensor]:
        """Reprojection and critics of the mode and of one drawn body, bodies (2, B)."""
        w = self.config.weights
        points = image_points(self.body.landmarks_of(made, self.skeleton))
        off = (points - conditions.points).abs().sum(-1) * conditions.valid
        mode, drawn = off.sum(-1) / conditions.spread
        frozen = {name: p.detach() for name, p in self.critic.named_parameters()}
        judged = generator_loss(functional_call(self.critic, frozen, made.body_pose))
        return {
            "mode_2d": w.mode_2d * mode,
            "expected_2d": w.expected_2d * drawn,
            "mode_adversarial": w.mode_adversarial * judged[0],
            "expected_adversarial": w.expected_adversarial * judged[1],
        }

    def critic_parameters(self) -> list[nn.Parameter]:
        """What `critic_losses` trains."""
        return list(self.critic.parameters())

    def critic_losses(
        self, keypoints: Observation, bodies: BodyParameters, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Least squares of real rotations against those of the mode and of one drawn body."""
        with torch.no_grad():
            posterior = self._posterior(self.conditions(keypoints))
            shape = (1, len(bodies), self.vector.rotations)
            device = bodies.betas.device
            latents = torch.randn(shape, generator=generator, device=device)
            both = posterior.columns(torch.cat([torch.zeros_like(latents), latents]))
            fake = posterior.person_bodies(both).body_pose
        real, (mode, drawn) = self.critic(bodies.body_pose), self.critic(fake)
        return {"mode": critic_loss(real, mode), "drawn": critic_loss(real, drawn)}


def _skewness(columns: Tensor) -> Tensor:
    """(...): sum over joints of |C' C - I|², of two columns C of each, (..., K, 6)."""
    pair = columns.unflatten(-1, (2, 3))
    off = pair @ pair.mT - torch.eye(2).to(pair)
    return off.square().sum((-3, -2, -1))
