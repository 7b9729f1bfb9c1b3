"""What a recalibration does to the calibration of held-out predictions."""

from __future__ import annotations

import math
from collections.abc import Mapping

from poseterior.metrics.coverage import Coverage, CoverageResult
from poseterior.recalibration.recalibration import HeldOut, Recalibration

__all__ = ["Scores", "effect", "scores_of"]

Scores = Mapping[str, float | None]


def effect(recalibration: Recalibration, held_out: HeldOut) -> dict[str, Scores]:
    """Calibration errors `before` and `after` repair, in one pass.

    Of the poses that it was fitted on they say what to expect at best: new clips differ from
    these.
    """
    before, after = (Coverage(held_out.skeleton) for _ in range(2))
    for rows in held_out.chunks():
        for coverage, some in ((before, rows), (after, recalibration.apply(rows, held_out.path))):
            index = some.valid.nonzero()[:, 0]
            if not len(index) or some.target is None:
                continue
            joints, weights = some.valid_joints, some.weights
            coverage.update(
                some.hypotheses[index], some.target[index],
                weights=None if weights is None else weights[index],
                valid_joints=None if joints is None else joints[index],
            )  # fmt: skip
    return {"before": scores_of(before.compute()), "after": scores_of(after.compute())}


def scores_of(found: CoverageResult) -> Scores:
    """The calibration error of the median joint, of the mean one and of the worst."""
    known = found.joint_ece[~found.joint_ece.isnan()]
    values = {
        "ece_median": found.ece,
        "ece_joint_mean": known.mean().item() if len(known) else math.nan,
        "ece_joint_max": known.max().item() if len(known) else math.nan,
    }
    return {key: value if math.isfinite(value) else None for key, value in values.items()}
