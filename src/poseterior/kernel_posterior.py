"""`KernelPosterior`: a mixture of Gaussian kernels over poses, with its exact density."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from poseterior.geometry.skeleton import Skeleton
from poseterior.posterior import Posterior, insert_root

__all__ = ["KernelPosterior"]


class KernelPosterior(Posterior):
    """sum_k w_k prod_j N(x_j; mean_kj, scale_kj² I): K kernels over the free joints.

    Args:
        means: (K, B, J, 3) metres, camera axes, the root at the origin.
        scale: (K, B, J) each joint's standard deviation along any axis, metres; that of the
            root has no meaning.
        log_weights: (K, B) whose exponentials sum to 1 over the kernels.
        skeleton: the joints.
    """

    has_log_prob = True

    def __init__(
        self, means: Tensor, scale: Tensor, log_weights: Tensor, skeleton: Skeleton
    ) -> None:
        super().__init__(skeleton, means.shape[1:2])
        self.means, self.scale, self.log_weights = means, scale, log_weights

    @property
    def mean(self) -> Tensor:
        """The kernels' means averaged by their weights, (B, J, 3)."""
        return (self.log_weights.exp()[..., None, None] * self.means).sum(0)

    @torch.no_grad()
    def sample(
        self, sample_shape: Iterable[int] = (), generator: torch.Generator | None = None
    ) -> Tensor:
        shape, batch = torch.Size(sample_shape), self.means.shape[1]
        kernel = self._choose(shape.numel(), generator)
        row = torch.arange(batch, device=kernel.device)
        size = 3 * (len(self.skeleton) - 1)
        noise = self.means.new_empty(len(kernel), batch, size).normal_(generator=generator)
        spread = self.scale[kernel, row][..., None] * insert_root(noise, self.skeleton)
        poses = self.means[kernel, row] + spread
        return poses.reshape(*shape, *poses.shape[1:])

    def _choose(self, hypotheses: int, generator: torch.Generator | None) -> Tensor:
        """(H, B) kernels drawn by their weights: the inverse of the distribution function."""
        steps = self.log_weights.exp().cumsum(0)
        uniform = steps.new_empty(hypotheses, 1, steps.shape[1]).uniform_(generator=generator)
        return (uniform >= steps[:-1]).sum(1)

    def log_prob(self, value: Tensor) -> Tensor:
        free = list(self.skeleton.free)
        scale = self.scale[..., free]
        offset = (value[..., None, :, free, :] - self.means[:, :, free]) / scale[..., None]
        log_scale = scale.log().sum(-1) + 0.5 * len(free) * math.log(2 * math.pi)
        kernels = -0.5 * offset.square().sum((-2, -1)) - 3 * log_scale
        return (self.log_weights + kernels).logsumexp(-2)
