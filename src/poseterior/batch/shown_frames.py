"""A few frames of a predictions file with all their people, kept to be looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from poseterior.batch.examples import ExampleRows
from poseterior.data.prediction_fields import PredictionRows
from poseterior.data.predictions import Predictions

__all__ = ["ShownFrames", "shown_frames"]


@dataclass(frozen=True)
class ShownFrames:
    """Rows to draw, and the frame of each.

    Attributes:
        arrays: of N rows, as `ExampleRows.arrays` gives them; empty without valid rows.
        frame: the number of each row's frame, or -1s where the file has none.
        valid: how many rows of the file are valid.
        frames: how many frames have a valid row.
    """

    arrays: dict[str, Any]
    frame: list[int]
    valid: int
    frames: int


def shown_frames(
    predictions: Predictions, frames: int = 6, people: int = 8, hypotheses: int = 50
) -> ShownFrames:
    """The valid rows of `frames` frames, evenly spread, `people` of each at most.

    From each of `frames` equal stretches of the file the first frame with a valid row is taken.
    """
    edges = np.linspace(0, predictions.poses, frames + 1).round().astype(int)
    rows = _Rows(people, hypotheses)
    stretch, valid, seen, before = -1, 0, 0, None
    for chunk in predictions.chunks():
        for n in chunk.valid.nonzero()[:, 0].tolist():
            valid += 1
            frame = _frame(chunk, n)
            if frame != before:
                before, seen = frame, seen + 1
                now = int(np.searchsorted(edges, chunk.start + n, "right"))
                if now != stretch:
                    stretch = now
                    rows.begin(frame)
            rows.add(chunk, n, frame)
    return ShownFrames(rows.arrays(), rows.frame, valid, seen)


def _frame(chunk: PredictionRows, n: int) -> int:
    labels = chunk.labels.get("frame")
    return int(labels[n]) if labels is not None and labels.dtype.kind in "iu" else -1


class _Rows:
    """Rows of the frames that were begun."""

    def __init__(self, people: int, hypotheses: int) -> None:
        self._people, self._hypotheses = people, hypotheses
        self._kept: list[dict[str, Any]] = []
        self._open, self._count = -1, 0
        self.frame: list[int] = []

    def begin(self, frame: int) -> None:
        """Keep the rows of this frame that come."""
        self._open, self._count = frame, 0

    def add(self, chunk: PredictionRows, n: int, frame: int) -> None:
        """Keep a row, if it is wanted."""
        if frame == self._open and self._count < self._people:
            self._count += 1
            self._kept.append(ExampleRows.row(chunk, n, self._hypotheses))
            self.frame.append(frame)

    def arrays(self) -> dict[str, Any]:
        """Row by row as arrays."""
        return ExampleRows.stacked(self._kept)
