"""Small lifters for the tests of training: a linear Gaussian, and one with everything hard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from poseterior.geometry.skeleton import H36M_17, Skeleton
from poseterior.keypoints import Keypoints
from poseterior.posterior import Lifter, Posterior, drop_root, insert_root

PIXELS = 2 * len(H36M_17)
FREE = 3 * (len(H36M_17) - 1)


class GaussianPosterior(Posterior):
    has_log_prob = True

    def __init__(self, skeleton: Skeleton, mean: Tensor, scale: Tensor) -> None:
        super().__init__(skeleton, mean.shape[:-1])
        self.normal = torch.distributions.Normal(mean, scale)

    def sample(self, sample_shape=(), generator=None):
        shape = (*sample_shape, *self.normal.mean.shape)
        noise = torch.randn(shape, generator=generator)
        return insert_root(self.normal.mean + noise * self.normal.stddev, self.skeleton)

    def log_prob(self, value):
        return self.normal.log_prob(drop_root(value, self.skeleton)).sum(-1)


class LinearGaussian(Lifter):
    """Mean linear in the pixels, one spread per coordinate, trained by exact NLL."""

    name = "linear_gaussian"

    @dataclass(frozen=True)
    class Config:
        bias: bool = True
        start_scale: float = 1.0
        kind: Literal["plain", "other"] = "plain"
        widths: tuple[int, ...] = (4, 5)
        limit: float | None = None

    def __init__(self, config: Config, skeleton: Skeleton) -> None:
        super().__init__()
        self.config, self.skeleton = config, skeleton
        self.linear = nn.Linear(PIXELS, FREE, bias=config.bias)
        self.log_scale = nn.Parameter(torch.full((FREE,), config.start_scale).log())

    def forward(self, keypoints: Keypoints) -> Posterior:
        mean = self.linear(keypoints.pixels.flatten(-2))
        return GaussianPosterior(self.skeleton, mean, self.log_scale.exp().expand_as(mean))

    def losses(self, keypoints, pose, generator):
        return {"nll": -self(keypoints).log_prob(pose).mean()}


class Everything(Lifter):
    """Dropout, batch norm, an integer buffer, draws from the generator and a critic."""

    name = "everything"

    @dataclass(frozen=True)
    class Config:
        width: int = 8

    def __init__(self, config: Config, skeleton: Skeleton) -> None:
        super().__init__()
        self.config, self.skeleton = config, skeleton
        width = config.width
        self.body = nn.Sequential(
            nn.Linear(PIXELS, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.5),
            nn.Linear(width, FREE),
        )  # fmt: skip
        self.critic = nn.Linear(FREE, 1)

    def mean(self, keypoints, generator):
        x = keypoints.pixels.flatten(-2)
        return self.body(x + 0.1 * torch.randn(x.shape, generator=generator))

    def forward(self, keypoints: Keypoints) -> Posterior:
        mean = self.body(keypoints.pixels.flatten(-2))
        return GaussianPosterior(self.skeleton, mean, torch.ones_like(mean))

    def losses(self, keypoints, pose, generator):
        mean = self.mean(keypoints, generator)
        return {
            "mse": (mean - drop_root(pose, self.skeleton)).square().mean(),
            "fool": -0.1 * self.critic(mean).mean(),
        }

    def critic_losses(self, keypoints, pose, generator):
        fake = self.mean(keypoints, generator).detach()
        real = drop_root(pose, self.skeleton)
        return {"wasserstein": self.critic(fake).mean() - self.critic(real).mean()}

    def critic_parameters(self):
        return self.critic.parameters()


class LinearSource:
    """Jointly Gaussian pixels and poses: y = A x + noise of known scale, batch by index."""

    def __init__(self, size: int = 32, seed: int = 0) -> None:
        self.size, self.seed, self.asked = size, seed, []
        g = torch.Generator().manual_seed(99)
        self.matrix = torch.randn(FREE, PIXELS, generator=g) / PIXELS**0.5
        self.scale = 0.1 + 0.2 * torch.rand(FREE, generator=g)

    def batch(self, index: int) -> tuple[Keypoints, Tensor]:
        self.asked.append(index)
        g = torch.Generator().manual_seed(1_000_003 * self.seed + index)
        x = torch.randn(self.size, PIXELS, generator=g)
        y = x @ self.matrix.T + self.scale * torch.randn(self.size, FREE, generator=g)
        return observe(x), insert_root(y, H36M_17)

    def posterior(self, x: Tensor) -> MultivariateNormal:
        return MultivariateNormal(x @ self.matrix.T, torch.diag(self.scale.square()))


def observe(x: Tensor) -> Keypoints:
    """Pixels (B, 2J) as `Keypoints` of `h36m_17`."""
    batch, joints = len(x), len(H36M_17)
    return Keypoints(
        pixels=x.unflatten(-1, (joints, 2)),
        covariance=torch.eye(2).expand(batch, joints, 2, 2),
        valid=torch.ones(batch, joints, dtype=torch.bool),
        skeleton=H36M_17,
    )


def make(cls: type[Lifter], seed: int = 0, **config) -> Lifter:
    """A lifter with weights of that seed; the global random state is put back."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return cls(cls.Config(**config), H36M_17)
