"""Sparsification: how the error falls as the least sure are dropped, and AUSE.

Ilg et al., ECCV 2018, Section 6: entries are removed in ascending order of their confidence,
and the mean error of the rest is followed; the oracle removes the largest errors. AUSE is the
area between the two over the share removed. As the mean over n = 1 ... N of the mean error of
the n surest (`poseterior.metrics.risk_coverage.aurc`), it is exact; entries of equal confidence
are taken in random order, of which it is the expectation.

Three normalisations, since papers differ and seldom say:

- `ause`: none, in the unit of the error. Paper 003's Tables 4 and 5 are of its order, times 100:
  an OKS error of about 0.2 and AUSE of 2 to 6.
- `ause_normalised`: over the mean error, so that both curves start at 1 (Ilg et al.).
- `ause_share`: over that of a random order: 0 as good as the oracle, 1 no better than chance.
"""

from __future__ import annotations

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.metrics.joint_table import number
from poseterior.metrics.ranked_sums import LIMIT, RankedSums
from poseterior.metrics.risk_coverage import aurc, risk_at

__all__ = ["KEPT", "Sparsification"]

# Shares of the entries that are kept, where the curves are given.
KEPT = tuple(step / 20 for step in range(1, 21))


class Sparsification:
    """Streams confidences and errors of people or keypoints into curves and AUSE.

    Exact up to `limit` distinct confidences and errors. Beyond it groups of g = 2 / limit of the
    entries are in random order (`RankedSums`), which moves AUSE by at most about g ln(1 / g) of
    the largest error: 3e-4 by default, and in practice far less.

    Args:
        limit: distinct numbers kept of each order.

    >>> found = Sparsification()
    >>> found.update(torch.tensor([0.9, 0.5, 0.1]), torch.tensor([0.0, 0.6, 0.3]))
    >>> {key: round(value, 3) for key, value in found.compute().items() if "ause" in key}
    {'ause': 0.05, 'ause_normalised': 0.167, 'ause_share': 0.333}
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._confidence, self._error = RankedSums(1, limit), RankedSums(1, limit)

    def update(self, confidence: Tensor, error: Tensor, counted: Tensor | None = None) -> None:
        """Add entries.

        Args:
            confidence: (...), any number of which a larger one means surer.
            error: (...), such as 1 - OKS, 1 for a keypoint that PCK misses, or px.
            counted: (...) bool; the others may be anything.

        Raises:
            InputError: a counted confidence or error that is NaN.
        """
        if counted is not None:
            confidence, error = confidence[counted], error[counted]
        for name, value in (("confidence", confidence), ("error", error)):
            ok = not bool(value.isnan().any())
            require(ok, "Sparsification", name, expected="numbers", found="NaN")
        confidence, error = confidence.reshape(-1), error.reshape(-1)
        self._confidence.add(-confidence.double(), error[:, None])
        self._error.add(error, error[:, None])

    def merge(self, other: Sparsification) -> None:
        """Add what another has seen."""
        self._confidence.merge(other._confidence)
        self._error.merge(other._error)

    def compute(self) -> dict[str, float | list[float] | None]:
        """`ause`, `ause_normalised`, `ause_share`, `error` (the mean) and the curves.

        The curves: `kept` shares, the `risk` (mean error) of the surest of each, the `oracle`'s.
        Numbers are None without entries, and shares where there is nothing to rank.
        """
        curves = [(counts, sums[:, 0]) for counts, sums in
                  (self._confidence.compute(), self._error.compute())]  # fmt: skip
        if not len(curves[0][0]):
            empty = dict.fromkeys(("ause", "ause_normalised", "ause_share", "error"))
            return {**empty, "kept": list(KEPT), "risk": [], "oracle": []}
        (risk, oracle), (counts, sums) = (aurc(*curve) for curve in curves), curves[0]
        error, ause = sums.sum() / counts.sum(), risk - oracle
        room = error - oracle
        return {
            "ause": number(ause),
            "ause_normalised": number((ause / error).where(error > 0, torch.nan)),
            "ause_share": number((ause / room).where(room > 1e-12 * error, torch.nan)),
            "error": number(error),
            "kept": list(KEPT),
            "risk": risk_at(*curves[0], KEPT).tolist(),
            "oracle": risk_at(*curves[1], KEPT).tolist(),
        }
