"""Risk-coverage: what the spread is worth as a confidence, to drop the poses that are wrong.

Poses are kept in order of their predicted spread, the smallest first, and the mean error of the
share kept (the risk) is followed as the share (the coverage) grows. AURC is the mean risk over
all shares (Geifman & El-Yaniv 2017); AUSE how far it is above that of the oracle, which orders
by the error itself (Ilg et al. 2018). Lower is better; at random the risk is the mean error.

The order is that of bins, 2 % wide, of spread and of error, with the exact sum of errors in
each: what shares a bin is taken in random order, of which the formulas give the expectation.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from poseterior.geometry.skeleton import Skeleton
from poseterior.geometry.units import mm
from poseterior.metrics.bootstrap import GroupSums, interval
from poseterior.metrics.joint_table import number
from poseterior.metrics.log_bins import LogBins
from poseterior.metrics.pose_spread import PoseSpread, left_out, pose_spread
from poseterior.metrics.weighted import hypotheses_last, normalised

__all__ = ["RiskCoverage", "aurc", "risk_at"]

# From 0.1 mm to 10 m.
_BINS = LogBins(1e-4, 10.0, 576)
_COVERAGE = tuple(step / 20 for step in range(1, 21))
_SPREAD, _ORACLE = range(2)


def aurc(counts: Tensor, sums: Tensor) -> Tensor:
    """Mean over n = 1 ... N of the mean of the first n values, (..., B) twice -> (...).

    Of values known by bins, in order: `counts` in each, and their `sums`. Within a bin the
    order is random: of the first n = a + k values, a of them in the bins before, the expected
    sum is S + k m with S their sum and m the bin's mean, and the sum over k of (S + k m) / n is
    m b + (S - a m) (digamma(a + b + 1) - digamma(a + 1)), b the count of the bin. Geifman &
    El-Yaniv 2017, Section 3; NaN without a value.

    >>> aurc(torch.tensor([1.0, 1.0]), torch.tensor([1.0, 3.0]))  # (1 + 2) / 2
    tensor(1.5000, dtype=torch.float64)
    """
    counts, sums = counts.double(), sums.double()
    mean = sums / counts.clamp(min=1e-300)
    upto = counts.cumsum(-1)
    before, sum_before = upto - counts, sums.cumsum(-1) - sums
    harmonic = torch.digamma(upto + 1) - torch.digamma(before + 1)
    total = (mean * counts + (sum_before - before * mean) * harmonic).sum(-1)
    return total / upto[..., -1]


def risk_at(counts: Tensor, sums: Tensor, coverage: tuple[float, ...] = _COVERAGE) -> Tensor:
    """Mean of the first share of the values, for each share in (0, 1], (B,) twice -> (L,).

    >>> risk_at(torch.tensor([1.0, 1.0]), torch.tensor([1.0, 3.0]), (0.5, 1.0))
    tensor([1., 2.], dtype=torch.float64)
    """
    counts, sums = counts.double(), sums.double()
    upto = counts.cumsum(-1)
    wanted = torch.tensor(coverage, dtype=torch.float64) * upto[-1]
    # The bin in which the share ends, and how much of it belongs to the share.
    at = torch.searchsorted(upto, wanted - 1e-9).clamp(max=len(upto) - 1)
    part = (wanted - (upto - counts)[at]) / counts[at]
    return ((sums.cumsum(-1) - sums)[at] + part * sums[at]) / wanted


class RiskCoverage:
    """Streams poses into risk-coverage curves of whole poses, and areas for each joint.

    The error of a pose is the mean distance of its valid free joints from the hypotheses'
    mean; its spread the root mean square that sharpness is of. Memory is flat.

    Args:
        skeleton: of the poses; the root is left out.
        seed: of the hypotheses that stand in for targets in the perfect area.

    >>> from poseterior.geometry.skeleton import H36M_17
    >>> generator = torch.Generator().manual_seed(0)
    >>> width = torch.rand(500, 1, 1, 1, generator=generator) * 0.1
    >>> draw = width * torch.randn(500, 51, 17, 3, generator=generator)
    >>> risk = RiskCoverage(H36M_17)
    >>> risk.update(draw[:, 1:], draw[:, 0], group=torch.arange(500))
    >>> found = risk.compute(torch.ones(1, 500, dtype=torch.float64))
    >>> round(found["oracle_aurc_mm"]), round(found["aurc_mm"]), round(found["random_mm"])
    (39, 39, 79)
    """

    def __init__(self, skeleton: Skeleton, *, seed: int = 0) -> None:
        self._free = list(skeleton.free)
        self._names = [skeleton.joints[joint] for joint in skeleton.free]
        self._generator = torch.Generator().manual_seed(seed)
        # By order, bin: how many and the sum of their errors.
        self._pose = GroupSums(2, len(_BINS), 2)
        self._perfect = torch.zeros(2, len(_BINS), 2, dtype=torch.float64)
        self._joints = torch.zeros(len(self._free), 2, len(_BINS), 2, dtype=torch.float64)

    @torch.no_grad()
    def update(
        self,
        hypotheses: Tensor,
        target: Tensor,
        *,
        weights: Tensor | None = None,
        valid_joints: Tensor | None = None,
        group: Tensor,
    ) -> None:
        """Add poses, checked and masked as the pieces of a `Chunk` are.

        Args:
            hypotheses: (M, H, J, 3) metres, the root included.
            target: (M, J, 3) metres.
            weights: (M, H).
            valid_joints: (M, J) bool.
            group: (M,) int64, of clips.
        """
        free, truth = hypotheses_last(hypotheses, self._free), target[:, self._free]
        valid = None if valid_joints is None else valid_joints[:, self._free]
        spread = pose_spread(free, truth, weights=weights, valid_joints=valid)
        entries, known = _pose_entries(spread)
        self._pose.add(group[known], entries)
        for joint, table in enumerate(self._joints):
            distance = spread.joint_distance[:, joint]
            table += _entries(spread.variance[:, joint].sqrt(), distance)[0].sum(0)
        fake = None
        if normalised(weights) is None:
            fake = left_out(free, spread, self._generator, valid)
        if fake is not None:
            self._perfect += _pose_entries(fake)[0].sum(0)

    def compute(self, draws: Tensor) -> dict[str, Any] | None:
        """The result's `risk_coverage`; None without two hypotheses a pose.

        Lengths in mm: `coverage` (20 shares of poses kept), `risk_mm`, `oracle_mm` at each;
        `random_mm`, the mean error; `aurc_mm`, `oracle_aurc_mm`, `ause_mm` their difference,
        and `ause_share` what it is of that of a random order: 0 as good as the oracle, 1 no
        better than chance, above 1 worse. `intervals` of the three, `joints` {joint: the same
        areas}, and `perfect`, the areas of a right posterior: those of hypotheses that stand in
        for the targets, since no spread foretells the luck of one draw; None with weights.

        Args:
            draws: (R, G) from `bootstrap.resamples`.
        """
        sums = self._pose.sums
        if not bool(sums.any()):
            return None
        total = sums.sum(0)
        replicates = _areas(torch.tensordot(draws[:, : len(sums)], sums, dims=1))
        areas = _areas(total)
        return {
            "coverage": list(_COVERAGE),
            "risk_mm": _curve(total[_SPREAD]),
            "oracle_mm": _curve(total[_ORACLE]),
            **_numbers(areas),
            "intervals": {
                key: interval(replicates[key], float(areas[key]))
                for key in ("aurc_mm", "ause_mm", "ause_share")
            },
            "joints": {
                name: _numbers(_areas(table))
                for name, table in zip(self._names, self._joints, strict=True)
            },
            "perfect": _numbers(_areas(self._perfect)) if bool(self._perfect.any()) else None,
        }


def _pose_entries(spread: PoseSpread) -> tuple[Tensor, Tensor]:
    return _entries(spread.variance[:, -1].sqrt(), spread.joint_distance.nanmean(-1))


def _entries(spread: Tensor, error: Tensor) -> tuple[Tensor, Tensor]:
    """One and the error in the bin of each order, (N, 2, B, 2), and which of (M,) have both."""
    known = spread.isfinite() & error.isfinite()
    spread, error = spread[known], error[known]
    table = error.new_zeros(len(error), 2, len(_BINS), 2)
    rows = torch.arange(len(error))
    for order, values in ((_SPREAD, spread), (_ORACLE, error)):
        table[rows, order, _BINS.index(values)] = torch.stack(
            [torch.ones_like(error), error], dim=-1
        )
    return table, known


def _curve(table: Tensor) -> list[float]:
    """Risk at each share, mm, from counts and sums (B, 2)."""
    return mm(risk_at(table[:, 0], table[:, 1])).tolist()


def _areas(table: Tensor) -> dict[str, Tensor]:
    """Areas under the curves of sums (..., 2, B, 2), each (...)."""
    areas = mm(aurc(table[..., 0], table[..., 1]))
    spread, oracle = areas[..., _SPREAD], areas[..., _ORACLE]
    count, total = table[..., _SPREAD, :, :].sum(-2).unbind(-1)
    random = mm(total / count)
    room = random - oracle
    share = ((spread - oracle) / room).where(room > 1e-6 * random, torch.nan)
    return {
        "random_mm": random, "aurc_mm": spread, "oracle_aurc_mm": oracle,
        "ause_mm": spread - oracle, "ause_share": share,
    }  # fmt: skip


def _numbers(areas: dict[str, Tensor]) -> dict[str, float | None]:
    return {key: number(value) for key, value in areas.items()}
