"""Quantiles, shares and how many hypotheses an interval takes, against NumPy and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import beta, binomtest

from poseterior.credible import effective_number, fewest_hypotheses, quantiles, share_interval
from poseterior.errors import InputError


@pytest.mark.parametrize(("count", "total"), [(0, 200), (1, 200), (100, 200), (200, 200), (3, 7)])
@pytest.mark.parametrize("level", [0.5, 0.95])
def test_the_interval_of_a_share_is_wilsons(count: int, total: int, level: float) -> None:
    low, high = share_interval(torch.tensor(count / total, dtype=torch.float64), total, level)
    wanted = binomtest(count, total).proportion_ci(level, method="wilson")
    assert (low.item(), high.item()) == pytest.approx((wanted.low, wanted.high), abs=1e-9)
    assert low == 0 if count == 0 else low > 0
    assert high == 1 if count == total else high < 1


def test_the_interval_of_a_share_covers() -> None:
    """Exactly, by the binomial: the mean coverage over all p is near its level."""
    total, p = 40, np.linspace(0.001, 0.999, 500)
    ends = share_interval(torch.arange(total + 1) / total, total)
    low, high = (end.numpy()[:, None] for end in ends)
    counts = np.arange(total + 1)[:, None]
    chance = np.exp(
        np.array([[math.log(math.comb(total, k))] for k in range(total + 1)])
        + counts * np.log(p) + (total - counts) * np.log1p(-p)
    )  # fmt: skip
    covered = (chance * ((low <= p) & (p <= high))).sum(0)
    assert covered.mean() == pytest.approx(0.95, abs=0.01)
    assert covered.min() > 0.8


@pytest.mark.parametrize(("level", "fewest"), [(0.5, 3), (0.8, 9), (0.9, 19), (0.95, 39)])
def test_the_fewest_hypotheses_can_reach_the_tails(level: float, fewest: int) -> None:
    """The least of H uniform draws is Beta(1, H): its mean is the tail, and no fewer reach it."""
    assert fewest_hypotheses(level) == fewest
    tail = (1 - level) / 2
    assert beta(1, fewest).mean() <= tail + 1e-12
    assert beta(1, fewest - 1).mean() > tail


def test_quantiles_are_those_of_numpy() -> None:
    samples = torch.randn((37, 3, 2), generator=torch.Generator().manual_seed(0))
    levels = torch.tensor([0.0, 0.05, 0.5, 0.77, 1.0], dtype=torch.float64)
    wanted = np.quantile(samples.double().numpy(), levels.numpy(), axis=0)
    assert np.allclose(quantiles(samples, levels).numpy(), wanted)
    assert torch.equal(quantiles(samples[:1], levels), samples[:1].double().expand(5, 3, 2))


def test_the_effective_number_counts_equal_weights() -> None:
    weights = torch.zeros(2, 10)
    weights[0], weights[1, :4] = 0.3, 2.0
    assert effective_number(weights).tolist() == pytest.approx([10, 4])


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, 90, math.nan])
def test_levels_are_between_0_and_1(level: float) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        fewest_hypotheses(level)
    with pytest.raises(InputError, match="between 0 and 1"):
        share_interval(torch.tensor(0.5), 10, level)
