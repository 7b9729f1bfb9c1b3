"""Intervals by clip: groups, limits, and agreement with theory."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from poseterior.metrics.bootstrap import ClipGroups, GroupSums, interval, resamples
from poseterior.metrics.histogram import Histogram


def test_rows_without_a_clip_form_blocks_across_calls() -> None:
    groups = ClipGroups(block=3)
    assert torch.cat([groups(None, 4), groups(None, 4)]).tolist() == [0, 0, 0, 1, 1, 1, 2, 2]


@pytest.mark.parametrize("labels", [np.array([7, 7, 9]), np.array(["a", "a", "b"]), [1.0, 1.0, 2]])
def test_labels_of_any_kind(labels: object) -> None:
    assert ClipGroups()(labels, 3).tolist() == [0, 0, 1]  # type: ignore[arg-type]


def test_more_clips_than_the_limit_share_groups_stably() -> None:
    groups = ClipGroups(limit=8)
    first = groups(list(range(1000)), 1000)
    assert first[:8].tolist() == list(range(8))
    assert int(first.max()) < 8
    assert torch.equal(groups(list(range(1000)), 1000), first)
    assert torch.bincount(first, minlength=8).min() > 80


def test_sums_are_by_group_however_rows_arrive() -> None:
    values = torch.randn(50, 3)
    group = torch.randint(0, 4, (50,))
    sums = GroupSums(3)
    for start in range(0, 50, 7):
        sums.add(group[start : start + 7], values[start : start + 7])
    for g in range(4):
        torch.testing.assert_close(sums.sums[g], values[group == g].double().sum(0))


def test_the_interval_of_a_mean_is_as_wide_as_theory_says() -> None:
    """A mean over clips whose rows all agree: the standard error is that of the clips."""
    clips = torch.randn(200, generator=torch.Generator().manual_seed(1), dtype=torch.float64) + 5
    draws = resamples(200, replicates=2000)
    replicates = (draws @ clips) / draws.sum(1)
    low, high = interval(replicates, clips.mean().item())
    standard_error = clips.std().item() / 200**0.5
    assert high - low == pytest.approx(2 * 1.96 * standard_error, rel=0.08)
    assert (low + high) / 2 == pytest.approx(clips.mean().item(), abs=0.1 * standard_error)


def test_no_interval_from_one_clip_and_none_below_zero() -> None:
    assert interval(torch.ones(1000), 1.0) is None
    assert interval(torch.full((1000,), torch.nan), 1.0) is None
    low, high = interval(torch.randn(1000).abs().double(), 0.1)
    assert low == 0 < high


def test_same_seed_same_draws() -> None:
    assert torch.equal(resamples(9, 20, seed=3), resamples(9, 20, seed=3))
    assert not torch.equal(resamples(9, 20, seed=3), resamples(9, 20, seed=4))


def test_histogram_is_numpys_with_an_overflow() -> None:
    values = torch.rand(5000, generator=torch.Generator().manual_seed(0)) * 13
    histogram = Histogram(10.0, bins=20)
    for part in values.split(700):
        histogram.add(part)
    found = histogram.compute()
    expected, edges = np.histogram(values, bins=20, range=(0, 10))
    np.testing.assert_allclose(found["edges"], edges)
    assert found["counts"][:-1] == expected.tolist()
    assert sum(found["counts"]) == 5000
