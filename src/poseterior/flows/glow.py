"""Conditional Glow without scales: its volume does not depend on the input (paper 002).

A step is an activation normalisation, an LU-factored linear map and an additive coupling
(Kingma and Dhariwal 2018), here over vectors and with a context. Each has a constant
Jacobian determinant, so the density of the image of z = 0 is the greatest there is.

Everything is a zuko lazy transform, as in `poseterior.flows.coupling`: called with a context
it gives a transform from data to latent. What depends on the context alone is computed once
per context, and `Chain.inverter` takes activation normalisation and linear map as one matrix.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.distributions import Transform, constraints
from torch.nn import functional
from zuko.lazy import LazyTransform

from poseterior.flows.coupling import Chain
from poseterior.flows.inversion import Inverter, Workspace

__all__ = ["ActNormLinear", "AdditiveCoupling", "ConditionalGlow"]

# No pivot of the linear map is smaller, so that it can always be inverted.
_PIVOT_FLOOR = 1e-3
# Nor is a standard deviation that is divided by.
_DEVIATION_FLOOR = 1e-3


def _in_full_precision(x: Tensor) -> torch.autocast:
    return torch.autocast(x.device.type, enabled=False)


class _ActNormLinear(Transform):
    """z = L U (exp(s) * x + t) + b."""

    domain = codomain = constraints.real_vector
    bijective = True

    def __init__(self, lazy: ActNormLinear) -> None:
        super().__init__()
        self.lazy = lazy

    def _call(self, x: Tensor) -> Tensor:
        with _in_full_precision(x):
            weight, bias = self.lazy.folded()
            return functional.linear(x, weight, bias)

    def _inverse(self, z: Tensor) -> Tensor:
        with _in_full_precision(z):
            weight, bias = self.lazy.folded_inverse()
            return functional.linear(z, weight, bias)

    def log_abs_det_jacobian(self, x: Tensor, z: Tensor) -> Tensor:
        scales = self.lazy.log_scale + self.lazy.pivots().log()
        return scales.sum().expand(x.shape[:-1])

    def inverter(self, workspace: Workspace) -> Inverter:
        weight, bias = self.lazy.folded_inverse()

        def invert(state: Tensor, rows: slice) -> Tensor:
            # Its own name: the state may lie in the memory of another step.
            out = workspace.take(id(self), len(weight), state, workspace.dtype)
            torch.addmm(bias, state.flatten(0, 1), weight.T, out=out.flatten(0, 1))
            return out

        return invert


class ActNormLinear(LazyTransform):
    """Activation normalisation, then an LU-factored linear map: z = L U (exp(s) * x + t) + b.

    L has ones and U softplus(d) + 0.001 on the diagonal. All starts as the identity; call
    `standardise` for the data-dependent initialisation.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(features))
        self.shift = nn.Parameter(torch.zeros(features))
        # L below the diagonal, U above, d on it.
        start = math.log(math.expm1(1 - _PIVOT_FLOOR))
        self.factors = nn.Parameter(start * torch.eye(features))
        self.bias = nn.Parameter(torch.zeros(features))

    def forward(self, c: Tensor | None = None) -> Transform:
        """The transform, the same for all contexts."""
        return _ActNormLinear(self)

    @torch.no_grad()
    def standardise(self, mean: Tensor, deviation: Tensor) -> None:
        """Let exp(s) * x + t have mean 0 and deviation 1 where x has these, each (D,)."""
        deviation = deviation.clamp_min(_DEVIATION_FLOOR)
        self.log_scale.copy_(-deviation.log())
        self.shift.copy_(-mean / deviation)

    def pivots(self) -> Tensor:
        """(D,) the diagonal of U, positive."""
        return functional.softplus(self.factors.diagonal()) + _PIVOT_FLOOR

    def _lower_upper(self) -> tuple[Tensor, Tensor]:
        lower = self.factors.tril(-1) + torch.eye(len(self.bias)).to(self.factors)
        return lower, self.factors.triu(1) + self.pivots().diag()

    def folded(self) -> tuple[Tensor, Tensor]:
        """W (D, D) and b (D,) of z = W x + b."""
        lower, upper = self._lower_upper()
        linear = lower @ upper
        return linear * self.log_scale.exp(), linear @ self.shift + self.bias

    def folded_inverse(self) -> tuple[Tensor, Tensor]:
        """W (D, D) and b (D,) of x = W z + b."""
        lower, upper = self._lower_upper()
        unit = torch.eye(len(lower)).to(lower)
        inverse = torch.linalg.solve_triangular(lower, unit, upper=False, unitriangular=True)
        inverse = torch.linalg.solve_triangular(upper, inverse, upper=True)
        scale = (-self.log_scale).exp()
        return scale[:, None] * inverse, -scale * (inverse @ self.bias + self.shift)


