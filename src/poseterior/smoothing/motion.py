"""How a joint moves between two frames: random walks of its position or of its velocity.

Each axis of each joint moves on its own, with the same noise in all three. The state of an axis
is (position) or (position, velocity).

- `Walk`: dx = sqrt(q) dW, so that the variance of x grows by q dt, q in m²/s.
- `Velocity`: dv = -v / T dt + sqrt(q) dW and dx = v dt, q in m²/s³: a random walk of the velocity
  that is forgotten in the time T (an integrated Ornstein-Uhlenbeck process; Singer, Estimating
  optimal tracking filter performance, 1970, has it for the acceleration). Over times short
  against T it is the constant-velocity model, whose variance grows by q dt³ / 3; over long ones a
  walk of q T², for limbs swing and come back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from poseterior.errors import require

__all__ = ["MODELS", "Motion", "Velocity", "Walk"]


def _check_noise(noise: Tensor) -> None:
    good = noise.ndim == 1 and bool((noise.isfinite() & (noise > 0)).all())
    require(
        good, "smoothing", "noise", expected="(J,) numbers above 0 (every joint moves)",
        found=noise.tolist(),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Walk:
    """A random walk of the position; `noise` (J,) float64 is q in m²/s.

    >>> Walk(torch.tensor([0.02])).transition(0.5)[1]
    tensor([[[0.0100]]])
    """

    noise: Tensor
    name: ClassVar[str] = "walk"
    size: ClassVar[int] = 1

    def __post_init__(self) -> None:
        _check_noise(self.noise)

    def transition(self, seconds: float) -> tuple[Tensor, Tensor]:
        """F and the noise's covariance, (J, 1, 1) each: x -> F x + noise."""
        noise = (self.noise * seconds)[:, None, None]
        return torch.ones_like(noise), noise

    def unknown(self) -> Tensor:
        """(J, 1, 1): variance of what the first frame does not tell: nothing here."""
        return torch.zeros_like(self.noise)[:, None, None]

    def repeated(self, times: int) -> Walk:
        """The same for so many people side by side."""
        return Walk(self.noise.repeat(times))

    def parameters(self) -> dict[str, object]:
        """The numbers, for a file's provenance."""
        return {"model": self.name, "noise_m2_s": self.noise.tolist()}


@dataclass(frozen=True, eq=False)
class Velocity:
    """A random walk of the velocity, forgotten in `seconds`; `noise` (J,) is q in m²/s³."""

    noise: Tensor
    seconds: float = 0.4
    name: ClassVar[str] = "velocity"
    size: ClassVar[int] = 2

    def __post_init__(self) -> None:
        _check_noise(self.noise)
        # Longer times would be lost in the rounding of 1 - exp(-dt / T).
        good = 1e-3 <= self.seconds <= 1e3
        expected = "0.001 to 1000 s"
        require(good, "smoothing", "velocity time", expected=expected, found=self.seconds)

    def transition(self, seconds: float) -> tuple[Tensor, Tensor]:
        """F and the noise's covariance, (J, 2, 2) each: (x, v) -> F (x, v) + noise."""
        time, dt = self.seconds, torch.tensor(seconds, dtype=self.noise.dtype)
        keep, lost = torch.exp(-dt / time), -torch.expm1(-dt / time)
        lost_twice = -torch.expm1(-2 * dt / time)
        one, zero = torch.ones_like(dt), torch.zeros_like(dt)
        move = torch.stack([one, time * lost, zero, keep]).reshape(2, 2)
        both = time**2 / 2 * lost**2
        place = time**2 * (dt - 2 * time * lost + time / 2 * lost_twice)
        noise = torch.stack([place, both, both, time / 2 * lost_twice]).reshape(2, 2)
        return move.expand(len(self.noise), 2, 2), self.noise[:, None, None] * noise

    def unknown(self) -> Tensor:
        """(J, 2, 2): the velocity's stationary variance q T / 2 before anything is seen."""
        variance = torch.zeros(len(self.noise), 2, 2, dtype=self.noise.dtype)
        variance[:, 1, 1] = self.noise * self.seconds / 2
        return variance

    def repeated(self, times: int) -> Velocity:
        """The same for so many people side by side."""
        return Velocity(self.noise.repeat(times), self.seconds)

    def parameters(self) -> dict[str, object]:
        """The numbers, for a file's provenance."""
        about = {"model": self.name, "velocity_time_s": self.seconds}
        return about | {"noise_m2_s3": self.noise.tolist()}


Motion = Walk | Velocity
MODELS: dict[str, type[Walk] | type[Velocity]] = {"walk": Walk, "velocity": Velocity}
