"""Inverting a flow for many samples of each context, without gradients.

A state is (H, P, D): H samples of D features for each of P contexts. All is done in place or
in buffers that every chunk of samples uses again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence

import torch
from torch import Tensor

__all__ = ["Inverter", "Workspace", "affine", "coupling", "pull", "reorder"]

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

    def take(self, name: Hashable, width: int, state: Tensor, dtype: torch.dtype) -> Tensor:
        """The buffer (H, P, width) of a name, always the same memory."""
        key = name, width, state.shape
        if key not in self._memory:
            self._memory[key] = state.new_empty(*state.shape[:-1], width, dtype=dtype)
        return self._memory[key]


def affine(scale: Tensor, shift: Tensor) -> Inverter:
    """From z to z * scale + shift, with scale and shift (B, D)."""
    return lambda state, rows: state.mul_(scale[rows]).add_(shift[rows])


def reorder(order: Tensor, workspace: Workspace) -> Inverter:
    """From z to z[..., order]."""

    def invert(state: Tensor, rows: slice) -> Tensor:
        # A name of its own: the state may lie in the memory of another permutation.
        out = workspace.take(id(order), len(order), state, workspace.dtype)
        return torch.index_select(state, -1, order, out=out)

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
    floors, last = [-bias.to(dtype) for bias in biases[:-1]], biases[-1]

    def invert(state: Tensor, rows: slice) -> Tensor:
        kept, changed = split(state)
        buffers = [workspace.take(k, len(w), state, dtype) for k, w in enumerate(weights)]
        here = [floor[rows] for floor in floors]
        pull(kept, changed, weights, here, last[rows], alpha, buffers)
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
    log_scale, shift = value.to(bias.dtype).add_(bias).chunk(2, -1)
    log_scale.div_(alpha).atan_().mul_(2 * alpha / math.pi).exp_()
    torch.addcmul(shift, changed, log_scale, out=changed)


def _product(weight: Tensor, state: Tensor, buffer: Tensor | None) -> Tensor:
    out = None if buffer is None else buffer.flatten(0, 1)
    product = torch.mm(state.to(weight.dtype).flatten(0, 1), weight.T, out=out)
    return product.unflatten(0, state.shape[:2])
