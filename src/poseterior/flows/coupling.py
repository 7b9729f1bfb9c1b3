"""Conditional coupling transforms with soft-clamped scales (paper 001, Eq. 1 and 2).

Everything here is a zuko lazy transform: called with a context it gives a transform from
data to latent. The context enters each subnetwork through its first layer only, so what
depends on the context alone is computed once per context, however many samples follow.

`inv` inverts a transform, with gradients; `Chain.inverter` gives a function that does so for
many samples of each context, faster and without gradients (`poseterior.flows.inversion`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Transform, constraints
from zuko.lazy import LazyTransform
from zuko.transforms import ComposedTransform, PermutationTransform

from poseterior.flows import inversion
from poseterior.flows.inversion import Inverter, Workspace

__all__ = [
    "Chain", "ConditionalAffine", "SoftClampedCoupling", "compile_sampling", "soft_clamp",
]  # fmt: skip


def soft_clamp(scale: Tensor, alpha: float) -> Tensor:
    """2 alpha / pi * atan(scale / alpha), within (-alpha, alpha): paper 001, Eq. 2."""
    return (2 * alpha / math.pi) * torch.atan(scale / alpha)


class _Affine(Transform):
    """z = (x - shift) * exp(-log_scale), elementwise."""

    domain = codomain = constraints.real_vector
    bijective = True

    def __init__(self, shift: Tensor, log_scale: Tensor) -> None:
        super().__init__()
        self.shift, self.log_scale = shift, log_scale

    def _call(self, x: Tensor) -> Tensor:
        return (x - self.shift) * torch.exp(-self.log_scale)

    def _inverse(self, z: Tensor) -> Tensor:
        return z * torch.exp(self.log_scale) + self.shift

    def log_abs_det_jacobian(self, x: Tensor, z: Tensor) -> Tensor:
        return -self.log_scale.sum(-1).expand(x.shape[:-1])

    def inverter(self, workspace: Workspace) -> Inverter:
        return inversion.affine(self.log_scale.exp(), self.shift)


class ConditionalAffine(LazyTransform):
    """Elementwise affine transform whose shift and soft-clamped log scale are linear in c."""

    def __init__(self, features: int, context: int, alpha: float = 4.0) -> None:
        super().__init__()
        self.alpha = alpha
        self.linear = nn.Linear(context, 2 * features)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, c: Tensor) -> Transform:
        """The transform for contexts c (..., context)."""
        shift, log_scale = self.linear(c).float().chunk(2, -1)
        return _Affine(shift, soft_clamp(log_scale, self.alpha))


class _Coupling(Transform):
    """z1 = x1 and z2 = (x2 - t) * exp(-s) with (s, t) = subnetwork(x1, context)."""

    domain = codomain = constraints.real_vector
    bijective = True

    def __init__(self, lazy: SoftClampedCoupling, bias: Tensor) -> None:
        super().__init__()
        self.lazy, self.bias = lazy, bias

    def _parameters(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        """Soft-clamped log scale and shift of the changed half."""
        hidden = self.lazy.inner(kept).add_(self.bias).relu_()
        log_scale, shift = self.lazy.outer(hidden).float().chunk(2, -1)
        return soft_clamp(log_scale, self.lazy.alpha), shift

    def call_and_ladj(self, x: Tensor) -> tuple[Tensor, Tensor]:
        kept, changed = self.lazy.split(x)
        log_scale, shift = self._parameters(kept)
        return self.lazy.join(kept, (changed - shift) * torch.exp(-log_scale)), -log_scale.sum(-1)

    def _call(self, x: Tensor) -> Tensor:
        return self.call_and_ladj(x)[0]

    def _inverse(self, z: Tensor) -> Tensor:
        kept, changed = self.lazy.split(z)
        log_scale, shift = self._parameters(kept)
        return self.lazy.join(kept, changed * torch.exp(log_scale) + shift)

    def log_abs_det_jacobian(self, x: Tensor, z: Tensor) -> Tensor:
        return self.call_and_ladj(x)[1]

    def inverter(self, workspace: Workspace) -> Inverter:
        lazy = self.lazy
        layers = [layer for layer in lazy.outer if isinstance(layer, nn.Linear)]
        weights, biases = [lazy.inner.weight], [self.bias.to(workspace.dtype)]
        for layer in layers:
            weights.append(layer.weight)
            biases.append(layer(biases[-1]))
        return inversion.coupling(lazy.split, weights, biases, lazy.alpha, workspace, lazy.pull)


class SoftClampedCoupling(LazyTransform):
    """Affine coupling of one half of the features on the other half and a context.

    `first` says which half is kept: two of these, one of each, make a coupling block of
    paper 001, Eq. 1. The last layer starts at zero, so an untrained coupling is the identity.
    """

    def __init__(
        self, features: int, context: int, hidden: int, depth: int, alpha: float, first: bool
    ) -> None:
        super().__init__()
        self.half, self.features, self.alpha, self.first = features // 2, features, alpha, first
        kept = self.half if first else features - self.half
        self.inner = nn.Linear(kept, hidden, bias=False)
        self.context = nn.Linear(context, hidden)
        layers: list[nn.Module] = []
        for _ in range(depth - 1):
            layers += [nn.Linear(hidden, hidden), nn.ReLU(inplace=True)]
        last = nn.Linear(hidden, 2 * (features - kept))
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.outer = nn.Sequential(*layers, last)
        self.pull: Callable[..., None] = inversion.pull

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The half that is kept and the half that is changed."""
        left, right = x[..., : self.half], x[..., self.half :]
        return (left, right) if self.first else (right, left)

    def join(self, kept: Tensor, changed: Tensor) -> Tensor:
        """The inverse of `split`."""
        return torch.cat([kept, changed] if self.first else [changed, kept], -1)

    def forward(self, c: Tensor) -> Transform:
        """The transform for contexts c (..., context)."""
        return _Coupling(self, self.context(c))


class Chain(ComposedTransform):
    """Transforms of a batch of contexts, one after the other."""

    @torch.no_grad()
    def inverter(self, like: Tensor) -> Inverter:
        """A function (state, rows) that does what `inv` does, for the contexts in a slice.

        States are (H, P, D): samples, contexts of the slice, features. The function may
        overwrite its argument, and its next call overwrites the result. Under
        `torch.autocast` the matrix products take its type, all else that of the states.

        Args:
            like: a tensor of the states' device and type.
        """
        workspace = Workspace(like)
        with torch.autocast(like.device.type, enabled=False):
            steps = [_inverter(t, workspace) for t in reversed(self.transforms)]

        @torch.no_grad()
        def invert(state: Tensor, rows: slice) -> Tensor:
            for step in steps:
                state = step(state, rows)
            return state

        return invert


def _inverter(transform: Any, workspace: Workspace) -> Inverter:
    if isinstance(transform, PermutationTransform):
        return inversion.reorder(transform.order.argsort(), workspace)
    return transform.inverter(workspace)


def compile_sampling(module: nn.Module, **options: Any) -> None:
    """Let `torch.compile` fuse what the couplings of a module do between matrix products.

    It holds from now on and for samples only. The first of each shape wait for the compiler.

    Args:
        module: such as a `CouplingFlow`.
        options: of `torch.compile`.
    """
    compiled: Callable[..., None] = torch.compile(inversion.pull, **options)

    def pull(*operands: Any) -> None:
        *others, buffers = operands
        compiled(*others, [None] * len(buffers))  # the compiler plans its own

    for part in module.modules():
        if isinstance(part, SoftClampedCoupling):
            part.pull = pull
