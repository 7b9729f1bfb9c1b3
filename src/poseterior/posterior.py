"""The one idea: a lifter maps an observation to a distribution over 3D poses.

`posterior = lifter(keypoints)` is a torch distribution: `posterior.sample((200,))` gives
hypotheses (H, B, J, 3) in metres, `posterior.log_prob(pose)` their density where there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, overload

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from poseterior.derived import Derived
from poseterior.events import Event
from poseterior.geometry.skeleton import Skeleton
from poseterior.keypoints import Keypoints
from poseterior.quantities import Quantity
from poseterior.quantization import quantize

__all__ = ["Lifter", "Posterior", "drop_root", "insert_root"]


def drop_root(pose: Tensor, skeleton: Skeleton) -> Tensor:
    """(..., J, 3) -> (..., 3(J-1)): the free joints as one vector."""
    return pose[..., list(skeleton.free), :].flatten(-2)


def insert_root(free: Tensor, skeleton: Skeleton) -> Tensor:
    """(..., 3(J-1)) -> (..., J, 3): the inverse of `drop_root`, the root at the origin."""
    joints = free.unflatten(-1, (len(skeleton) - 1, 3))
    root = skeleton.root
    zero = joints.new_zeros(*joints.shape[:-2], 1, 3)
    return torch.cat([joints[..., :root, :], zero, joints[..., root:, :]], dim=-2)


class Posterior(Distribution):
    """A distribution over the poses (J, 3) of a skeleton, one for each of a batch.

    Poses are in metres, camera axes (x right, y down, z forward), root at the origin: the
    root row of every sample is exactly zero. `log_prob` is the density of the J-1 free
    joints, in nats per metre^(3(J-1)).

    A subclass implements `sample`; `log_prob` with `has_log_prob = True` where there is a
    density; `mode` with `has_mode = True` only where it is exact; `latent_centre` (the image
    of z = 0) with `has_latent_centre = True` where there is a latent.
    """

    has_log_prob: bool = False
    has_mode: bool = False
    has_latent_centre: bool = False
    arg_constraints: ClassVar[dict[str, Any]] = {}

    def __init__(self, skeleton: Skeleton, batch_shape: Iterable[int]) -> None:
        self.skeleton = skeleton
        super().__init__(
            torch.Size(batch_shape), torch.Size((len(skeleton), 3)), validate_args=False
        )

    def sample(
        self, sample_shape: Iterable[int] = (), generator: torch.Generator | None = None
    ) -> Tensor:
        """Hypotheses, (*sample_shape, *batch_shape, J, 3) metres, without gradient."""
        raise NotImplementedError(f"{type(self).__name__} does not sample")

    def log_prob(self, value: Tensor) -> Tensor:
        """Nats of poses (..., *batch_shape, J, 3); raises where there is no density."""
        raise NotImplementedError(
            f"{type(self).__name__} has no density (has_log_prob is False): score it by samples"
        )

    @property
    def mode(self) -> Tensor:
        """The exact mode (*batch_shape, J, 3); raises where none is known."""
        raise NotImplementedError(f"{type(self).__name__} has no exact mode (has_mode is False)")

    @property
    def latent_centre(self) -> Tensor:
        """The image of the latent's centre (*batch_shape, J, 3); raises without a latent."""
        raise NotImplementedError(
            f"{type(self).__name__} has no latent (has_latent_centre is False)"
        )

    @overload
    def map(self, function: Callable[[Tensor], Tensor], skeleton: None = None) -> Derived: ...
    @overload
    def map(self, function: Callable[[Tensor], Tensor], skeleton: Skeleton) -> Posterior: ...
    def map(
        self, function: Callable[[Tensor], Tensor], skeleton: Skeleton | None = None
    ) -> Derived | Posterior:
        """The distribution of `function(pose)`: samples pushed forward, no density.

        A `Posterior` where the function gives poses of a skeleton, else a `Derived`.
        """
        return Derived(self, function) if skeleton is None else _Mapped(self, function, skeleton)

    def measure(self, quantity: Quantity) -> Derived:
        """The distribution of a named quantity, such as `quantities.angle("left_knee_flexion")`."""
        return Derived(self, lambda pose: quantity(pose, self.skeleton), quantity.circular)

    def probability(
        self,
        event: Event,
        hypotheses: int = 200,
        generator: torch.Generator | None = None,
        root: Tensor | None = None,
    ) -> Tensor:
        """Share (*batch_shape,), float64, of hypotheses for which an event of `quantities` holds.

        Its points are relative to the root joint, or in the camera's frame where `root`
        (*batch_shape, 3) metres tells where that is. `share_interval` says how far a share
        of so many hypotheses may be off; `InputError` as of the event.
        """
        offset = 0 if root is None else root[..., None, :]
        holds = self.map(lambda pose: event(pose + offset, self.skeleton))
        return holds.mean(hypotheses, generator)

    def quantize(
        self, count: int, hypotheses: int = 200, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """`count` representatives (count, *batch_shape, J, 3) and their weights (count, ...).

        K-means of that many hypotheses, for those who want five poses and not two hundred;
        the weights sum to 1 over the first axis (paper 004).
        """
        return quantize(self.sample((hypotheses,), generator), count, generator=generator)

    def expand(self, batch_shape: Iterable[int], _instance: Any = None) -> Posterior:
        """Not supported: build the posterior with the batch it is for."""
        raise NotImplementedError(f"{type(self).__name__}.expand")


class _Mapped(Posterior):
    """`posterior.map(f)`."""

    def __init__(
        self, base: Posterior, function: Callable[[Tensor], Tensor], skeleton: Skeleton
    ) -> None:
        super().__init__(skeleton, base.batch_shape)
        self.base, self.function = base, function

    def sample(
        self, sample_shape: Iterable[int] = (), generator: torch.Generator | None = None
    ) -> Tensor:
        return self.function(self.base.sample(sample_shape, generator))


class Lifter(nn.Module):
    """A method: `forward(keypoints)` gives a `Posterior`; `losses` says how it is trained.

    `Config` is the method's frozen dataclass, `name` its key in `LIFTERS`; `PRESETS` names
    configurations ("small", "paper").
    """

    name: ClassVar[str]
    Config: ClassVar[type]
    config: Any
    skeleton: Skeleton

    def forward(self, keypoints: Keypoints) -> Posterior:
        """The posterior over poses given keypoints with batch shape (B,)."""
        raise NotImplementedError

    def losses(
        self, keypoints: Keypoints, pose: Any, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Weighted scalar terms whose sum is minimised, given the truth.

        It is a tensor of poses (B, J, 3), metres, root-relative; the parameters of bodies for a
        lifter over bodies.
        """
        raise NotImplementedError
