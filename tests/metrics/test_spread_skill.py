"""Spread against error: NumPy's moments, exact expectations, and posteriors of known faults."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr
from torch import Tensor

from poseterior.geometry.skeleton import H36M_17
from poseterior.metrics.bootstrap import resamples
from poseterior.metrics.chunk import Chunk
from poseterior.metrics.log_bins import LogBins
from poseterior.metrics.pose_spread import left_out, pose_spread
from poseterior.metrics.spread_skill import SpreadSkill

FREE = list(H36M_17.free)
JOINTS = len(FREE)


def poses(
    count: int = 600, hypotheses: int = 30, differ: float = 0.5, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """A right posterior whose width differs between poses: log-normal, of scale `differ`."""
    generator = torch.Generator().manual_seed(seed)
    width = 0.05 * (differ * torch.randn(count, 1, 1, 1, generator=generator)).exp()
    draw = width * torch.randn(count, hypotheses + 1, 17, 3, generator=generator)
    draw[:, :, 0] = 0
    return draw[:, 1:], draw[:, 0]


def skill_of(x: Tensor, y: Tensor, step: int = 250, **others: Tensor) -> SpreadSkill:
    skill, group = SpreadSkill(H36M_17), torch.arange(len(y)) // 10
    for start in range(0, len(y), step):
        rows = slice(start, start + step)
        some = {name: value[rows] for name, value in others.items()}
        for piece in Chunk(x[rows], y[rows], group[rows], **some).pieces():
            skill.update(
                piece.hypotheses, piece.target, weights=piece.weights,
                valid_joints=piece.valid_joints, group=piece.group,
            )  # fmt: skip
    return skill


def computed(x: Tensor, y: Tensor, **others: Tensor) -> dict[str, dict]:
    return skill_of(x, y, **others).compute(resamples(len(y) // 10, 300))


def given_weights(poses: int, count: int) -> Tensor:
    weights = torch.rand(poses, count, generator=torch.Generator().manual_seed(4))
    weights[:, 2] = 0
    return weights


@pytest.mark.parametrize("weighted", [False, True])
def test_spread_and_error_are_numpys(weighted: bool) -> None:
    x, y = poses(4, 9)
    weights = given_weights(4, 9) if weighted else None
    found = pose_spread(x, y, weights=weights)
    for m in range(4):
        chances = None if weights is None else weights[m].double().numpy()
        for joint in range(17):
            values = x[m, :, joint].double().numpy()
            trace = np.trace(np.cov(values.T, aweights=chances))
            assert found.variance[m, joint].item() == pytest.approx(trace, rel=1e-4, abs=1e-12)
            mean = np.average(values, axis=0, weights=chances)
            squared = ((mean - y[m, joint].double().numpy()) ** 2).sum()
            assert found.error[m, joint].item() == pytest.approx(squared, rel=1e-3, abs=1e-12)
    torch.testing.assert_close(found.variance[:, -1], found.variance[:, :-1].mean(-1))


def test_the_error_of_a_right_posterior_is_its_spread_times_one_plus_its_excess() -> None:
    """With three hypotheses the correction is a third; with weights it is sum w²."""
    x, y = poses(20_000, 3, differ=0.0)
    for weights in (None, torch.tensor([1.0, 2.0, 5.0]).expand(20_000, -1)):
        found = pose_spread(x, y, weights=weights)
        excess = 1 / 3 if weights is None else 30 / 64
        assert found.excess[0].item() == pytest.approx(excess)
        ratio = found.error[:, -1].mean() / found.variance[:, -1].mean()
        assert ratio.item() == pytest.approx(1 + excess, rel=0.01)


def test_noise_is_the_variance_of_the_variance() -> None:
    x, y = poses(3000, 100, differ=0.0)
    found = pose_spread(x, y)
    observed = found.variance.var(0)[1:]  # the root has none
    np.testing.assert_allclose(found.noise.mean(0)[1:], observed, rtol=0.15)


def test_a_left_out_hypothesis_is_a_target_of_the_others() -> None:
    x, y = poses(5, 8)
    valid = torch.rand(5, 17, generator=torch.Generator().manual_seed(0)) > 0.3
    spread = pose_spread(x, y, valid_joints=valid)
    found = left_out(x, spread, torch.Generator().manual_seed(3), valid)
    chosen = torch.randint(8, (5,), generator=torch.Generator().manual_seed(3))
    for m, index in enumerate(chosen.tolist()):
        rest = [h for h in range(8) if h != index]
        expected = pose_spread(x[m : m + 1, rest], x[m : m + 1, index], valid_joints=valid[m, None])
        for name in ("variance", "error", "excess"):
            value = getattr(found, name)[m : m + 1]
            torch.testing.assert_close(
                value, getattr(expected, name), rtol=1e-4, atol=1e-9, equal_nan=True
            )
    assert left_out(x[:, :2], pose_spread(x[:, :2], y), torch.Generator()) is None


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.8])
def test_the_slope_is_error_over_spread(factor: float) -> None:
    x, y = poses()
    found = computed(factor * x, y)
    for level in ("pose", "joint"):
        low, high = found[level]["slope_interval"]
        assert low < 1 / factor < high
        assert high - low < 0.2 / factor


def test_the_bins_hold_all_poses_and_show_error_equal_to_spread() -> None:
    x, y = poses()
    found = computed(x, y)
    assert sum(found["pose"]["poses"]) == 600
    assert sum(found["joint"]["poses"]) == 600 * JOINTS
    spread, error = (np.array(found["joint"][key]) for key in ("spread_mm", "error_mm"))
    many = np.array(found["joint"]["poses"]) > 300
    assert many.sum() >= 4
    np.testing.assert_allclose(error[many], spread[many], rtol=0.1)
    assert (np.diff(spread) > 0).all()
    total = 1000 * math.sqrt(pose_spread(x[:, :, FREE], y[:, FREE]).variance[:, -1].mean())
    mean_square = np.average(spread**2, weights=found["joint"]["poses"])
    assert math.sqrt(mean_square) == pytest.approx(total, rel=1e-4)


def test_a_spread_that_tells_nothing_has_slope_and_correlation_zero() -> None:
    """However few the hypotheses are: the error of their mean tells of the spread, a little."""
    x, _ = poses(hypotheses=10)
    generator = torch.Generator().manual_seed(7)
    y = 0.05 * torch.randn(600, 17, 3, generator=generator)
    found = computed(x, y)["pose"]
    low, high = found["slope_interval"]
    assert low < 0 < high
    assert abs(found["slope"]) < 0.1
    many, _ = poses(hypotheses=150, differ=0.2)
    found = computed(many, y)["pose"]
    low, high = found["correlation_interval"]
    assert low < 0 < high
    assert abs(found["correlation"]) < 0.1
    assert found["perfect_correlation"] > 0.8


def test_correlation_is_scipys_and_a_right_posterior_has_the_perfect_one() -> None:
    x, y = poses()
    found = computed(x, y)
    spread = pose_spread(x[:, :, FREE], y[:, FREE])
    expected = pearsonr(spread.variance[:, -1].sqrt(), spread.error[:, -1].sqrt()).statistic
    assert found["pose"]["correlation"] == pytest.approx(expected, rel=1e-6)
    for level in ("pose", "joint"):
        low, high = found[level]["correlation_interval"]
        assert low - 0.02 < found[level]["perfect_correlation"] < high + 0.02


def test_no_slope_where_all_poses_are_as_wide() -> None:
    """What differs is the noise of 30 hypotheses: a slope of it would be near zero."""
    x, y = poses(differ=0.0)
    found = computed(x, y)
    assert found["pose"]["slope"] is None
    assert found["joint"]["slope_interval"] is None


def test_noise_of_few_hypotheses_is_corrected_for() -> None:
    """Uncorrected, the slope over joints would be 0.88 here."""
    x, y = poses(4000, 8, differ=0.4)
    assert computed(x, y)["joint"]["slope"] == pytest.approx(1.0, abs=0.07)


def test_steps_change_nothing() -> None:
    x, y = poses(200, 10)
    draws = resamples(20, 50)
    whole, steps = (skill_of(x, y, step=step).compute(draws) for step in (200, 33))
    for level in ("pose", "joint"):
        for name in ("spread_mm", "error_mm", "poses", "slope", "correlation"):
            assert steps[level][name] == pytest.approx(whole[level][name], rel=1e-6)


def test_joints_that_are_not_valid_do_not_count() -> None:
    x, y = poses(100, 10)
    valid = torch.ones(100, 17, dtype=torch.bool)
    valid[:, 5] = False
    valid[90:] = False
    found = computed(x, y, valid_joints=valid)
    assert sum(found["pose"]["poses"]) == 90
    assert sum(found["joint"]["poses"]) == 90 * (JOINTS - 1)


def test_weights_and_single_hypotheses() -> None:
    x, y = poses(400, 12)
    found = computed(x, y, weights=given_weights(400, 12))
    assert found["pose"]["slope"] == pytest.approx(1.0, abs=0.15)
    assert found["pose"]["perfect_correlation"] is None
    assert computed(x[:, :1], y) is None


def test_log_bins_are_numpys() -> None:
    bins, values = LogBins(0.01, 10.0, 30), torch.logspace(-4, 3, 777, dtype=torch.float64)
    edges = np.geomspace(0.01, 10.0, 31)
    assert bins.index(values).tolist() == np.digitize(values.numpy(), edges).tolist()
    assert bins.index(torch.zeros(1)).item() == 0
