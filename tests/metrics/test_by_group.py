"""Means by group: against one accumulator for each, and plain arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_17
from poseterior.metrics.by_group import GroupedScores, mean_of_groups
from poseterior.metrics.summary import ScoreAccumulator


def test_groups_are_scored_alone_and_weigh_the_same() -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(60, 17, 3, generator=generator)
    hypotheses = target[:, None] + 0.1 * torch.randn(60, 20, 17, 3, generator=generator)
    target[:, 0] = hypotheses[:, :, 0] = 0
    clips = [f"clip {i // 5}" for i in range(60)]
    names = np.array(["Eating"] * 10 + ["Posing"] * 50)
    order = torch.randperm(60, generator=generator)
    grouped = GroupedScores(lambda: ScoreAccumulator(H36M_17, replicates=10))
    for part in order.split(25):
        grouped.update(
            names[part.numpy()], hypotheses[part], target[part],
            clip=[clips[i] for i in part.tolist()], mode=target[part], weights=None,
        )  # fmt: skip
    found = grouped.compute()
    for name, rows in (("Eating", slice(0, 10)), ("Posing", slice(10, 60))):
        alone = ScoreAccumulator(H36M_17, replicates=10)
        alone.update(hypotheses[rows], target[rows], clip=clips[rows], mode=target[rows])
        expected = alone.compute()
        for key in ("poses", "mpjpe_mean_mm", "min_mpjpe_mm", "energy_score_mm", "ece_median"):
            assert found["groups"][name][key] == pytest.approx(expected[key])
    means = [found["groups"][name]["min_mpjpe_mm"] for name in ("Eating", "Posing")]
    assert found["mean_of_groups"]["min_mpjpe_mm"] == pytest.approx(sum(means) / 2)
    assert found["mean_of_groups"]["mpjpe_mode_mm"] == pytest.approx(0.0)
    assert found["mean_of_groups"]["nll"] is None


def test_a_score_that_a_group_lacks_has_no_mean() -> None:
    scores = {"a": {"x": 1.0, "y": None}, "b": {"x": 3.0, "y": 2.0}}
    assert mean_of_groups(scores, ["x", "y", "z"]) == {"x": 2.0, "y": None, "z": None}


def test_bad_groups() -> None:
    pose = torch.zeros(2, 17, 3)
    grouped = GroupedScores(lambda: ScoreAccumulator(H36M_17))
    with pytest.raises(InputError, match="group"):
        grouped.update(["a"], pose[:, None], pose)
    with pytest.raises(InputError, match="groups: expected at least one"):
        grouped.compute()
