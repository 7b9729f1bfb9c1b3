"""Tests by groups: Student's where groups are equal, honest where poses of a clip are alike."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import ttest_1samp

from poseterior.metrics.cluster_test import GroupedMean, effective_groups, holm
from poseterior.metrics.rank_histogram import (
    design_effect,
    histogram_p_values,
    simultaneous_band,
)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_groups_of_one_pose_are_students_test() -> None:
    values = normal(30, 4) + 0.3
    mean = GroupedMean.of(values, torch.ones(30, 4))
    expected = ttest_1samp(values.numpy(), 0.1)
    torch.testing.assert_close(mean.statistic(0.1), torch.from_numpy(expected.statistic))
    torch.testing.assert_close(mean.p_value(0.1), torch.from_numpy(expected.pvalue))
    low, high = expected.confidence_interval()
    torch.testing.assert_close(mean.interval()[0], torch.from_numpy(low))
    torch.testing.assert_close(mean.interval()[1], torch.from_numpy(high))


def test_equal_groups_are_students_test_of_their_means() -> None:
    values = normal(12, 1) + normal(12, 5, seed=1)
    mean = GroupedMean.of(values.sum(1), torch.full((12,), 5.0))
    expected = ttest_1samp(values.mean(1).numpy(), 0.0)
    assert mean.statistic().item() == pytest.approx(expected.statistic)


def test_the_average_is_that_of_the_sum() -> None:
    values = normal(20, 6)
    mean = GroupedMean.of(values, torch.ones(20, 6)).average(-1)
    expected = ttest_1samp(values.mean(1).numpy(), 0.0)
    assert mean.statistic().item() == pytest.approx(expected.statistic)


def test_few_groups_tell_nothing() -> None:
    one = GroupedMean.of(normal(1, 3), torch.full((1, 3), 50.0))
    assert one.p_value().tolist() == [1, 1, 1]
    assert all(map(math.isinf, one.interval()[1].tolist()))
    assert GroupedMean.of(torch.zeros(5, 1), torch.ones(5, 1)).p_value().item() == 1


def test_frames_of_a_clip_count_as_one() -> None:
    """Forty frames alike in each of 20 clips: a test of frames would call half of them wrong."""
    grouped, alone = 0, 0
    for seed in range(400):
        clips = normal(20, 1, seed=seed).expand(20, 40)
        grouped += bool(GroupedMean.of(clips.sum(1), torch.full((20,), 40.0)).p_value() < 0.05)
        alone += bool(ttest_1samp(clips.flatten().numpy(), 0).pvalue < 0.05)
    assert 8 <= grouped <= 34  # 20 expected, 3 standard deviations
    assert alone > 200


def test_a_few_long_clips_count_as_few() -> None:
    counts = torch.tensor([1000.0, 1000.0, 1.0, 1.0, 1.0])
    assert effective_groups(counts).item() == pytest.approx(2, abs=0.02)


def test_holm_is_step_down() -> None:
    values = torch.rand(40, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    found = holm(values)
    order = sorted(range(40), key=lambda n: values[n])
    largest = 0.0
    for place, n in enumerate(order):
        largest = max(largest, min(1.0, (40 - place) * values[n].item()))
        assert found[n].item() == pytest.approx(largest)


def test_the_band_holds_all_bins_of_uniform_ranks() -> None:
    low, high = simultaneous_band(800, 20, seed=1)
    drawn = torch.rand(2000, 800, generator=torch.Generator().manual_seed(2))
    shares = torch.nn.functional.one_hot((drawn * 20).long(), 20).double().mean(1)
    inside = ((shares >= low) & (shares <= high)).all(-1).double().mean().item()
    assert 0.94 <= inside <= 0.985
    pointwise = 2 * (0.05 * 0.95 / 800) ** 0.5
    assert high - 0.05 > 1.2 * pointwise


@pytest.mark.parametrize(("copies", "expected"), [(1, 1.0), (10, 10.0)])
def test_the_design_effect_counts_copies(copies: int, expected: float) -> None:
    drawn = torch.rand(60, 40 // copies, 8, generator=torch.Generator().manual_seed(0))
    ranks = torch.nn.functional.one_hot((drawn * 20).long(), 20).double()
    sums = ranks.sum(1) * copies
    bins = GroupedMean.of(sums, torch.full((60, 1, 1), 40.0).expand(sums.shape))
    found = design_effect(bins, torch.full((8,), 2400.0))
    assert found == pytest.approx(expected, rel=0.15)
    p_values = histogram_p_values(bins, torch.full((8,), 2400.0), found)
    assert p_values.min() > 1e-3


def test_uneven_histograms_are_found() -> None:
    drawn = torch.rand(60, 40, 1, generator=torch.Generator().manual_seed(0)) ** 1.3
    sums = torch.nn.functional.one_hot((drawn * 20).long(), 20).double().sum(1)
    bins = GroupedMean.of(sums, torch.full((60, 1, 1), 40.0).expand(sums.shape))
    assert histogram_p_values(bins, torch.tensor([2400.0]), 1.0).item() < 1e-6
