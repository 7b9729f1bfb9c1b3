"""A score of whole poses beside its parts by axis and by joint, with its interval by clip."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from poseterior.geometry.skeleton import Skeleton
from poseterior.metrics.bootstrap import GroupSums, interval

__all__ = ["AXES", "JointTable", "number"]

AXES = ("x", "y", "z")


def number(value: Tensor) -> float | None:
    """A tensor of one value as a number for a report, None where it is not finite."""
    plain = float(value)
    return plain if math.isfinite(plain) else None


class JointTable:
    """Means over poses of the whole pose's score, the axes' and the free joints'.

    Keeps sums and counts per group of clips: an entry that a pose does not have is NaN, and
    does not count.

    Args:
        skeleton: whose free joints the entries are of.
        finish: from means in metres to what is reported, elementwise.
        least: where the interval is cut.

    >>> from poseterior.geometry.skeleton import H36M_17
    >>> table = JointTable(H36M_17, lambda mean: 1000 * mean)
    >>> whole = torch.tensor([0.1, 0.3])
    >>> table.add(torch.tensor([0, 1]), whole, whole[:, None] * torch.ones(3), torch.ones(2, 16))
    >>> round(table.compute(torch.eye(2, dtype=torch.float64))["value"])
    200
    """

    def __init__(
        self, skeleton: Skeleton, finish: Callable[[Tensor], Tensor], least: float = -math.inf
    ) -> None:
        self._joints = [skeleton.joints[joint] for joint in skeleton.free]
        self._finish, self._least = finish, least
        self._sums = GroupSums(1 + len(AXES) + len(self._joints), 2)

    def add(self, group: Tensor, whole: Tensor, axes: Tensor, joints: Tensor) -> None:
        """Add poses of groups (M,): their scores (M,), (M, 3) by axis and (M, K) by joint."""
        values = torch.cat([whole[:, None], axes, joints], dim=-1)
        self._sums.add(group, torch.stack([values.nan_to_num(0.0), ~values.isnan()], dim=-1))

    def compute(self, draws: Tensor) -> dict[str, Any]:
        """`value`, its 95 % `interval`, `x`, `y`, `z` and `joints` {joint: value}.

        Args:
            draws: (R, G) from `bootstrap.resamples`.
        """
        sums = self._sums.sums
        means = self._mean(sums.sum(0))
        whole = torch.tensordot(draws[:, : len(sums)], sums[:, 0], dims=1)
        value, *parts = (number(mean) for mean in means)
        return {
            "value": value,
            "interval": None
            if value is None
            else interval(self._mean(whole), value, least=self._least),
            **dict(zip(AXES, parts, strict=False)),
            "joints": dict(zip(self._joints, parts[len(AXES) :], strict=True)),
        }

    def _mean(self, sums: Tensor) -> Tensor:
        return self._finish(sums[..., 0] / sums[..., 1])
