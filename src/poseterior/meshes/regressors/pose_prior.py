"""`pose_prior`: how likely a pose is before anything is seen (paper 004, Section 4.1, Eq. 4).

A normalising flow over control skeletons. It is a lifter that does not look: its posterior is
the same for every observation, so it is trained, saved and scored as any other.

The density does not depend on where the person faces, for a camera may stand anywhere: the
heading is uniform. It does depend on what is up, for which the camera's y axis is taken: a
person who leans over backwards is not as likely as one who stands.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from poseterior.flows.prior import RealNVP
from poseterior.geometry.skeleton import H36M_17, Skeleton
from poseterior.keypoints import Keypoints
from poseterior.lifters.conditioning import condition
from poseterior.meshes.body import Body
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.regressors.heading import HeadingFrame
from poseterior.posterior import Lifter, Posterior

__all__ = ["ControlSource", "PosePrior", "PosePriorConfig", "PriorPosterior"]


@dataclass(frozen=True)
class PosePriorConfig:
    """The size of the flow, which the paper does not publish, and what it is trained on.

    Attributes:
        blocks: of two affine couplings and a fixed permutation each.
        hidden, depth: hidden layers of a coupling's network.
        alpha: soft clamp of the log scales.
        blur_m: standard deviation of the noise on each coordinate of the training poses,
            metres. Bones have fixed lengths and the pelvis is the middle of the hips: without
            it the density would be infinite for the skeletons that were seen, and nothing for
            a body whose joints lie a centimetre elsewhere.
    """

    blocks: int = 4
    hidden: int = 128
    depth: int = 1
    alpha: float = 2.0
    blur_m: float = 0.02


class PriorPosterior(Posterior):
    """The prior's density, the same for each of a batch."""

    has_log_prob = True

    def __init__(self, prior: PosePrior, batch_shape: Iterable[int]) -> None:
        super().__init__(prior.skeleton, batch_shape)
        self.prior = prior

    def sample(
        self, sample_shape: Iterable[int] = (), generator: torch.Generator | None = None
    ) -> Tensor:
        return self.prior.sample((*sample_shape, *self.batch_shape), generator)

    def log_prob(self, value: Tensor) -> Tensor:
        return self.prior.log_prob(value)


class PosePrior(Lifter):
    """RealNVP over poses up to their heading, which is uniform.

    Raises:
        InputError: a skeleton that `HeadingFrame` cannot turn.
    """

    name = "pose_prior"
    Config = PosePriorConfig
    PRESETS: ClassVar[dict[str, PosePriorConfig]] = {
        "small": PosePriorConfig(),
        "paper": PosePriorConfig(blocks=8, hidden=512, depth=2),
    }

    def __init__(self, config: PosePriorConfig | None = None, skeleton: Skeleton = H36M_17) -> None:
        super().__init__()
        self.config, self.skeleton = config or PosePriorConfig(), skeleton
        self.frame, c = HeadingFrame(skeleton), self.config
        # 0.2 m and a fifth of the log of the hips' width: what coordinates vary by.
        self.flow = RealNVP(
            self.frame.features, c.blocks, c.hidden, c.depth, c.alpha, initial_scale=0.2
        )

    def log_prob(self, pose: Tensor) -> Tensor:
        """Nats (...) of poses (..., J, 3) in camera axes, of the J-1 joints besides the root.

        With the heading h and the other coordinates u of `HeadingFrame`, the density of a pose
        is p(u) / (2 pi) times the determinant of the map.
        """
        features, _, log_det = self.frame.split(pose)
        return self.flow.log_prob(features) + log_det - math.log(2 * math.pi)

    @torch.no_grad()
    def sample(self, shape: Iterable[int] = (), generator: torch.Generator | None = None) -> Tensor:
        """Poses (*shape, J, 3) metres, root at the origin, camera axes, without gradient."""
        features = self.flow.sample(shape, generator)
        turn = torch.rand(
            features.shape[:-1], generator=generator, dtype=features.dtype, device=features.device
        )
        return self.frame.join(features, math.pi * (2 * turn - 1))

    def forward(self, keypoints: Keypoints) -> PriorPosterior:
        """The prior, whatever is observed."""
        # Their only use: they are refused if they are of another skeleton.
        return PriorPosterior(self, condition(keypoints, self.skeleton).features.shape[:1])

    def losses(
        self, keypoints: Keypoints, pose: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Eq. 4 with lambda_nf = 1: the negative log-likelihood of blurred poses, in nats."""
        noise = torch.randn(pose.shape, generator=generator, dtype=pose.dtype, device=pose.device)
        return {"nll": -self.log_prob(pose + self.config.blur_m * noise).mean()}


class _Bodies(Protocol):
    def batch(self, index: int) -> tuple[Keypoints, BodyParameters]: ...


@dataclass(frozen=True, eq=False)
class ControlSource:
    """A source of bodies as one of their control skeletons, to train a prior on these.

    Attributes:
        bodies: batches of observations and body parameters in camera axes.
        body: whose joints they are.
        skeleton: of the control joints.
    """

    bodies: _Bodies
    body: Body
    skeleton: Skeleton = H36M_17

    def batch(self, index: int) -> tuple[Keypoints, Tensor]:
        """Keypoints with batch shape (B,) and poses (B, J, 3), metres, root-relative."""
        keypoints, parameters = self.bodies.batch(index)
        joints = self.body.landmarks_of(parameters, self.skeleton)
        root = self.skeleton.root
        return keypoints, joints - joints[:, root : root + 1]
