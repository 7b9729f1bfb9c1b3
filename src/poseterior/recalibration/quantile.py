"""A map of the distance from the mean for each joint: its whole distribution, not one factor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from torch import Tensor

from poseterior.data.prediction_fields import PredictionRows
from poseterior.geometry.skeleton import Skeleton
from poseterior.metrics.weighted import normalised
from poseterior.recalibration.distances import LEVELS, collect, quantile_at
from poseterior.recalibration.parameters import by_joint, fixed_levels, from_joints, only, positive
from poseterior.recalibration.radial import about_mean, stretched
from poseterior.recalibration.recalibration import HeldOut, Recalibration

__all__ = ["LEAST_POSES", "Quantile"]

LEAST_POSES = 100


@dataclass(frozen=True, eq=False)
class Quantile(Recalibration):
    """At each level q of the distance a factor of its own, `factors` (K, L) at `LEVELS`.

    The factor at q is the one that puts a share q of the held-out targets within the new
    q-quantile: the q-quantile of d / Q_q, d the target's distance and Q_q that of the
    hypotheses. Unlike a map of levels to levels (Kuleshov et al. 2018) it reaches targets
    that lie beyond all hypotheses, which is where most are when those are too narrow.
    """

    factors: Tensor

    method = "quantile"

    @classmethod
    def fit(cls, held_out: HeldOut) -> Self:
        found = collect(held_out, LEAST_POSES)
        factors = quantile_at(found.log_ratio, found.level, found.weight).exp()
        return cls(held_out.skeleton, held_out.hypotheses, factors)

    def repair(self, rows: PredictionRows) -> Tensor:
        weights, factors = normalised(rows.weights), self.factors
        return about_mean(rows, self.skeleton, lambda x: stretched(x, factors, weights))

    def parameters(self) -> dict[str, Any]:
        return {"levels": LEVELS.tolist(), "factors": by_joint(self.factors, self.skeleton)}

    @classmethod
    def from_parameters(
        cls, parameters: Mapping[str, Any], skeleton: Skeleton, hypotheses: int, source: object
    ) -> Self:
        only(parameters, ("levels", "factors"), source)
        fixed_levels(parameters, source)
        factors = from_joints(parameters, "factors", skeleton, len(LEVELS), source)
        return cls(skeleton, hypotheses, positive(factors, source, "factors"))
