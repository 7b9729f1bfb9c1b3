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
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Transform, constraints
from torch.nn import functional

from poseterior.flows.inversion import Inverter

__all__ = ["GraphContext", "GraphCoupling", "GraphFlow", "GraphTransform", "adjacency", "gather"]


def adjacency(edges: Iterable[tuple[int, int]], nodes: int) -> Tensor:
    """(N, N), 1 where an edge joins two nodes, in both directions."""
    matrix = torch.zeros(nodes, nodes)
    for a, b in edges:
        matrix[a, b] = matrix[b, a] = 1.0
    return matrix


def gather(neighbours: Tensor, messages: Tensor, own: Tensor | None = None) -> Tensor:
    """Sum of the neighbours' messages (N, ..., D) at every node, and of its own."""
    flat, matrix = messages.flatten(1), neighbours.to(messages.dtype)
    total = matrix @ flat if own is None else torch.addmm(own.flatten(1), matrix, flat)
    return total.view(messages.shape)


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


class _Senders(nn.Module):
    """What contexts send in both rounds of every coupling: ReLU(W c + b), and again from there.

    The layers of all couplings are computed together: a sender's first layer gives the message
    of the first round and a state, from which the second gives that of the second round.
    """

    def __init__(self, couplings: int, context: int, hidden: int) -> None:
        super().__init__()
        self.first = nn.Parameter(_uniform(couplings, context, 2 * hidden, inputs=context))
        self.first_bias = nn.Parameter(_uniform(couplings, 1, 2 * hidden, inputs=context))
        self.second = nn.Parameter(_uniform(couplings, hidden, hidden, inputs=hidden))
        self.second_bias = nn.Parameter(_uniform(couplings, 1, hidden, inputs=hidden))

    def forward(self, contexts: Tensor) -> Tensor:
        """Contexts (M, ..., C) -> messages (2, couplings, M, ..., hidden)."""
        flat = contexts.flatten(0, -2).expand(len(self.first), -1, -1)
        first, state = torch.baddbmm(self.first_bias, flat, self.first).relu().chunk(2, -1)
        second = torch.baddbmm(self.second_bias, state, self.second).relu()
        return torch.stack([first, second]).unflatten(2, contexts.shape[:-1])

    def constant(self) -> Tensor:
        """What a context of zeros sends: (2, couplings, 1, hidden)."""
        return self(self.first.new_zeros(1, self.first.shape[1]))


def _uniform(*shape: int, inputs: int) -> Tensor:
    """Initial weights, as `nn.Linear` draws them."""
    return torch.empty(shape).uniform_(-1, 1) / math.sqrt(inputs)


