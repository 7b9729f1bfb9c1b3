"""Fit the model of a track on a predictions file with a target."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch

from poseterior.batch.joint_scratch import measure
from poseterior.batch.smooth import check_rate
from poseterior.batch.tracks import Track, check_tracked, find_tracks
from poseterior.data.predictions import Predictions
from poseterior.errors import known, require
from poseterior.smoothing.fit import fit_model
from poseterior.smoothing.kalman import StateSpace
from poseterior.smoothing.motion import MODELS

__all__ = ["fit_tracks"]

# Frames of a window, and the most windows that are fitted.
_FRAMES, _WINDOWS = 64, 64


def fit_tracks(predictions: Predictions, model: str = "velocity", fps: float = 30.0) -> StateSpace:
    """Fit a model on windows of 64 frames, at most 64 of them, spread evenly over the file.

    Args:
        predictions: of clips that the lifter was not trained on, with a target, seen as a
            video sees them: every frame, by a camera that stands still.
        model: "walk" or "velocity".
        fps: frames a second.

    Raises:
        InputError: no target, no window, or anything bad in the file.
    """
    known("--model", model, MODELS)
    check_rate(fps, lag=1.0)
    require(
        "target" in predictions.fields, predictions.path, "target",
        expected="an array target to fit to", found="none",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        scratch = measure(predictions, Path(folder), target=True)
        check_tracked(predictions, scratch.labels)
        tracks = find_tracks(scratch.labels, scratch.valid, fps, 2.0, predictions.path)
        whole = np.all(scratch.get("seen", np.arange(predictions.poses)), axis=1)
        found = [_windows(track, whole, fps) for track in tracks]
        rows = np.concatenate([np.empty((0, _FRAMES), int), *found])
        require(
            len(rows) > 0, predictions.path, "frame",
            expected=f"{_FRAMES} consecutive frames of a person, all joints of them valid",
            found="no such",
        )  # fmt: skip
        rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), _WINDOWS)).round().astype(int)]
        target = torch.from_numpy(scratch.get("target", rows))
        return fit_model(model, target, scratch.measured(rows), 1 / fps)


def _windows(track: Track, whole: np.ndarray, fps: float) -> np.ndarray:
    """Rows (N, 64) of windows that do not overlap."""
    good = track.measured & whole[track.rows]
    follows = np.isclose(np.diff(track.times) * fps, 1)
    # A run is a stretch of good frames, each following the one before.
    breaks = np.flatnonzero(~(good[1:] & good[:-1] & follows)) + 1
    runs = [run for run in np.split(np.arange(len(track)), breaks) if good[run].all()]
    pieces = [run[: len(run) // _FRAMES * _FRAMES].reshape(-1, _FRAMES) for run in runs]
    return track.rows[np.concatenate([np.empty((0, _FRAMES), int), *pieces])]
