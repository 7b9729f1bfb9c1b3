"""Inverting a flow for many samples of each context, without gradients.

A state is (D, P, H): D features of H samples for each of P contexts. Features come first, so
that a half of a state, a feature that a permutation moves and the samples to which one
context's bias is added each lie together in memory. All is done in place or in buffers that
every chunk of samples uses again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence

import torch
from torch import Tensor

__all__ = ["Inverter", "Workspace", "affine", "coupling", "features_first", "pull", "reorder"]

# From a state and the slice of the contexts that it is for to its inverse. The state may be
# overwritten, and the inverse by the next call.
Inverter = Callable[[Tensor, slice], Tensor]


class Workspace:
    """Buffers by name, and the type of matrix products: that of `torch.autocast` where it is on.

    Args:
        like: a tensor of the states' device and type.
    """

    def __init__(self, like: Tensor) -> None:
        device = like.device.type
        cast = torch.is_autocast_enabled(device)
        self.dtype = like.dtype
        self.product_dtype = torch.get_autocast_dtype(device) if cast else like.dtype
        self._memory: dict[tuple[Hashable, ...], Tensor] = {}

    def take(self, name: Hashable, height: int, state: Tensor, dtype: torch.dtype) -> Tensor:
        """The buffer (height, P, H) of a name, always the same memory."""
        key = name, height, state.shape[1:]
        if key not in self._memory:
            self._memory[key] = state.new_empty(height, *state.shape[1:], dtype=dtype)
        return self._memory[key]


def features_first(rows: Tensor) -> Tensor:
    """(B, D) -> (D, B, 1), to go with states."""
    return rows.mT[..., None]


def affine(scale: Tensor, shift: Tensor) -> Inverter:
    """From z to z * scale + shift, with scale and shift (B, D)."""
    scale, shift = features_first(scale), features_first(shift)
    return lambda state, rows: state.mul_(scale[:, rows]).add_(shift[:, rows])


def reorder(order: Tensor, workspace: Workspace) -> Inverter:
    """From z to z[order]."""

    def invert(state: Tensor, rows: slice) -> Tensor:
        # A name of its own: the state may lie in the memory of another permutation.
        out = workspace.take(id(order), len(order), state, workspace.dtype)
        return torch.index_select(state, 0, order, out=out)

    return invert


def coupling(
    split: Callable[[Tensor], tuple[Tensor, Tensor]],
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    alpha: float,
    workspace: Workspace,
    pull: Callable[..., None],
) -> Inverter:
    """The changed half of a state becomes itself * exp(s) + t, with (s, t) from the kept half.

    A hidden layer is relu(y + b) = max(y, -b) + b, whose last b goes through the next layer
    and becomes part of that one's bias: one pass over the hidden features instead of two.

    Args:
        split: from a state to its kept and its changed half.
        weights: of every layer, first to last.
        biases: (B, O) of every layer, each with those before it put through.
        alpha: soft clamp of s.
        workspace: the buffers.
        pull: `pull`, or a compiled one.
    """
    dtype = workspace.product_dtype
    weights = [weight.to(dtype) for weight in weights]
    floors = [features_first(-bias).to(dtype) for bias in biases[:-1]]
    last = features_first(biases[-1])

    def invert(state: Tensor, rows: slice) -> Tensor:
        kept, changed = split(state)
        buffers = [workspace.take(k, len(w), state, dtype) for k, w in enumerate(weights)]
        here = [floor[:, rows] for floor in floors]
        pull(kept, changed, weights, here, last[:, rows], alpha, buffers)
        return state

    return invert


def pull(
    kept: Tensor, changed: Tensor,
    weights: Sequence[Tensor], floors: Sequence[Tensor], bias: Tensor, alpha: float,
    buffers: Sequence[Tensor | None],
) -> None:  # fmt: skip
    """Change the changed half of a state; a product without a buffer takes new memory."""
    value = _product(weights[0], kept, buffers[0])
    for weight, floor, buffer in zip(weights[1:], floors, buffers[1:], strict=True):
        value = _product(weight, torch.maximum(value, floor, out=value), buffer)
    log_scale, shift = value.to(bias.dtype).add_(bias).chunk(2)
    log_scale.div_(alpha).atan_().mul_(2 * alpha / math.pi).exp_()
    torch.addcmul(shift, changed, log_scale, out=changed)


def _product(weight: Tensor, state: Tensor, buffer: Tensor | None) -> Tensor:
    out = None if buffer is None else buffer.flatten(1)
    product = torch.mm(weight, state.to(weight.dtype).flatten(1), out=out)
    return product.unflatten(1, state.shape[1:])
