"""Ranks of whole poses: uniform when all is right, and deaf or not to what they should be."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import kstest
from torch import Tensor

from poseterior.geometry.skeleton import H36M_17
from poseterior.metrics.rank_cells import Cells, normal_score
from poseterior.metrics.whole_pose import (
    Deviations,
    density_cells,
    pair_cells,
    tarp_cells,
    whole_cells,
)

POSES, HYPOTHESES, JOINTS = 3000, 24, 16


def together(correlation: float, *shape: int, seed: int = 0) -> Tensor:
    """Numbers (M, K, 3, H) whose joints have the correlation along each axis."""
    draw = torch.Generator().manual_seed(seed)
    common = torch.randn(POSES, 1, 3, *shape, generator=draw)
    own = torch.randn(POSES, JOINTS, 3, *shape, generator=draw)
    return correlation**0.5 * common + (1 - correlation) ** 0.5 * own


def all_cells(columns: Tensor, target: Tensor, seed: int = 5) -> dict[str, Cells]:
    draw = torch.Generator().manual_seed(seed)
    deviations = Deviations.of(columns.clone(), target, None, None)
    found = whole_cells(deviations, H36M_17, draw)
    found["tarp"] = tarp_cells(columns, target, None, None, draw)
    found["pair"] = tuple(end[:, 3, 1] for end in pair_cells(deviations, 2, draw))  # type: ignore[assignment]
    return found


def uniform(cells: Cells) -> float:
    """P-value of the cells with a random place in each against the uniform distribution."""
    draw = torch.rand(len(cells[0]), generator=torch.Generator().manual_seed(9))
    return kstest((cells[0] + draw * (cells[1] - cells[0])).numpy(), "uniform").pvalue


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_all_are_uniform_for_a_right_posterior(correlation: float) -> None:
    cells = all_cells(together(correlation, HYPOTHESES, seed=1), together(correlation, seed=2))
    p_values = {name: uniform(cell) for name, cell in cells.items()}
    assert min(p_values.values()) > 1e-3, p_values


def test_dependence_is_deaf_to_one_common_factor() -> None:
    cells = all_cells(0.5 * together(0.6, HYPOTHESES, seed=1), together(0.6, seed=2))
    for name in ("together_x", "together_y", "together_z", "bones"):
        assert abs(normal_score(cells[name]).mean().item()) < 0.12, name
    assert normal_score(cells["radius"]).mean() > 0.5
    assert uniform(cells["tarp"]) < 1e-6


def test_dependence_hears_wrong_correlations_of_right_joints() -> None:
    cells = all_cells(together(0.0, HYPOTHESES, seed=1), together(0.6, seed=2))
    assert normal_score(cells["together_x"]).mean() > 0.5
    assert normal_score(cells["bones"]).mean() < -0.5
    assert normal_score(cells["pair"]).mean() > 0.2
    assert uniform(cells["radius"]) < 1e-6


def test_highest_density_regions_of_a_normal_density() -> None:
    columns, target = together(0.0, HYPOTHESES, seed=1), together(0.0, seed=2)
    log_prob = -columns.square().sum((1, 2)) / 2
    own = -target.square().sum((1, 2)) / 2
    draw = torch.Generator().manual_seed(0)
    assert uniform(density_cells(log_prob, own, None, draw)) > 1e-3
    wide = -(1.2 * target).square().sum((1, 2)) / 2
    assert normal_score(density_cells(log_prob, wide, None, draw)).mean() > 0.3


def test_joints_that_are_not_valid_do_not_count() -> None:
    columns, target = together(0.6, HYPOTHESES, seed=1), together(0.6, seed=2)
    valid = torch.ones(POSES, JOINTS, dtype=torch.bool)
    valid[:, 4] = False
    spoilt, moved = columns.clone(), target.clone()
    moved[:, 4] += 100
    spoilt[:, 4] *= 7
    draws = [torch.Generator().manual_seed(1) for _ in range(2)]
    some = [
        whole_cells(Deviations.of(c.clone(), t, None, valid), H36M_17, draw)
        for c, t, draw in zip((columns, spoilt), (target, moved), draws, strict=True)
    ]
    for name in some[0]:
        torch.testing.assert_close(some[0][name][0], some[1][name][0])
    found = tarp_cells(columns, target, None, valid, torch.Generator().manual_seed(1))
    other = tarp_cells(spoilt, moved, None, valid, torch.Generator().manual_seed(1))
    torch.testing.assert_close(found[0], other[0])


def test_weights_of_zero_are_as_good_as_absent() -> None:
    columns, target = together(0.6, HYPOTHESES, seed=1)[:50], together(0.6, seed=2)[:50]
    weights = torch.zeros(50, HYPOTHESES, dtype=torch.float64)
    weights[:, :15] = 1 / 15
    found = whole_cells(
        Deviations.of(columns.clone(), target, weights, None), H36M_17, torch.Generator()
    )
    few = columns[..., :15].contiguous()
    expected = whole_cells(
        Deviations.of(few.clone(), target, None, None), H36M_17, torch.Generator()
    )
    for name in found:
        torch.testing.assert_close(found[name][0], expected[name][0], atol=1e-6, rtol=0)


def test_weighted_tarp_is_uniform_where_weights_are_even_in_blocks() -> None:
    columns, target = together(0.6, 40, seed=1), together(0.6, seed=2)
    weights = torch.zeros(POSES, 40, dtype=torch.float64)
    weights[:, ::2] = 1 / 20
    cells = tarp_cells(columns, target, weights, None, torch.Generator().manual_seed(0))
    assert uniform(cells) > 1e-3
