"""The posteriors that several methods share, each a short subclass of `Posterior`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from poseterior.geometry.skeleton import Skeleton
from poseterior.posterior import Posterior, drop_root, insert_root

__all__ = ["FlowPosterior", "GaussianPosterior", "MixturePosterior", "PointPosterior"]

# Hypotheses that each thread pushes through a flow at a time: buffers then stay in its cache.
_ROWS = 1600


def _chunks(hypotheses: int, batch: int, threads: int = 1) -> Iterator[tuple[slice, slice]]:
    """Slices of hypotheses and of the batch that cover all, few rows for each thread.

    The chunks of several threads are made of whole chunks of one thread, in the same order.
    """
    step = max(1, _ROWS // max(1, hypotheses)) * (threads if hypotheses <= _ROWS else 1)
    most = _ROWS * threads
    for start in range(0, batch, step):
        for some in range(0, hypotheses, most):
            yield slice(some, some + most), slice(start, start + step)


def _normal_log_prob(z: Tensor, scale: Tensor) -> Tensor:
    """Log density of (..., D) under N(0, scale² I), scale (...,)."""
    size = z.shape[-1]
    squares = (z / scale[..., None]).square().sum(-1)
    return -0.5 * (squares + size * math.log(2 * math.pi)) - size * scale.log()


class PointPosterior(Posterior):
    """All mass at one pose (B, J, 3): every hypothesis is the same. It has no density."""

    def __init__(self, pose: Tensor, skeleton: Skeleton) -> None:
        super().__init__(skeleton, pose.shape[:-2])
        self.pose = pose

    def sample(
        self, sample_shape: Iterable[int] = (), generator: torch.Generator | None = None
    ) -> Tensor:
        return self.pose.detach().expand(*sample_shape, *self.pose.shape).clone()


class GaussianPosterior(Posterior):
    """N(mean, scale² I) over the free joints: mean (B, J, 3) and scale (B,) in metres."""

    has_log_prob = has_mode = True

    def __init__(self, mean: Tensor, scale: Tensor, skeleton: Skeleton) -> None:
        super().__init__(skeleton, mean.shape[:-2])
        self._mean, self.scale = mean, scale

    @property
    def mean(self) -> Tensor:
        """The mean, which is also the mode."""
        return self._mean

    @property
    def mode(self) -> Tensor:
        return self._mean

    def rsample(
        self, sample_shape: Iterable[int] = (), generator: torch.Generator | None = None
    ) -> Tensor:
        """As `sample`, with gradients to mean and scale."""
        free = drop_root(self._mean, self.skeleton)
        shape = (*sample_shape, *free.shape)
        noise = torch.randn(shape, generator=generator, dtype=free.dtype, device=free.device)
        return insert_root(free + self.scale[..., None] * noise, self.skeleton)

    def sample(
        self, sample_shape: Iterable[int] = (), generator: torch.Generator | None = None
    ) -> Tensor:
        with torch.no_grad():
            return self.rsample(sample_shape, generator)

    def log_prob(self, value: Tensor) -> Tensor:
        return _normal_log_prob(drop_root(value - self._mean, self.skeleton), self.scale)


class Flow(Protocol):
    """What a `FlowPosterior` needs of its transform, such as `poseterior.flows.coupling.Chain`."""

    inv: Any

    def call_and_ladj(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The latents of vectors, and the log-determinants of the Jacobian."""
        ...

    def inverter(self, like: Tensor) -> Callable[[Tensor, slice], Tensor]:
        """A fast `inv` without gradients, of states (H, P, D) for a slice of P of the batch."""
        ...