class _AdditiveCoupling(Transform):
    """z1 = x1 and z2 = x2 + network(x1, context)."""

    domain = codomain = constraints.real_vector
    bijective = True

    def __init__(self, lazy: AdditiveCoupling, start: Tensor, gates: list[Tensor]) -> None:
        super().__init__()
        self.lazy, self.start, self.gates = lazy, start, gates

    def _call(self, x: Tensor) -> Tensor:
        z = x.clone()
        z[..., self.lazy.changed] += self.lazy.network(x, self.start, self.gates)
        return z

    def _inverse(self, z: Tensor) -> Tensor:
        x = z.clone()
        x[..., self.lazy.changed] -= self.lazy.network(z, self.start, self.gates)
        return x

    def log_abs_det_jacobian(self, x: Tensor, z: Tensor) -> Tensor:
        return x.new_zeros(x.shape[:-1])

    def inverter(self, workspace: Workspace) -> Inverter:
        dtype = workspace.product_dtype

        def invert(state: Tensor, rows: slice) -> Tensor:
            with torch.autocast(state.device.type, dtype, enabled=dtype != workspace.dtype):
                gates = [gate[rows] for gate in self.gates]
                shift = self.lazy.network(state, self.start[rows], gates)
            state[..., self.lazy.changed] -= shift
            return state

        return invert


def _block(width: int, dropout: float, batch_norm: bool) -> nn.Sequential:
    """What a residual block adds, before the context's gate; nearly nothing at first."""

    def norm() -> list[nn.Module]:
        return [nn.BatchNorm1d(width, eps=1e-3)] if batch_norm else []

    last = nn.Linear(width, width)
    nn.init.uniform_(last.weight, -1e-3, 1e-3)
    nn.init.uniform_(last.bias, -1e-3, 1e-3)
    first = [*norm(), nn.ReLU(), nn.Linear(width, width)]
    return nn.Sequential(*first, *norm(), nn.ReLU(), nn.Dropout(dropout), last)


class AdditiveCoupling(LazyTransform):
    """Adds to every other dimension what a residual network makes of the rest and a context.

    The network's blocks are h + g * block(h), with gates g in (0, 1) from the context. The last
    layer starts at zero, so an untrained coupling is the identity.

    Args:
        features, context: sizes D and C.
        hidden, blocks, dropout, batch_norm: of the residual network.
        even: whether dimensions 0, 2, ... are kept, or 1, 3, ...
    """

    def __init__(
        self, features: int, context: int, hidden: int, blocks: int,
        dropout: float, batch_norm: bool, even: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        halves = slice(0, None, 2), slice(1, None, 2)
        self.kept, self.changed = halves if even else halves[::-1]
        sizes = [len(range(features)[half]) for half in (self.kept, self.changed)]
        self.inner = nn.Linear(sizes[0], hidden, bias=False)
        self.context = nn.Linear(context, (1 + blocks) * hidden)
        self.blocks = nn.ModuleList(_block(hidden, dropout, batch_norm) for _ in range(blocks))
        self.last = nn.Linear(hidden, sizes[1])
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, c: Tensor) -> Transform:
        """The transform for contexts c (B, C)."""
        start, *gates = self.context(c).chunk(1 + len(self.blocks), -1)
        return _AdditiveCoupling(self, start, [gate.sigmoid() for gate in gates])

    def network(self, x: Tensor, start: Tensor, gates: list[Tensor]) -> Tensor:
        """What is added, for x (..., B, D) and what the context gives, each (B, hidden)."""
        hidden = self.inner(x[..., self.kept]) + start
        for block, gate in zip(self.blocks, gates, strict=True):
            rows = block(hidden.flatten(0, -2))  # batch norm takes one batch dimension
            hidden = hidden + gate * rows.unflatten(0, hidden.shape[:-1])
        return self.last(hidden).to(x.dtype)


class ConditionalGlow(nn.Module):
    """Steps of `ActNormLinear` and `AdditiveCoupling`: contexts (B, C) -> a transform.

    Args:
        features, context: sizes D and C.
        steps: the first keeps the even dimensions, the next the odd ones, and so on.
        hidden, blocks, dropout, batch_norm: of each coupling's residual network.
    """

    initialised: Tensor

    def __init__(
        self, features: int, context: int, steps: int = 4, hidden: int = 1024, blocks: int = 2,
        dropout: float = 0.0, batch_norm: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.linears = nn.ModuleList(ActNormLinear(features) for _ in range(steps))
        self.couplings = nn.ModuleList(
            AdditiveCoupling(features, context, hidden, blocks, dropout, batch_norm, k % 2 == 0)
            for k in range(steps)
        )
        self.register_buffer("initialised", torch.tensor(False))

    def forward(self, c: Tensor) -> Chain:
        """The transform for contexts c (B, C), from data (..., B, D) to latents."""
        pairs = zip(self.linears, self.couplings, strict=True)
        return Chain(*(part(c) for pair in pairs for part in pair))

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Let the latents of data x (B, D) have mean 0 and deviation 1; only the first call acts.

        Only the first step is changed. All after its activation normalisation starts as the
        identity, so the other steps see standardised data already. Processes that share a
        batch take the moments of all of it.
        """
        if self.initialised:
            return
        moments = torch.stack([x.mean(0), x.square().mean(0)])
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(moments)
            moments /= torch.distributed.get_world_size()
        (mean, square), first = moments, self.linears[0]
        assert isinstance(first, ActNormLinear)
        first.standardise(mean, (square - mean.square()).clamp_min(0).sqrt())
        self.initialised.fill_(True)
