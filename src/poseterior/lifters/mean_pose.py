"""`mean_pose`: the training poses' mean and covariance, the row that ignores the input.

What a method must beat before its observations have told it anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from poseterior.geometry.kinematics import bone_vectors, positions_from_bones
from poseterior.geometry.skeleton import H36M_17, Skeleton
from poseterior.keypoints import Keypoints
from poseterior.lifters.conditioning import condition
from poseterior.posterior import Lifter, Posterior, drop_root, insert_root

__all__ = ["BoneGaussian", "MeanPose", "MeanPoseConfig"]


@dataclass(frozen=True)
class MeanPoseConfig:
    """The Gaussian of poses before and besides training.

    Attributes:
        floor_m: standard deviation that every coordinate of every bone has at least, metres:
            where the pelvis is the middle of the hips, three directions have none at all, and
            the density would be infinite. Its value decides their share of the likelihood.
        initial_sigma_m: standard deviation of a bone's coordinates before training, metres.
    """

    floor_m: float = 0.001
    initial_sigma_m: float = 0.2


class BoneGaussian(Posterior):
    """A Gaussian over poses, the same for each of a batch, in its bones' coordinates.

    With the bone vectors y (D,), D = 3(J-1), the whitened z = diag(exp(-log_scale)) (y - A y - b)
    is N(0, I): each coordinate of a bone is regressed on those before it. That is the Cholesky
    factor of the precision, its diagonal in log. From joints to bones the Jacobian is 1.

    Args:
        regression: (D, D) A, strictly lower triangular.
        intercept: (D,) b, metres.
        log_scale: (D,) log of the residuals' standard deviation in metres.
        batch: number of observations.
        skeleton: the joints.
    """

    has_log_prob = has_mode = True

    def __init__(
        self, regression: Tensor, intercept: Tensor, log_scale: Tensor, batch: int,
        skeleton: Skeleton,
    ) -> None:  # fmt: skip
        super().__init__(skeleton, (batch,))
        self.regression, self.intercept, self.log_scale = regression, intercept, log_scale

    def sample(
        self, sample_shape: Iterable[int] = (), generator: torch.Generator | None = None
    ) -> Tensor:
        with torch.no_grad():
            shape = (*sample_shape, *self.batch_shape, len(self.intercept))
            like = self.intercept
            noise = torch.randn(shape, generator=generator, dtype=like.dtype, device=like.device)
            return self._pose(self.intercept + self.log_scale.exp() * noise)

    def log_prob(self, value: Tensor) -> Tensor:
        z = self.whiten(value)
        size = z.shape[-1]
        return -0.5 * (z.square().sum(-1) + size * math.log(2 * math.pi)) - self.log_scale.sum()

    def whiten(self, value: Tensor) -> Tensor:
        """Vectors z (..., D) of poses (..., J, 3): N(0, I) if they are this posterior's."""
        # A root that is not at the origin is no part of the density.
        rooted = insert_root(drop_root(value, self.skeleton), self.skeleton)
        bones = bone_vectors(rooted, self.skeleton).flatten(-2)
        residual = bones - bones @ self.regression.mT - self.intercept
        return residual * torch.exp(-self.log_scale)

    @property
    def mean(self) -> Tensor:
        """The mean (B, J, 3), which is also the mode."""
        return self._pose(self.intercept).expand(*self.batch_shape, *self.event_shape)

    @property
    def mode(self) -> Tensor:
        return self.mean

    def _pose(self, residual: Tensor) -> Tensor:
        """Poses whose bones have these residuals y - A y, (..., D) -> (..., J, 3)."""
        unit = torch.eye(len(self.intercept)).to(residual) - self.regression
        flat = residual.reshape(-1, residual.shape[-1])
        bones = torch.linalg.solve_triangular(unit, flat.mT, upper=False, unitriangular=True).mT
        bones = bones.reshape(*residual.shape[:-1], -1, 3)
        return positions_from_bones(bones, self.skeleton)


class MeanPose(Lifter):
    """N(mean, covariance) of the training poses in camera axes, whatever is observed.

    Trained by its likelihood in the same loop as all others. Given the other parameters the
    loss is convex in each of intercepts, regression weights and log scales, and its only
    minimum is the sample mean and the sample covariance plus the floor.
    """

    name = "mean_pose"
    Config = MeanPoseConfig
    PRESETS: ClassVar[dict[str, MeanPoseConfig]] = {
        "small": MeanPoseConfig(),
        "paper": MeanPoseConfig(),
    }

    def __init__(self, config: MeanPoseConfig | None = None, skeleton: Skeleton = H36M_17) -> None:
        super().__init__()
        self.config, self.skeleton = config or MeanPoseConfig(), skeleton
        size = 3 * (len(skeleton) - 1)
        self.weights = nn.Parameter(torch.zeros(size * (size - 1) // 2))
        self.intercept = nn.Parameter(torch.zeros(size))
        self.log_scale = nn.Parameter(torch.full((size,), math.log(self.config.initial_sigma_m)))

    def _regression(self) -> Tensor:
        size = len(self.intercept)
        rows, columns = torch.tril_indices(size, size, -1, device=self.weights.device)
        return self.weights.new_zeros(size, size).index_put((rows, columns), self.weights)

    def forward(self, keypoints: Keypoints) -> BoneGaussian:
        """The same Gaussian for each of the observations."""
        # Their only use: they are refused if they are of another skeleton.
        batch = len(condition(keypoints, self.skeleton).features)
        regression = self._regression()
        return BoneGaussian(regression, self.intercept, self.log_scale, batch, self.skeleton)

    def losses(
        self, keypoints: Keypoints, pose: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """The negative log-likelihood in nats, and what a jitter of the bones adds to it.

        The mean of 0.5 ||z||² over bones y + N(0, floor² I) exceeds that over y by
        0.5 floor² ||diag(exp(-log_scale)) (I - A)||²: so the fitted covariance is at least
        floor² I.
        """
        posterior = self(keypoints)
        unit = torch.eye(len(self.intercept)).to(posterior.regression) - posterior.regression
        whitening = torch.exp(-self.log_scale)[:, None] * unit
        return {
            "nll": -posterior.log_prob(pose).mean(),
            "floor": 0.5 * self.config.floor_m**2 * whitening.square().sum(),
        }
