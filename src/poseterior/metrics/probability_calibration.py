"""Do probabilities of keypoints mean what they say? Reliability diagram, Brier score, a verdict.

The outcome of a keypoint is its OKS, any number from 0 to 1, or whether PCK counts it, 0 or 1; a
calibrated confidence p of OKS is its expectation, and of PCK the chance, so that in both cases
the mean outcome of the keypoints given p is p. Overconfident: p too high, as from covariances
that are too narrow, or an error of the mean that they do not know of.

The Brier score is the mean of (p - y)². Murphy (1973) takes it apart by bins of p, exactly so
with the terms within the bins (Stephenson, Coelho and Jolliffe 2008):

    reliability - resolution + uncertainty + within_bin
    = mean (p_b - y_b)² - mean (y_b - y)² + var y + mean of var_b p - 2 cov_b(p, y)

with p_b, y_b the means of the bin, y that of all. It holds for outcomes between 0 and 1 as well.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.metrics.bootstrap import LIMIT, GroupSums
from poseterior.metrics.cluster_test import GroupedMean, holm
from poseterior.metrics.joint_table import number

__all__ = ["ProbabilityCalibration", "brier_parts"]

_COUNT, _P, _Y, _PP, _PY, _YY = range(6)
_CHANCE = 0.01  # of a verdict against right probabilities, over all bins together
_LEAST_GROUPS = 30  # people in a bin, from where their mean is nearly normal


def brier_parts(sums: Tensor) -> dict[str, Tensor]:
    """Brier score and its parts, of sums (B, 6) of 1, p, y, p², p y, y² in each bin.

    Returns:
        `brier`, `reliability`, `resolution`, `uncertainty`, `within_bin`, `ece` (the mean
        distance of p_b from y_b) and `bias` (mean p - y); NaN without entries.
    """
    total = sums.sum(0)
    n = total[_COUNT]
    count = sums[:, _COUNT].clamp(min=1e-300)
    p, y, base = sums[:, _P] / count, sums[:, _Y] / count, total[_Y] / n
    share = sums[:, _COUNT] / n
    spread = sums[:, _PP] - count * p.square()
    together = sums[:, _PY] - count * p * y
    return {
        "brier": (total[_PP] - 2 * total[_PY] + total[_YY]) / n,
        "reliability": (share * (p - y).square()).sum(),
        "resolution": (share * (y - base).square()).sum(),
        "uncertainty": total[_YY] / n - base.square(),
        "within_bin": (spread - 2 * together).sum() / n,
        "ece": (share * (p - y).abs()).sum(),
        "bias": (total[_P] - total[_Y]) / n,
    }


class ProbabilityCalibration:
    """Streams probabilities and outcomes into a reliability diagram, Brier score and verdict.

    Keypoints of one person are not independent: what is tested are people, in at most 1024
    groups, so memory is flat.

    Args:
        bins: of equal width from 0 to 1.

    >>> generator = torch.Generator().manual_seed(0)
    >>> chance = torch.rand(2000, 17, generator=generator)
    >>> hits = (torch.rand(2000, 17, generator=generator) < chance).float()
    >>> right, high = ProbabilityCalibration(), ProbabilityCalibration()
    >>> right.update(chance, hits)
    >>> high.update(chance.sqrt(), hits)
    >>> right.compute()["verdict"], high.compute()["verdict"]
    ('calibrated', 'overconfident')
    """

    def __init__(self, bins: int = 20) -> None:
        self.bins = bins
        self._sums = GroupSums(bins, 6)
        self._people = 0

    def update(self, probability: Tensor, outcome: Tensor, counted: Tensor | None = None) -> None:
        """Add people.

        Args:
            probability: (M, J) from 0 to 1, or (M,).
            outcome: as probability; OKS, or 0 and 1.
            counted: bool, as probability; the others may be anything.

        Raises:
            InputError: a counted probability or outcome that is not from 0 to 1.
        """
        if counted is None:
            counted = torch.ones_like(probability, dtype=torch.bool)
        for name, value in (("probability", probability), ("outcome", outcome)):
            found = value[counted]
            ok = bool(((found >= 0) & (found <= 1)).all())
            expected = "numbers from 0 to 1"
            require(ok, "ProbabilityCalibration", name, expected=expected, found=found)
        rows = torch.arange(self._people, self._people + len(probability)) % LIMIT
        self._people += len(probability)
        rows = rows.reshape(-1, *[1] * (counted.ndim - 1)).expand(counted.shape)[counted.cpu()]
        p, y = (value[counted].detach().to("cpu", torch.float64)
                for value in (probability, outcome))  # fmt: skip
        values = torch.stack([torch.ones_like(p), p, y, p * p, p * y, y * y], dim=1)
        place = (p * self.bins).long().clamp(max=self.bins - 1)
        table = values.new_zeros(min(self._people, LIMIT) * self.bins, 6)
        table.index_add_(0, rows * self.bins + place, values)
        self._sums.add(torch.arange(len(table) // self.bins), table.view(-1, self.bins, 6))

    def compute(self) -> dict[str, Any]:
        """The parts of `brier_parts`, `diagram`, `verdict` and its `p_value`.

        `diagram`: for each bin that has keypoints its `probability` and `outcome` (means),
        `count` and the 95 % `interval` of the outcome, None with too few people. `verdict`:
        "calibrated", "overconfident", "underconfident", "both" (some bins too high, others too
        low), None with too few people; against right probabilities with chance 1 %, nearly 2 %
        where people are few.
        """
        sums = self._sums.sums
        total = sums.sum(0)
        gap = GroupedMean.of(sums[..., _P] - sums[..., _Y], sums[..., _COUNT])
        verdict, p_value = self._verdict(sums, gap)
        parts = brier_parts(total)
        return {
            **{key: number(value) for key, value in parts.items()},
            "diagram": _diagram(total, gap),
            "verdict": verdict,
            "p_value": p_value,
        }

    def _verdict(self, sums: Tensor, gap: GroupedMean) -> tuple[str | None, float | None]:
        tested = (sums[..., _COUNT] > 0).sum(0) >= _LEAST_GROUPS
        if not bool(tested.any()):
            return None, None
        p_values = holm(gap.p_value()[tested])
        wrong = gap.estimate[tested][p_values < _CHANCE]
        high, low = bool((wrong > 0).any()), bool((wrong < 0).any())
        names = {(False, False): "calibrated", (True, False): "overconfident",
                 (False, True): "underconfident", (True, True): "both"}  # fmt: skip
        return names[high, low], float(p_values.min())


def _diagram(total: Tensor, gap: GroupedMean) -> dict[str, list[Any]]:
    rows = (total[:, _COUNT] > 0).nonzero()[:, 0].tolist()
    mean = total / total[:, [_COUNT]].clamp(min=1)
    low, high = gap.interval()
    ends = [
        [number(mean[b, _P] - high[b]), number(mean[b, _P] - low[b])] for b in rows
    ]  # the gap's interval, about the mean probability: what is uncertain is the outcome
    return {
        "probability": mean[rows, _P].tolist(),
        "outcome": mean[rows, _Y].tolist(),
        "count": total[rows, _COUNT].long().tolist(),
        "interval": [None if None in each else each for each in ends],
    }
