"""Joint angles of a predictions file with credible intervals, streamed into a table."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from poseterior.data.npz_writer import replacing
from poseterior.data.prediction_fields import LABELS, PredictionRows
from poseterior.data.predictions import Predictions
from poseterior.errors import require
from poseterior.geometry.joint_angles import angle_joints, joint_angles
from poseterior.metrics.weighted import weighted_quantile

__all__ = ["COLUMNS", "angle_intervals", "write_angles"]

COLUMNS = (
    "row", *LABELS, "angle", "median_deg", "low_50_deg", "high_50_deg", "low_90_deg",
    "high_90_deg", "usable",
)  # fmt: skip
_LEVELS = torch.tensor([0.5, 0.25, 0.75, 0.05, 0.95], dtype=torch.float64)


def angle_intervals(degrees: Tensor, weights: Tensor | None = None) -> Tensor:
    """Median and ends of the 50 and the 90 % interval of hypotheses (m, H), as (m, 5) degrees.

    Angles are taken about their circular mean, so that an interval may cross 180: its ends may
    then lie beyond it. The median lies between -180 and 180.
    """
    count = degrees.shape[1]
    degrees = degrees.double()
    weights = torch.full_like(degrees, 1 / count) if weights is None else weights.double()
    turns = torch.deg2rad(degrees)
    sine, cosine = (weights * turns.sin()).sum(1), (weights * turns.cos()).sum(1)
    middle = torch.rad2deg(torch.atan2(sine, cosine))[:, None]
    levels = _LEVELS.expand(len(degrees), -1)
    found = middle + weighted_quantile(_wrapped(degrees - middle), levels, weights)
    return found + (_wrapped(found[:, :1]) - found[:, :1])


def _wrapped(degrees: Tensor) -> Tensor:
    """The same angles from -180 to 180."""
    return (degrees + 180).remainder(360) - 180


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
        widest_deg: an angle whose 90 % interval is wider is not `usable` (0 instead of 1).
        progress: called with the rows done and the rows in all.

    Returns:
        How many lines were written, and how many of them are usable.

    Raises:
        InputError: the skeleton determines no angle, or anything bad in the file.
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
    for n in rows.valid.nonzero()[:, 0].tolist():
        labels = [rows.labels[label][n] if label in rows.labels else "" for label in LABELS]
        for name, intervals in angles.items():
            if rows.valid_joints is not None and not rows.valid_joints[n, needed[name]].all():
                continue
            values = intervals[n].tolist()
            usable = int(values[4] - values[3] <= widest)
            yield [rows.start + n, *labels, name, *(f"{value:.2f}" for value in values), usable]
