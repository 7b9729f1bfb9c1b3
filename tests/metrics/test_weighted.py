"""Weighted mean, median and quantiles against NumPy and against the rule written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from oracles import metrics_loops
from poseterior.errors import InputError
from poseterior.metrics.weighted import (
    hypotheses_last,
    normalised,
    weighted_mean,
    weighted_median,
    weighted_quantile,
)

# Multiples of 1/4: ties are common, arithmetic on them is exact.
QUARTERS = st.integers(-8, 8).map(lambda k: k / 4)
VALUES = st.integers(1, 12).flatmap(lambda n: arrays(np.float64, n, elements=QUARTERS))
LEVELS = np.arange(21) / 20


@settings(deadline=None, max_examples=40)
@given(VALUES)
def test_equal_weights_give_numpys_quantile(values: np.ndarray) -> None:
    weights = torch.full((len(values),), 1 / len(values), dtype=torch.float64)
    found = weighted_quantile(torch.from_numpy(values), torch.from_numpy(LEVELS), weights)
    np.testing.assert_allclose(found.numpy(), np.quantile(values, LEVELS), atol=1e-12)


@settings(deadline=None, max_examples=40)
@given(VALUES, st.randoms(use_true_random=False))
def test_any_weights_give_the_rule_written_out(values: np.ndarray, random) -> None:
    weights = np.array([random.choice([0, 1, 2, 5]) for _ in values], dtype=float)
    weights[random.randrange(len(weights))] = 3.0
    chances = torch.from_numpy(weights / weights.sum())
    found = weighted_quantile(torch.from_numpy(values), torch.from_numpy(LEVELS), chances)
    expected = [metrics_loops.weighted_quantile(values, q, weights) for q in LEVELS]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)
    assert (found.diff() >= 0).all()


@pytest.mark.parametrize("count", [1, 2, 3, 20, 21])
def test_median_and_mean_are_numpys(count: int) -> None:
    hypotheses = np.random.default_rng(count).normal(size=(4, count, 5, 3)).astype(np.float32)
    exact = hypotheses.astype(np.float64)
    for same in (torch.from_numpy(hypotheses), hypotheses_last(torch.from_numpy(hypotheses))):
        np.testing.assert_array_equal(weighted_median(same).numpy(), np.median(exact, axis=1))
        np.testing.assert_allclose(weighted_mean(same).numpy(), exact.mean(axis=1), atol=1e-15)


def test_a_hypothesis_without_weight_is_absent() -> None:
    hypotheses = torch.randn(3, 9, 4, 3)
    weights = torch.rand(3, 9) + 0.1
    more = torch.cat([hypotheses, torch.full((3, 2, 4, 3), 1e3)], dim=1)
    padded = torch.cat([weights, torch.zeros(3, 2)], dim=1)
    for statistic in (weighted_mean, weighted_median):
        torch.testing.assert_close(statistic(more, padded), statistic(hypotheses, weights))


@pytest.mark.parametrize(
    "weights", [[[1.0, -1.0]], [[0.0, 0.0]], [[1.0, float("nan")]], [[1.0, float("inf")]]]
)
def test_bad_weights_are_named(weights: list[list[float]]) -> None:
    with pytest.raises(InputError, match="weights"):
        normalised(torch.tensor(weights))


def test_hypotheses_last_changes_only_the_memory() -> None:
    hypotheses = torch.randn(3, 7, 5, 3)
    same = hypotheses_last(hypotheses)
    assert torch.equal(same, hypotheses)
    assert same.stride(1) == 1
    assert hypotheses_last(same).data_ptr() == same.data_ptr()
    assert torch.equal(hypotheses_last(hypotheses, [3, 1]), hypotheses[:, :, [3, 1]])
