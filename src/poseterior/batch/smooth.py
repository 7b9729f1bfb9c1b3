"""Smooth a predictions file over its tracks, and fill the frames that it misses.

Two passes through the file, in whatever order its rows are: the first keeps the mean and the
covariance of every joint on disk, the second moves the hypotheses to the smoothed ones. Between
them every track streams through a window. Memory does not grow with the file, but for labels and
order: some 100 bytes a row and a kilobyte a track.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from poseterior.batch.joint_scratch import JointScratch, measure, scratch_folder, small_chunks
from poseterior.batch.lift import prediction_arrays
from poseterior.batch.missing_frames import with_missing_frames
from poseterior.batch.provenance import made_by, versions
from poseterior.batch.tracks import Track, check_tracked, find_tracks
from poseterior.data.npz_writer import check_writable
from poseterior.data.prediction_fields import PredictionRows
from poseterior.data.predictions import Predictions, PredictionsWriter, write_predictions
from poseterior.errors import require
from poseterior.smoothing.fixed_lag import smooth_track
from poseterior.smoothing.kalman import StateSpace
from poseterior.smoothing.transport import transport

__all__ = ["Smoothed", "check_rate", "smooth_file"]

Progress = Callable[[int, int], None]
# What would no longer be that of the hypotheses.
_LEFT_OUT = ("log_prob", "target_log_prob", "mode", "latent_centre")


@dataclass(frozen=True)
class Smoothed:
    """What became of a file.

    Attributes:
        path: of the smoothed file.
        poses: rows in all.
        tracks: how many.
        filled: rows that were missing and are filled.
        added: how many of these the file had no row for; they are its last.
        invalid: rows that still are: before, after or between tracks.
        notes: what to know, by subject.
    """

    path: Path
    poses: int
    tracks: int
    filled: int
    added: int
    invalid: int
    notes: dict[str, str]


def check_rate(fps: float, lag: float) -> None:
    """`InputError` unless both are numbers above 0."""
    for name, value in (("--fps", fps), ("--lag", lag)):
        good = 0 < value < float("inf")
        require(good, name, "", expected="a number above 0", found=value)


def smooth_file(
    predictions: Predictions,
    model: StateSpace,
    out: str | os.PathLike[str],
    fps: float = 30.0,
    lag: float = 2.0,
    progress: Progress | None = None,
) -> Smoothed:
    """Write the predictions with smoothed hypotheses, whole or not at all.

    Rows keep their order and their hypotheses their number; `filled` (M,) tells which were not
    valid and are now. `with_missing_frames` says which rows of nobody are filled as somebody's
    and which are added at the end. A track of one frame stays as it is. Left out are `log_prob`
    and the like, and `target` where rows are filled whose target the file does not know.

    Args:
        predictions: hypotheses in the axes of a camera that stands still, with `frame`, and
            `clip` and `person` where there are several.
        model: of the free joints.
        out: where the file appears.
        fps: frames a second.
        lag: seconds that a frame hears of what comes after it. A longer gap ends a track.
        progress: called with the rows done and the rows in all.

    Raises:
        InputError: `measure` and `find_tracks` say of what.
    """
    check_rate(fps, lag)
    path, joints = check_writable(out), len(predictions.skeleton.free)
    fits = len(model.motion.noise) == joints
    require(fits, "smoothing", "noise", expected=joints, found=len(model.motion.noise))
    with scratch_folder(path) as folder:
        scratch = measure(predictions, folder)
        check_tracked(predictions, scratch.labels)
        tracks = find_tracks(scratch.labels, scratch.valid, fps, lag, predictions.path)
        require(
            bool(tracks), predictions.path, "valid",
            expected="at least one valid row", found=f"none of {predictions.poses}",
        )  # fmt: skip
        tracks, rows = with_missing_frames(tracks, scratch.labels, scratch.valid)
        moved = _Moved(scratch, predictions, tracks, rows)
        for track in tracks:
            moved.smooth(model, track, lag)
        filled = len(moved.missing)
        with write_predictions(path, rows, predictions.skeleton) as writer:
            about = model.motion.parameters() | {"share": model.share, "fps": fps, "lag_s": lag}
            made = _provenance(predictions, about, filled)
            writer.put(provenance=json.dumps(made, sort_keys=True))
            moved.write(writer, progress)
    invalid = rows - int(scratch.valid.sum()) - filled
    added = rows - predictions.poses
    return Smoothed(path, rows, len(tracks), filled, added, invalid, moved.notes())


class _Moved:
    """The smoothed moments of a file, and its rows moved to them."""

    def __init__(
        self, scratch: JointScratch, predictions: Predictions, tracks: Sequence[Track], rows: int
    ) -> None:
        self._scratch, self._file = scratch, predictions
        self._free = list(predictions.skeleton.free)
        scratch.make("smooth_mean", (rows, len(self._free), 3))
        scratch.make("smooth_covariance", (rows, len(self._free), 3, 3))
        self.missing = np.concatenate([track.rows[~track.measured] for track in tracks])
        self._frames = np.concatenate([track.frames[~track.measured] for track in tracks])
        self._donors = np.concatenate([track.donors() for track in tracks])
        self._dropped = _LEFT_OUT + (("target",) if len(self.missing) else ())

    def notes(self) -> dict[str, str]:
        """What was taken for granted or left out."""
        absent = [name for name in ("clip", "person") if name not in self._scratch.labels]
        found = {name: "the same in all rows, because the file does not tell" for name in absent}
        if "target" in self._file.fields and len(self.missing):
            found["target"] = (
                "unknown where rows were filled, so left out; score with "
                f"--target {self._file.path} (its valid rows) or a file that knows them all"
            )
        return found

    def smooth(self, model: StateSpace, track: Track, lag: float) -> None:
        """Put the smoothed moments of a track where they belong."""

        def read(start: int, stop: int) -> Any:
            return self._scratch.measured(track.rows[start:stop])

        for start, mean, covariance in smooth_track(model, track.times, read, lag):
            rows = track.rows[start : start + len(mean)]
            if len(track) == 1:  # to the last digit
                mean, covariance, _ = read(0, 1)
            self._scratch.put("smooth_mean", rows, mean.numpy())
            self._scratch.put("smooth_covariance", rows, covariance.numpy())

    def write(self, writer: PredictionsWriter, progress: Progress | None) -> None:
        """The rows in the order of the file; then the missing ones, from their donors."""
        wanted = np.unique(self._donors)
        kept: set[str] = set()
        for rows in small_chunks(self._file):
            self._keep(rows, wanted, kept)
            writer.write(rows.start, **self._arrays(rows))
            if progress is not None:
                progress(rows.start + len(rows), self._file.poses)
        places = np.searchsorted(wanted, self._donors)
        for k, place in enumerate(places):
            own = {name: self._scratch.get(f"donor_{name}", np.array([place])) for name in kept}
            self._fill(writer, k, own)

    def _arrays(self, rows: PredictionRows) -> dict[str, np.ndarray]:
        """A chunk's arrays with its measured rows moved; what was filled before is not valid."""
        at = np.arange(rows.start, rows.start + len(rows))
        measured = torch.from_numpy(self._scratch.valid[at])
        hypotheses = rows.hypotheses.clone()
        index = measured.nonzero()[:, 0]
        if len(index):
            hypotheses[index] = self._move(hypotheses[index], at[index], at[index])
        filled = torch.zeros_like(measured)
        changed = replace(rows, valid=measured, filled=filled, hypotheses=hypotheses)
        arrays = prediction_arrays(changed)
        return {name: array for name, array in arrays.items() if name not in self._dropped}

    def _keep(self, rows: PredictionRows, wanted: np.ndarray, kept: set[str]) -> None:
        """Put on disk what of a chunk others will be filled from; `kept` are the arrays' names."""
        places = np.flatnonzero((wanted >= rows.start) & (wanted < rows.start + len(rows)))
        own = wanted[places] - rows.start
        for name in ("hypotheses", "weights", "valid_joints", "observed_intrinsics"):
            values = getattr(rows, name)
            if values is None or not len(wanted):
                continue
            array = values.numpy()
            if name not in kept:
                kept.add(name)
                shape = (len(wanted), *array.shape[1:])
                self._scratch.make(f"donor_{name}", shape, array.dtype.type)
            self._scratch.put(f"donor_{name}", places, array[own])

    def _fill(self, writer: PredictionsWriter, k: int, arrays: dict[str, np.ndarray]) -> None:
        """Write the missing row number k as its donor, moved, with its own frame."""
        row, donor = self.missing[k : k + 1], self._donors[k : k + 1]
        labels = {name: label[donor] for name, label in self._scratch.labels.items()}
        labels["frame"] = self._frames[k : k + 1]
        moved = self._move(torch.from_numpy(arrays["hypotheses"]), donor, row)
        yes = np.array([True])
        changed = arrays | labels | {"hypotheses": moved.numpy()}
        writer.write(int(row[0]), yes, filled=yes, **changed)

    def _move(self, hypotheses: Tensor, old: np.ndarray, new: np.ndarray) -> Tensor:
        """Hypotheses with the moments of the rows `old` moved to the smoothed ones of `new`."""
        measured = self._scratch.measured(old)
        mean, covariance = (
            torch.from_numpy(self._scratch.get(f"smooth_{name}", new))
            for name in ("mean", "covariance")
        )
        change = measured.seen & (
            (mean != measured.mean).any(-1) | (covariance != measured.covariance).flatten(2).any(2)
        )
        covariance = torch.where(change[..., None, None], covariance, measured.covariance)
        moved = transport(hypotheses[:, :, self._free], measured[:2], (mean, covariance))
        result = hypotheses.clone()
        keep = hypotheses[:, :, self._free]
        result[:, :, self._free] = torch.where(change[:, None, :, None], moved, keep)
        return result


def _provenance(
    predictions: Predictions, about: dict[str, object], filled: int
) -> dict[str, object]:
    return {
        "made_by": "poseterior smooth",
        "predictions": str(predictions.path),
        "data": predictions.fingerprint(),
        "smoothing": about,
        "filled": filled,
        "lift": made_by(predictions.provenance),
        "versions": versions(),
    }
