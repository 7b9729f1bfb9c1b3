"""Joint angles of a predictions file with credible intervals, streamed into a table."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from poseterior.credible import effective_number, fewest_hypotheses
from poseterior.data.npz_writer import replacing
from poseterior.data.prediction_fields import LABELS, PredictionRows
from poseterior.data.predictions import Predictions
from poseterior.errors import require
from poseterior.geometry.circular import from_turn, unrolled
from poseterior.geometry.joint_angles import angle_joints, joint_angles
from poseterior.metrics.weighted import weighted_quantile

__all__ = ["COLUMNS", "angle_intervals", "write_angles"]

COLUMNS = (
    "row", *LABELS, "angle", "median_deg", "low_50_deg", "high_50_deg", "low_90_deg",
    "high_90_deg", "usable",
)  # fmt: skip
_FEWEST = fewest_hypotheses(0.9)
_LEVELS = torch.tensor([0.5, 0.25, 0.75, 0.05, 0.95], dtype=torch.float64)


def angle_intervals(degrees: Tensor, weights: Tensor | None = None) -> Tensor:
    """Median and ends of the 50 and the 90 % interval of hypotheses (m, H), as (m, 5) degrees.

    Angles are taken about their circular mean, so that an interval may cross 180: its ends may
    then lie beyond it. The median lies between -180 and 180.
    """
    equal = torch.full_like(degrees, 1 / degrees.shape[1], dtype=torch.float64)
    weights = equal if weights is None else weights.double()
    levels = _LEVELS.expand(len(degrees), -1)
    found = weighted_quantile(unrolled(degrees, weights, dim=1), levels, weights)
    return from_turn(found, found[:, :1])


def write_angles(
    predictions: Predictions,
    path: str | os.PathLike[str],
    widest_deg: float = 40.0,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[int, int]:
    """Write a CSV file with one line for each valid row and angle, whole or not at all.

    Args:
        predictions: open; its hypotheses' skeleton decides which angles there are.
        path: of the table, with the `COLUMNS`.
        widest_deg: an angle whose 90 % interval is wider is not `usable` (0 instead of 1). Nor
            are those of a row whose weights leave too few hypotheses for such an interval.
        progress: called with the rows done and the rows in all.

    Returns:
        How many lines were written, and how many of them are usable.

    Raises:
        InputError: the skeleton determines no angle, the file has too few hypotheses for the
            interval, or anything bad in it.
    """
    require(
        0 < widest_deg <= 360, "angles", "widest_deg",
        expected="above 0, at most 360", found=widest_deg,
    )  # fmt: skip
    require(
        bool(angle_joints(predictions.skeleton)), predictions.path, "skeleton",
        expected="joints of a knee, an elbow, a hip, a shoulder or the trunk",
        found=predictions.skeleton.name,
    )  # fmt: skip
    require(
        predictions.hypotheses >= _FEWEST, predictions.path, "hypotheses",
        expected=f"at least {_FEWEST} for a 90 % interval", found=predictions.hypotheses,
    )  # fmt: skip
    lines = usable = 0
    with replacing(path) as temporary, Path(temporary).open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for rows in predictions.chunks():
            for line in _lines(rows, predictions, widest_deg):
                table.writerow(line)
                lines, usable = lines + 1, usable + line[-1]
            if progress is not None:
                progress(rows.start + len(rows), predictions.poses)
    return lines, usable


def _lines(rows: PredictionRows, predictions: Predictions, widest: float) -> Iterator[list[Any]]:
    """One for each valid row and each angle whose joints are valid."""
    skeleton = predictions.skeleton
    angles = {
        name: angle_intervals(degrees, rows.weights)
        for name, degrees in joint_angles(rows.hypotheses, skeleton).items()
    }
    needed = {
        name: [skeleton.index(joint) for joint in joints]
        for name, joints in angle_joints(skeleton).items()
    }
    enough = torch.ones_like(rows.valid)
    if rows.weights is not None:
        enough = effective_number(rows.weights) >= _FEWEST
    for n in rows.valid.nonzero()[:, 0].tolist():
        labels = [rows.labels[label][n] if label in rows.labels else "" for label in LABELS]
        for name, intervals in angles.items():
            if rows.valid_joints is not None and not rows.valid_joints[n, needed[name]].all():
                continue
            values = intervals[n].tolist()
            usable = int(values[4] - values[3] <= widest and bool(enough[n]))
            yield [rows.start + n, *labels, name, *(f"{value:.2f}" for value in values), usable]
