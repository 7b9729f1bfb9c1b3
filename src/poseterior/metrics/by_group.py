"""Scores of groups of poses, such as Human3.6M's actions, and their mean over the groups.

Human3.6M's figures are by custom the mean over its fifteen actions of each action's mean, so
that a short action counts as much as a long one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.metrics.scorecard import SCORE_KEYS
from poseterior.metrics.summary import ScoreAccumulator

__all__ = ["GroupedScores", "mean_of_groups"]


def mean_of_groups(
    scores: Mapping[str, Mapping[str, Any]], keys: Sequence[str] = SCORE_KEYS
) -> dict[str, float | None]:
    """The mean over groups of each score; None where a group has none.

    >>> mean_of_groups({"Eating": {"nll": 1.0}, "Posing": {"nll": 4.0}}, ["nll"])
    {'nll': 2.5}
    """
    require(bool(scores), "score", "groups", expected="at least one group", found="none")
    means: dict[str, float | None] = {}
    for key in keys:
        values = [group.get(key) for group in scores.values()]
        known = [value for value in values if value is not None]
        means[key] = sum(known) / len(known) if len(known) == len(values) else None
    return means


class GroupedScores:
    """Streams poses into one `ScoreAccumulator` a group.

    Args:
        make: a new accumulator, called once a group.

    >>> from poseterior.geometry.skeleton import H36M_17
    >>> scores = GroupedScores(lambda: ScoreAccumulator(H36M_17))
    >>> pose = torch.zeros(3, 17, 3)
    >>> scores.update(["Eating", "Posing", "Eating"], pose[:, None], pose)
    >>> found = scores.compute()
    >>> {name: group["poses"] for name, group in found["groups"].items()}
    {'Eating': 2, 'Posing': 1}
    >>> found["mean_of_groups"]["mpjpe_mean_mm"]
    0.0
    """

    def __init__(self, make: Callable[[], ScoreAccumulator]) -> None:
        self._make = make
        self._groups: dict[str, ScoreAccumulator] = {}

    def update(
        self, group: Sequence[str], hypotheses: Tensor, target: Tensor, **others: Any
    ) -> None:
        """Add poses (M, H, J, 3) with targets (M, J, 3) and the group's name of each.

        `others` are `ScoreAccumulator.update`'s, each with M rows or None. `InputError` if there
        is not one name a pose.
        """
        names = np.asarray(group, dtype=str)
        expected = (len(target),)
        require(names.shape == expected, "score", "group", expected=expected, found=names.shape)
        for name in dict.fromkeys(names.tolist()):
            rows = np.flatnonzero(names == name)
            at = torch.from_numpy(rows).to(target.device)
            chosen = {key: _rows(value, at, rows) for key, value in others.items()}
            if name not in self._groups:
                self._groups[name] = self._make()
            self._groups[name].update(hypotheses[at], target[at], **chosen)

    def compute(self) -> dict[str, Any]:
        """`groups` {name: `ScoreAccumulator.compute`} and `mean_of_groups` {key: mean}."""
        found = {name: group.compute() for name, group in self._groups.items()}
        return {"groups": found, "mean_of_groups": mean_of_groups(found)}


def _rows(value: Any, at: Tensor, rows: np.ndarray) -> Any:
    if value is None:
        return None
    return value[at] if isinstance(value, Tensor) else [value[row] for row in rows]