class FlowPosterior(Posterior):
    """The image of z ~ N(0, scale² I) under an invertible map to poses.

    Args:
        transform: from vectors of the free joints (..., B, 3(J-1)), in a frame of the
            observation's own, to latents z of the same shape.
        rotation: (B, 3, 3) from camera axes to that frame.
        scale: (B,) the latent's standard deviation, 1 as trained.
        skeleton: the joints.
    """

    has_log_prob = has_latent_centre = True

    def __init__(
        self, transform: Flow, rotation: Tensor, scale: Tensor, skeleton: Skeleton
    ) -> None:
        super().__init__(skeleton, rotation.shape[:-2])
        self.transform, self.rotation, self.scale = transform, rotation, scale

    def sample(
        self, sample_shape: Iterable[int] = (), generator: torch.Generator | None = None
    ) -> Tensor:
        shape = torch.Size(sample_shape)
        poses = self.rotation.new_empty(shape.numel(), *self.batch_shape, *self.event_shape)
        self.sample_into(poses, generator)
        return poses.reshape(*shape, *poses.shape[1:])

    @torch.no_grad()
    def sample_into(self, poses: Tensor, generator: torch.Generator | None = None) -> None:
        """Fill poses (H, B, J, 3), which may be a view, with hypotheses."""
        if not poses.numel():
            return
        invert = self.transform.inverter(poses)
        with torch.autocast(poses.device.type, enabled=False):
            basis = self._basis()
            latents, turned, noise = (poses.new_empty(0) for _ in range(3))
            for some, rows in _chunks(len(poses), poses.shape[1], torch.get_num_threads()):
                part = poses[some, rows]
                hypotheses, batch = part.shape[:2]
                latents.resize_(hypotheses, batch, basis.shape[1])
                # In one thread's chunks, so that the same seed gives the same noise to any number.
                for piece in _chunks(hypotheses, batch):
                    drawn = noise.resize_(latents[piece].shape).normal_(generator=generator)
                    latents[piece] = drawn
                free = invert(latents.mul_(self.scale[rows, None]), rows)
                turned.resize_(batch, hypotheses, basis.shape[2])
                torch.bmm(free.transpose(0, 1), basis[rows], out=turned)
                part.copy_(turned.unflatten(-1, self.event_shape).transpose(0, 1))

    def _basis(self) -> Tensor:
        """(B, 3(J-1), 3J): poses in camera axes of the unit vectors of the free joints."""
        units = torch.eye(3 * (len(self.skeleton) - 1)).to(self.rotation)
        poses = insert_root(units, self.skeleton)
        return torch.einsum("djk,bkc->bdjc", poses, self.rotation).flatten(-2)

    def log_prob(self, value: Tensor) -> Tensor:
        with torch.autocast(value.device.type, enabled=False):
            free = drop_root(value @ self.rotation.mT, self.skeleton)
        latent, log_det = self.transform.call_and_ladj(free)
        return _normal_log_prob(latent, self.scale) + log_det

    @property
    def latent_centre(self) -> Tensor:
        size = 3 * (len(self.skeleton) - 1)
        free = self.transform.inv(self.rotation.new_zeros(*self.batch_shape, size))
        with torch.autocast(free.device.type, enabled=False):
            return insert_root(free, self.skeleton) @ self.rotation


def _fill(poses: Tensor, posterior: Posterior, generator: torch.Generator | None) -> None:
    if isinstance(posterior, FlowPosterior):
        posterior.sample_into(poses, generator)
    else:
        poses.copy_(posterior.sample((len(poses),), generator))


class MixturePosterior(Posterior):
    """An equal mixture of posteriors over the same batch.

    Hypotheses are stratified: consecutive ones come from the components in turn, beginning
    with a random one. Each is a fair draw, any run of them represents all components evenly.
    """

    def __init__(self, components: Sequence[Posterior]) -> None:
        first = components[0]
        super().__init__(first.skeleton, first.batch_shape)
        self.components = tuple(components)
        self.has_log_prob = all(c.has_log_prob for c in components)
        self.has_latent_centre = all(c.has_latent_centre for c in components)

    def sample(
        self, sample_shape: Iterable[int] = (), generator: torch.Generator | None = None
    ) -> Tensor:
        shape = torch.Size(sample_shape)
        count, total = len(self.components), shape.numel()
        device = generator.device if generator is not None else "cpu"
        start = int(torch.randint(count, (), generator=generator, device=device))
        # Drawing none tells the device and the type.
        none = self.components[0].sample((0,), generator)
        poses = none.new_empty(total, *self.batch_shape, *self.event_shape)
        for k, component in enumerate(self.components):
            _fill(poses[(k - start) % count :: count], component, generator)
        return poses.reshape(*shape, *poses.shape[1:])

    def log_prob(self, value: Tensor) -> Tensor:
        each = torch.stack([c.log_prob(value) for c in self.components])
        return each.logsumexp(0) - math.log(len(self.components))

    @property
    def latent_centre(self) -> Tensor:
        """The mean of the components' latent centres."""
        return torch.stack([c.latent_centre for c in self.components]).mean(0)
