"""The temperature of a flow's latent, chosen on poses that were not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

import torch
from scipy.optimize import minimize_scalar

from poseterior.batch.blocks import DEFAULT_CHUNK, Sampling, lifted_blocks
from poseterior.batch.lift import require_some
from poseterior.batch.provenance import weights_fingerprint
from poseterior.data.keypoint_source import KeypointSource, MemorySource
from poseterior.errors import InputError
from poseterior.keypoints import Keypoints
from poseterior.metrics.coverage import Coverage
from poseterior.posterior import Lifter
from poseterior.recalibration.effect import update_coverage
from poseterior.recalibration.latent_temperature import LatentTemperature, require_temperature

__all__ = [
    "HYPOTHESES", "POSES", "choose_temperature", "evenly_spaced", "fit_temperature",
    "untempered_fingerprint",
]  # fmt: skip

HYPOTHESES = 100
POSES = 1000
_BETWEEN = (0.6, 1.4)


def choose_temperature(
    lifter: Any, source: KeypointSource, tried: Callable[[float, float], None] | None = None
) -> float:
    """The standard deviation of the latent with the least calibration error on `source`.

    The error is the mean over joints of each joint's ECE. `lifter.temperature` is left at what
    is chosen, between 0.6 and 1.4 and to about 0.01. `tried` is called with each temperature
    and its error.
    """

    def error(temperature: float) -> float:
        lifter.temperature.fill_(temperature)
        found = _joint_error(lifter, source)
        if tried is not None:
            tried(temperature, found)
        return found

    found = minimize_scalar(error, bounds=_BETWEEN, method="bounded", options={"xatol": 0.01})
    lifter.temperature.fill_(float(found.x))
    return float(found.x)


def _joint_error(lifter: Lifter, source: KeypointSource) -> float:
    """The calibration error of the mean joint, `ece_joint_mean` of `evaluate` without the rest."""
    coverage = Coverage(lifter.skeleton)
    for rows in lifted_blocks(source, lifter, Sampling(HYPOTHESES, 0, log_prob=False)):
        update_coverage(coverage, rows, source.name)
    require_some(0 if coverage.empty else source.rows, source)
    return coverage.compute().joint_ece.nanmean().item()


def fit_temperature(
    lifter: Lifter,
    source: KeypointSource,
    tried: Callable[[float, float], None] | None = None,
    poses: int = POSES,
) -> LatentTemperature:
    """The recalibration of a flow by `choose_temperature`; the lifter is left as it was.

    Args:
        lifter: with a latent temperature.
        source: observations with a target.
        tried: called with each temperature and its error.
        poses: as many are drawn from, evenly spaced through the source, or all if there are
            fewer: each temperature takes a lift of them all.

    Raises:
        InputError: a lifter without a latent temperature, a source without a target.
    """
    require_temperature(lifter)
    with _kept(lifter):
        chosen = choose_temperature(lifter, evenly_spaced(source, poses), tried)
    weights = untempered_fingerprint(lifter)
    return LatentTemperature(lifter.skeleton, HYPOTHESES, chosen, lifter.name, weights)


def untempered_fingerprint(lifter: Lifter) -> str:
    """16 digits that change with any weight of a flow but not with its temperature."""
    with _kept(lifter):
        require_temperature(lifter).fill_(1.0)
        return weights_fingerprint(lifter)


def evenly_spaced(source: KeypointSource, poses: int) -> MemorySource:
    """So many rows of a source, evenly spaced, in memory; all if there are fewer."""
    wanted = torch.linspace(0, source.rows - 1, min(poses, source.rows)).round().long()
    seen, targets = [], []
    for rows in source.chunks(DEFAULT_CHUNK):
        inside = (wanted >= rows.start) & (wanted < rows.start + len(rows))
        index = wanted[inside] - rows.start
        if rows.target is None:
            raise InputError(source.name, "target", expected="targets to fit on", found="none")
        seen.append(rows.keypoints[index])
        targets.append(rows.target[index])
    return MemorySource(_joined(seen), torch.cat(targets), name=source.name, notes=source.notes)


def _joined(parts: list[Keypoints]) -> Keypoints:
    joined: dict[str, Any] = {}
    for name in (field.name for field in fields(Keypoints) if field.name != "skeleton"):
        columns = [getattr(part, name) for part in parts]
        joined[name] = None if columns[0] is None else torch.cat(columns)
    return replace(parts[0], **joined)


@contextmanager
def _kept(lifter: Lifter) -> Iterator[None]:
    """Put the temperature back to what it was."""
    buffer = require_temperature(lifter)
    before = buffer.clone()
    try:
        yield
    finally:
        buffer.copy_(before)
