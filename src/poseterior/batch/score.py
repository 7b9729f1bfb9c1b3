"""`score` a predictions file, or `evaluate` a lifter without one: the same numbers."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from poseterior.batch.blocks import DEFAULT_CHUNK, Sampling, lifted_blocks, placement
from poseterior.batch.examples import ExampleRows
from poseterior.batch.groups import LabelGroups
from poseterior.batch.lift import require_some
from poseterior.batch.provenance import lift_provenance, score_provenance
from poseterior.data.keypoint_source import KeypointSource
from poseterior.data.npz_stream import replacing
from poseterior.data.prediction_fields import PredictionRows
from poseterior.data.predictions import Predictions, open_predictions
from poseterior.errors import InputError, require
from poseterior.geometry.skeleton import Skeleton
from poseterior.metrics.scorecard import SCORE_KEYS
from poseterior.metrics.summary import ScoreAccumulator
from poseterior.posterior import Lifter

__all__ = ["RESULT_KEYS", "evaluate", "plain", "save_result", "score"]

RESULT_KEYS = ("poses", "invalid", "hypotheses", "skeleton", *SCORE_KEYS, "coverage")

_SCORED = (
    "hypotheses", "target", "weights", "mode", "latent_centre", "target_log_prob", "valid_joints",
)  # fmt: skip

Progress = Callable[[int, int], None]


def score(
    predictions: str | os.PathLike[str] | Predictions,
    target: str | os.PathLike[str] | None = None,
    hypotheses: int | None = None,
    rows: int | None = None,
    progress: Progress | None = None,
    examples: ExampleRows | None = None,
) -> dict[str, Any]:
    """Every number of a predictions file against its target, streamed.

    Args:
        predictions: the file, or one already open.
        target: a file with the target, where the predictions have none or another is wanted.
        hypotheses: score only the first so many.
        rows: rows to hold at a time; about 8 MiB of them if None.
        progress: called with the rows done and the rows in all.
        examples: is given rows to keep for a report.

    Returns:
        `RESULT_KEYS`, each None where it cannot be computed, what else the metrics tell
        (`intervals`, per-joint numbers), and `provenance`. `poses` counts the rows scored,
        `invalid` those left out.

    Raises:
        InputError: no target, no valid row, or anything bad in the files.
    """
    if not isinstance(predictions, Predictions):
        with open_predictions(predictions, target) as opened:
            return score(opened, None, hypotheses, rows, progress, examples)
    require(
        "target" in predictions.fields, predictions.path, "target",
        expected="the array target in the file, or a file of targets", found="neither",
    )  # fmt: skip
    count = predictions.count(hypotheses)
    stream = predictions.chunks(rows, count)
    numbers = _accumulate(stream, predictions.skeleton, predictions.poses, progress, examples)
    require(
        numbers["poses"] > 0, predictions.path, "valid",
        expected="at least one valid row", found=f"none of {predictions.poses}",
    )  # fmt: skip
    about = {"hypotheses": count, "skeleton": predictions.skeleton.name}
    return _result(numbers | about, score_provenance(predictions))


def evaluate(
    lifter: Lifter,
    source: KeypointSource,
    hypotheses: int = 200,
    seed: int = 0,
    chunk: int = DEFAULT_CHUNK,
    progress: Progress | None = None,
    examples: ExampleRows | None = None,
) -> dict[str, Any]:
    """Lift and score in one pass: what `score` says of the file that `lift` writes.

    Args:
        lifter: gives the posterior of keypoints; used in evaluation mode.
        source: observations with a target.
        hypotheses: how many to draw of each posterior.
        seed: of all draws.
        chunk: observations to read at a time; changes nothing in the result.
        progress: called with the rows done and the rows in all.
        examples: is given rows to keep for a report.

    Returns:
        As `score`. Where the source labels each row's `action` (or `setting`), also `per_action`
        {name: poses and scores} and `mean_over_actions`, the mean of the actions' means.

    Raises:
        InputError: as `lift`, and where the source has no target.
    """
    sampling = Sampling(hypotheses, seed, log_prob=False)
    stream = _with_target(lifted_blocks(source, lifter, sampling, chunk), source)
    numbers = _accumulate(stream, lifter.skeleton, source.rows, progress, examples)
    require_some(numbers["poses"], source)
    device, _ = placement(lifter)
    made = lift_provenance(source, lifter, hypotheses, seed, device)
    about = {"hypotheses": hypotheses, "skeleton": lifter.skeleton.name}
    return _result(numbers | about, made | {"made_by": "poseterior evaluate"})


def _with_target(
    stream: Iterable[PredictionRows], source: KeypointSource
) -> Iterable[PredictionRows]:
    for rows in stream:
        if rows.target is None:
            raise InputError(source.name, "target", expected="targets to score", found="none")
        yield rows


def _accumulate(
    stream: Iterable[PredictionRows],
    skeleton: Skeleton,
    total: int,
    progress: Progress | None,
    examples: ExampleRows | None,
) -> dict[str, Any]:
    """The metrics of all valid rows; `poses` counts those scored, `invalid` all others."""
    accumulator, groups = ScoreAccumulator(skeleton), LabelGroups(skeleton)
    for rows in stream:
        _update(accumulator, groups, rows)
        if examples is not None:
            examples.update(rows)
        if progress is not None:
            progress(rows.start + len(rows), total)
    numbers = accumulator.compute() if accumulator.poses else {"poses": 0}
    return numbers | groups.compute() | {"invalid": total - numbers["poses"]}


def _update(accumulator: ScoreAccumulator, groups: LabelGroups, rows: PredictionRows) -> None:
    """Score the valid rows, together and by group."""
    index = rows.valid.nonzero()[:, 0]
    if not len(index):
        return
    fields = {name: getattr(rows, name) for name in _SCORED}
    if len(index) < len(rows):
        fields = {n: None if f is None else f[index] for n, f in fields.items()}
    joints = fields["valid_joints"]
    if joints is not None and bool(joints.all()):
        fields["valid_joints"] = None
    labels = {name: array[index.numpy()] for name, array in rows.labels.items()}
    fields["clip"] = labels.get("clip")
    accumulator.update(**fields)
    groups.update(labels, **fields)


def _result(numbers: dict[str, Any], provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Keys in the promised order, every one there, numbers that are not finite as None."""
    ordered = dict.fromkeys(RESULT_KEYS) | numbers | {"provenance": dict(provenance)}
    return plain(ordered)


def plain(value: Any) -> Any:
    """JSON's types only: tensors and arrays as lists, NaN and infinity as None."""
    if isinstance(value, Mapping):
        return {_key(k): plain(v) for k, v in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _key(key: object) -> str:
    return f"{key:g}" if isinstance(key, float) else str(key)


def save_result(result: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write a result as JSON without NaN, whole or not at all; `InputError` if it cannot be."""
    text = json.dumps(plain(result), indent=2, allow_nan=False)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    return Path(path)
