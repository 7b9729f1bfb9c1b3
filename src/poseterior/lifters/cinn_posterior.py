"""The posterior of `cinn`: the observed 2D pose is given, only the latent is drawn."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from poseterior.flows.coupling import Chain
from poseterior.geometry.skeleton import Skeleton
from poseterior.posterior import Posterior
from poseterior.posteriors import FlowPosterior

__all__ = ["CinnPosterior"]


class _Observed:
    """A chain from poses to [2D pose, latent] whose inverse always takes the observed 2D pose."""

    def __init__(self, chain: Chain, points: Tensor) -> None:
        self.chain, self.points = chain, points
        self.inv: Callable[[Tensor], Tensor] = self._inverse

    def _inverse(self, state: Tensor) -> Tensor:
        """Poses of states (..., B, 3J), of which the first 2J numbers do not matter."""
        points = self.points.expand(*state.shape[:-1], -1)
        return self.chain.inv(torch.cat([points, state[..., points.shape[-1] :]], -1))

    def call_and_ladj(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Not a bijection on its own: the forward path also gives a 2D pose."""
        raise NotImplementedError("a latent of J numbers has no density over 3J coordinates")

    def inverter(self, like: Tensor) -> Callable[[Tensor, slice], Tensor]:
        """As `Chain.inverter`; the states' first 2J numbers are overwritten."""
        invert, size = self.chain.inverter(like), self.points.shape[-1]

        def observed(state: Tensor, rows: slice) -> Tensor:
            state[..., :size] = self.points[rows]
            return invert(state, rows)

        return observed


class CinnPosterior(FlowPosterior):
    """The image of z ~ N(0, I) in J dimensions under x(y, z) for the observed 2D pose y.

    It lies on a J-dimensional surface, so it has no density over poses.

    Args:
        chain: from poses (..., B, 3J) in the person's frame to [2D pose, latent].
        points: (B, 2J) the observed 2D pose.
        rotation: (B, 3, 3) from camera axes to the person's frame.
        skeleton: the joints.
    """

    has_log_prob = False

    def __init__(self, chain: Chain, points: Tensor, rotation: Tensor, skeleton: Skeleton) -> None:
        scale = rotation.new_ones(len(rotation))
        super().__init__(_Observed(chain, points), rotation, scale, skeleton)

    def _basis(self) -> Tensor:
        """(B, 3J, 3J): root-relative poses in camera axes of the unit vectors of all joints."""
        joints = len(self.skeleton)
        poses = torch.eye(3 * joints).to(self.rotation).unflatten(-1, (joints, 3))
        poses = poses - poses[:, self.skeleton.root, None]
        return torch.einsum("djk,bkc->bdjc", poses, self.rotation).flatten(-2)

    def log_prob(self, value: Tensor) -> Tensor:
        """There is none."""
        return Posterior.log_prob(self, value)

    @property
    def latent_centre(self) -> Tensor:
        size = 3 * len(self.skeleton)
        centre = self.transform.inv(self.rotation.new_zeros(*self.batch_shape, size))
        with torch.autocast(centre.device.type, enabled=False):
            poses = centre.float().unflatten(-1, self.event_shape)
            return (poses - poses[..., self.skeleton.root, None, :]) @ self.rotation
