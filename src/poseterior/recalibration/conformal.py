"""Split conformal regions of each joint and of the whole pose, and hypotheses that fill them.

What is guaranteed depends on the rule by which held-out poses are counted: `conformal_rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from poseterior.data.prediction_fields import PredictionRows
from poseterior.errors import known, require
from poseterior.geometry.skeleton import Skeleton
from poseterior.metrics.weighted import normalised
from poseterior.recalibration.conformal_bounds import DEFAULT_RULE, Bounds, ScoreHistograms
from poseterior.recalibration.conformal_map import radial_factors
from poseterior.recalibration.conformal_regions import (
    PoseRegions,
    centre_and_spread,
    region_scores,
    score_names,
    valid_free,
)
from poseterior.recalibration.conformal_rules import RULES
from poseterior.recalibration.radial import about_mean
from poseterior.recalibration.recalibration import HeldOut, Recalibration

__all__ = ["Conformal"]

# The usual level of a region: a fit must at least reach this one.
_LEVEL = 0.9


@dataclass(frozen=True, eq=False)
class Conformal(Recalibration):
    """Balls that hold targets as often as they say, and hypotheses spread to fill them.

    `regions` are the conformal regions themselves. `repair` moves the hypotheses of each joint
    along the rays from their mean, so that the nearest q of them lie within the joint's region
    at q; then the mean is put back to where it was. How joints depend on each other stays as it
    was: of the whole pose only the regions are conformal.

    Attributes:
        bounds: of the scores of the free joints and of the whole pose, in spreads.
    """

    bounds: Bounds

    method: ClassVar[str] = "conformal"

    @classmethod
    def fit(cls, held_out: HeldOut, rule: str = DEFAULT_RULE) -> Self:
        """Bound the scores of new poses by those of held-out ones.

        Args:
            held_out: predictions with target; rows without clips count as clips of 50 rows.
            rule: "held_out_frames", "held_out_clips", "clips" or "frames"; see `conformal_rules`
                for what each guarantees.

        Raises:
            InputError: an unknown rule, no target, constant hypotheses, or too few poses or clips
                for regions at 0.9; it says how many are needed.
        """
        known("conformal: rule", rule, RULES)
        skeleton = held_out.skeleton
        names = score_names(skeleton)
        scores = ScoreHistograms(len(names))
        for rows in held_out.chunks():
            require(
                rows.target is not None, held_out.path, "target",
                expected="targets to fit to", found="none",
            )  # fmt: skip
            clip = rows.labels.get("clip")
            found = region_scores(rows, skeleton, held_out.path)[rows.valid]
            scores.add(found, None if clip is None else clip[rows.valid.numpy()])
        require(scores.poses > 0, held_out.path, "valid", expected="a valid row", found="none")
        bounds = Bounds.fit(scores, names, rule)
        bounds.at(_LEVEL, scores.counts.any(0).any(-1), held_out.path)
        return cls(skeleton, held_out.hypotheses, bounds)

    def repair(self, rows: PredictionRows) -> Tensor:
        self._bounds_at(_LEVEL, rows)
        _, spread = centre_and_spread(rows, self.skeleton)
        bounds, weights = self.bounds.values[: spread.shape[1]], normalised(rows.weights)

        def filled(offset: Tensor) -> Tensor:
            distances = offset.norm(dim=-1).transpose(1, 2)
            factors = radial_factors(distances, spread, self.bounds.levels, bounds, weights)
            return offset * factors.transpose(1, 2)[..., None]

        return about_mean(rows, self.skeleton, filled)

    def regions(
        self, rows: PredictionRows, level: float = _LEVEL, source: object = "conformal"
    ) -> PoseRegions:
        """Regions at a level (or the next of the fitted levels above it) of unrepaired rows.

        What is not valid has radius 0.

        Raises:
            InputError: a level that the held-out poses are too few for, constant hypotheses,
                another skeleton or number of hypotheses; it names `source`.
        """
        self.check(rows.hypotheses.shape[2], rows.hypotheses.shape[1], source)
        bounds = self._bounds_at(level, rows, source)
        centre, spread = centre_and_spread(rows, self.skeleton, source)
        return PoseRegions.of(centre, spread, bounds, self.skeleton)

    def _bounds_at(
        self, level: float, rows: PredictionRows, source: object = "conformal"
    ) -> Tensor:
        """Bounds (S,) at a level, finite for the joints that rows have."""
        joints = valid_free(rows, self.skeleton).any(0)
        needed = torch.cat([joints, joints.any().expand(len(self.bounds.kinds) - len(joints))])
        return self.bounds.at(level, needed, source)

    def parameters(self) -> dict[str, Any]:
        return self.bounds.parameters()

    @classmethod
    def from_parameters(
        cls, parameters: Mapping[str, Any], skeleton: Skeleton, hypotheses: int, source: object
    ) -> Self:
        bounds = Bounds.from_parameters(parameters, score_names(skeleton), source)
        return cls(skeleton, hypotheses, bounds)
