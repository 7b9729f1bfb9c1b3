"""How far targets lie from the mean of their hypotheses, against how far the hypotheses do.

All that a fit needs of a pose is small: the target's distance from the centre, and quantiles of
the hypotheses' own. They are kept for at most `ROWS` poses, evenly spaced through the stream,
so that memory does not grow with it; which ones depends on their number alone.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor

from poseterior.data.prediction_fields import PredictionRows
from poseterior.errors import InputError, require
from poseterior.geometry.skeleton import Skeleton
from poseterior.metrics.weighted import normalised, sort_last, weighted_mean, weighted_quantile
from poseterior.recalibration.features import features
from poseterior.recalibration.recalibration import HeldOut, require_spread, rows_at

__all__ = ["LEAST_HYPOTHESES", "LEVELS", "ROWS", "Distances", "collect", "quantile_at"]

LEVELS = torch.arange(1, 20, dtype=torch.float64) / 20
LEAST_HYPOTHESES = len(LEVELS) + 1
ROWS = 8192
# How alike two frames of a clip are, in the design effect 1 + 0.1 (n - 1) of n frames.
_WITHIN_CLIP = 0.1
_LEAST_M = 1e-9


@dataclass(frozen=True, eq=False)
class Distances:
    """N poses and C columns: the K free joints, or their 3 K coordinates.

    Attributes:
        log_ratio: (N, C, L) log of the target's distance over the hypotheses' quantile at each
            of `LEVELS`.
        level: (L,) the share of targets below these quantiles where the posterior is right.
        weight: (N, C), 0 where the joint does not count.
        features: (N, K, F), see `features`; NaN columns where the data do not tell.
    """

    log_ratio: Tensor
    level: Tensor
    weight: Tensor
    features: Tensor

    @property
    def known(self) -> Tensor:
        """(C,) bool, columns that were seen at all."""
        return (self.weight > 0).any(0)


def collect(held_out: HeldOut, least: int, per_axis: bool = False) -> Distances:
    """The distances of held-out predictions: of joints, or of coordinates if `per_axis`.

    A clip of n poses has the weight n / (1 + 0.1 (n - 1)), since frames of one clip say much
    the same: a long clip counts as ten poses and not as a thousand (Kish's design effect).

    Args:
        held_out: with a target.
        least: poses needed of every joint that is seen at all.
        per_axis: along each axis by itself.

    Raises:
        InputError: no target, fewer poses than `least`, fewer hypotheses than levels need.
    """
    count = held_out.hypotheses
    require(
        count >= LEAST_HYPOTHESES, held_out.path, "hypotheses", found=count,
        expected=f"at least {LEAST_HYPOTHESES} of each pose, to fit levels 0.05 apart",
    )  # fmt: skip
    kept, stride, seen = _Kept(), 1, 0
    for rows in held_out.chunks():
        index = rows.valid.nonzero()[:, 0]
        number = torch.arange(seen, seen + len(index))
        seen += len(index)
        chosen = number % stride == 0
        kept.add(number[chosen], rows_at(rows, index[chosen]), held_out, per_axis)
        while len(kept) > ROWS:
            stride *= 2
            kept.thin(stride)
    return kept.distances(held_out, least, per_axis)


class _Kept:
    """The reduced poses so far: chunks of (number, log ratios, counts, features, 1 / n)."""

    def __init__(self) -> None:
        self._chunks: list[tuple[Tensor, ...]] = []
        self._clips: list[str] = []

    def __len__(self) -> int:
        return len(self._clips)

    def add(self, number: Tensor, rows: PredictionRows, data: HeldOut, per_axis: bool) -> None:
        """Reduce valid rows, whose place among all valid rows is `number` (m,)."""
        if not len(rows):
            return
        if rows.target is None:
            raise InputError(data.path, "target", expected="targets to fit on", found="none")
        require_spread(rows, data.skeleton, data.path)
        free = list(data.skeleton.free)
        counts = torch.ones(len(rows), len(free), dtype=torch.bool)
        if rows.valid_joints is not None:
            counts = rows.valid_joints[:, free]
        ratio = log_ratios(rows, data.skeleton, per_axis)
        self._chunks.append((number, ratio, counts, features(rows, data.skeleton), _alone(rows)))
        clips = rows.labels.get("clip")
        self._clips += [""] * len(rows) if clips is None else [f"clip {c}" for c in clips.tolist()]

    def _joined(self) -> tuple[Tensor, ...]:
        return tuple(torch.cat(parts) for parts in zip(*self._chunks, strict=True))

    def thin(self, stride: int) -> None:
        """Keep those whose number is a multiple of `stride`."""
        number, *others = self._joined()
        index = (number % stride == 0).nonzero()[:, 0]
        self._chunks = [(number[index], *(part[index] for part in others))]
        self._clips = [self._clips[i] for i in index.tolist()]

    def distances(self, data: HeldOut, least: int, per_axis: bool) -> Distances:
        """All that were kept; `InputError` where they are too few."""
        require(
            len(self) >= least, data.path, "target", found=len(self),
            expected=f"at least {least} poses",
        )  # fmt: skip
        _, ratio, counts, told, alone = self._joined()
        _require_poses(counts, data.skeleton, least, data.path)
        weight = _clip_weights(self._clips)[:, None] * counts
        if per_axis:
            weight = weight.repeat_interleave(3, dim=1)
        # Of n draws and one more of the same, the last is below the q-quantile so often.
        effective = 1 / alone.mean()
        level = (LEVELS * (effective - 1) + 1) / (effective + 1)
        return Distances(ratio.double(), level, weight, told)


def log_ratios(rows: PredictionRows, skeleton: Skeleton, per_axis: bool) -> Tensor:
    """(m, C, L) float32: log of the target's distance from the mean over the quantiles.

    The target of a right posterior is sqrt((1 + 1/n) / (1 - 1/n)) times as far from the mean of n
    hypotheses as they are, who made that mean; this is taken out.
    """
    assert rows.target is not None
    free, weights = list(skeleton.free), normalised(rows.weights)
    centre = weighted_mean(rows.hypotheses, weights)[:, free]
    offset = rows.hypotheses[:, :, free] - centre[:, None]
    error = rows.target[:, free] - centre
    if per_axis:
        own, target = offset.abs().flatten(2), error.abs().flatten(1)
    else:
        own, target = offset.norm(dim=-1), error.norm(dim=-1)
    quantiles = _quantiles(own.transpose(1, 2), weights)
    alone = _alone(rows)
    fair = target * ((1 - alone) / (1 + alone)).sqrt()[:, None]
    return (fair.clamp(min=_LEAST_M)[..., None] / quantiles).log().float()


def _alone(rows: PredictionRows) -> Tensor:
    """(m,): sum of squared weights, 1 / n of n equal ones: what n a pose has in effect."""
    weights = normalised(rows.weights)
    if weights is None:
        return torch.full((len(rows),), 1 / rows.hypotheses.shape[1], dtype=torch.float64)
    return weights.square().sum(-1)


def _quantiles(distances: Tensor, weights: Tensor | None) -> Tensor:
    """(m, C, H) -> (m, C, L), at `LEVELS`; above zero."""
    if weights is not None:
        return weighted_quantile(distances, LEVELS, weights[:, None]).clamp(min=_LEAST_M)
    ordered = sort_last(distances.contiguous()).double()
    position = LEVELS * (distances.shape[-1] - 1)
    below = position.long()
    part = position - below
    low, high = ordered[..., below], ordered[..., below + 1]
    return (low + part * (high - low)).clamp(min=_LEAST_M)


def _require_poses(counts: Tensor, skeleton: Skeleton, least: int, source: object) -> None:
    """Each joint in enough poses, or in none (a target of another skeleton lacks some)."""
    for joint, seen in zip(skeleton.free, counts.sum(0).tolist(), strict=True):
        require(
            seen == 0 or seen >= least, source, "valid_joints",
            expected=f"at least {least} poses with {skeleton.joints[joint]}, or none", found=seen,
        )  # fmt: skip
    require(bool(counts.any()), source, "valid_joints", expected="joints that count", found="none")


def _clip_weights(clips: list[str]) -> Tensor:
    """(N,): 1 / (1 + 0.1 (n - 1)) for each of n poses of a clip; 1 without clips."""
    sizes = Counter(clips)
    sizes[""] = 1
    return torch.tensor(
        [1 / (1 + _WITHIN_CLIP * (sizes[clip] - 1)) for clip in clips], dtype=torch.float64
    )


def quantile_at(values: Tensor, level: Tensor, weight: Tensor) -> Tensor:
    """For each column c and level l the `level[l]`-quantile of (N, C, L) over N: (C, L).

    Columns without weight take the mean of the others.
    """
    known = (weight > 0).any(0)
    chances = (weight[:, known] / weight[:, known].sum(0)).T
    found = values.new_zeros(values.shape[1:])
    for index in range(len(level)):
        column = values[:, known, index].T
        found[known, index] = weighted_quantile(column, level[index, None], chances)[..., 0]
    found[~known] = found[known].mean(0)
    return found
