"""`heatmap_noise`: one pose, blurred as the heatmaps are (paper 001, section 4.5)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from poseterior.geometry.skeleton import H36M_17, Skeleton
from poseterior.keypoints import Keypoints
from poseterior.lifters.cinn import Cinn, CinnConfig
from poseterior.lifters.conditioning import condition
from poseterior.lifters.heatmap_covariance import fitted_covariance
from poseterior.posterior import Lifter, Posterior

__all__ = ["HeatmapNoise", "HeatmapNoiseConfig", "JointGaussians"]


@dataclass(frozen=True)
class HeatmapNoiseConfig:
    """How far a joint's heatmap blurs it, and the lifter whose pose is blurred.

    Attributes:
        metres_per_px: what a heatmap pixel is sideways; as published, 10 mm.
        initial_depth_sigma_m: standard deviation of depth before training, metres.
        centre: sizes of the frozen `cinn`.
    """

    metres_per_px: float = 0.01
    initial_depth_sigma_m: float = 0.1
    centre: CinnConfig = field(default_factory=CinnConfig)


class JointGaussians(Posterior):
    """Each free joint has a Gaussian of its own, independent of the others.

    Args:
        centre: (B, J, 3) metres, camera axes: mean, mode and the image of z = 0.
        factor: (B, J, 3, 3) Cholesky factors of the joints' covariances, metres, in a frame of
            the observation's own; the root's is not used.
        rotation: (B, 3, 3) from camera axes to that frame.
        skeleton: the joints.
    """

    has_log_prob = has_mode = has_latent_centre = True

    def __init__(
        self, centre: Tensor, factor: Tensor, rotation: Tensor, skeleton: Skeleton
    ) -> None:
        super().__init__(skeleton, centre.shape[:-2])
        self.centre, self.factor, self.rotation = centre, factor, rotation

    def sample(
        self, sample_shape: Iterable[int] = (), generator: torch.Generator | None = None
    ) -> Tensor:
        with torch.no_grad():
            shape = (*sample_shape, *self.centre.shape)
            like = self.centre
            noise = torch.randn(shape, generator=generator, dtype=like.dtype, device=like.device)
            noise = (self.factor @ noise[..., None])[..., 0] @ self.rotation
            noise[..., self.skeleton.root, :] = 0
            return self.centre + noise

    def log_prob(self, value: Tensor) -> Tensor:
        free = list(self.skeleton.free)
        residual = ((value - self.centre) @ self.rotation.mT)[..., free, :]
        zero = torch.zeros_like(self.centre[..., free, :])
        joints = MultivariateNormal(zero, scale_tril=self.factor[..., free, :, :])
        return joints.log_prob(residual).sum(-1)

    @property
    def mean(self) -> Tensor:
        """The mean, which is also the mode."""
        return self.centre

    @property
    def mode(self) -> Tensor:
        return self.centre

    @property
    def latent_centre(self) -> Tensor:
        return self.centre


class HeatmapNoise(Lifter):
    """N(`cinn` at z = 0, fitted heatmap covariance sideways, one variance in depth) per joint.

    The paper's sampling baseline: what hypotheses are worth that know how uncertain each joint
    is, but not how joints move together. Sideways nothing is learnt: a joint that was not
    detected has `heatmap_covariance.MISSING_SIGMA_PX`. The paper gives no number for the
    constant Gaussian in depth: it is the only trained parameter, by likelihood. Train a `cinn`
    first and give it to `use_base`.
    """

    name = "heatmap_noise"
    base: ClassVar[type[Lifter]] = Cinn
    Config = HeatmapNoiseConfig
    PRESETS: ClassVar[dict[str, HeatmapNoiseConfig]] = {
        "small": HeatmapNoiseConfig(centre=Cinn.PRESETS["small"]),
        "paper": HeatmapNoiseConfig(),
    }

    def __init__(
        self, config: HeatmapNoiseConfig | None = None, skeleton: Skeleton = H36M_17
    ) -> None:
        super().__init__()
        self.config, self.skeleton = config or HeatmapNoiseConfig(), skeleton
        self.centre = Cinn(self.config.centre, skeleton).requires_grad_(False).eval()
        sigma = self.config.initial_depth_sigma_m
        self.log_depth_sigma = nn.Parameter(torch.tensor(math.log(sigma)))

    @property
    def base_config(self) -> CinnConfig:
        """The configuration of the lifter that `use_base` takes."""
        return self.config.centre

    def use_base(self, lifter: Lifter) -> None:
        """Take the weights of a trained `cinn` of the same size."""
        self.centre.load_state_dict(lifter.state_dict())

    def forward(self, keypoints: Keypoints) -> JointGaussians:
        """The joints' Gaussians around the pose at z = 0."""
        conditions = condition(keypoints, self.skeleton)
        with torch.no_grad():
            centre = self.centre(keypoints).latent_centre
        with torch.autocast(centre.device.type, enabled=False):
            sideways = torch.linalg.cholesky(fitted_covariance(conditions))
            factor = nn.functional.pad(self.config.metres_per_px * sideways, (0, 1, 0, 1))
            depth = torch.diag(factor.new_tensor([0.0, 0.0, 1.0])) * self.log_depth_sigma.exp()
        return JointGaussians(centre, factor + depth, conditions.rotation, self.skeleton)

    def losses(
        self, keypoints: Keypoints, pose: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Negative log-likelihood in nats."""
        return {"nll": -self(keypoints).log_prob(pose).mean()}
