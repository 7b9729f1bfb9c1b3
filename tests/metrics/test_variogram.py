"""Variogram score against scoringrules, a slow loop, and what it is for: wrong dependence."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scoringrules
import torch
from torch import Tensor

from poseterior.errors import InputError
from poseterior.metrics import weighted
from poseterior.metrics.scores import crps
from poseterior.metrics.variogram import variogram_score

ESTIMATORS = {"fair": "fair", "standard": "nrg"}


def draw(poses: int = 5, count: int = 8, joints: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    hypotheses = 0.1 * torch.randn(poses, count, joints, 3, generator=generator)
    target = 0.1 * torch.randn(poses, joints, 3, generator=generator)
    return hypotheses.double() + 1.0, target.double() + 1.0


def correlated(count: int, correlation: float, generator: torch.Generator) -> Tensor:
    """Standard normal poses (count, 5, 3) whose joints share a part along each axis."""
    shared = torch.randn(count, 1, 3, generator=generator)
    own = torch.randn(count, 5, 3, generator=generator)
    return correlation**0.5 * shared + (1 - correlation) ** 0.5 * own


@pytest.mark.parametrize("p", [0.5, 1.0])
@pytest.mark.parametrize("estimator", ["fair", "standard"])
def test_each_axis_agrees_with_scoringrules(estimator: str, p: float) -> None:
    """They sum over ordered pairs, and so score twice as much."""
    hypotheses, target = draw()
    found = variogram_score(hypotheses, target, p=p, estimator=estimator).sum(1)
    for axis in range(3):
        expected = scoringrules.vs_ensemble(
            target[..., axis].numpy(), hypotheses[..., axis].numpy(), p=p,
            estimator=ESTIMATORS[estimator], backend="numpy",
        )  # fmt: skip
        np.testing.assert_allclose(2 * found[:, axis], expected, rtol=1e-9)


def test_weights_agree_with_scoringrules_and_with_repeated_hypotheses() -> None:
    hypotheses, target = draw()
    weights = torch.tensor([1, 3, 0, 2, 1, 1, 2, 2]).expand(5, -1)
    found = variogram_score(hypotheses, target, weights=weights, estimator="standard").sum(1)
    expected = scoringrules.vs_ensemble(
        target[..., 2].numpy(), hypotheses[..., 2].numpy(), backend="numpy",
        ens_w=(weights / weights.sum(-1, keepdim=True)).numpy(),
    )  # fmt: skip
    np.testing.assert_allclose(2 * found[:, 2], expected, rtol=1e-6)
    repeated = hypotheses.repeat_interleave(weights[0], dim=1)
    expected = variogram_score(repeated, target, estimator="standard").sum(1)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)


def test_fair_weights_are_unbiased_where_hypotheses_are_drawn_with_importance() -> None:
    """Weights that have nothing to do with the draws leave the score what it is."""
    generator = torch.Generator().manual_seed(0)
    hypotheses = torch.randn(20_000, 4, 2, 3, generator=generator)
    target = torch.zeros(20_000, 2, 3)
    weights = torch.tensor([1.0, 2.0, 3.0, 4.0]).expand(20_000, -1)
    many = torch.randn(2, 2_000_000, generator=generator)
    truth = (many[0] - many[1]).abs().sqrt().mean().square()
    for given in (None, weights):
        found = variogram_score(hypotheses, target, weights=given).sum(1).mean()
        assert found.item() == pytest.approx(truth.item(), rel=0.01)
    standard = variogram_score(hypotheses, target, estimator="standard").sum(1).mean()
    assert standard > 1.03 * truth


def test_joints_have_half_of_their_pairs_by_a_slow_loop() -> None:
    hypotheses, target = draw()
    found = variogram_score(hypotheses, target, estimator="standard")
    x, y = hypotheses.numpy(), target.numpy()
    for m, joint, axis in itertools.product(range(5), range(4), range(3)):
        pairs = [
            (
                abs(y[m, joint, axis] - y[m, k, axis]) ** 0.5
                - np.mean([abs(h[joint, axis] - h[k, axis]) ** 0.5 for h in x[m]])
            )
            ** 2
            for k in range(4)
            if k != joint
        ]
        assert found[m, joint, axis].item() == pytest.approx(sum(pairs) / 2, rel=1e-9)


@pytest.mark.parametrize("estimator", ["fair", "standard"])
def test_only_pairs_of_valid_joints_count(estimator: str) -> None:
    hypotheses, target = draw()
    valid = torch.ones(5, 4, dtype=torch.bool)
    valid[:, 1] = False
    valid[3] = torch.tensor([True, False, False, False])
    found = variogram_score(hypotheses, target, valid_joints=valid, estimator=estimator)
    kept = variogram_score(hypotheses[:, :, [0, 2, 3]], target[:, [0, 2, 3]], estimator=estimator)
    torch.testing.assert_close(found[:3][:, [0, 2, 3]], kept[:3])
    assert found[:, 1].isnan().all()
    assert found[3].isnan().all()  # a joint without another has no pair


def test_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    hypotheses, target = draw()
    weights = torch.rand(5, 8, generator=torch.Generator().manual_seed(1))
    whole = variogram_score(hypotheses, target, weights=weights)
    monkeypatch.setattr(weighted, "_POSITIONS", 64)
    torch.testing.assert_close(variogram_score(hypotheses, target, weights=weights), whole)


def test_it_sees_wrong_correlations_at_right_margins() -> None:
    """Joints correlated by 0.6 predicted as independent: CRPS is the same, this is worse."""
    generator = torch.Generator().manual_seed(2)
    target = correlated(2000, 0.6, generator)
    right = correlated(2000 * 50, 0.6, generator).reshape(2000, 50, 5, 3)
    independent = correlated(2000 * 50, 0.0, generator).reshape(2000, 50, 5, 3)
    score = {name: variogram_score(x, target).sum((1, 2)) for name, x in
             {"right": right, "independent": independent}.items()}  # fmt: skip
    excess = score["independent"] - score["right"]
    assert excess.mean() > 10 * excess.std() / len(excess) ** 0.5
    same = (crps(independent, target) - crps(right, target)).mean((1, 2))
    assert abs(same.mean()) < 4 * same.std() / len(same) ** 0.5


def test_what_cannot_be_scored_is_nan_and_what_is_wrong_is_named() -> None:
    hypotheses, target = draw()
    assert variogram_score(hypotheses[:, :1], target).isnan().all()
    assert variogram_score(hypotheses[:, :, :1], target[:, :1]).isnan().all()
    assert variogram_score(hypotheses[:0], target[:0]).shape == (0, 4, 3)
    certain = torch.zeros(5, 8)
    certain[:, 2] = 1.0
    found = variogram_score(hypotheses, target, weights=certain)
    alone = variogram_score(hypotheses[:, 2:3], target, estimator="standard")
    torch.testing.assert_close(found, alone)
    with pytest.raises(InputError, match="variogram: p: expected an order above 0"):
        variogram_score(hypotheses, target, p=0.0)
    with pytest.raises(InputError, match="estimator"):
        variogram_score(hypotheses, target, estimator="unbiased")  # type: ignore[arg-type]
