"""A spread that adapts to the pose: misfit as a regression on posterior and observation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from poseterior.data.prediction_fields import PredictionRows
from poseterior.errors import require
from poseterior.geometry.skeleton import Skeleton
from poseterior.metrics.weighted import normalised
from poseterior.recalibration.distances import LEVELS, Distances, collect, quantile_at
from poseterior.recalibration.features import FEATURES, OBSERVED, features
from poseterior.recalibration.parameters import (
    by_joint,
    fixed_levels,
    from_joints,
    only,
    positive,
)
from poseterior.recalibration.radial import about_mean, stretched
from poseterior.recalibration.recalibration import HeldOut, Recalibration

__all__ = ["LEAST_POSES", "Adaptive"]

LEAST_POSES = 200
# Pulls each joint's slopes towards those of all joints, as 3 % more poses that have them would.
_SHARED = 0.03
_QUARTILES = [4, 9, 14]
_CONSTANT = 1e-6
_FIELDS = ("levels", "features", "factors", "slopes", "centres", "scales", "least", "most")


@dataclass(frozen=True, eq=False)
class Adaptive(Recalibration):
    """`Quantile` after a factor exp(sum_f slope_f (x_f - centre_f) / scale_f) of each pose.

    The slopes, of each joint, are the least squares of the log of d / Q (d the target's distance
    from the mean, Q the hypotheses' quartiles) on the `features` x of the pose: two-step
    estimation of multiplicative heteroscedasticity (Harvey 1976). Then a map as `Quantile`'s is
    fitted to what is left. The log of the pose's factor is kept between `least` and `most`, the
    extremes of the held-out poses: nothing is extrapolated.

    Attributes:
        factors: (K, L) at `LEVELS`.
        slopes: (K, F), 0 for a feature that is constant or that the data do not tell.
        centres: (K, F) means of the features.
        scales: (K, F) their standard deviations.
        limits: (K, 2) least and most.
    """

    factors: Tensor
    slopes: Tensor
    centres: Tensor
    scales: Tensor
    limits: Tensor

    method = "adaptive"

    @classmethod
    def fit(cls, held_out: HeldOut) -> Self:
        found = collect(held_out, LEAST_POSES)
        centres, scales = _moments(found)
        scores = ((found.features - centres) / scales).nan_to_num(0.0)
        slopes = _slopes(found, scores)
        log_factor = (scores * slopes).sum(-1)
        limits = torch.stack([log_factor.amin(0), log_factor.amax(0)], dim=-1)
        left = found.log_ratio - log_factor[..., None]
        factors = quantile_at(left, found.level, found.weight).exp()
        skeleton, count = held_out.skeleton, held_out.hypotheses
        return cls(skeleton, count, factors, slopes, centres, scales, limits)

    def repair(self, rows: PredictionRows) -> Tensor:
        weights = normalised(rows.weights)
        factor = self.pose_factor(rows).to(rows.hypotheses.dtype)[:, None, :, None]
        return about_mean(
            rows, self.skeleton, lambda x: stretched(x * factor, self.factors, weights)
        )

    def needs(self) -> tuple[str, ...]:
        used = {name for name, slope in zip(FEATURES, self.slopes.T, strict=True) if slope.any()}
        return tuple(a for name, arrays in OBSERVED.items() if name in used for a in arrays)

    def pose_factor(self, rows: PredictionRows) -> Tensor:
        """(m, K): what the spread of each pose's joints is multiplied by before the map."""
        told = features(rows, self.skeleton)
        scores = ((told - self.centres) / self.scales).nan_to_num(0.0)
        log_factor = (scores * self.slopes).sum(-1)
        return log_factor.clamp(self.limits[:, 0], self.limits[:, 1]).exp()

    def parameters(self) -> dict[str, Any]:
        tables = {
            "factors": self.factors, "slopes": self.slopes, "centres": self.centres,
            "scales": self.scales, "least": self.limits[:, 0], "most": self.limits[:, 1],
        }  # fmt: skip
        named = {name: by_joint(table, self.skeleton) for name, table in tables.items()}
        return {"levels": LEVELS.tolist(), "features": list(FEATURES), **named}

    @classmethod
    def from_parameters(
        cls, parameters: Mapping[str, Any], skeleton: Skeleton, hypotheses: int, source: object
    ) -> Self:
        only(parameters, _FIELDS, source)
        fixed_levels(parameters, source)
        names, count = list(FEATURES), len(FEATURES)
        require(
            parameters["features"] == names, source, "features", expected=names,
            found=parameters["features"],
        )  # fmt: skip

        def table(field: str, size: int) -> Tensor:
            return from_joints(parameters, field, skeleton, size, source)

        factors, scales = table("factors", len(LEVELS)), table("scales", count)
        limits = torch.stack([table("least", 0), table("most", 0)], dim=-1)
        require(
            bool((limits[:, 0] <= limits[:, 1]).all()), source, "least",
            expected="at most the joint's `most`", found="more",
        )  # fmt: skip
        return cls(
            skeleton, hypotheses, positive(factors, source, "factors"), table("slopes", count),
            table("centres", count), positive(scales, source, "scales"), limits,
        )  # fmt: skip


def _moments(found: Distances) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (K, F) of the features over poses; 0 and 1 where untold."""
    told = found.features.isfinite()
    weight = found.weight.amax(1)[:, None, None] * told
    total = weight.sum(0).clamp(min=torch.finfo(weight.dtype).tiny)
    values = found.features.nan_to_num(0.0)
    centres = (weight * values).sum(0) / total
    scales = ((weight * (values - centres).square()).sum(0) / total).sqrt()
    return centres, scales.where(scales > _CONSTANT, 1.0)


def _slopes(found: Distances, scores: Tensor) -> Tensor:
    """(K, F) ridge regression of log ratios at the quartiles on scores, towards shared slopes."""
    weight = found.weight / found.weight.sum(0).clamp(min=torch.finfo(torch.float64).tiny)
    answer = found.log_ratio[..., _QUARTILES].mean(-1)
    answer = answer - (weight * answer).sum(0)
    weighted = scores * weight[..., None]
    gram = torch.einsum("nkf,nkg->kfg", weighted, scores)
    moment = torch.einsum("nkf,nk->kf", weighted, answer)
    unit = torch.eye(scores.shape[-1], dtype=torch.float64)
    ridge = _SHARED * unit
    shared = torch.linalg.solve(gram.sum(0) + ridge, moment.sum(0))
    slopes = torch.linalg.solve(gram + ridge, (moment + _SHARED * shared)[..., None])[..., 0]
    varies = (scores != 0).any(0)
    return torch.where(varies, slopes, 0.0)
