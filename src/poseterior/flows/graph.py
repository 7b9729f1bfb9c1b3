"""Conditional graph normalizing flow: message passing couplings over the nodes of a graph.

After Pierzchlewicz, Cotton, Bashiri, Sinz 2022 (arXiv 2210.11179). Every node has a few
dimensions. A coupling changes one of them, at all nodes at once, by a scale and a shift that
a graph network computes from the node's other dimensions (leave one dimension out). Messages
run along three relations: from node to node along edges, from a node's context to the node,
and from a root, which is not random, to every node.

Without a context the same weights give another flow, the prior: the contexts then send
nothing and the root its constant, so the prior depends on no observation, exactly.

Inside, nodes are the first axis: a sum over neighbours is then one product of an (N, N)
matrix with all that follows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Transform, constraints

from poseterior.flows.inversion import Inverter

__all__ = ["GraphContext", "GraphCoupling", "GraphFlow", "GraphTransform", "adjacency", "gather"]


def adjacency(edges: Iterable[tuple[int, int]], nodes: int) -> Tensor:
    """(N, N), 1 where an edge joins two nodes, in both directions."""
    matrix = torch.zeros(nodes, nodes)
    for a, b in edges:
        matrix[a, b] = matrix[b, a] = 1.0
    return matrix


def gather(neighbours: Tensor, messages: Tensor) -> Tensor:
    """Sum of the neighbours' messages (N, ..., D) at every node; neighbours (N, N)."""
    return (neighbours.to(messages.dtype) @ messages.flatten(1)).view_as(messages)


@dataclass(frozen=True)
class GraphContext:
    """What a batch (B,) of observations tells the nodes.

    Attributes:
        nodes: (N, B, C) contexts of the nodes.
        root: (B, C) context of the root.
    """

    nodes: Tensor
    root: Tensor

    def __getitem__(self, rows: slice) -> GraphContext:
        return GraphContext(self.nodes[:, rows], self.root[rows])


class Received(NamedTuple):
    """What the nodes receive from contexts and root in both rounds, each (N or 1, B or 1, h)."""

    first: Tensor
    second: Tensor


class _Sender(nn.Module):
    """A context: its messages to nodes in the first and, from a hidden state, the second round."""

    def __init__(self, context: int, hidden: int) -> None:
        super().__init__()
        self.first = nn.Linear(context, 2 * hidden)
        self.second = nn.Linear(hidden, hidden)

    def forward(self, context: Tensor) -> Received:
        first, state = self.first(context).relu().chunk(2, -1)
        return Received(first, self.second(state).relu())


