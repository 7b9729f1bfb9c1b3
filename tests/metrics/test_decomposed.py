"""Scores by joint and axis against scoringrules, all pairs, NumPy and the whole-file scores."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scoringrules
import torch
from torch import Tensor

from poseterior.geometry.skeleton import H36M_17
from poseterior.metrics.bootstrap import resamples
from poseterior.metrics.chunk import Chunk
from poseterior.metrics.decomposed import DecomposedScores, axis_variance, decomposed_energy
from poseterior.metrics.joint_table import JointTable
from poseterior.metrics.scores import energy_score
from poseterior.metrics.summary import ScoreAccumulator

FREE = list(H36M_17.free)


def draw(poses: int = 5, count: int = 9, joints: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    hypotheses = 0.1 * torch.randn(poses, count, joints, 3, generator=generator) + 2.0
    return hypotheses.double(), 0.1 * torch.randn(poses, joints, 3, generator=generator) + 2.0


def given_weights(poses: int, count: int) -> Tensor:
    weights = torch.rand(poses, count, generator=torch.Generator().manual_seed(4))
    weights[:, 2] = 0
    return weights


def accumulated(x: Tensor, y: Tensor, step: int = 50, **others: Tensor | None) -> DecomposedScores:
    """All poses in steps, five a clip."""
    scores, group = DecomposedScores(H36M_17), torch.arange(len(y)) // 5
    for start in range(0, len(y), step):
        rows = slice(start, start + step)
        some = {k: None if v is None else v[rows] for k, v in others.items()}
        for piece in Chunk(x[rows], y[rows], group[rows], **some).pieces():
            scores.update(
                piece.hypotheses, piece.target, weights=piece.weights,
                valid_joints=piece.valid_joints, group=piece.group,
            )  # fmt: skip
    return scores


def file_like(poses: int = 60, count: int = 40) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(8)
    pose = 0.3 * torch.randn(poses, count + 1, 17, 3, generator=generator)
    pose[..., 2] *= 3  # depth is the hardest
    pose[:, :, 0] = 0
    return pose[:, 1:], pose[:, 0]


@pytest.mark.parametrize("count", [2, 8, 9])
@pytest.mark.parametrize("weighted", [False, True])
def test_joints_and_axes_agree_with_scoringrules(count: int, weighted: bool) -> None:
    hypotheses, target = draw(count=count)
    weights = given_weights(5, count) if weighted and count > 2 else None
    joints, axes = decomposed_energy(hypotheses, target, weights=weights)
    x, y = hypotheses.numpy(), target.numpy()
    chances = np.full((5, count), 1 / count) if weights is None else weights.double().numpy()
    chances = chances / chances.sum(1, keepdims=True)
    for k in range(4):
        expected = scoringrules.es_ensemble(
            y[:, k], x[:, :, k], ens_w=chances, estimator="fair", backend="numpy"
        )
        np.testing.assert_allclose(joints[:, k], expected, rtol=1e-6)
    for k in range(3):
        expected = scoringrules.es_ensemble(
            y[..., k], x[..., k], ens_w=chances, estimator="fair", backend="numpy"
        )
        np.testing.assert_allclose(axes[:, k], expected, rtol=1e-6)


def test_random_pairs_are_unbiased_however_the_hypotheses_are_ordered() -> None:
    """Sorted hypotheses, whose neighbours in the file are also neighbours in space."""
    generator = torch.Generator().manual_seed(1)
    hypotheses = torch.randn(1, 150, 3, 3, generator=generator).sort(1).values
    target = torch.zeros(1, 3, 3)
    exact = torch.cat(decomposed_energy(hypotheses, target), dim=-1)
    draws = torch.stack([
        torch.cat(decomposed_energy(hypotheses, target, generator=generator), dim=-1)
        for _ in range(300)
    ])  # fmt: skip
    error = draws.std(0) / 300**0.5
    assert ((draws.mean(0) - exact).abs() < 4 * error).all()
    assert (draws.std(0) < 0.03 * exact).all()
    assert (error > 0).all()  # else the pairs were all of them


def test_few_hypotheses_use_all_pairs_and_a_seed_repeats() -> None:
    hypotheses, target = draw(count=30)
    first = decomposed_energy(hypotheses, target, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(first, decomposed_energy(hypotheses, target))
    hypotheses, target = draw(count=90)
    seeded = [
        decomposed_energy(hypotheses, target, generator=torch.Generator().manual_seed(seed))[0]
        for seed in (0, 0, 1)
    ]
    assert torch.equal(seeded[0], seeded[1])
    assert not torch.equal(seeded[0], seeded[2])


def test_scores_are_of_the_valid_joints() -> None:
    hypotheses, target = draw()
    valid = torch.ones(5, 4, dtype=torch.bool)
    valid[:, 1] = False
    valid[4] = False
    joints, axes = decomposed_energy(hypotheses, target, valid_joints=valid)
    kept = [0, 2, 3]
    expected = decomposed_energy(hypotheses[:, :, kept], target[:, kept])
    torch.testing.assert_close(joints[:4, kept], expected[0][:4])
    torch.testing.assert_close(axes[:4], expected[1][:4])
    assert joints[:, 1].isnan().all()
    assert axes[4].isnan().all()


def test_one_hypothesis_has_no_score_but_all_weight_on_one_has() -> None:
    hypotheses, target = draw()
    assert all(part.isnan().all() for part in decomposed_energy(hypotheses[:, :1], target))
    weights = torch.zeros(5, 9)
    weights[:, 3] = 2.0
    joints, _ = decomposed_energy(hypotheses, target, weights=weights)
    torch.testing.assert_close(joints, (hypotheses[:, 3] - target).norm(dim=-1))


def test_axis_variance_is_numpys() -> None:
    hypotheses, _ = draw()
    np.testing.assert_allclose(
        axis_variance(hypotheses), hypotheses.numpy().var(1, ddof=1), rtol=1e-9
    )


@pytest.mark.parametrize("kind", ["plain", "weights", "valid_joints"])
def test_whole_poses_score_as_the_score_command_says(kind: str) -> None:
    x, y = file_like()
    generator = torch.Generator().manual_seed(9)
    others = {
        "plain": {},
        "weights": {"weights": given_weights(60, 40)},
        "valid_joints": {"valid_joints": torch.rand(60, 17, generator=generator) > 0.3},
    }[kind]
    known = ScoreAccumulator(H36M_17)
    known.update(x, y, **others)
    expected = known.compute()
    found = accumulated(x, y, **others).compute(resamples(12))
    scores = found["scores"]
    assert scores["energy_mm"]["value"] == pytest.approx(expected["energy_score_mm"], rel=1e-6)
    assert scores["crps_mm"]["value"] == pytest.approx(expected["crps_mm"], rel=1e-6)
    assert found["sharpness_mm"]["value"] == pytest.approx(expected["sharpness_mm"], rel=1e-6)


def test_parts_are_of_the_right_joint_and_axis() -> None:
    """One joint twice as wide along depth: its own, and depth's, numbers say so, to NumPy's."""
    x, y = file_like()
    wide = 5  # of the free joints
    x[:, :, FREE[wide], 2] *= 2
    found = accumulated(x, y).compute(resamples(12))
    name = H36M_17.joints[FREE[wide]]
    variance = x.double().numpy()[:, :, FREE].var(1, ddof=1)
    sharp = found["sharpness_mm"]
    assert sharp["z"] == pytest.approx(1000 * math.sqrt(variance[..., 2].mean()), rel=1e-5)
    assert sharp["joints"][name] == pytest.approx(
        1000 * math.sqrt(variance[:, wide].sum(-1).mean()), rel=1e-5
    )
    assert sharp["value"] ** 2 == pytest.approx(sum(sharp[axis] ** 2 for axis in "xyz"))
    each = 1000 * scoringrules.crps_ensemble(
        y[:, FREE].double().numpy(), np.moveaxis(x[:, :, FREE].double().numpy(), 1, -1),
        estimator="fair", backend="numpy",
    )  # fmt: skip
    scored = found["scores"]["crps_mm"]
    assert scored["joints"][name] == pytest.approx(each[:, wide].mean(), rel=1e-4)
    assert scored["y"] == pytest.approx(each[..., 1].mean(), rel=1e-4)
    energy = found["scores"]["energy_mm"]
    alone = 1000 * energy_score(x[:, :, [FREE[wide]]], y[:, [FREE[wide]]]).mean().item()
    assert energy["joints"][name] == pytest.approx(alone, rel=0.01)
    variogram = found["scores"]["variogram"]
    assert variogram["value"] == pytest.approx(sum(variogram["joints"].values()))
    assert variogram["value"] == pytest.approx(sum(variogram[axis] for axis in "xyz"))


def test_steps_and_weights_that_are_equal_change_nothing() -> None:
    x, y = file_like(count=20)
    draws = resamples(12)
    whole = accumulated(x, y).compute(draws)
    steps = accumulated(x, y, step=7).compute(draws)
    for name, found in steps["scores"].items():
        assert found["joints"] == pytest.approx(whole["scores"][name]["joints"], rel=1e-6)
        assert found["interval"] == pytest.approx(whole["scores"][name]["interval"], rel=1e-6)
    equal = accumulated(x, y, weights=torch.full((60, 20), 3.0)).compute(draws)
    assert equal == whole


def test_an_energy_that_is_known_is_taken() -> None:
    x, y = file_like(poses=10, count=5)
    scores = DecomposedScores(H36M_17)
    scores.update(x, y, group=torch.arange(10), energy=torch.full((10,), 0.2))
    assert scores.compute(resamples(10))["scores"]["energy_mm"]["value"] == pytest.approx(200)


def test_the_interval_is_of_the_mean_by_clip() -> None:
    x, y = file_like(poses=200, count=10)
    energy = energy_score(x[:, :, FREE], y[:, FREE]).view(40, 5).mean(1) * 1000
    low, high = accumulated(x, y).compute(resamples(40, 2000))["scores"]["energy_mm"]["interval"]
    standard_error = energy.std().item() / 40**0.5
    assert high - low == pytest.approx(2 * 1.96 * standard_error, rel=0.1)
    assert (low + high) / 2 == pytest.approx(energy.mean().item(), abs=0.2 * standard_error)


def test_what_no_pose_has_is_none() -> None:
    x, y = file_like(poses=10, count=1)
    found = accumulated(x, y).compute(resamples(2))
    assert found["scores"]["energy_mm"]["value"] is None
    assert found["sharpness_mm"]["interval"] is None
    valid = torch.ones(10, 17, dtype=torch.bool)
    valid[:, 3] = False
    x, y = file_like(poses=10, count=5)
    found = accumulated(x, y, valid_joints=valid).compute(resamples(2))
    assert found["scores"]["crps_mm"]["joints"][H36M_17.joints[3]] is None
    assert found["scores"]["crps_mm"]["joints"][H36M_17.joints[4]] > 0


def test_absent_entries_do_not_count_in_a_mean() -> None:
    table = JointTable(H36M_17, lambda mean: mean)
    whole = torch.tensor([1.0, math.nan, 3.0])
    table.add(torch.tensor([0, 0, 1]), whole, whole[:, None].expand(3, 3), torch.ones(3, 16))
    found = table.compute(torch.tensor([[2.0, 0.0], [0.0, 2.0]], dtype=torch.float64))
    assert found["value"] == found["x"] == 2.0
    assert found["interval"] == pytest.approx([1.05, 2.95])
