"""`cinn`: a conditional invertible network between 3D poses and 2D poses with a latent.

Wehrbein, Rudolph, Rosenhahn and Wandt, ICCV 2021 (paper 001). 3J coordinates become the 2D
pose (2J) and what it does not tell (J): the forward path is supervised, hypotheses are the
inverse of the observed 2D pose and random latents.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from zuko.transforms import PermutationTransform

from poseterior.flows.coupling import Chain, SoftClampedCoupling
from poseterior.geometry.skeleton import H36M_17, Skeleton
from poseterior.keypoints import Keypoints
from poseterior.lifters.cinn_observation import (
    COEFFICIENTS,
    Observation,
    conditioned_joints,
    observe,
)
from poseterior.lifters.cinn_posterior import CinnPosterior
from poseterior.losses.best_of_m import best_of_m
from poseterior.losses.critic import Critic, critic_terms
from poseterior.losses.heatmap_covariance import heatmap_covariance_loss
from poseterior.losses.mmd import BANDWIDTHS, mmd
from poseterior.posterior import Lifter

__all__ = ["Bijection", "Cinn", "CinnConfig"]

# Hypotheses that go through the flow at a time: the hidden features then stay in the cache.
_ROWS = 1000


@dataclass(frozen=True)
class CinnConfig:
    """Sizes and losses as published. A weight of 0 leaves a term out altogether.

    Attributes:
        blocks: coupling blocks, each with a fixed permutation after it.
        hidden: the hidden layer of a coupling's subnetwork.
        alpha: soft clamp of the log scales.
        condition: whether the couplings see the heatmaps' Gaussians.
        condition_hidden, context: layers of the network that encodes these.
        hypotheses: L, drawn per pose in training.
        hypothesised: poses of a batch that these are drawn for, the first ones; 0 for all.
            The other losses need one inversion a pose and take the whole batch.
        best: k, of them that the best-of-M loss takes the mean of.
        l1_2d, mmd, generator, deterministic, best_of_m, heatmap: weights of the losses;
            without `generator` there is no critic.
        bandwidths: of the MMD's kernel. The published ones see no farther than 1, and latents
            of J numbers lie 2J apart (squared): with few steps wider ones find them sooner.
        sigma_t_px, metres_per_px: of the heatmap covariance loss.
        gradient_penalty: the critic's.
        critic_pose_width, critic_chain_width: the critic's two paths.
    """

    blocks: int = 8
    hidden: int = 1024
    alpha: float = 2.0
    condition: bool = True
    condition_hidden: int = 256
    context: int = 56
    hypotheses: int = 200
    hypothesised: int = 0
    best: int = 5
    l1_2d: float = 1.0
    mmd: float = 10.0
    generator: float = 1.0
    deterministic: float = 4.0
    best_of_m: float = 4.0
    heatmap: float = 750.0
    bandwidths: tuple[float, ...] = BANDWIDTHS
    sigma_t_px: float = 2.1
    metres_per_px: float = 0.01
    gradient_penalty: float = 10.0
    critic_pose_width: int = 100
    critic_chain_width: int = 1000


class Bijection(nn.Module):
    """Contexts (B, C) -> chain from poses (..., B, 3J) to [2D pose (2J), latent (J)]."""

    permutations: Tensor

    def __init__(self, config: CinnConfig, size: int, context: int) -> None:
        super().__init__()
        self.couplings = nn.ModuleList(
            SoftClampedCoupling(size, context, config.hidden, 1, config.alpha, first)
            for _ in range(config.blocks)
            for first in (True, False)
        )
        generator = torch.Generator().manual_seed(0)
        orders = [torch.randperm(size, generator=generator) for _ in range(config.blocks)]
        self.register_buffer("permutations", torch.stack(orders))

    def forward(self, context: Tensor) -> Chain:
        transforms = []
        for i, order in enumerate(self.permutations):
            first, second = self.couplings[2 * i], self.couplings[2 * i + 1]
            transforms += [first(context), second(context), PermutationTransform(order)]
        return Chain(*transforms)


class Cinn(Lifter):
    """Hypotheses by the inverse of a supervised 3D-to-2D map; no density, trained on samples.

    As in the original the 2D pose is an input; which joints are missing is known from their
    amplitude, 0, which the original's detector never reports. Losses are means over
    coordinates, as in the authors' code: only so is the critic's slope of at most 1 as steep
    as 4 |x - x'| / 3J.
    """

    name = "cinn"
    Config = CinnConfig
    PRESETS: ClassVar[dict[str, CinnConfig]] = {
        "small": CinnConfig(
            hidden=256,
            condition_hidden=128,
            hypotheses=64,
            hypothesised=16,
            critic_chain_width=256,
            bandwidths=(*BANDWIDTHS, 16.0, 64.0),
        ),
        "paper": CinnConfig(),
    }
    config: CinnConfig

    def __init__(self, config: CinnConfig | None = None, skeleton: Skeleton = H36M_17) -> None:
        super().__init__()
        self.config, self.skeleton = config or CinnConfig(), skeleton
        c, joints = self.config, len(skeleton)
        self.conditioned = conditioned_joints(skeleton)
        self.encoder = nn.Sequential(
            nn.Linear(COEFFICIENTS * len(self.conditioned), c.condition_hidden),
            nn.ReLU(),
            nn.Linear(c.condition_hidden, c.context),
        ) if c.condition else None  # fmt: skip
        self.bijection = Bijection(c, 3 * joints, c.context if c.condition else 1)
        self.critic = (
            Critic(skeleton, c.critic_pose_width, c.critic_chain_width) if c.generator else None
        )

    def critic_parameters(self) -> list[nn.Parameter]:
        """What `critic_losses` trains; none without a critic."""
        return [] if self.critic is None else list(self.critic.parameters())

    def forward(self, keypoints: Keypoints) -> CinnPosterior:
        """The posterior given keypoints with batch shape (B,)."""
        seen = observe(keypoints, self.skeleton)
        chain = self.bijection(self._context(seen))
        return CinnPosterior(chain, seen.points.flatten(1), seen.conditions.rotation, self.skeleton)

    def _context(self, seen: Observation) -> Tensor:
        """(B, C), the encoded condition, or the number one without a condition."""
        if self.encoder is None:
            return seen.points.new_ones(len(seen.points), 1)
        return self.encoder(seen.gaussians[:, self.conditioned].flatten(1))

    def _invert(self, latents: Tensor, points: Tensor, context: Tensor) -> Tensor:
        """Poses (N, B, J, 3) of latents (N, B, J), in the person's frame, in chunks of poses."""
        state = torch.cat([points.expand(len(latents), -1, -1), latents], -1)
        step = max(1, _ROWS // len(latents))
        parts = [
            self.bijection(c).inv(s)
            for c, s in zip(context.split(step), state.split(step, dim=1), strict=True)
        ]
        return torch.cat(parts, 1).unflatten(-1, (len(self.skeleton), 3))

    def _latents(self, count: int, like: Tensor, generator: torch.Generator) -> Tensor:
        """Random latents (count, B, J) for the batch of `like`."""
        shape = (count, len(like), len(self.skeleton))
        return torch.randn(shape, generator=generator, device=like.device)

    def _centred(self, seen: Observation, pose: Tensor) -> Tensor:
        """Poses in the person's frame, centred on their mean."""
        turned = seen.conditions.to_person(pose)
        return turned - turned.mean(-2, keepdim=True)

    def losses(
        self, keypoints: Keypoints, pose: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """The weighted terms of Eq. 9 that are not switched off."""
        seen = observe(keypoints, self.skeleton)
        context, target = self._context(seen), self._centred(seen, pose)
        points = seen.points.flatten(1)
        found = self.bijection(context)(target.flatten(1))
        terms = self._forward_terms(found, points, generator)
        terms |= self._single_terms(found, points, context, target, generator)
        return terms | self._hypotheses_terms(seen, context, target, generator)

    def _forward_terms(
        self, found: Tensor, points: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """L_2D and L_MMD of [2D pose, latent] found and the observed 2D pose."""
        c = self.config
        terms: dict[str, Tensor] = {}
        with torch.autocast(points.device.type, enabled=False):
            seen, latent = found.float().tensor_split([points.shape[1]], -1)
            if c.l1_2d:
                terms["l1_2d"] = c.l1_2d * (seen - points).abs().mean()
            if c.mmd:
                drawn = torch.cat([points, self._latents(1, points, generator)[0]], -1)
                both = torch.cat([seen.detach(), latent], -1)
                terms["mmd"] = c.mmd * mmd(drawn, both, c.bandwidths)
        return terms

    def _single_terms(
        self, found: Tensor, points: Tensor, context: Tensor, target: Tensor,
        generator: torch.Generator,
    ) -> dict[str, Tensor]:  # fmt: skip
        """L_gen of a hypothesis per pose and L_det of the pose that has the latent found."""
        c = self.config
        terms: dict[str, Tensor] = {}
        if not (c.generator or c.deterministic):
            return terms
        own = found[None, :, points.shape[1] :].detach().float()
        latents = torch.cat([self._latents(1, points, generator), own])
        generated, own_pose = self._invert(latents, points, context)
        with torch.autocast(points.device.type, enabled=False):
            if c.generator:
                terms["generator"] = -c.generator * self._judged(generated).mean()
            if c.deterministic:
                terms["deterministic"] = c.deterministic * (own_pose - target).abs().mean()
        return terms

    def _hypotheses_terms(
        self, seen: Observation, context: Tensor, target: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """L_MB and L_HM of many hypotheses per pose, root-relative."""
        c = self.config
        terms: dict[str, Tensor] = {}
        if not (c.best_of_m or c.heatmap):
            return terms
        some = slice(c.hypothesised or None)
        points = seen.points[some].flatten(1)
        latents = self._latents(c.hypotheses, points, generator)
        hypotheses = self._root_relative(self._invert(latents, points, context[some]))
        with torch.autocast(points.device.type, enabled=False):
            if c.best_of_m:
                error = best_of_m(hypotheses, self._root_relative(target[some]), c.best)
                terms["best_of_m"] = c.best_of_m * error
            if c.heatmap:
                joints = self.conditioned
                error = heatmap_covariance_loss(
                    hypotheses[..., joints, :], seen.fitted[some, joints],
                    seen.conditions.valid[some, joints], c.sigma_t_px, c.metres_per_px,
                )  # fmt: skip
                terms["heatmap"] = c.heatmap * error
        return terms

    def _root_relative(self, pose: Tensor) -> Tensor:
        return pose - pose[..., self.skeleton.root, None, :]

    def _judged(self, pose: Tensor) -> Tensor:
        """The critic's scores (B,), with gradients to the poses and none to the critic."""
        assert self.critic is not None
        frozen = {name: p.detach() for name, p in self.critic.named_parameters()}
        return functional_call(self.critic, frozen, pose)

    def critic_losses(
        self, keypoints: Keypoints, pose: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """The critic's Wasserstein loss and gradient penalty on one hypothesis per pose."""
        assert self.critic is not None
        seen = observe(keypoints, self.skeleton)
        with torch.no_grad():
            points = seen.points.flatten(1)
            latents = self._latents(1, points, generator)
            fake = self._invert(latents, points, self._context(seen))[0].float()
        with torch.autocast(pose.device.type, enabled=False):
            real = self._centred(seen, pose)
            return critic_terms(self.critic, real, fake, self.config.gradient_penalty, generator)
