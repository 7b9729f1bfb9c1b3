"""A Kalman filter and the Rauch-Tung-Striebel smoother of all joints of a track at once.

The state of a joint is its position and, for "velocity", how that changes, three axes each.
Kalman, A new approach to linear filtering and prediction problems, 1960; Rauch, Tung and
Striebel, Maximum likelihood estimates of linear dynamic systems, 1965, eq. 3.30. Nothing is
assumed of where a joint is before it is first seen, and it is smoothed for those frames too.

The errors that last are carried along but not estimated (Schmidt, Application of state-space
methods to navigation problems, 1966). What the smoother says is a linear function of the
measurements, mean_t = sum_s W_ts y_s; the lasting errors sqrt(c) R_s^(1/2) u, of one u for all
frames, therefore shift it by B_t u with B_t = sum_s W_ts sqrt(c) R_s^(1/2). That is what the same
smoother makes of sqrt(c) R_s^(1/2) in the place of y_s: three more columns beside the mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.smoothing.measurement import Measured, symmetric_root
from poseterior.smoothing.motion import Motion

__all__ = ["Belief", "StateSpace", "Step"]

# m², of a joint that was not seen yet: 100 m is far, and not lost in the rounding of 1 cm.
_ANYWHERE = 1e4


class Belief(NamedTuple):
    """Of the state of every joint, S = 3 or 6.

    `mean` (J, S, 4) has the state in its first column, what shifts it in the others;
    `covariance` (J, S, S) is that of the errors that do not last. A joint that was not seen yet
    has not `started` (J,): it may be anywhere.
    """

    mean: Tensor
    covariance: Tensor
    started: Tensor


class Step(NamedTuple):
    """A frame: what is believed after it, what was before it, and the F that led to it."""

    after: Belief
    before: Belief
    move: Tensor


@dataclass(frozen=True, eq=False)
class StateSpace:
    """The model of a track: how joints move, and which `share` c of the errors lasts."""

    motion: Motion
    share: float

    def __post_init__(self) -> None:
        require(
            0 <= self.share < 1, "smoothing", "share", expected="0 or more and below 1",
            found=self.share,
        )  # fmt: skip

    def begin(self) -> Belief:
        """Before any frame."""
        covariance = _three_axes(self.motion.unknown())
        covariance.diagonal(dim1=1, dim2=2)[:, :3] = _ANYWHERE
        joints, size, _ = covariance.shape
        never = torch.zeros(joints, dtype=torch.bool)
        return Belief(covariance.new_zeros(joints, size, 4), covariance, never)

    def forward(self, belief: Belief, waits: Sequence[float], measured: Measured) -> list[Step]:
        """Filter frames (T,) that come `waits` seconds after the one before (0 at the start)."""
        lasting = math.sqrt(self.share) * symmetric_root(measured.covariance)[0]
        columns = torch.cat([measured.mean[..., None], lasting], -1)
        fresh = (1 - self.share) * measured.covariance
        moves = {seconds: self._move(seconds) for seconds in set(waits)}
        steps = []
        for t, seconds in enumerate(waits):
            move, noise = moves[seconds]
            spread = move @ belief.covariance @ move.mT + noise
            before = belief._replace(mean=move @ belief.mean, covariance=spread)
            belief = self._update(before, columns[t], fresh[t], measured.seen[t])
            steps.append(Step(belief, before, move))
        return steps

    def backward(self, steps: Sequence[Step]) -> tuple[Tensor, Tensor]:
        """Mean (T, J, 3) and covariance (T, J, 3, 3) of the positions given all these frames."""
        mean, covariance, _ = steps[-1].after
        means, covariances = [mean[:, :3]], [covariance[:, :3, :3]]
        for (after, _, _), (_, before, move) in zip(steps[-2::-1], steps[:0:-1], strict=True):
            gain = torch.linalg.solve(before.covariance, move @ after.covariance).mT
            mean = after.mean + gain @ (mean - before.mean)
            surer = gain @ (covariance - before.covariance) @ gain.mT
            covariance = after.covariance + (surer + surer.mT) / 2
            means.append(mean[:, :3])
            covariances.append(covariance[:, :3, :3])
        place, fresh = torch.stack(means[::-1]), torch.stack(covariances[::-1])
        shifts = place[..., 1:]
        return place[..., 0], fresh + shifts @ shifts.mT

    def _move(self, seconds: float) -> tuple[Tensor, Tensor]:
        """F and the noise's covariance, (J, S, S) each."""
        move, noise = self.motion.transition(seconds)
        return _three_axes(move), _three_axes(noise)

    def _update(self, belief: Belief, columns: Tensor, fresh: Tensor, seen: Tensor) -> Belief:
        """What is believed after a measurement (J, 3, 4) of the joints that are `seen` (J,)."""
        carried = belief.covariance[:, :3]
        gain = torch.linalg.solve(carried[:, :, :3] + fresh, carried).mT
        mean = belief.mean + gain @ (columns - belief.mean[:, :3])
        surer = gain @ carried
        covariance = belief.covariance - (surer + surer.mT) / 2
        first_mean, first_covariance = self._first(columns, fresh)
        mean = _where(belief.started, mean, first_mean)
        covariance = _where(belief.started, covariance, first_covariance)
        return Belief(
            _where(seen, mean, belief.mean),
            _where(seen, covariance, belief.covariance),
            belief.started | seen,
        )

    def _first(self, columns: Tensor, fresh: Tensor) -> tuple[Tensor, Tensor]:
        """The state of a joint that is seen for the first time."""
        covariance = _three_axes(self.motion.unknown())
        covariance[:, :3, :3] = fresh
        still = columns.new_zeros(len(columns), covariance.shape[-1] - 3, 4)
        return torch.cat([columns, still], 1), covariance


def _three_axes(axis: Tensor) -> Tensor:
    """What is true of an axis, (J, n, n), of all three, (J, 3 n, 3 n)."""
    return torch.kron(axis, torch.eye(3, dtype=axis.dtype))


def _where(chosen: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """`new` for the chosen joints (J,), `old` for the others."""
    return torch.where(chosen[:, None, None], new, old)
