"""What a recalibration does to the calibration of held-out predictions."""

from __future__ import annotations

import math
from collections.abc import Mapping

from poseterior.data.prediction_fields import PredictionRows
from poseterior.errors import InputError
from poseterior.metrics.coverage import Coverage, CoverageResult
from poseterior.recalibration.recalibration import HeldOut, Recalibration, rows_at

__all__ = ["Scores", "effect", "scores_of", "update_coverage"]

Scores = Mapping[str, float | None]


def effect(recalibration: Recalibration, held_out: HeldOut) -> dict[str, Scores]:
    """Calibration errors `before` and `after` repair, in one pass.

    Of the poses that it was fitted on they say what to expect at best: new clips differ from
    these.
    """
    before, after = (Coverage(held_out.skeleton) for _ in range(2))
    for rows in held_out.chunks():
        update_coverage(before, rows, held_out.path)
        update_coverage(after, recalibration.apply(rows, held_out.path), held_out.path)
    return {"before": scores_of(before.compute()), "after": scores_of(after.compute())}


def update_coverage(coverage: Coverage, rows: PredictionRows, source: object) -> None:
    """Count the valid rows of a chunk; `InputError` naming `source` without a target."""
    some = rows_at(rows, rows.valid.nonzero()[:, 0])
    if some.target is None:
        raise InputError(source, "target", expected="targets to score", found="none")
    if len(some):
        coverage.update(
            some.hypotheses, some.target, weights=some.weights, valid_joints=some.valid_joints
        )


def scores_of(found: CoverageResult) -> Scores:
    """The calibration error of the median joint, of the mean one and of the worst."""
    known = found.joint_ece[~found.joint_ece.isnan()]
    values = {
        "ece_median": found.ece,
        "ece_joint_mean": known.mean().item() if len(known) else math.nan,
        "ece_joint_max": known.max().item() if len(known) else math.nan,
    }
    return {key: value if math.isfinite(value) else None for key, value in values.items()}
