"""One factor for the spread about the mean: of all joints, of each joint, of each of its axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from poseterior.data.prediction_fields import PredictionRows
from poseterior.geometry.skeleton import Skeleton
from poseterior.recalibration.distances import Distances, collect
from poseterior.recalibration.parameters import by_joint, from_joints, only, positive, vector
from poseterior.recalibration.radial import about_mean
from poseterior.recalibration.recalibration import HeldOut, Recalibration

__all__ = ["Spread", "SpreadAxis", "SpreadJoint", "median_factor"]

_LEAST_COMMON = 20
_LEAST_JOINT = 50
_STEPS = 60


def median_factor(distances: Distances) -> Tensor:
    """For each column the factor that leaves its coverage neither too low nor too high, (C,).

    Coverage at level q after a factor f is the share of targets with d / Q_q < f. Its mean over
    levels is right where half of all these ratios, over poses and levels, lie below f: the
    factor is their weighted median, which also minimises the pinball loss summed over levels
    (composite quantile regression, Zou & Yuan 2008). Found by bisection of log f, without
    sorting. Columns that were never seen take the geometric mean of the others.
    """
    ratio, weight = distances.log_ratio, distances.weight
    known = distances.known
    total = weight.sum(0).clamp(min=torch.finfo(weight.dtype).tiny)
    low, high = ratio.amin((0, 2)), ratio.amax((0, 2))
    for _ in range(_STEPS):
        middle = (low + high) / 2
        below = (ratio < middle[:, None]).double().mean(-1)
        few = (weight * below).sum(0) / total < 0.5
        low, high = torch.where(few, middle, low), torch.where(few, high, middle)
    found = (low + high) / 2
    return torch.where(known, found, found[known].mean()).exp()


@dataclass(frozen=True, eq=False)
class _Factors(Recalibration):
    """Offsets from the mean times `factors`, which broadcast to (K, 3)."""

    factors: Tensor

    def repair(self, rows: PredictionRows) -> Tensor:
        factors = self.factors.to(rows.hypotheses.dtype)
        return about_mean(rows, self.skeleton, lambda offset: offset * factors)


@dataclass(frozen=True, eq=False)
class Spread(_Factors):
    """One factor for all joints, (1, 1): keeps every correlation."""

    method = "spread"

    @classmethod
    def fit(cls, held_out: HeldOut) -> Self:
        found = collect(held_out, _LEAST_COMMON)
        counts, levels = found.weight.shape[0] * found.weight.shape[1], len(found.level)
        pooled = Distances(
            found.log_ratio.reshape(counts, 1, levels), found.level,
            found.weight.reshape(counts, 1), found.features[:0],
        )  # fmt: skip
        factors = median_factor(pooled)[:, None]
        return cls(held_out.skeleton, held_out.hypotheses, factors)

    def parameters(self) -> dict[str, Any]:
        return {"factor": self.factors.item()}

    @classmethod
    def from_parameters(
        cls, parameters: Mapping[str, Any], skeleton: Skeleton, hypotheses: int, source: object
    ) -> Self:
        only(parameters, ("factor",), source)
        factor = vector(parameters["factor"], 0, source, "factor")
        factors = positive(torch.tensor([[factor]], dtype=torch.float64), source, "factor")
        return cls(skeleton, hypotheses, factors)


@dataclass(frozen=True, eq=False)
class SpreadJoint(_Factors):
    """A factor for each joint, (K, 1): keeps correlations and each joint's own shape."""

    method = "spread_joint"

    @classmethod
    def fit(cls, held_out: HeldOut) -> Self:
        factors = median_factor(collect(held_out, _LEAST_JOINT))[:, None]
        return cls(held_out.skeleton, held_out.hypotheses, factors)

    def parameters(self) -> dict[str, Any]:
        return {"factors": by_joint(self.factors[:, 0], self.skeleton)}

    @classmethod
    def from_parameters(
        cls, parameters: Mapping[str, Any], skeleton: Skeleton, hypotheses: int, source: object
    ) -> Self:
        only(parameters, ("factors",), source)
        factors = from_joints(parameters, "factors", skeleton, 0, source)
        return cls(skeleton, hypotheses, positive(factors[:, None], source, "factors"))


@dataclass(frozen=True, eq=False)
class SpreadAxis(_Factors):
    """A factor for each joint and axis x, y, z of the camera, (K, 3)."""

    method = "spread_axis"

    @classmethod
    def fit(cls, held_out: HeldOut) -> Self:
        factors = median_factor(collect(held_out, _LEAST_JOINT, per_axis=True))
        return cls(held_out.skeleton, held_out.hypotheses, factors.view(-1, 3))

    def parameters(self) -> dict[str, Any]:
        return {"factors": by_joint(self.factors, self.skeleton)}

    @classmethod
    def from_parameters(
        cls, parameters: Mapping[str, Any], skeleton: Skeleton, hypotheses: int, source: object
    ) -> Self:
        only(parameters, ("factors",), source)
        factors = from_joints(parameters, "factors", skeleton, 3, source)
        return cls(skeleton, hypotheses, positive(factors, source, "factors"))
