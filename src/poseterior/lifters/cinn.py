"""`cinn`: a conditional invertible network between 3D poses and 2D poses with a latent.

Wehrbein, Rudolph, Rosenhahn and Wandt, ICCV 2021 (paper 001). 3J coordinates become the 2D
pose (2J) and what it does not tell (J): the forward path is supervised, hypotheses are the
inverse of the observed 2D pose and random latents.
"""

from __future__ import annotations

from collections.abc import Iterator
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
from poseterior.losses.mmd import mmd
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
        best: k, of them that the best-of-M loss takes the mean of.
        l1_2d, mmd, generator, deterministic, best_of_m, heatmap: weights of the losses;
            without `generator` there is no critic.
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
    best: int = 5
    l1_2d: float = 1.0
    mmd: float = 10.0
    generator: float = 1.0
    deterministic: float = 4.0
    best_of_m: float = 4.0
    heatmap: float = 750.0
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
            hidden=256, condition_hidden=128, hypotheses=64, critic_chain_width=256
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
        found = self.bijection(context)(target.flatten(1))
        latents, inverse = self._inverse_latents(found, generator)
        poses = self._invert(latents, seen.points.flatten(1), context) if inverse else latents
        with torch.autocast(pose.device.type, enabled=False):
            terms = self._forward_terms(found, seen.points.flatten(1), generator)
            rows = dict(zip(inverse, poses.split(list(inverse.values())), strict=True))
            return terms | dict(self._inverse_terms(rows, seen, target))

    def _inverse_latents(
        self, found: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, int]]:
        """Latents of all that the losses invert, and how many of them are for what."""
        c = self.config
        counts = {
            "hypotheses": c.hypotheses if c.best_of_m or c.heatmap else 0,
            "generated": 1 if c.generator else 0,
            "deterministic": 1 if c.deterministic else 0,
        }
        drawn = counts["hypotheses"] + counts["generated"]
        latents = self._latents(drawn, found, generator)
        if c.deterministic:
            own = found[None, :, 2 * len(self.skeleton) :].detach()
            latents = torch.cat([latents, own.float()])
        return latents, {name: count for name, count in counts.items() if count}

    def _forward_terms(
        self, found: Tensor, points: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """L_2D and L_MMD of [2D pose, latent] found and the observed 2D pose."""
        c, terms = self.config, {}
        found = found.float()
        seen, latent = found.tensor_split([points.shape[1]], -1)
        if c.l1_2d:
            terms["l1_2d"] = c.l1_2d * (seen - points).abs().mean()
        if c.mmd:
            drawn = self._latents(1, points, generator)[0]
            joint = torch.cat([seen.detach(), latent], -1)
            terms["mmd"] = c.mmd * mmd(torch.cat([points, drawn], -1), joint)
        return terms

    def _inverse_terms(
        self, poses: dict[str, Tensor], seen: Observation, target: Tensor
    ) -> Iterator[tuple[str, Tensor]]:
        """L_gen, L_det, L_MB and L_HM of poses (N, B, J, 3) by what they are for."""
        c = self.config
        if c.generator:
            yield "generator", -c.generator * self._judged(poses["generated"][0]).mean()
        if c.deterministic:
            error = (poses["deterministic"][0] - target).abs().mean()
            yield "deterministic", c.deterministic * error
        if not (c.best_of_m or c.heatmap):
            return
        hypotheses = self._root_relative(poses["hypotheses"])
        if c.best_of_m:
            error = best_of_m(hypotheses, self._root_relative(target), c.best)
            yield "best_of_m", c.best_of_m * error
        if c.heatmap:
            joints = self.conditioned
            error = heatmap_covariance_loss(
                hypotheses[..., joints, :], seen.fitted[:, joints],
                seen.conditions.valid[:, joints], c.sigma_t_px, c.metres_per_px,
            )  # fmt: skip
            yield "heatmap", c.heatmap * error

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
