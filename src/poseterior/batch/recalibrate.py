"""Fit a recalibration on a predictions file, and repair files and lifters by it."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poseterior.batch.lift import prediction_arrays
from poseterior.batch.provenance import lifted_by, made_by, versions
from poseterior.batch.temperature import POSES, fit_temperature, untempered_fingerprint
from poseterior.data.keypoint_source import KeypointSource
from poseterior.data.npz_writer import check_writable
from poseterior.data.prediction_fields import PredictionRows
from poseterior.data.predictions import Predictions, write_predictions
from poseterior.errors import known, require
from poseterior.posterior import Lifter
from poseterior.recalibration import METHODS
from poseterior.recalibration.effect import effect
from poseterior.recalibration.file import Fitted
from poseterior.recalibration.latent_temperature import LatentTemperature
from poseterior.recalibration.posterior import RecalibratedLifter

__all__ = ["Repaired", "fit_file", "fit_lifter", "recalibrated", "repair_file"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Repaired:
    """What became of a file.

    Attributes:
        path: of the repaired file.
        poses: rows in all.
        invalid: those that were not valid, and are as they were.
        shared_clips: labels that clips of this file and of the fit both have.
        same_observations: whether labels mean the same in both: False where the files say that
            they were lifted from different observations.
        of_the_fit: whether it is the very file that was fitted on.
    """

    path: Path
    poses: int
    invalid: int
    shared_clips: tuple[str, ...]
    same_observations: bool
    of_the_fit: bool


def fit_file(predictions: Predictions, method: str, **options: Any) -> Fitted:
    """Fit a method of `METHODS` on an open predictions file with a target.

    Args:
        predictions: held out: of clips that the lifter was not trained on.
        method: its name.
        options: of the method's `fit`, such as `rule` of "conformal"; None is as not given.

    Raises:
        InputError: an unknown method or option, or what the method's `fit` raises.
    """
    chosen = METHODS[known("--method", method, METHODS)]
    given = {name: value for name, value in options.items() if value is not None}
    accepted = list(inspect.signature(chosen.fit).parameters)[1:]
    for name, value in given.items():
        expected = f"an option of {method}: {', '.join(accepted) or 'it has none'}"
        require(name in accepted, f"--{name}", "", expected=expected, found=value)
    require(
        "target" in predictions.fields, predictions.path, "target",
        expected="the array target in the file, or a file of targets", found="neither",
    )  # fmt: skip
    recalibration = chosen.fit(predictions, **given)
    clips, valid = _clips_and_valid(predictions.chunks())
    about = {
        "predictions": str(predictions.path),
        "data": predictions.fingerprint(),
        "observations": _observations(predictions),
        "clips": clips,
        "poses": valid,
    }
    return Fitted(recalibration, about, effect(recalibration, predictions))


def fit_lifter(
    lifter: Lifter, source: KeypointSource, tried: Callable[[float, float], None] | None = None
) -> Fitted:
    """Choose the latent temperature of a flow on observations with a target."""
    recalibration = fit_temperature(lifter, source, tried)
    poses = min(POSES, source.rows)
    about = {"observations": source.fingerprint(), "source": source.name, "poses": poses}
    return Fitted(recalibration, about)


def repair_file(
    predictions: Predictions,
    fitted: Fitted,
    out: str | os.PathLike[str],
    progress: Progress | None = None,
) -> Repaired:
    """Write the predictions with repaired hypotheses, whole or not at all; streamed.

    All else is carried over as it is, but `log_prob` and `target_log_prob`, which are no longer
    those of the hypotheses. The array `provenance` tells what made them and what repaired them.

    Raises:
        InputError: a recalibration for another skeleton or number of hypotheses or for a lifter,
            hypotheses that are all equal, or anything bad in the file.
    """
    recalibration, path = fitted.recalibration, check_writable(out)
    require(
        predictions.skeleton == recalibration.skeleton, predictions.path, "skeleton",
        expected=f"{recalibration.skeleton.name}, as the recalibration was fitted on",
        found=predictions.skeleton.name,
    )  # fmt: skip
    clips: set[str] = set()
    invalid = 0
    with write_predictions(path, predictions.poses, predictions.skeleton) as writer:
        writer.put(provenance=json.dumps(_provenance(predictions, fitted), sort_keys=True))
        for rows in predictions.chunks():
            fixed = recalibration.apply(rows, predictions.path)
            writer.write(rows.start, **prediction_arrays(fixed))
            clips |= _labels(rows)
            invalid += int((~rows.valid).sum())
            if progress is not None:
                progress(rows.start + len(rows), predictions.poses)
    shared = clips & {str(clip) for clip in fitted.fitted_on.get("clips", [])}
    both = (fitted.fitted_on.get("observations"), _observations(predictions))
    same = None in both or both[0] == both[1]
    labels = tuple(sorted(shared, key=_natural))
    itself = fitted.fitted_on.get("data") == predictions.fingerprint()
    return Repaired(path, predictions.poses, invalid, labels, same, itself)


def recalibrated(lifter: Lifter, fitted: Fitted, hypotheses: int | None = None) -> Lifter:
    """A lifter whose posteriors are repaired, to be lifted, scored and shown as any other.

    Args:
        lifter: a temperature is set on it.
        fitted: for its skeleton.
        hypotheses: how many will be drawn; `InputError` if it was fitted on other numbers.
    """
    recalibration = fitted.recalibration
    if isinstance(recalibration, LatentTemperature):
        recalibration.set_on(lifter, untempered_fingerprint(lifter))
    elif hypotheses is not None:
        recalibration.check(len(lifter.skeleton), hypotheses)
    return RecalibratedLifter(lifter, recalibration, fitted.summary())


def _clips_and_valid(stream: Iterable[PredictionRows]) -> tuple[list[str], int]:
    clips: set[str] = set()
    valid = 0
    for rows in stream:
        clips |= _labels(rows)
        valid += int(rows.valid.sum())
    return sorted(clips, key=_natural), valid


def _labels(rows: PredictionRows) -> set[str]:
    """The clips of a chunk as text."""
    return {str(clip) for clip in rows.labels["clip"].tolist()} if "clip" in rows.labels else set()


def _natural(label: str) -> tuple[int, str]:
    return len(label), label


def _observations(predictions: Predictions) -> str | None:
    """The fingerprint of what the predictions say they were lifted from, or None."""
    found = lifted_by(predictions.provenance).get("data")
    return found if isinstance(found, str) else None


def _provenance(predictions: Predictions, fitted: Fitted) -> dict[str, Any]:
    return {
        "made_by": "poseterior recalibrate",
        "predictions": str(predictions.path),
        "data": predictions.fingerprint(),
        "recalibration": fitted.summary(),
        "lift": made_by(predictions.provenance),
        "versions": versions(),
    }
