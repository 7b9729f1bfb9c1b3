"""A lifter without training: a Gaussian around keypoints put back at a fixed depth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from poseterior.geometry.skeleton import H36M_17, Skeleton
from poseterior.keypoints import Keypoints
from poseterior.posterior import Lifter
from poseterior.posteriors import GaussianPosterior

FOCAL, DEPTH = 1000.0, 4.0


class FlatGaussian(Lifter):
    """Mean: the keypoints' rays at `DEPTH`, root-relative. Spread: `sigma` metres."""

    name = "flat_gaussian"

    @dataclass(frozen=True)
    class Config:
        sigma: float = 0.05

    def __init__(self, sigma: float = 0.05, skeleton: Skeleton = H36M_17) -> None:
        super().__init__()
        self.config, self.skeleton = self.Config(sigma), skeleton
        self.register_buffer("scale", torch.tensor(sigma))

    def forward(self, keypoints: Keypoints) -> GaussianPosterior:
        assert not self.training
        mean = back_projected(keypoints)
        return GaussianPosterior(mean, self.scale.expand(len(mean)), self.skeleton)


class _Latent(GaussianPosterior):
    has_log_prob = has_mode = False
    has_latent_centre = True

    @property
    def latent_centre(self) -> Tensor:
        return self.mean


class LatentOnly(FlatGaussian):
    """The same, but with a latent centre in place of mode and density."""

    def forward(self, keypoints: Keypoints) -> GaussianPosterior:
        whole = super().forward(keypoints)
        return _Latent(whole.mean, whole.scale, self.skeleton)


def back_projected(keypoints: Keypoints) -> Tensor:
    """(B, J, 3) metres; missing joints at the root."""
    xy = (keypoints.pixels - keypoints.pixels[..., :1, :]) * DEPTH / FOCAL
    xy = torch.where(keypoints.valid[..., None], xy, 0.0)
    return torch.nn.functional.pad(xy, (0, 1))


def observations(rows: int, sigma: float, seed: int = 0, missing: float = 0.0):
    """Keypoints and targets for which `FlatGaussian(sigma)` is the true posterior."""
    generator = torch.Generator().manual_seed(seed)
    joints = len(H36M_17)
    pixels = 500 + 100 * torch.randn(rows, joints, 2, generator=generator)
    valid = torch.rand(rows, joints, generator=generator) >= missing
    valid[:, 0] = True
    keypoints = Keypoints(
        pixels=torch.where(valid[..., None], pixels, 0.0),
        covariance=torch.eye(2).expand(rows, joints, 2, 2).clone(),
        valid=valid,
        skeleton=H36M_17,
        intrinsics=torch.tensor([[FOCAL, 0, 500], [0, FOCAL, 500], [0, 0, 1]]).expand(rows, 3, 3),
    )
    noise = sigma * torch.randn(rows, joints, 3, generator=generator)
    noise[:, 0] = 0
    return keypoints, back_projected(keypoints) + noise
