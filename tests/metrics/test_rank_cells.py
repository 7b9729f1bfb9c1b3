"""Ranks and their scores: exact means at any number of hypotheses, ties, weights."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import chisquare, norm

from poseterior.metrics.rank_cells import (
    bin_shares,
    inside,
    normal_score,
    rank_cells,
    squared_score,
)
from poseterior.metrics.spread_factor import spread_factor


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def all_cells(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The cells of all ranks among `count` hypotheses, each as likely under a right posterior."""
    low = torch.arange(count + 1, dtype=torch.float64) / (count + 1)
    return low, low + 1 / (count + 1)


@pytest.mark.parametrize("count", [1, 2, 7, 20, 200, 999])
def test_a_right_posterior_has_the_same_means_at_any_number_of_hypotheses(count: int) -> None:
    cells = all_cells(count)
    assert normal_score(cells).mean().item() == pytest.approx(0, abs=1e-12)
    assert squared_score(cells).mean().item() == pytest.approx(1, abs=1e-12)
    for level in (0.1, 0.5, 0.9):
        assert inside(cells, level).mean().item() == pytest.approx(level, abs=1e-12)
    shares = bin_shares(cells, 20)
    torch.testing.assert_close(shares.mean(0), torch.full((20,), 0.05, dtype=torch.float64))
    torch.testing.assert_close(shares.sum(-1), torch.ones(count + 1, dtype=torch.float64))


@pytest.mark.parametrize("rank", [0, 3, 10])
def test_scores_are_averages_over_the_cell(rank: int) -> None:
    low, high = rank / 11, (rank + 1) / 11
    cells = torch.tensor([low], dtype=torch.float64), torch.tensor([high], dtype=torch.float64)
    for found, power in ((normal_score(cells), 1), (squared_score(cells), 2)):
        expected, _ = quad(lambda u, p=power: norm.ppf(u) ** p, low, high, limit=200)
        assert found.item() == pytest.approx(expected * 11, rel=1e-5)


@given(st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=9), st.floats(-5, 5, width=32))
def test_ranks_count_the_hypotheses_below(values: list[float], point: float) -> None:
    hypotheses, target = torch.tensor([values]), torch.tensor([point])
    low, high = rank_cells(hypotheses, target, None, generator())
    below, equal = sum(v < point for v in values), sum(v == point for v in values)
    rank = low.item() * (len(values) + 1)
    assert below - 1e-9 <= rank <= below + equal + 1e-9
    assert high.item() == pytest.approx(low.item() + 1 / (len(values) + 1))


def test_ties_fall_anywhere_among_their_equals() -> None:
    hypotheses = torch.tensor([0.0, 1.0, 1.0, 1.0, 2.0]).expand(4000, 5)
    low, _ = rank_cells(hypotheses, torch.ones(4000), None, generator())
    counts = torch.bincount((low * 6).round().long(), minlength=6)
    assert counts[0] == counts[5] == 0
    assert chisquare(counts[1:5].numpy()).pvalue > 1e-3


def test_weights_of_zero_are_as_good_as_absent() -> None:
    values = torch.randn(50, 4, 30, generator=generator(1))
    target = torch.randn(50, 4, generator=generator(2))
    weights = torch.zeros(50, 30, dtype=torch.float64)
    weights[:, :12] = 1 / 12
    found = rank_cells(values, target, weights, generator())
    expected = rank_cells(values[..., :12].contiguous(), target, None, generator())
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("count", [20, 200])
@pytest.mark.parametrize("factor", [0.25, 0.6, 1.0, 1.4, 4.0])
def test_the_factor_of_normal_numbers_is_found(count: int, factor: float) -> None:
    draws = generator(int(10 * factor) + count)
    values = torch.randn(20_000, count, generator=draws)
    target = factor * torch.randn(20_000, generator=draws)
    score = squared_score(rank_cells(values, target, None, draws)).mean(0, keepdim=True)
    assert spread_factor(score, count).item() == pytest.approx(factor, rel=0.04)


def test_the_factor_rises_with_the_score_and_has_ends() -> None:
    found = spread_factor(torch.linspace(0, 12, 400, dtype=torch.float64), 200)
    assert bool((found.diff() >= 0).all())
    assert found[0].item() == pytest.approx(0.02)
    assert found[-1].item() == pytest.approx(50)
    assert spread_factor(torch.tensor([torch.nan]), 200).isnan().all()
