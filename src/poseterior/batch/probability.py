"""Probabilities of events by a predictions file, with Monte Carlo intervals, as a table."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from poseterior.batch.camera_frame import in_camera
from poseterior.credible import effective_number, share_interval
from poseterior.data.npz_writer import replacing
from poseterior.data.prediction_fields import LABELS, PredictionRows
from poseterior.data.predictions import Predictions
from poseterior.events import Event
from poseterior.geometry.skeleton import Skeleton

__all__ = ["COLUMNS", "Frame", "event_probability", "write_probabilities"]

Frame = Literal["root", "camera"]
COLUMNS = ("row", *LABELS, "event", "probability", "low_95", "high_95")


def event_probability(
    event: Event, hypotheses: Tensor, skeleton: Skeleton, weights: Tensor | None = None
) -> Tensor:
    """Probability of an event and the ends of its 95 % Monte Carlo interval, (m, 3) float64.

    The interval is that of `share_interval`; weighted hypotheses count as their effective number.

    Args:
        event: of `poseterior.quantities`.
        hypotheses: (m, H, J, 3) metres.
        skeleton: of the hypotheses.
        weights: (m, H), any positive sum; equal if None.

    Raises:
        InputError: as of the event.
    """
    holds = event(hypotheses, skeleton).double()
    weights = torch.ones_like(holds) if weights is None else weights.double()
    share = (weights * holds).sum(1) / weights.sum(1)
    return torch.stack([share, *share_interval(share, effective_number(weights))], 1)


def write_probabilities(
    predictions: Predictions,
    events: Sequence[Event],
    path: str | os.PathLike[str],
    frame: Frame = "root",
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write a CSV file with one line for each valid row and event, whole or not at all.

    A row whose joints an event depends on are not all valid has no line for it.

    Args:
        predictions: open.
        events: at least one; those of `parse_event` keep their text in the column `event`.
        path: of the table, with the `COLUMNS`.
        frame: what points of events are relative to: the root joint, or the camera. For that a
            row's hypotheses are put where its keypoints saw their mean, see `in_camera`.
        progress: called with the rows done and the rows in all.

    Returns:
        How many lines were written.

    Raises:
        InputError: an event that the skeleton lacks a joint or an angle for, a file without the
            keypoints and the camera that its frame needs, or anything bad in the file.
    """
    for event in events:
        event.joints(predictions.skeleton)
    lines = 0
    with replacing(path) as temporary, Path(temporary).open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for rows in predictions.chunks():
            placed = rows if frame == "root" else in_camera(rows, predictions.path)
            for line in _lines(placed, predictions.skeleton, events):
                table.writerow(line)
                lines += 1
            if progress is not None:
                progress(rows.start + len(rows), predictions.poses)
    return lines


def _lines(
    rows: PredictionRows, skeleton: Skeleton, events: Sequence[Event]
) -> Iterator[list[Any]]:
    """One for each valid row and each event whose joints are valid, row by row."""
    found = [_probabilities(event, rows, skeleton) for event in events]
    for n in range(len(rows)):
        labels = [rows.labels[label][n] if label in rows.labels else "" for label in LABELS]
        for event, known in zip(events, found, strict=True):
            if n in known:
                values = (f"{value:.6g}" for value in known[n])
                yield [rows.start + n, *labels, event.text, *values]


def _probabilities(
    event: Event, rows: PredictionRows, skeleton: Skeleton
) -> dict[int, list[float]]:
    """Row -> probability and both ends, where the row and the event's joints are valid."""
    counts = rows.valid
    if rows.valid_joints is not None:
        needed = [skeleton.index(joint) for joint in event.joints(skeleton)]
        counts = counts & rows.valid_joints[:, needed].all(1)
    chosen = counts.nonzero()[:, 0]
    weights = None if rows.weights is None else rows.weights[chosen]
    found = event_probability(event, rows.hypotheses[chosen], skeleton, weights)
    return dict(zip(chosen.tolist(), found.tolist(), strict=True))
