"""Correlation, reliability and Brier score against NumPy; the verdict against known faults."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from poseterior.confidence.expected_oks import expected_oks
from poseterior.errors import InputError
from poseterior.metrics.correlation import Pearson
from poseterior.metrics.keypoint_confidence import KeypointConfidence
from poseterior.metrics.oks import keypoint_oks, oks_sigmas, tolerance
from poseterior.metrics.pck import head_length, pck_hits
from poseterior.metrics.probability_calibration import ProbabilityCalibration


def test_correlation_is_numpys_whatever_the_offset_and_the_pieces():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(1000)
    y = 0.6 * x + rng.standard_normal(1000)
    for offset in (0.0, 1e7):
        found, other = Pearson(), Pearson()
        for start in range(0, 600, 130):
            rows = slice(start, min(start + 130, 600))
            found.update(torch.from_numpy(x[rows] + offset), torch.from_numpy(y[rows]))
        other.update(torch.from_numpy(x[600:] + offset), torch.from_numpy(y[600:]))
        found.merge(other)
        assert found.count == 1000
        assert found.compute() == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-8)
    constant = Pearson()
    constant.update(torch.ones(5), torch.rand(5))
    assert constant.compute() is None
    assert Pearson().compute() is None


def test_the_parts_are_those_of_their_definition_and_make_up_the_score():
    rng = np.random.default_rng(0)
    p = rng.random((300, 17))
    y = rng.beta(1 + 3 * p, 2)
    counted = rng.random((300, 17)) < 0.8
    found = ProbabilityCalibration(bins=10)
    for start in range(0, 300, 64):
        rows = slice(start, start + 64)
        found.update(*(torch.from_numpy(value[rows]) for value in (p, y, counted)))
    found = found.compute()
    p, y = p[counted], y[counted]
    assert found["brier"] == pytest.approx(np.mean((p - y) ** 2))
    assert found["uncertainty"] == pytest.approx(np.var(y))
    parts = found["reliability"] - found["resolution"] + found["uncertainty"] + found["within_bin"]
    assert parts == pytest.approx(found["brier"], abs=1e-12)
    place = np.floor(p * 10).astype(int)
    masks = [place == b for b in range(10)]
    reliability = sum(m.mean() * (p[m].mean() - y[m].mean()) ** 2 for m in masks)
    assert found["reliability"] == pytest.approx(reliability)
    assert found["ece"] == pytest.approx(
        sum(m.mean() * abs(p[m].mean() - y[m].mean()) for m in masks)
    )
    assert found["diagram"]["outcome"] == pytest.approx([y[m].mean() for m in masks])
    assert found["diagram"]["count"] == [m.sum() for m in masks]


def test_a_forecast_of_two_values_is_murphys_own():
    p = torch.tensor([0.2] * 10 + [0.7] * 10).double()
    y = torch.tensor([1.0] * 3 + [0.0] * 7 + [1.0] * 6 + [0.0] * 4).double()
    found = ProbabilityCalibration()
    found.update(p, y)
    found = found.compute()
    assert found["reliability"] == pytest.approx((0.1**2 + 0.1**2) / 2)
    assert found["resolution"] == pytest.approx(0.15**2)
    assert found["uncertainty"] == pytest.approx(0.45 * 0.55)
    assert found["within_bin"] == pytest.approx(0, abs=1e-12)


def drawn_people(seed, width=1.0, shift=0.0, count=1500):
    """Confidences by the expected OKS of covariances `width` times too wide, means `shift` off."""
    generator = torch.Generator().manual_seed(seed)
    sigma = 1 + 6 * torch.rand(count, 17, generator=generator, dtype=torch.float64)
    lean = torch.rand(count, 17, generator=generator, dtype=torch.float64) - 0.5
    covariance = sigma[..., None, None] ** 2 * torch.eye(2).double()
    covariance[..., 0, 1] = covariance[..., 1, 0] = lean * sigma**2
    draw = torch.randn(count, 17, 2, generator=generator, dtype=torch.float64)
    target = (torch.linalg.cholesky(covariance) @ draw[..., None])[..., 0]
    area = 2000 + 8000 * torch.rand(count, generator=generator, dtype=torch.float64)
    sigmas = torch.full((17,), 0.05).double()
    prediction = torch.zeros_like(target)
    prediction[..., 0] = shift
    probability = expected_oks(prediction, prediction, width * covariance, tolerance(area, sigmas))
    return probability, keypoint_oks(prediction, target, area, sigmas)


@pytest.mark.parametrize(
    ("fault", "verdict"),
    [
        ({}, "calibrated"),
        ({"width": 0.5}, "overconfident"),
        ({"width": 2.0}, "underconfident"),
        ({"shift": 3.0}, "overconfident"),
    ],
)
def test_silent_on_right_covariances_and_fires_on_each_fault(fault, verdict):
    found = ProbabilityCalibration()
    found.update(*drawn_people(0, **fault))
    assert found.compute()["verdict"] == verdict


def test_right_probabilities_are_blamed_no_more_often_than_it_says():
    verdicts = []
    for seed in range(20):
        found = ProbabilityCalibration()
        found.update(*drawn_people(seed, count=120))
        verdicts.append(found.compute()["verdict"])
    assert verdicts.count("calibrated") >= 18


def test_keypoints_that_all_agree_count_as_one_person():
    generator = torch.Generator().manual_seed(0)
    blamed = 0
    for _ in range(15):
        chance = torch.full((60, 50), 0.55)
        hits = (torch.rand(60, 1, generator=generator) < 0.55).double().expand(60, 50)
        found = ProbabilityCalibration()
        found.update(chance, hits)
        blamed += found.compute()["verdict"] != "calibrated"
    assert blamed <= 2


def test_what_is_no_probability_is_refused_and_few_people_are_not_judged():
    with pytest.raises(InputError, match="probability"):
        ProbabilityCalibration().update(torch.tensor([1.2]), torch.tensor([1.0]))
    with pytest.raises(InputError, match="outcome"):
        ProbabilityCalibration().update(torch.tensor([0.2]), torch.tensor([torch.nan]))
    few = ProbabilityCalibration()
    few.update(torch.rand(5, 17), torch.rand(5, 17))
    assert few.compute()["verdict"] is None
    assert ProbabilityCalibration().compute()["brier"] is None


def test_the_row_of_a_detector():
    probability, oks = drawn_people(0)
    counted = torch.rand(oks.shape, generator=torch.Generator().manual_seed(1)) < 0.8
    counted[7] = False
    person = (probability * counted).sum(1) / counted.sum(1).clamp(min=1)
    hits = {"pck50": oks > 0.6}
    found = KeypointConfidence()
    for rows in (slice(0, 600), slice(600, None)):
        found.update(person[rows], probability[rows], oks[rows], counted[rows],
                     {"pck50": hits["pck50"][rows]})  # fmt: skip
    row = found.compute()
    kept = counted.any(1)
    mean = ((oks * counted).sum(1) / counted.sum(1).clamp(min=1))[kept]
    correlation = np.corrcoef(person[kept], mean)[0, 1]
    assert row["pearson_instance"] == pytest.approx(correlation)
    correlation = np.corrcoef(probability[counted], oks[counted])[0, 1]
    assert row["pearson_keypoint"] == pytest.approx(correlation)
    assert row["pck50"] == pytest.approx((oks > 0.6)[counted].double().mean().item())
    assert 0 < row["ause_instance"] < row["ause_keypoint"]
    assert row["simple_map"] <= row["simple_mar"]
    assert row["verdict"] == "calibrated"
    assert row["brier_reliability"] < 1e-3 < row["brier"]
    logits = KeypointConfidence()
    logits.update(person.logit(), probability.logit(), oks, counted, hits)
    other = logits.compute()
    assert other["verdict"] is None
    assert other["brier"] is None
    assert other["ause_pck50"] == pytest.approx(row["ause_pck50"], abs=1e-12)


def test_pck_against_a_loop_and_its_length():
    generator = torch.Generator().manual_seed(0)
    target = 100 * torch.rand(20, 16, 2, generator=generator)
    prediction = target + 5 * torch.randn(20, 16, 2, generator=generator)
    box = torch.tensor([10.0, 20.0, 22.0, 36.0]).expand(20, 4)
    found = pck_hits(prediction, target, head_length(box), 0.5)
    for n in range(20):
        for j in range(16):
            apart = np.hypot(*(prediction[n, j] - target[n, j]).tolist())
            assert found[n, j].item() == (apart <= 0.5 * 0.6 * 20)
    with pytest.raises(InputError, match="length"):
        pck_hits(prediction, target, torch.zeros(20), 0.5)


def test_whole_body_constants_are_133_and_hands_alike():
    from poseterior.geometry.skeleton import COCO_17, MPII_16
    from poseterior.metrics.oks_constants import (
        MPII_SIGMAS,
        WHOLEBODY_PARTS,
        wholebody_sigmas,
    )

    sigmas = wholebody_sigmas()
    assert [len(sigmas[part]) for part in WHOLEBODY_PARTS.values()] == [17, 6, 68, 21, 21]
    assert torch.equal(sigmas[:17], oks_sigmas(COCO_17))
    assert torch.equal(wholebody_sigmas("left_hand"), wholebody_sigmas("right_hand"))
    # Sums of the published lists.
    assert wholebody_sigmas("face").sum().item() == pytest.approx(1.137, abs=1e-4)
    assert wholebody_sigmas("left_hand").sum().item() == pytest.approx(0.553, abs=1e-4)
    assert oks_sigmas(MPII_16, MPII_SIGMAS).isfinite().all()
    assert oks_sigmas(MPII_16).isinf().sum() == 4
