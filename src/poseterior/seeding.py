"""Generators that depend on every number they are made from."""

from __future__ import annotations

import numpy as np
import torch

__all__ = ["generator_from"]


def generator_from(*entropy: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator that any of the numbers, each at least 0, changes.

    Torch's own seed will not do: on a CPU only its low 32 bits count, so that numbers packed
    into its high bits are lost.

    >>> first, other = (torch.rand((), generator=generator_from(k, 3)) for k in (0, 1))
    >>> bool(first == other)
    False
    """
    state = np.random.SeedSequence(entropy).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(state[0]))
