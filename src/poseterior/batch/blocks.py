"""Lift observations block by block: what `lift` writes and `evaluate` scores.

Rows are lifted in blocks of 64 from the first, each with noise of its own, drawn from the
seed and the block's number. So the result does not depend on how many rows are read at a
time, and any block can be made again by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from poseterior.batch.observed import in_skeleton
from poseterior.data.keypoint_source import KeypointSource, ObservationRows
from poseterior.data.prediction_fields import PredictionRows
from poseterior.errors import InputError, require
from poseterior.keypoints import Keypoints
from poseterior.posterior import Lifter, Posterior
from poseterior.seeding import generator_from

__all__ = [
    "BLOCK_ROWS", "MIN_JOINTS", "Sampling", "lifted_blocks", "observed_blocks", "placement",
]  # fmt: skip

BLOCK_ROWS = 64
MIN_JOINTS = 4
DEFAULT_CHUNK = 256


@dataclass(frozen=True)
class Sampling:
    """How many hypotheses are drawn, from which seed, and whether with their densities."""

    hypotheses: int = 200
    seed: int = 0
    log_prob: bool = True

    def __post_init__(self) -> None:
        require(
            self.hypotheses > 0, "Sampling", "hypotheses",
            expected="at least 1", found=self.hypotheses,
        )  # fmt: skip
        require(self.seed >= 0, "Sampling", "seed", expected="0 or more", found=self.seed)

    def generator(self, block: int, device: torch.device) -> torch.Generator:
        """The source of a block's noise."""
        return generator_from(self.seed, block, device=device)


def placement(lifter: Lifter) -> tuple[torch.device, torch.dtype]:
    """Where a lifter computes and in what: those of its first parameter or buffer."""
    for tensor in (*lifter.parameters(), *lifter.buffers()):
        if tensor.is_floating_point():
            return tensor.device, tensor.dtype
    return torch.device("cpu"), torch.float32


def lifted_blocks(
    source: KeypointSource, lifter: Lifter, sampling: Sampling, chunk: int = DEFAULT_CHUNK
) -> Iterator[PredictionRows]:
    """Every row of a source, lifted in evaluation mode, in order, 64 rows at a time.

    A row can be lifted where at least `MIN_JOINTS` joints of the lifter's skeleton are valid
    and what the lifter returns is finite; any other has `valid` False and zeros.

    Args:
        source: the observations, of any skeleton that converts to the lifter's.
        lifter: gives the posterior.
        sampling: hypotheses, seed, densities.
        chunk: rows to read at a time; the result does not depend on it.
    """
    for rows in observed_blocks(source, lifter, chunk):
        yield _lift_block(rows, lifter, sampling, source.name)


def observed_blocks(
    source: KeypointSource, lifter: Lifter, chunk: int = DEFAULT_CHUNK
) -> Iterator[ObservationRows]:
    """Every row of a source, in order, 64 at a time; the lifter is in evaluation mode meanwhile."""
    require(chunk > 0, source.name, "chunk", expected="at least 1 row", found=chunk)
    rows = -(-chunk // BLOCK_ROWS) * BLOCK_ROWS
    done = 0
    with _evaluating(lifter):
        for read in source.chunks(rows):
            for start in range(0, len(read), BLOCK_ROWS):
                yield _part(read, start)
            done += len(read)
    require(done == source.rows, source.name, "rows", expected=source.rows, found=done)


@contextmanager
def _evaluating(lifter: Lifter) -> Iterator[None]:
    modes = [(module, module.training) for module in lifter.modules()]
    lifter.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _part(rows: ObservationRows, start: int) -> ObservationRows:
    part = slice(start, start + BLOCK_ROWS)
    return ObservationRows(
        rows.start + start,
        rows.keypoints[part],
        None if rows.target is None else rows.target[part],
        {name: array[part] for name, array in rows.labels.items()},
    )


@torch.no_grad()
def _lift_block(
    rows: ObservationRows, lifter: Lifter, sampling: Sampling, name: str
) -> PredictionRows:
    keypoints, target, known = in_skeleton(rows.keypoints, rows.target, lifter.skeleton)
    index = (keypoints.valid.sum(-1) >= MIN_JOINTS).nonzero()[:, 0]
    fields: dict[str, Tensor] = {}
    if len(index):
        device, dtype = placement(lifter)
        posterior = lifter(keypoints[index].to(device=device, dtype=dtype))
        generator = sampling.generator(rows.start // BLOCK_ROWS, device)
        fields = _numbers(posterior, sampling, generator)
        finite = torch.stack([f.flatten(1).isfinite().all(1) for f in fields.values()]).all(0)
        if target is not None and posterior.has_log_prob and bool(known.all()):
            wanted = target[index].to(device, dtype)
            fields["target_log_prob"] = posterior.log_prob(wanted)
            _check_density(fields["target_log_prob"], finite, rows.start + index, name)
        fields = {k: _spread(f[finite], index[finite.cpu()], len(rows)) for k, f in fields.items()}
        index = index[finite.cpu()]
    valid = torch.zeros(len(rows), dtype=torch.bool)
    valid[index] = True
    shape = (len(rows), sampling.hypotheses, len(lifter.skeleton), 3)
    fields.setdefault("hypotheses", torch.zeros(shape))
    if target is not None:
        fields["target"] = target
    return PredictionRows(
        rows.start, valid=valid, labels=rows.labels, valid_joints=known & valid[:, None],
        **fields, **_observed(keypoints),
    )  # fmt: skip


def _numbers(
    posterior: Posterior, sampling: Sampling, generator: torch.Generator
) -> dict[str, Tensor]:
    """What is kept of a posterior (b,): arrays (b, ...)."""
    hypotheses = posterior.sample((sampling.hypotheses,), generator)
    numbers = {"hypotheses": hypotheses.transpose(0, 1)}
    if posterior.has_mode:
        numbers["mode"] = posterior.mode
    if posterior.has_latent_centre:
        numbers["latent_centre"] = posterior.latent_centre
    if posterior.has_log_prob and sampling.log_prob:
        numbers["log_prob"] = posterior.log_prob(hypotheses).transpose(0, 1)
    return numbers


def _check_density(log_prob: Tensor, lifted: Tensor, row: Tensor, name: str) -> None:
    """A target that a posterior holds for impossible must not be dropped from the mean."""
    bad = (~log_prob.isfinite() & lifted).nonzero()[:, 0].tolist()
    if bad:
        raise InputError(
            name, "target", expected="a finite density in every posterior",
            found=f"log density {log_prob[bad[0]].item()} in row {int(row[bad[0]])}",
        )  # fmt: skip


def _spread(values: Tensor, index: Tensor, rows: int) -> Tensor:
    """Values (b, ...) as float32 at the rows `index` of zeros (rows, ...)."""
    spread = torch.zeros(rows, *values.shape[1:])
    spread[index] = values.detach().to("cpu", torch.float32)
    return spread


def _observed(keypoints: Keypoints) -> Mapping[str, Tensor]:
    known = {
        "observed_keypoints": keypoints.pixels,
        "observed_covariance": keypoints.covariance,
        "observed_valid": keypoints.valid,
        "observed_intrinsics": keypoints.intrinsics,
    }
    if keypoints.score is not None:  # else confidences are a number of the detector's own
        known |= {
            "observed_confidence": keypoints.confidence, "observed_score": keypoints.score,
        }  # fmt: skip
    return {name: tensor for name, tensor in known.items() if tensor is not None}
