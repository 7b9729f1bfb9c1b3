"""Energy score, CRPS and spread against scoringrules, NumPy and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scoringrules
import torch
from scipy.special import gamma

from poseterior.errors import InputError
from poseterior.metrics import scores
from poseterior.metrics.scores import crps, energy_score, joint_variance, nll

ESTIMATORS = {"fair": "fair", "standard": "nrg"}


def draw(poses: int = 6, count: int = 9, joints: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    hypotheses = 0.1 * torch.randn(poses, count, joints, 3, generator=generator) + 2.0
    return hypotheses, 0.1 * torch.randn(poses, joints, 3, generator=generator) + 2.0


def given_weights(kind: str, poses: int, count: int) -> torch.Tensor | None:
    if kind == "none":
        return None
    weights = torch.rand(poses, count, generator=torch.Generator().manual_seed(4))
    weights[:, 2] = 0
    return torch.full_like(weights, 7.0) if kind == "equal" else weights


@pytest.mark.parametrize("kind", ["none", "equal", "unequal"])
@pytest.mark.parametrize("estimator", ["fair", "standard"])
def test_scores_agree_with_scoringrules(kind: str, estimator: str) -> None:
    hypotheses, target = draw()
    weights = given_weights(kind, 6, 9)
    x, y = hypotheses.double().numpy(), target.double().numpy()
    chances = np.full((6, 9), 1 / 9) if weights is None else weights.double().numpy()
    chances = chances / chances.sum(1, keepdims=True)
    energy = scoringrules.es_ensemble(
        y.reshape(6, -1), x.reshape(6, 9, -1), ens_w=chances, estimator=ESTIMATORS[estimator],
        backend="numpy",
    )  # fmt: skip
    found = energy_score(hypotheses, target, weights=weights, estimator=estimator)
    np.testing.assert_allclose(found, energy, rtol=2e-5)
    exact = energy_score(hypotheses.double(), target.double(), weights=weights, estimator=estimator)
    np.testing.assert_allclose(exact, energy, rtol=1e-7)
    each = scoringrules.crps_ensemble(
        y, np.moveaxis(x, 1, -1), backend="numpy", estimator=ESTIMATORS[estimator],
        ens_w=np.broadcast_to(chances[:, None, None], (6, 4, 3, 9)),
    )  # fmt: skip
    found = crps(hypotheses, target, weights=weights, estimator=estimator)
    np.testing.assert_allclose(found, each, atol=2e-7)


def test_blocks_of_pairs_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    hypotheses, target = (values.double() for values in draw())
    whole = energy_score(hypotheses, target)
    monkeypatch.setattr(scores, "_PAIRS", 20)
    torch.testing.assert_close(energy_score(hypotheses, target), whole)


def test_energy_of_a_normal_in_closed_form() -> None:
    """E|X| of a standard normal in d dimensions is sqrt(2) gamma((d+1)/2) / gamma(d/2)."""
    joints, count = 5, 400
    generator = torch.Generator().manual_seed(0)
    hypotheses = torch.randn(60, count, joints, 3, generator=generator, dtype=torch.float64)
    norm = math.sqrt(2) * gamma((3 * joints + 1) / 2) / gamma(3 * joints / 2)
    found = energy_score(hypotheses, torch.zeros(60, joints, 3)).mean().item()
    assert found == pytest.approx(norm * (1 - math.sqrt(2) / 2), rel=0.01)


def test_crps_of_a_normal_in_closed_form_and_fair_at_two_hypotheses() -> None:
    """Two hypotheses give the normal's CRPS on average by "fair", and too much by "standard"."""
    generator = torch.Generator().manual_seed(0)
    hypotheses = torch.randn(40_000, 2, 1, 3, generator=generator)
    target = torch.tensor([[[0.0, 1.0, -2.0]]])
    expected = scoringrules.crps_normal(target.numpy().ravel(), 0.0, 1.0)
    fair = crps(hypotheses, target.expand(40_000, -1, -1)).mean(0).flatten()
    np.testing.assert_allclose(fair, expected, atol=0.02)
    standard = crps(hypotheses, target.expand(40_000, -1, -1), estimator="standard").mean(0)
    np.testing.assert_allclose(standard.flatten() - fair, 1 / (2 * math.sqrt(math.pi)), atol=0.01)


def test_energy_is_over_the_valid_joints() -> None:
    hypotheses, target = (values.double() for values in draw())
    valid = torch.ones(6, 4, dtype=torch.bool)
    valid[:, 1] = False
    valid[5] = False
    found = energy_score(hypotheses, target, valid_joints=valid)
    rest = energy_score(hypotheses[:, :, [0, 2, 3]], target[:, [0, 2, 3]])
    torch.testing.assert_close(found[:5], rest[:5])
    assert found[5].isnan()


def test_variance_is_the_trace_of_numpys_covariance() -> None:
    hypotheses, _ = draw()
    found = joint_variance(hypotheses)
    weights = given_weights("unequal", 6, 9)
    weighted = joint_variance(hypotheses, weights)
    for m in range(6):
        for j in range(4):
            x = hypotheses[m, :, j].double().numpy()
            assert found[m, j].item() == pytest.approx(np.trace(np.cov(x.T)), rel=1e-5)
            expected = np.trace(np.cov(x.T, aweights=weights[m].double().numpy()))
            assert weighted[m, j].item() == pytest.approx(expected, rel=1e-5)


def test_one_hypothesis_has_no_fair_score_but_all_weight_on_one_has() -> None:
    hypotheses, target = (values.double() for values in draw())
    assert energy_score(hypotheses[:, :1], target).isnan().all()
    weights = torch.zeros(6, 9)
    weights[:, 3] = 2.0
    found = energy_score(hypotheses, target, weights=weights)
    torch.testing.assert_close(found, (hypotheses[:, 3] - target).flatten(1).norm(dim=-1))
    assert joint_variance(hypotheses, weights).abs().max() == 0


def test_unknown_estimator_is_refused() -> None:
    with pytest.raises(InputError, match="estimator"):
        crps(*draw(), estimator="nrg")  # type: ignore[arg-type]


def test_nll_is_minus_the_log_density() -> None:
    normal = torch.distributions.Normal(0.0, 0.5)
    expected = 0.5 * math.log(2 * math.pi * 0.25)
    assert nll(normal.log_prob(torch.zeros(1))).item() == pytest.approx(expected)
