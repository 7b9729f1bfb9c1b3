"""An exponential moving average of a module's trainable weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from poseterior.errors import require

__all__ = ["Average"]


class Average:
    """average <- d average + (1 - d) weights, with d = min(decay, (1 + t) / (10 + t)).

    The cap lets the average follow the first steps closely. With decay 0 there is no average:
    `values` is empty and `swapped` does nothing. Buffers are not averaged.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        trained = {k: p for k, p in module.named_parameters() if p.requires_grad}
        self.parameters = trained if decay > 0 else {}
        self.values: dict[str, Tensor] = {
            name: parameter.detach().clone() for name, parameter in self.parameters.items()
        }
        self.decay = decay

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after update `step`, counted from 0."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in self.values.items():
            value.lerp_(self.parameters[name], 1 - decay)

    @torch.no_grad()
    def restore(self, values: Mapping[str, Tensor], source: object) -> None:
        """Take the values of a checkpoint; `InputError` if they are another module's."""
        found, expected = ({k: tuple(t.shape) for k, t in v.items()} for v in (values, self.values))
        require(found == expected, source, "average", expected=expected, found=found)
        for name, value in self.values.items():
            value.copy_(values[name])

    def swap(self) -> None:
        """Exchange the module's weights with the average's."""
        for name, parameter in self.parameters.items():
            value = self.values[name]
            parameter.data, self.values[name] = value, parameter.data

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """The module holds the average inside the block."""
        self.swap()
        try:
            yield
        finally:
            self.swap()
