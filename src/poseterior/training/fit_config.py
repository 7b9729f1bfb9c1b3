"""`FitConfig`: everything that decides how a lifter is trained, but not on what."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args

from poseterior.errors import require
from poseterior.training.schedule import Schedule, learning_rate_factor

__all__ = ["FitConfig"]


@dataclass(frozen=True)
class FitConfig:
    """How to train. `InputError` on a value that makes no sense.

    Attributes:
        steps: updates of the lifter.
        batch_size: poses a step; the source of the batches is told, the loop does not ask.
        optimiser, learning_rate, betas, weight_decay: as in `torch.optim`.
        schedule, warmup_steps, final_fraction, decay_at, decay_by, decay_every: see
            `learning_rate_factor`.
        clip_norm: greatest norm of the whole gradient, or None.
        clip_value: greatest absolute value of each entry of the gradient, or None.
        ema: decay of the running average of the weights, 0 for none; at update t the decay is
            at most (1 + t) / (10 + t). The average is what is validated and kept.
        precision: "bfloat16" runs the losses under autocast; weights stay float32. "fast" does
            so where the device computes bfloat16 itself: elsewhere it is many times slower.
        critic_steps: updates of an adversarial lifter's critic before each of its own.
        critic_learning_rate: the critic's, or None for the same.
        validate_every: steps between validations, 0 for one at the end only.
        save_every: steps between checkpoints, 0 for none but by time and at the end.
        save_seconds: wall seconds after which a checkpoint is due all the same, 0 for never.
        log_every: steps that one line of the log averages over.
        seed: of dropout and of the losses' draws.
        devices: processes that share each batch, one for each device (extra `scale`).
    """

    steps: int = 10_000
    batch_size: int = 256
    optimiser: Literal["adam", "adamw"] = "adamw"
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 1e-4
    schedule: Schedule = "cosine"
    warmup_steps: int = 0
    final_fraction: float = 0.01
    decay_at: tuple[float, ...] = (0.5, 0.75)
    decay_by: float = 0.1
    decay_every: int = 100_000
    clip_norm: float | None = None
    clip_value: float | None = None
    ema: float = 0.0
    precision: Literal["float32", "bfloat16", "fast"] = "float32"
    critic_steps: int = 1
    critic_learning_rate: float | None = None
    validate_every: int = 1000
    save_every: int = 1000
    save_seconds: float = 300.0
    log_every: int = 50
    seed: int = 0
    devices: int = 1

    def __post_init__(self) -> None:
        for f in fields(self):
            expected, holds = _RULES.get(f.name, ("", None))
            value = getattr(self, f.name)
            if holds is not None and value is not None:
                require(holds(value), "FitConfig", f.name, expected=expected, found=repr(value))

    def learning_rate_at(self, step: int) -> float:
        """The factor on the learning rate at update `step`, counted from 0."""
        return learning_rate_factor(
            step,
            self.steps,
            self.schedule,
            warmup_steps=self.warmup_steps,
            final_fraction=self.final_fraction,
            decay_at=self.decay_at,
            decay_by=self.decay_by,
            decay_every=self.decay_every,
        )


_POSITIVE = ("> 0", lambda v: 0 < v < float("inf"))
_SCHEDULES = get_args(Schedule)
_COUNT = (">= 1", lambda v: v >= 1)
_NOT_NEGATIVE = (">= 0", lambda v: 0 <= v < float("inf"))
_FRACTION = ("in [0, 1]", lambda v: 0 <= v <= 1)
_RULES = {
    **dict.fromkeys(
        ("steps", "batch_size", "critic_steps", "log_every", "devices", "decay_every"), _COUNT
    ),
    **dict.fromkeys(("learning_rate", "decay_by", "clip_norm", "clip_value"), _POSITIVE),
    "critic_learning_rate": _POSITIVE,
    **dict.fromkeys(("weight_decay", "warmup_steps", "validate_every", "seed"), _NOT_NEGATIVE),
    **dict.fromkeys(("save_every", "save_seconds"), _NOT_NEGATIVE),
    "final_fraction": _FRACTION,
    "decay_at": ("in [0, 1]", lambda v: all(0 <= at <= 1 for at in v)),
    "ema": ("in [0, 1)", lambda v: 0 <= v < 1),
    "betas": ("two in [0, 1)", lambda v: len(v) == 2 and all(0 <= b < 1 for b in v)),
    "optimiser": ("adam or adamw", lambda v: v in ("adam", "adamw")),
    "schedule": ("one of " + ", ".join(_SCHEDULES), lambda v: v in _SCHEDULES),
    "precision": ("float32, bfloat16 or fast", lambda v: v in ("float32", "bfloat16", "fast")),
}
