"""Skill over the marginal: closed forms of Gaussians, a slow loop, posteriors that ignore."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scoringrules
import torch
from torch import Tensor

from poseterior.geometry.skeleton import H36M_17
from poseterior.metrics.bootstrap import resamples
from poseterior.metrics.chunk import Chunk
from poseterior.metrics.skill import PosteriorSkill, Reservoir

FREE = list(H36M_17.free)


def poses(
    clips: int = 60, each: int = 5, hypotheses: int = 30, own: float = 0.1, wide: float = 0.3
) -> tuple[Tensor, Tensor, Tensor]:
    """A right posterior N(m, own²), the means of poses N(0, wide²); the group of each pose."""
    generator = torch.Generator().manual_seed(0)
    count = clips * each
    mean = wide * torch.randn(count, 1, 17, 3, generator=generator)
    draw = mean + own * torch.randn(count, hypotheses + 1, 17, 3, generator=generator)
    draw[:, :, 0] = 0
    return draw[:, 1:], draw[:, 0], torch.arange(count) // each


def skill_of(
    x: Tensor, y: Tensor, group: Tensor, step: int = 100, targets: int = 2000, **others: Tensor
) -> PosteriorSkill:
    skill = PosteriorSkill(H36M_17, targets=targets)
    for start in range(0, len(y), step):
        rows = slice(start, start + step)
        some = {name: value[rows] for name, value in others.items()}
        for piece in Chunk(x[rows], y[rows], group[rows], **some).pieces():
            skill.update(
                piece.hypotheses, piece.target, weights=piece.weights,
                valid_joints=piece.valid_joints, group=piece.group,
            )  # fmt: skip
    return skill


def computed(x: Tensor, y: Tensor, group: Tensor, **others: Tensor) -> dict | None:
    draws = resamples(int(group.max()) + 1, 400)
    return skill_of(x, y, group, **others).compute(draws)


@pytest.mark.parametrize("own", [0.02, 0.1, 0.3])
def test_skill_of_gaussians_in_closed_form(own: float) -> None:
    """The scores of N(m, s²) and of the marginal N(0, s² + S²) are as s to sqrt(s² + S²)."""
    found = computed(*poses(clips=120, own=own))
    share = own / math.hypot(own, 0.3)
    assert found["value"] == pytest.approx(1 - share, abs=0.02)
    low, high = found["interval"]
    assert low < 1 - share < high
    assert high - low < 0.06
    assert found["crps"]["z"] == pytest.approx(1 - share, abs=0.04)
    assert found["sharpness_mm"] == pytest.approx(1000 * own * math.sqrt(3), rel=0.02)
    wide = 1000 * math.hypot(own, 0.3) * math.sqrt(3)
    assert found["marginal_sharpness_mm"] == pytest.approx(wide, rel=0.02)


def test_a_posterior_that_ignores_its_input_has_no_skill() -> None:
    """Right on average, and every calibration test passes it: the draws are other targets."""
    _, y, group = poses(clips=100)
    chosen = torch.randint(500, (500, 40), generator=torch.Generator().manual_seed(5))
    found = computed(y[chosen], y, group)
    low, high = found["interval"]
    assert low < 0.003
    assert high > -0.003
    assert abs(found["value"]) < 0.01
    assert found["sharpness_mm"] == pytest.approx(found["marginal_sharpness_mm"], rel=0.02)


def test_a_posterior_of_other_poses_is_worse_than_none() -> None:
    x, y, group = poses()
    found = computed(x.roll(100, 0), y, group)
    assert found["value"] < -0.1
    assert all(found["crps"][axis] < -0.1 for axis in "xyz")


def test_the_marginal_is_of_other_clips_by_a_slow_loop() -> None:
    x, y, group = poses(clips=4, each=5, hypotheses=6)
    y = y + 3 * group[:, None, None]  # targets of one clip resemble each other
    found = computed(x, y, group)
    points = y[:, FREE].double().numpy()
    pairs = [(i, j) for i, j in itertools.combinations(range(20), 2) if group[i] != group[j]]
    distance = np.mean([np.linalg.norm(points[i] - points[j]) for i, j in pairs])
    assert found["marginal_energy_mm"] == pytest.approx(500 * distance, rel=1e-6)
    square = np.mean([((points[i] - points[j]) ** 2).sum(-1).mean() for i, j in pairs])
    assert found["marginal_sharpness_mm"] == pytest.approx(1000 * math.sqrt(square / 2), rel=1e-6)
    across = np.mean([abs(points[i] - points[j])[:, 2].mean() for i, j in pairs]) / 2
    scored = scoringrules.crps_ensemble(
        points, np.moveaxis(x[:, :, FREE].double().numpy(), 1, -1), estimator="fair",
        backend="numpy",
    )  # fmt: skip
    assert found["crps"]["z"] == pytest.approx(1 - scored[..., 2].mean() / across, rel=1e-4)


def test_the_interval_resamples_both_scores_by_clip() -> None:
    """A clip drawn twice is as good as a clip of twice the poses: by hand for one replicate."""
    x, y, group = poses(clips=4, each=3, hypotheses=6)
    times = torch.tensor([2, 0, 1, 1])
    rows = torch.arange(12).repeat_interleave(times[group])
    expected = computed(x[rows], y[rows], group[rows])["value"]
    draws = torch.stack([times, torch.ones(4, dtype=torch.long)]).double()
    whole = computed(x, y, group)["value"]
    low, high = skill_of(x, y, group).compute(draws)["interval"]
    assert high - low == pytest.approx(0.95 * abs(expected - whole), rel=1e-5)


def test_one_group_takes_pairs_of_rows() -> None:
    x, y, _ = poses(clips=10)
    found = computed(x, y, torch.zeros(50, dtype=torch.long))
    each = computed(x, y, torch.arange(50))
    assert found["value"] == pytest.approx(each["value"], rel=1e-9)
    assert found["interval"] is None
    assert each["interval"] is not None


def test_a_sample_of_the_targets_will_do() -> None:
    x, y, group = poses(clips=100, hypotheses=5)
    whole, some = (computed(x, y, group, targets=size) for size in (2000, 100))
    assert (whole["targets"], some["targets"]) == (500, 100)
    assert some["energy_mm"] == whole["energy_mm"]
    assert some["marginal_energy_mm"] == pytest.approx(whole["marginal_energy_mm"], rel=0.02)
    assert some["marginal_energy_mm"] != whole["marginal_energy_mm"]


def test_steps_change_nothing() -> None:
    x, y, group = poses(clips=30)
    whole, steps = computed(x, y, group, step=150), computed(x, y, group, step=31)
    assert steps["value"] == pytest.approx(whole["value"], rel=1e-6)
    assert steps["crps"] == pytest.approx(whole["crps"], rel=1e-6)


def test_the_reservoir_is_uniform() -> None:
    kept = torch.zeros(200)
    for seed in range(300):
        reservoir = Reservoir(20, seed)
        for part in torch.arange(200).split(30):
            reservoir.add(part, part // 10)
        assert len(reservoir.rows) == 20
        assert torch.equal(reservoir.group, reservoir.rows // 10)
        kept[reservoir.rows.long()] += 1
    # 30 each; in ten blocks of 20 the mean is known to 0.3 or so.
    np.testing.assert_allclose(kept.view(10, 20).mean(1), 30, atol=4)


def test_poses_with_all_joints_that_are_ever_valid_count() -> None:
    x, y, group = poses(clips=20, hypotheses=8)
    valid = torch.ones(100, 17, dtype=torch.bool)
    valid[:, 4] = False  # never valid: left out
    valid[:35, 9] = False  # first seen in pose 35
    valid[60, 2] = False
    found = computed(x, y, group, step=20, valid_joints=valid)
    rows = [row for row in range(35, 100) if row != 60]
    x, y = x[rows].clone(), y[rows].clone()
    x[:, :, 4] = y[:, 4] = 0  # as if there were no such joint
    expected = computed(x, y, group[rows])
    assert found["poses"] == 64
    for name in ("value", "energy_mm", "marginal_energy_mm"):
        assert found[name] == pytest.approx(expected[name], rel=1e-6)
    assert found["sharpness_mm"] == pytest.approx(
        expected["sharpness_mm"] * math.sqrt(16 / 15), rel=1e-6
    )
    assert found["crps"] == pytest.approx(expected["crps"], rel=1e-6)


def test_weights_count() -> None:
    x, y, group = poses(clips=20, hypotheses=8)
    twice = torch.cat([x, x[:, :3]], dim=1)
    weights = torch.ones(100, 8)
    weights[:, :3] = 2
    known = torch.full((100, 11), 1.0)
    found = computed(x, y, group, weights=weights)
    mean = torch.einsum("mh,mhjc->mjc", weights / 11, x)
    torch.testing.assert_close(mean, twice.mean(1))
    assert found["value"] == pytest.approx(computed(x, y, group)["value"], abs=0.02)
    assert found["value"] != computed(x, y, group)["value"]
    assert computed(twice, y, group, weights=known) == computed(twice, y, group)


def test_an_energy_that_is_known_is_taken() -> None:
    x, y, group = poses(clips=20, hypotheses=8)
    skill = PosteriorSkill(H36M_17)
    skill.update(x, y, group=group, energy=torch.full((100,), 0.2))
    found = skill.compute(resamples(20))
    assert found["energy_mm"] == pytest.approx(200)
    assert found["value"] == pytest.approx(1 - 200 / found["marginal_energy_mm"], rel=1e-6)


def test_what_cannot_be_told_is_none() -> None:
    x, y, group = poses(clips=4)
    assert computed(x[:, :1], y, group) is None
    assert computed(x[:1], y[:1], group[:1]) is None
    assert computed(x, torch.zeros_like(y), group) is None
    assert PosteriorSkill(H36M_17).compute(resamples(1)) is None