class GraphCoupling(nn.Module):
    """Changes one dimension of every node: z = x * s + t, with (s, t) from the others.

    Two rounds of messages. In each a node i becomes the sum, over itself, its neighbours, its
    context and the root, of ReLU(W h + b), with weights W, b of each relation; a last linear
    layer gives t and u, and s = sigmoid(u + 2) + 0.001 as published. (The linear layer that
    the original has between the rounds is absorbed by the weights that follow it.) Before it
    comes an affine transform of each dimension, the same at every node.

    Args:
        dimension: the one that is changed.
        dimensions: of a node.
        context: numbers in a context.
        hidden: of a message.
        labels: 1, or the number of nodes: each then has its own first bias, which tells nodes
            apart that the graph does not.
    """

    def __init__(
        self, dimension: int, dimensions: int, context: int, hidden: int, labels: int = 1
    ) -> None:
        super().__init__()
        self.dimension = dimension
        self.log_scale = nn.Parameter(torch.zeros(dimensions))
        self.shift = nn.Parameter(torch.zeros(dimensions))
        self.first = nn.Linear(dimensions - 1, 2 * hidden, bias=False)
        bound = 1 / math.sqrt(dimensions - 1)
        bias = torch.empty(labels, 1, 1, 2 * hidden).uniform_(-bound, bound)
        self.bias = nn.Parameter(bias)
        self.second = nn.Linear(hidden, 2 * hidden)
        self.last = nn.Linear(hidden, 2)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        self.context, self.root = _Sender(context, hidden), _Sender(context, hidden)

    def received(self, context: GraphContext | None) -> Received:
        """Messages of context and root; without a context those of the root's constant."""
        if context is None:
            return self.root(self.bias.new_zeros(1, 1, self.root.first.in_features))
        own, root = self.context(context.nodes), self.root(context.root[None])
        return Received(own.first + root.first, own.second + root.second)

    def parameters_of(
        self, kept: Tensor, received: Received, neighbours: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Scale and shift, each (N, S, B), from the kept dimensions (N, S, B, D - 1)."""
        hidden = self.first(kept)
        own, sent = (hidden + self.bias.to(hidden.dtype)).relu_().chunk(2, -1)
        hidden = own + gather(neighbours, sent) + received.first[:, None]
        own, sent = self.second(hidden).relu_().chunk(2, -1)
        hidden = own + gather(neighbours, sent) + received.second[:, None]
        logit, shift = self.last(hidden).to(kept.dtype).unbind(-1)
        return torch.sigmoid(logit + 2) + 1e-3, shift

    def forward(
        self, x: list[Tensor], received: Received, neighbours: Tensor
    ) -> tuple[list[Tensor], Tensor]:
        """From data to latent, a list of dimensions (N, S, B); and the log-determinant (S, B)."""
        factors = self.log_scale.exp()
        z = [a * factors[k] + self.shift[k] for k, a in enumerate(x)]
        scale, shift = self.parameters_of(self._kept(z), received, neighbours)
        z[self.dimension] = z[self.dimension] * scale + shift
        return z, scale.log().sum(0) + len(scale) * self.log_scale.sum()

    def inverse(self, z: list[Tensor], received: Received, neighbours: Tensor) -> list[Tensor]:
        """From latent to data."""
        scale, shift = self.parameters_of(self._kept(z), received, neighbours)
        x = list(z)
        x[self.dimension] = (z[self.dimension] - shift) / scale
        factors = torch.exp(-self.log_scale)
        return [(a - self.shift[k]) * factors[k] for k, a in enumerate(x)]

    def _kept(self, x: list[Tensor]) -> Tensor:
        return torch.stack([a for k, a in enumerate(x) if k != self.dimension], -1)


class GraphFlow(nn.Module):
    """Couplings that change the dimensions in turn; called with a context, a transform.

    Args:
        neighbours: (N, N) the graph's `adjacency`.
        dimensions: of a node.
        context, hidden: see `GraphCoupling`.
        layers: number of couplings.
        labelled: whether every node has biases of its own.
        unit: data are divided by it first.
    """

    neighbours: Tensor
    couplings: Any  # a ModuleList of GraphCoupling, whose items mypy takes for tensors

    def __init__(
        self, neighbours: Tensor, dimensions: int, context: int, hidden: int,
        layers: int, labelled: bool = False, unit: float = 1.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.dimensions, self.unit = dimensions, unit
        self.register_buffer("neighbours", neighbours, persistent=False)
        labels = len(neighbours) if labelled else 1
        self.couplings = nn.ModuleList(
            GraphCoupling(i % dimensions, dimensions, context, hidden, labels)
            for i in range(layers)
        )

    def forward(self, context: GraphContext | None) -> GraphTransform:
        """The transform for a batch of contexts, or the prior's without."""
        return GraphTransform(self, context)

    def received(self, context: GraphContext | None) -> list[Received]:
        """What every coupling's nodes receive."""
        return [coupling.received(context) for coupling in self.couplings]

    def encode(self, x: Tensor, received: list[Received]) -> tuple[Tensor, Tensor]:
        """Data (S, B, N * D) to latents of the same shape and log-determinants (S, B)."""
        state = self._split(x / self.unit)
        log_det = x.new_full((), -x.shape[-1] * math.log(self.unit)).expand(x.shape[:-1])
        for coupling, messages in zip(self.couplings, received, strict=True):
            state, change = coupling(state, messages, self.neighbours)
            log_det = log_det + change
        return self._join(state), log_det

    def decode(self, z: Tensor, received: list[Received]) -> Tensor:
        """Latents (S, B, N * D) to data."""
        state = self._split(z)
        for coupling, messages in zip(reversed(self.couplings), reversed(received), strict=True):
            state = coupling.inverse(state, messages, self.neighbours)
        return self._join(state) * self.unit

    def _split(self, x: Tensor) -> list[Tensor]:
        """(S, B, N * D) -> D tensors (N, S, B)."""
        parts = x.unflatten(-1, (len(self.neighbours), self.dimensions)).permute(3, 2, 0, 1)
        return list(parts.contiguous().unbind(0))

    def _join(self, state: list[Tensor]) -> Tensor:
        """The inverse of `_split`."""
        return torch.stack(state, -1).permute(1, 2, 0, 3).flatten(-2)


class GraphTransform(Transform):
    """From data (..., B, N * D) to latents, for a batch of contexts or, without, the prior."""

    domain = codomain = constraints.real_vector
    bijective = True

    def __init__(self, flow: GraphFlow, context: GraphContext | None) -> None:
        super().__init__()
        self.flow, self.context = flow, context
        self._received: list[Received] | None = None

    @property
    def received(self) -> list[Received]:
        """Messages of context and root, computed once."""
        if self._received is None:
            self._received = self.flow.received(self.context)
        return self._received

    def call_and_ladj(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Latents (..., B, N * D) and log-determinants of the Jacobian (..., B)."""
        z, log_det = self.flow.encode(_three_axes(x), self.received)
        return z.view(x.shape), log_det.view(x.shape[:-1])

    def _call(self, x: Tensor) -> Tensor:
        return self.call_and_ladj(x)[0]

    def _inverse(self, z: Tensor) -> Tensor:
        return self.flow.decode(_three_axes(z), self.received).view(z.shape)

    def log_abs_det_jacobian(self, x: Tensor, z: Tensor) -> Tensor:
        return self.call_and_ladj(x)[1]

    @torch.no_grad()
    def inverter(self, like: Tensor) -> Inverter:
        """A function (state, rows) that does what `inv` does, for contexts in a slice.

        States are (S, P, N * D): samples, contexts of the slice, features. Messages of contexts
        are computed once for all samples of a slice and not kept: memory does not grow with B.
        """
        context = self.context

        @torch.no_grad()
        def invert(state: Tensor, rows: slice) -> Tensor:
            here = self.flow.received(None if context is None else context[rows])
            return self.flow.decode(state, here)

        return invert


def _three_axes(x: Tensor) -> Tensor:
    """(..., B, D) as (S, B, D)."""
    return x.reshape(math.prod(x.shape[:-2]), *x.shape[-2:])
