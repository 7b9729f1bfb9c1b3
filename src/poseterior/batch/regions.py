"""Conformal regions of a predictions file, streamed into a table."""

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
from poseterior.geometry.skeleton import Skeleton
from poseterior.recalibration.conformal import Conformal
from poseterior.recalibration.conformal_regions import PoseRegions, valid_free

__all__ = ["COLUMNS", "write_regions"]

COLUMNS = (
    "row", *LABELS, "region", "x_mm", "y_mm", "z_mm", "radius_mm", "all_joints_radius_mm",
    "covered",
)  # fmt: skip
_REGIONS = ("joint", "all_joints", "vector")


def write_regions(
    predictions: Predictions,
    conformal: Conformal,
    path: str | os.PathLike[str],
    level: float = 0.9,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, float]:
    """Write a CSV file with the regions of each valid row, whole or not at all.

    A line for each valid free joint: the centre of its ball, the ball's radius, the radius of the
    ball that holds it together with all other joints, and whether the joint's own ball holds the
    target (1 or 0, empty without target). Then a line `all_joints`, whether all of these do,
    and a line `vector`, the ball of the vector of all joints.

    Args:
        predictions: open, as they were before repair.
        conformal: fitted on others.
        path: of the table, with the `COLUMNS`.
        level: of the regions.
        progress: called with the rows done and the rows in all.

    Returns:
        The share of targets covered, by `joint`, `all_joints` and `vector`; empty without targets.

    Raises:
        InputError: as `Conformal.regions`, or anything bad in the file.
    """
    require(
        predictions.skeleton == conformal.skeleton, predictions.path, "skeleton",
        expected=f"{conformal.skeleton.name}, as it was fitted on",
        found=predictions.skeleton.name,
    )  # fmt: skip
    counts = torch.zeros(3, 2, dtype=torch.float64)
    with replacing(path) as temporary, Path(temporary).open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for rows in predictions.chunks():
            used = valid_free(rows, predictions.skeleton)
            regions = conformal.regions(rows, level, predictions.path)
            covered = _covered(rows, regions, used, predictions.skeleton)
            table.writerows(_lines(rows, regions, used, covered, predictions.skeleton))
            if covered is not None:
                counts += _counts(covered, used)
            if progress is not None:
                progress(rows.start + len(rows), predictions.poses)
    shares = (counts[:, 0] / counts[:, 1]).tolist()
    return dict(zip(_REGIONS, shares, strict=True)) if counts.any() else {}


def _covered(
    rows: PredictionRows, regions: PoseRegions, used: Tensor, skeleton: Skeleton
) -> Tensor | None:
    """Whether targets are covered, (m, K + 2) of the free joints, all joints, the vector."""
    if rows.target is None:
        return None
    free = list(skeleton.free)
    valid = torch.zeros(rows.target.shape[:2], dtype=torch.bool)
    valid[:, free] = used
    joint, every, vector = regions.cover(rows.target, valid)
    return torch.cat([joint[:, free], every[:, None], vector[:, None]], 1)


def _counts(covered: Tensor, used: Tensor) -> Tensor:
    """(3, 2): how many of the joints, the sets of all joints and the vectors, and of how many."""
    poses = used.any(-1)
    inside = [covered[:, :-2][used], covered[:, -2][poses], covered[:, -1][poses]]
    return torch.tensor([[part.sum().item(), len(part)] for part in inside], dtype=torch.float64)


def _lines(
    rows: PredictionRows,
    regions: PoseRegions,
    used: Tensor,
    covered: Tensor | None,
    skeleton: Skeleton,
) -> Iterator[list[Any]]:
    """A line for each valid row's joints, all joints at once and their vector."""
    centre, radius = 1e3 * regions.centre, 1e3 * regions.joint
    every, vector = 1e3 * regions.all_joints, 1e3 * regions.vector
    for n in used.any(-1).nonzero()[:, 0].tolist():
        head = [rows.start + n]
        head += [rows.labels[label][n] if label in rows.labels else "" for label in LABELS]
        inside = [""] * (used.shape[1] + 2) if covered is None else covered[n].int().tolist()
        for k in used[n].nonzero()[:, 0].tolist():
            joint = skeleton.free[k]
            numbers = [*centre[n, joint].tolist(), radius[n, joint].item(), every[n, joint].item()]
            yield [*head, skeleton.joints[joint], *(f"{x:.2f}" for x in numbers), inside[k]]
        yield [*head, "all_joints", *[""] * 5, inside[-2]]
        yield [*head, "vector", *[""] * 3, f"{vector[n].item():.2f}", "", inside[-1]]
