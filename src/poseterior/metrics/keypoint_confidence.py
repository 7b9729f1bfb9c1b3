"""All that a detector's confidences are judged by, of people and of keypoints, in one pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from poseterior.metrics.correlation import Pearson
from poseterior.metrics.joint_table import number
from poseterior.metrics.oks import counted_mean
from poseterior.metrics.probability_calibration import ProbabilityCalibration
from poseterior.metrics.ranked_precision import RankedPrecision
from poseterior.metrics.ranked_sums import LIMIT
from poseterior.metrics.sparsification import Sparsification

__all__ = ["KeypointConfidence"]


class KeypointConfidence:
    """Streams confidences of people and keypoints against what they came to (paper 003, 6.3).

    People without a counted keypoint are left out. Confidences may be any numbers, larger is
    surer; where one is not from 0 to 1 they are no probabilities, and those are not judged.

    Args:
        limit: distinct numbers kept exactly of each order (`RankedSums`).

    >>> oks = torch.tensor([[1.0, 0.8], [0.2, 0.4], [0.6, 0.7]])
    >>> found = KeypointConfidence()
    >>> found.update(oks.mean(1), oks, oks, torch.ones(3, 2, dtype=torch.bool))
    >>> row = found.compute()
    >>> row["pearson_instance"], row["ause_keypoint"], row["brier"]
    (1.0, 0.0, 0.0)
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._precision = RankedPrecision(limit=limit)
        self._pearson = {"instance": Pearson(), "keypoint": Pearson()}
        self._ause = {name: Sparsification(limit) for name in self._pearson}
        self._hits: dict[str, list[float]] = {}
        self._calibration: ProbabilityCalibration | None = ProbabilityCalibration()

    def update(
        self,
        confidence: Tensor,
        keypoint_confidence: Tensor,
        keypoint_oks: Tensor,
        counted: Tensor,
        hits: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Add people.

        Args:
            confidence: (M,) of each person.
            keypoint_confidence: (M, J).
            keypoint_oks: (M, J), from `poseterior.metrics.oks.keypoint_oks`.
            counted: (M, J) bool, what the target has labelled.
            hits: such as {"pck50": (M, J) bool} from `poseterior.metrics.pck.pck_hits`; the same
                names every time.
        """
        person = counted.any(-1)
        oks = counted_mean(keypoint_oks, counted)[person]
        confidence = confidence[person]
        self._precision.update(confidence, oks)
        for name, pair in (
            ("instance", (confidence, oks)),
            ("keypoint", (keypoint_confidence[counted], keypoint_oks[counted])),
        ):
            self._pearson[name].update(*pair)
            self._ause[name].update(pair[0], 1 - pair[1])
        for name, hit in (hits or {}).items():
            right = hit[counted].double()
            sums = self._hits.setdefault(name, [0.0, 0.0])
            sums[0], sums[1] = sums[0] + float(right.sum()), sums[1] + right.numel()
            self._ause.setdefault(name, Sparsification(self._limit))
            self._ause[name].update(keypoint_confidence[counted], 1 - right)
        self._judge(keypoint_confidence, keypoint_oks, counted)

    def _judge(self, probability: Tensor, oks: Tensor, counted: Tensor) -> None:
        found = probability[counted]
        if not bool(((found >= 0) & (found <= 1)).all()):
            self._calibration = None
        if self._calibration is not None:
            self._calibration.update(probability, oks, counted)

    def compute(self) -> dict[str, Any]:
        """One row of a table, and the curves.

        `simple_map` and `simple_mar` (Eq. 9 and 8); `pearson_instance`, `pearson_keypoint`;
        `ause_instance`, `ause_keypoint` of 1 - OKS; for each of the hits its mean, `pck50`, and
        `ause_pck50` of 1 - hit; AUSE as a mean difference of errors, times 100 in paper 003.
        Then `brier` and its parts, `ece`, `verdict` and `reliability` (the diagram), None where
        the confidences are no probabilities; `curves`, what `Sparsification` gives, by name.
        """
        precision = self._precision.compute()
        curves = {name: each.compute() for name, each in self._ause.items()}
        judged = self._calibration.compute() if self._calibration is not None else {}
        keys = ("brier", "reliability", "resolution", "uncertainty", "within_bin", "ece", "bias")
        return {
            "simple_map": precision["map"],
            "simple_mar": precision["mar"],
            **{f"pearson_{name}": each.compute() for name, each in self._pearson.items()},
            **{f"ause_{name}": curve["ause"] for name, curve in curves.items()},
            **{name: number(torch.tensor(right / n if n else torch.nan, dtype=torch.float64))
               for name, (right, n) in self._hits.items()},
            **{f"brier_{key}" if key in keys[1:5] else key: judged.get(key) for key in keys},
            "verdict": judged.get("verdict"),
            "reliability": judged.get("diagram"),
            "curves": curves,
        }  # fmt: skip
