"""`diagnose` a predictions file, or any `Posterior`: is it calibrated, and if not, how not?"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from poseterior.batch.provenance import score_provenance, versions
from poseterior.batch.score import plain
from poseterior.data.prediction_fields import LABELS, PredictionRows
from poseterior.data.predictions import Predictions, open_predictions
from poseterior.errors import known, require
from poseterior.metrics.diagnosis import Diagnosis
from poseterior.posterior import Posterior
from poseterior.seeding import generator_from

__all__ = ["BY", "diagnose", "diagnose_posterior"]

# What may be told apart as independent: a label of the file, or each row.
BY = (*LABELS, "row")
_FIELDS = (
    "hypotheses", "target", "weights", "mode", "latent_centre", "log_prob", "target_log_prob",
    "valid_joints",
)  # fmt: skip
# Blocks to make of a file without labels, and the most rows of one.
_BLOCKS, _LONGEST = 30, 50
_STREAM = 4


def diagnose(
    predictions: str | os.PathLike[str] | Predictions,
    target: str | os.PathLike[str] | None = None,
    *,
    by: str | None = None,
    hypotheses: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Every diagnostic of a predictions file, streamed; `Diagnosis.compute` says what.

    Args:
        predictions: the file, or one already open.
        target: a file with the target, where the predictions have none or another is wanted.
        by: `clip`, `person` or `frame`: rows with the same label depend on each other, others
            do not; `row`: no row depends on another. If None, `clip` where the file has it, else
            blocks of consecutive rows, a thirtieth of the file but at most 50 rows.
        hypotheses: look at the first so many only.
        seed: of ties and references.
        progress: called with the rows done and the rows in all.

    Returns:
        `Diagnosis.compute`'s parts, `notes` on what was assumed, and `provenance`.

    Raises:
        InputError: no target, no valid row, no such label, fewer than 19 hypotheses, hypotheses
            that do not differ, or anything bad in the files.
    """
    if not isinstance(predictions, Predictions):
        with open_predictions(predictions, target, sums_to_one=True) as opened:
            return diagnose(opened, by=by, hypotheses=hypotheses, seed=seed, progress=progress)
    require(
        "target" in predictions.fields, predictions.path, "target",
        expected="the array target in the file, or a file of targets", found="neither",
    )  # fmt: skip
    label, notes = _label(predictions, by)
    count = predictions.count(hypotheses)
    block = min(max(predictions.poses // _BLOCKS, 1), _LONGEST)
    diagnosis = Diagnosis(predictions.skeleton, by=by or label or "block", block=block, seed=seed)
    some = False
    for rows in predictions.chunks(hypotheses=count):
        some |= _update(diagnosis, rows, label)
        if progress is not None:
            progress(rows.start + len(rows), predictions.poses)
    require(
        some, predictions.path, "valid",
        expected="at least one valid row", found=f"none of {predictions.poses}",
    )  # fmt: skip
    found = diagnosis.compute() | {"notes": notes, "provenance": score_provenance(predictions)}
    return plain(found | {"invalid": predictions.poses - found["poses"]})


def _label(predictions: Predictions, by: str | None) -> tuple[str | None, dict[str, str]]:
    """The label that tells rows apart, or None; and what is assumed."""
    if by is None:
        if "clip" in predictions.fields:
            return "clip", {}
        return None, {"clip": "blocks of consecutive rows, because the file tells no clips"}
    known("by", by, BY)
    if by == "row":
        return None, {"row": "each row is independent of all others, as asked for"}
    require(
        by in predictions.fields, predictions.path, by,
        expected=f"an array {by} to tell independent rows apart", found="none",
    )  # fmt: skip
    return by, {}


def _update(diagnosis: Diagnosis, rows: PredictionRows, label: str | None) -> bool:
    """Add the valid rows, and tell whether there were any."""
    index = rows.valid.nonzero()[:, 0]
    if not len(index):
        return False
    fields = {name: getattr(rows, name) for name in (*_FIELDS, "observed_valid")}
    fields = {name: None if f is None else f[index] for name, f in fields.items()}
    clip = None if label is None else rows.labels[label][index.numpy()]
    diagnosis.update(observed=fields.pop("observed_valid"), clip=clip, **fields)
    return True


def diagnose_posterior(
    posterior: Posterior,
    target: Tensor,
    *,
    clip: Sequence[object] | np.ndarray | None = None,
    hypotheses: int = 200,
    valid_joints: Tensor | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """As `diagnose`, of a posterior over a batch (B,) and its targets (B, J, 3) metres.

    Args:
        posterior: of any method; its density is looked at where it has one.
        target: (B, J, 3) metres, root-relative.
        clip: (B,) labels; poses of different ones are independent. Every row if None.
        hypotheses: how many to draw.
        valid_joints: (B, J) bool.
        seed: of the draws, of ties and references.

    Raises:
        InputError: as `diagnose`, and where shapes do not fit.
    """
    expected = (*posterior.batch_shape, *posterior.event_shape)
    require(
        len(expected) == 3 and tuple(target.shape) == expected, "diagnose", "target",
        expected=f"{tuple(expected)}, a batch of poses", found=tuple(target.shape),
    )  # fmt: skip
    # Not the stream that a target drawn with the same seed would come from.
    generator = generator_from(seed, _STREAM, device=target.device)
    drawn = posterior.sample((hypotheses,), generator)
    density = {}
    if posterior.has_log_prob:
        with torch.no_grad():
            density = {
                "log_prob": posterior.log_prob(drawn).T.cpu(),
                "target_log_prob": posterior.log_prob(target).cpu(),
            }
    diagnosis = Diagnosis(posterior.skeleton, by="row" if clip is None else "clip", seed=seed)
    diagnosis.update(
        drawn.transpose(0, 1).cpu(), target.cpu(), clip=clip, valid_joints=valid_joints,  # type: ignore[arg-type]
        **density,
    )  # fmt: skip
    made = {"posterior": type(posterior).__name__, "seed": seed, "versions": versions()}
    return plain(diagnosis.compute() | {"notes": {}, "provenance": made})
