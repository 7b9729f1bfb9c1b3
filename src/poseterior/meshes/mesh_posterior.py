"""Posteriors over bodies: parameters are drawn, and pushed through the body to joints.

To everything that takes a `Posterior` they are distributions over poses; who wants the mesh
asks for `sample_parameters` and hands these to `body.vertices`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from poseterior.geometry.skeleton import Skeleton
from poseterior.meshes.body import Body
from poseterior.meshes.parameters import BodyParameters
from poseterior.posterior import Posterior

__all__ = ["BodySet", "LatentBodies", "MeshPosterior"]


class MeshPosterior(Posterior):
    """A distribution over bodies, one for each of a batch; as poses, over their joints.

    A subclass implements `sample_parameters`. There is no density over poses: a body has more
    parameters than a pose has coordinates, and fewer shapes.
    """

    def __init__(self, body: Body, skeleton: Skeleton, batch_shape: Iterable[int]) -> None:
        super().__init__(skeleton, batch_shape)
        self.body = body

    def sample_parameters(
        self, sample_shape: Iterable[int] = (), generator: torch.Generator | None = None
    ) -> BodyParameters:
        """Bodies with batch shape (*sample_shape, *batch_shape), camera axes, no gradient."""
        raise NotImplementedError(f"{type(self).__name__} does not sample")

    def sample(
        self, sample_shape: Iterable[int] = (), generator: torch.Generator | None = None
    ) -> Tensor:
        return self.poses(self.sample_parameters(sample_shape, generator))

    def poses(self, parameters: BodyParameters) -> Tensor:
        """(..., J, 3) metres, the joints of bodies relative to the root joint."""
        joints = self.body.landmarks_of(parameters, self.skeleton)
        root = self.skeleton.root
        return joints - joints[..., root : root + 1, :]


class BodySet(MeshPosterior):
    """M bodies for each observation and how likely each is: hypotheses are drawn from them.

    Args:
        parameters: with batch shape (M, B), camera axes.
        weights: (M, B), not negative, summing to 1 over the first axis; equal if None.
    """

    def __init__(
        self,
        parameters: BodyParameters,
        body: Body,
        skeleton: Skeleton,
        weights: Tensor | None = None,
    ) -> None:
        super().__init__(body, skeleton, parameters.batch_shape[1:])
        self.parameters = parameters
        self.weights = weights if weights is not None else self._equal()

    def _equal(self) -> Tensor:
        count = self.parameters.batch_shape[0]
        return torch.full_like(self.parameters.betas[..., 0], 1 / count)

    def sample_parameters(
        self, sample_shape: Iterable[int] = (), generator: torch.Generator | None = None
    ) -> BodyParameters:
        shape = torch.Size(sample_shape)
        drawn = self._draw(shape.numel(), generator)
        bodies = self.parameters.detach()[drawn, torch.arange(drawn.shape[1], device=drawn.device)]
        return bodies.map(lambda value: value.reshape(*shape, *value.shape[1:]))

    def sample(
        self, sample_shape: Iterable[int] = (), generator: torch.Generator | None = None
    ) -> Tensor:
        shape = torch.Size(sample_shape)
        drawn = self._draw(shape.numel(), generator)[..., None, None]
        with torch.no_grad():  # each body's joints once, however often it is drawn
            poses = self.poses(self.parameters)
        picked = poses.gather(0, drawn.expand(-1, -1, *poses.shape[2:]))
        return picked.reshape(*shape, *picked.shape[1:])

    def _draw(self, count: int, generator: torch.Generator | None) -> Tensor:
        """Indices (count, B) of bodies, by their weights."""
        if not count or not self.weights.shape[1]:
            return self.weights.new_zeros(count, self.weights.shape[1], dtype=torch.long)
        return torch.multinomial(self.weights.T, count, True, generator=generator).T


class LatentBodies(MeshPosterior):
    """The image of z ~ N(0, I) under a function to bodies.

    Args:
        decode: latents (N, B, D) -> bodies with batch shape (N, B), camera axes.
        like: (B, D) any tensor of the latents' shape, dtype and device.
    """

    has_latent_centre = True

    def __init__(
        self,
        decode: Callable[[Tensor], BodyParameters],
        like: Tensor,
        body: Body,
        skeleton: Skeleton,
    ) -> None:
        super().__init__(body, skeleton, like.shape[:1])
        self.decode, self._like = decode, like

    def sample_parameters(
        self, sample_shape: Iterable[int] = (), generator: torch.Generator | None = None
    ) -> BodyParameters:
        shape, like = torch.Size(sample_shape), self._like
        latents = torch.randn(
            (shape.numel(), *like.shape), generator=generator, dtype=like.dtype, device=like.device
        )
        with torch.no_grad():
            bodies = self.decode(latents)
        return bodies.map(lambda value: value.reshape(*shape, *value.shape[1:]))

    @property
    def centre_parameters(self) -> BodyParameters:
        """The bodies of z = 0, with batch shape (B,)."""
        return self.decode(torch.zeros_like(self._like)[None])[0]

    @property
    def latent_centre(self) -> Tensor:
        return self.poses(self.centre_parameters)
