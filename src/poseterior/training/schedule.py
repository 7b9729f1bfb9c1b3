"""How the learning rate goes over a training: a pure function, so resuming needs no state."""

from __future__ import annotations

import math
from typing import Literal

__all__ = ["Schedule", "learning_rate_factor"]

Schedule = Literal["constant", "cosine", "exponential", "step"]


def learning_rate_factor(
    step: int,
    steps: int,
    schedule: Schedule = "cosine",
    *,
    warmup_steps: int = 0,
    final_fraction: float = 0.0,
    decay_at: tuple[float, ...] = (),
    decay_by: float = 0.1,
    decay_every: int = 100_000,
) -> float:
    """What the base learning rate is multiplied by at update `step` (from 0) of `steps`.

    During warm-up it is (step + 1) / (warmup_steps + 1). After it, with t in [0, 1] the share
    of the remaining updates done: `constant` 1; `cosine` f + (1 - f)(1 + cos(pi t)) / 2 with
    f = `final_fraction`; `exponential` `decay_by` to the power of s / `decay_every`, s the updates
    after warm-up; `step` `decay_by` once for each of `decay_at` that t has reached.

    >>> [round(learning_rate_factor(s, 5, "cosine"), 3) for s in range(5)]
    [1.0, 0.854, 0.5, 0.146, 0.0]
    >>> [learning_rate_factor(s, 4, "constant", warmup_steps=3) for s in range(4)]
    [0.25, 0.5, 0.75, 1.0]
    >>> learning_rate_factor(200, 400, "exponential", decay_by=0.5, decay_every=100)
    0.25
    """
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    share = min(1.0, (step - warmup_steps) / max(1, steps - 1 - warmup_steps))
    if schedule == "cosine":
        return final_fraction + (1 - final_fraction) * (1 + math.cos(math.pi * share)) / 2
    if schedule == "exponential":
        return decay_by ** ((step - warmup_steps) / decay_every)
    if schedule == "step":
        return decay_by ** sum(share >= at for at in decay_at)
    return 1.0