class GraphCoupling(nn.Module):
    """Changes one dimension of every node: z = x * s + t, with (s, t) from the others.

    Two rounds of messages. In each a node becomes the sum, over itself, its neighbours, its
    context and the root, of ReLU(W h + b), with weights W, b of each relation; a last linear
    layer gives u and t, and s = sigmoid(u + 2) + floor. (The linear layer that
    the original has between the rounds is absorbed by the weights that follow it.) Before it
    comes an affine transform of each dimension, the same at every node.

    Args:
        dimension: the one that is changed.
        dimensions: of a node.
        hidden: numbers in a message.
        labels: 1, or the number of nodes: each then has its own first bias, which tells nodes
            apart that the graph does not.
        floor: least scale, published 0.001. The inverse divides by the scale: a sample that
            lies where little was learned moves at most 1 / floor times too far.
    """

    others: Tensor

    def __init__(
        self, dimension: int, dimensions: int, hidden: int, labels: int = 1, floor: float = 1e-3
    ) -> None:
        super().__init__()
        self.dimension, self.floor = dimension, floor
        others = torch.arange(dimensions) != dimension
        self.register_buffer("others", others.float(), persistent=False)
        self.log_scale = nn.Parameter(torch.zeros(dimensions))
        self.shift = nn.Parameter(torch.zeros(dimensions))
        self.first = nn.Parameter(_uniform(2 * hidden, dimensions, inputs=dimensions - 1))
        self.bias = nn.Parameter(_uniform(labels, 1, 1, 2 * hidden, inputs=dimensions - 1))
        self.second = nn.Linear(hidden, 2 * hidden)
        self.last = nn.Linear(hidden, 2)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def scale_and_shift(
        self, x: Tensor, received: Sequence[Tensor], neighbours: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Both (N, S, B, 1), from the other dimensions of nodes (N, S, B, D).

        Args:
            x: the nodes; their dimension that is changed is not read.
            received: from context and root in either round, (N or 1, B or 1, hidden).
            neighbours: (N, N).
        """
        hidden = functional.linear(x, self.first * self.others)
        hidden = hidden + self.bias.to(hidden.dtype)
        hidden = self._sum(hidden, received[0], neighbours)
        hidden = self._sum(self.second(hidden), received[1], neighbours)
        logit, shift = self.last(hidden).to(x.dtype).split(1, -1)
        return torch.sigmoid(logit + 2) + self.floor, shift

    def forward(
        self, x: Tensor, received: Sequence[Tensor], neighbours: Tensor
    ) -> tuple[Tensor, Tensor]:
        """From data to latents, both (N, S, B, D); and the log-determinants (S, B)."""
        z = x * self.log_scale.exp() + self.shift
        scale, shift = self.scale_and_shift(z, received, neighbours)
        z = self._replace(z, self._changed(z) * scale + shift)
        return z, scale.log().sum((0, -1)) + len(x) * self.log_scale.sum()

    def inverse(self, z: Tensor, received: Sequence[Tensor], neighbours: Tensor) -> Tensor:
        """From latents to data."""
        scale, shift = self.scale_and_shift(z, received, neighbours)
        x = self._replace(z, (self._changed(z) - shift) / scale)
        return (x - self.shift) * torch.exp(-self.log_scale)

    def _sum(self, hidden: Tensor, received: Tensor, neighbours: Tensor) -> Tensor:
        own, sent = hidden.relu().chunk(2, -1)
        return gather(neighbours, sent, own + received[:, None])

    def _changed(self, x: Tensor) -> Tensor:
        return x[..., self.dimension : self.dimension + 1]

    def _replace(self, x: Tensor, changed: Tensor) -> Tensor:
        at = self.dimension
        return torch.cat([x[..., :at], changed, x[..., at + 1 :]], -1)


class GraphFlow(nn.Module):
    """Couplings that change the dimensions in turn; called with a context, a transform.

    Args:
        neighbours: (N, N) the graph's `adjacency`.
        dimensions: of a node.
        context: numbers in a context.
        hidden, floor: see `GraphCoupling`.
        layers: number of couplings.
        labelled: whether every node has biases of its own.
        unit: data are divided by it first.
        spread: latents are divided by it at last: about what the shifts should leave of data
            divided by their unit. Scales of couplings shrink easily and hardly grow.
    """

    neighbours: Tensor
    couplings: Any  # a ModuleList of GraphCoupling, whose items mypy takes for tensors

    def __init__(
        self, neighbours: Tensor, dimensions: int, context: int, hidden: int,
        layers: int, labelled: bool = False, unit: float = 1.0, spread: float = 1.0,
        floor: float = 1e-3,
    ) -> None:  # fmt: skip
        super().__init__()
        self.dimensions, self.unit, self.spread = dimensions, unit, spread
        self.register_buffer("neighbours", neighbours, persistent=False)
        labels = len(neighbours) if labelled else 1
        self.couplings = nn.ModuleList(
            GraphCoupling(i % dimensions, dimensions, hidden, labels, floor) for i in range(layers)
        )
        self.contexts = _Senders(layers, context, hidden)
        self.root = _Senders(layers, context, hidden)

    def forward(self, context: GraphContext | None) -> GraphTransform:
        """The transform for a batch of contexts, or the prior's without."""
        return GraphTransform(self, context)

    def received(self, context: GraphContext | None) -> Tensor:
        """What context and root send: (2 rounds, couplings, N or 1, B or 1, hidden)."""
        if context is None:
            return self.root.constant()[..., None, :]
        return self.contexts(context.nodes) + self.root(context.root[None])

    def encode(self, x: Tensor, received: Tensor) -> tuple[Tensor, Tensor]:
        """Data (S, B, N * D) to latents of the same shape and log-determinants (S, B)."""
        state = self._nodes(x / self.unit)
        log_det = x.new_full(x.shape[:-1], -x.shape[-1] * math.log(self.unit * self.spread))
        for coupling, messages in zip(self.couplings, received.unbind(1), strict=True):
            state, change = coupling(state, messages, self.neighbours)
            log_det = log_det + change
        return _vectors(state) / self.spread, log_det

    def decode(self, z: Tensor, received: Tensor) -> Tensor:
        """Latents (S, B, N * D) to data."""
        state, messages = self._nodes(z * self.spread), received.unbind(1)
        for coupling, sent in zip(reversed(self.couplings), reversed(messages), strict=True):
            state = coupling.inverse(state, sent, self.neighbours)
        return _vectors(state) * self.unit

    def _nodes(self, x: Tensor) -> Tensor:
        """(S, B, N * D) -> (N, S, B, D)."""
        parts = x.unflatten(-1, (len(self.neighbours), self.dimensions))
        return parts.permute(2, 0, 1, 3).contiguous()


def _vectors(state: Tensor) -> Tensor:
    """(N, S, B, D) -> (S, B, N * D)."""
    return state.permute(1, 2, 0, 3).flatten(-2)


class GraphTransform(Transform):
    """From data (..., B, N * D) to latents, for a batch of contexts or, without, the prior."""

    domain = codomain = constraints.real_vector
    bijective = True

    def __init__(self, flow: GraphFlow, context: GraphContext | None) -> None:
        super().__init__()
        self.flow, self.context = flow, context
        self._received: Tensor | None = None

    @property
    def received(self) -> Tensor:
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
