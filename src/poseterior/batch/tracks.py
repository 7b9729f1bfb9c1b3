"""The rows of a predictions file as tracks: one person of one clip, in the order of frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from poseterior.batch.provenance import lifted_by
from poseterior.data.keypoint_files.detections import UNTRACKED
from poseterior.data.predictions import Predictions
from poseterior.errors import require

__all__ = ["Track", "check_tracked", "find_tracks", "numbered"]


@dataclass(frozen=True, eq=False)
class Track:
    """Rows of one person without a long gap; the first and the last are measured.

    Attributes:
        rows: (T,) in the file, in the order of frames.
        frames: (T,) their numbers, ascending.
        measured: (T,) bool; the others are to be filled.
        fps: frames a second.
    """

    rows: np.ndarray
    frames: np.ndarray
    measured: np.ndarray
    fps: float

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def times(self) -> np.ndarray:
        """(T,) seconds since the first frame."""
        return (self.frames - self.frames[0]) / self.fps

    def part(self, chosen: slice | np.ndarray) -> Track:
        """Some of its rows."""
        return Track(self.rows[chosen], self.frames[chosen], self.measured[chosen], self.fps)

    def donors(self) -> np.ndarray:
        """For each row to be filled the row measured nearest in time, the earlier of two."""
        have = np.flatnonzero(self.measured)
        gaps = np.flatnonzero(~self.measured)
        after = np.searchsorted(have, gaps)
        left, right = have[after - 1], have[after]
        frames = self.frames
        nearer = frames[gaps] - frames[left] <= frames[right] - frames[gaps]
        return self.rows[np.where(nearer, left, right)]


def check_tracked(predictions: Predictions, labels: Mapping[str, np.ndarray]) -> None:
    """`InputError` where the file says that `person` is a place in a frame's list, not a person.

    Several people would be smoothed into each other.
    """
    notes = lifted_by(predictions.provenance).get("assumptions")
    untracked = isinstance(notes, dict) and notes.get("person") == UNTRACKED
    several = untracked and "person" in labels and bool((labels["person"] > 0).any())
    require(
        not several, predictions.path, "person",
        expected="people that are tracked from frame to frame", found=UNTRACKED,
    )  # fmt: skip


def find_tracks(
    labels: Mapping[str, np.ndarray], measured: np.ndarray, fps: float, longest: float, path: Path
) -> list[Track]:
    """Tracks in the order of clip, person and time; the order of rows does not matter.

    Args:
        labels: `frame`, and `clip` and `person` where known, (M,) each.
        measured: (M,) bool.
        fps: frames a second.
        longest: seconds without a measured row after which another track begins.
        path: for messages.

    Raises:
        InputError: no `frame`, or one that is no whole number; a frame twice in a track.
    """
    require(
        "frame" in labels, path, "frame",
        expected="an array frame, which tells the order in time", found="none",
    )  # fmt: skip
    frame = labels["frame"]
    whole = frame.dtype.kind in "iu"
    require(whole, path, "frame", expected="whole numbers", found=f"dtype {frame.dtype}")
    whose = [numbered(labels[name]) for name in ("clip", "person") if name in labels]
    order = np.lexsort([frame, *reversed(whose)])
    new = np.zeros(len(order), bool)
    for label in whose:
        new[1:] |= np.diff(label[order]) != 0
    _check_distinct(frame[order], new, order, path)
    return [
        part
        for rows in np.split(order, np.flatnonzero(new))
        for part in _without_long_gaps(Track(rows, frame[rows], measured[rows], fps), longest)
    ]


def numbered(label: np.ndarray) -> np.ndarray:
    """Labels as numbers from 0, in their order."""
    return np.unique(label, return_inverse=True)[1]


def _check_distinct(frame: np.ndarray, new: np.ndarray, order: np.ndarray, path: Path) -> None:
    twice = np.flatnonzero((frame[1:] == frame[:-1]) & ~new[1:])
    if len(twice):
        first, second = sorted(order[twice[0] : twice[0] + 2].tolist())
        require(
            False, path, "frame", expected="each frame once for every clip and person",
            found=f"frame {frame[twice[0]]} in rows {first} and {second}",
        )  # fmt: skip


def _without_long_gaps(track: Track, longest: float) -> list[Track]:
    have = np.flatnonzero(track.measured)
    if not len(have):
        return []
    # Frames and not times are subtracted: a gap of just `longest` is none, wherever it begins.
    ends = np.flatnonzero(np.diff(track.frames[have]) / track.fps > longest)
    first, last = have[np.r_[0, ends + 1]], have[np.r_[ends, len(have) - 1]]
    return [track.part(slice(i, j + 1)) for i, j in zip(first, last, strict=True)]
