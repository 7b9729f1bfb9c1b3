"""`lift`: observations in, a predictions file out, however many there are."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from poseterior.batch.blocks import (
    DEFAULT_CHUNK,
    MIN_JOINTS,
    Sampling,
    lifted_blocks,
    placement,
)
from poseterior.batch.provenance import lift_provenance
from poseterior.data.keypoint_source import KeypointSource
from poseterior.data.npz_stream import check_writable
from poseterior.data.prediction_fields import PredictionRows
from poseterior.data.predictions import write_predictions
from poseterior.errors import InputError, require
from poseterior.posterior import Lifter

__all__ = ["Lifted", "lift", "prediction_arrays", "require_some"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Lifted:
    """What became of the rows: `poses` in all, of which `invalid` could not be lifted."""

    path: Path
    poses: int
    invalid: int


def lift(
    source: KeypointSource,
    lifter: Lifter,
    out: str | os.PathLike[str],
    hypotheses: int = 200,
    seed: int = 0,
    chunk: int = DEFAULT_CHUNK,
    progress: Progress | None = None,
    log_prob: bool = True,
    made: Mapping[str, Any] | None = None,
    allow_none: bool = False,
) -> Lifted:
    """Lift every observation and write the hypotheses to a predictions `.npz`.

    Rows keep their order. One with fewer than 4 valid joints of the lifter's skeleton cannot
    be lifted: it has `valid` False and zeros. The same source, lifter, versions and seed give
    the same file, byte for byte, whatever `chunk` is; memory holds one chunk.

    Args:
        source: such as `open_observations(path)`, `table_source(table)` or `MemorySource`.
        lifter: gives the posterior of keypoints; used in evaluation mode.
        out: where the file appears when all is done.
        hypotheses: how many to draw of each posterior.
        seed: of all draws.
        chunk: observations to read at a time.
        progress: called with the rows done and the rows in all.
        log_prob: also store the density of every hypothesis, where there is one; it takes
            about as long as drawing them.
        made: entries for the `provenance` beside those of the lift: how the source was made.
        allow_none: a source of which no row can be lifted gives a file without a valid row.

    Raises:
        InputError: observations that are bad, a target whose density is not finite, no root
            to be had from the source's joints, no row that can be lifted (unless `allow_none`),
            a place that cannot be written.
    """
    sampling = Sampling(hypotheses, seed, log_prob)
    path = check_writable(out)
    same = path.exists() and Path(source.name).exists() and path.samefile(source.name)
    require(not same, path, "out", expected="another file than the input", found="the same")
    device, _ = placement(lifter)
    lifted = 0
    with write_predictions(path, source.rows, lifter.skeleton) as writer:
        own = lift_provenance(source, lifter, hypotheses, seed, device)
        writer.put(provenance=json.dumps({**(made or {}), **own}, sort_keys=True))
        for rows in lifted_blocks(source, lifter, sampling, chunk):
            writer.write(rows.start, **prediction_arrays(rows))
            lifted += int(rows.valid.sum())
            if progress is not None:
                progress(rows.start + len(rows), source.rows)
        if not allow_none:
            require_some(lifted, source)
    return Lifted(path, source.rows, source.rows - lifted)


def require_some(lifted: int, source: KeypointSource) -> None:
    """`InputError` where nothing of a source could be lifted."""
    if not lifted:
        raise InputError(
            source.name, "keypoints",
            expected=f"a row with at least {MIN_JOINTS} valid joints of the lifter's skeleton",
            found=f"none in {source.rows} rows",
        )  # fmt: skip


def prediction_arrays(rows: PredictionRows) -> dict[str, np.ndarray]:
    """What of rows goes into a predictions file, as `PredictionsWriter.write` takes it."""
    numbers = {f.name: getattr(rows, f.name) for f in fields(rows)}
    del numbers["start"], numbers["labels"]
    return {k: v.numpy() for k, v in numbers.items() if v is not None} | rows.labels
