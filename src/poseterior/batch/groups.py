"""Scores of the poses of each action or setting, beside those of all poses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from poseterior.geometry.skeleton import Skeleton
from poseterior.metrics.by_group import GroupedScores
from poseterior.metrics.scorecard import SCORE_KEYS
from poseterior.metrics.summary import ScoreAccumulator

__all__ = ["GROUPS", "LabelGroups"]

# A source's label, and what its groups are called in a result.
GROUPS = {"action": "actions", "setting": "settings"}
_KEPT = ("poses", *SCORE_KEYS, "coverage_90")
_FEW = 2  # replicates of a bootstrap whose intervals are not kept


class LabelGroups:
    """Streams poses into one set of scores for each value of the labels in `GROUPS`."""

    def __init__(self, skeleton: Skeleton) -> None:
        self._skeleton = skeleton
        self._scores: dict[str, GroupedScores] = {}

    def update(self, labels: Mapping[str, np.ndarray], **fields: Any) -> None:
        """Add poses with their labels (M,); `fields` as `ScoreAccumulator.update` takes them."""
        for label in GROUPS:
            if label in labels:
                if label not in self._scores:
                    self._scores[label] = GroupedScores(self._accumulator)
                self._scores[label].update(labels[label].tolist(), **fields)

    def _accumulator(self) -> ScoreAccumulator:
        return ScoreAccumulator(self._skeleton, replicates=_FEW)

    def compute(self) -> dict[str, Any]:
        """For a label such as `action`: `per_action` {name: scores}, `mean_over_actions` {key}.

        Nothing for a label that no pose had.
        """
        found: dict[str, Any] = {}
        for label, scores in self._scores.items():
            each = scores.compute()
            found[f"per_{label}"] = {
                name: {key: group[key] for key in _KEPT} for name, group in each["groups"].items()
            }
            found[f"mean_over_{GROUPS[label]}"] = each["mean_of_groups"]
        return found
