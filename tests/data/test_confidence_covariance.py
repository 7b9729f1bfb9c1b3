"""The rule from confidences to covariances against its formula, and its properties."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from poseterior.data.confidence_covariance import CovarianceRule
from poseterior.data.simulated_detector import DetectorNoise
from poseterior.errors import InputError

ALL = torch.ones(3, dtype=torch.bool)
PERSON = torch.tensor([[100.0, 50.0], [200.0, 300.0], [150.0, 690.0]])  # longer side 640 px
HEATMAP_PX = 1.25 * 640 / 64

confidences = st.floats(0, 1, width=32)


def _sigmas(rule, confidence, valid=ALL, person=PERSON):
    covariance = rule(person, torch.tensor(confidence), valid)
    torch.testing.assert_close(covariance[:, 0, 0], covariance[:, 1, 1])
    assert (covariance[:, 0, 1] == 0).all()
    return covariance[:, 0, 0].sqrt() / HEATMAP_PX


def test_it_is_the_stated_formula():
    found = _sigmas(CovarianceRule(), [0.0, 0.4, 0.8])
    middle = math.sqrt(0.55 * 8.0)  # log-linear: halfway is the geometric mean
    torch.testing.assert_close(found, torch.tensor([8.0, middle, 0.55]))


def test_confident_and_unsure_joints_lie_in_the_simulated_detector_s_ranges():
    noise, rule = DetectorNoise(), CovarianceRule()
    sure, unsure = rule.sigma(torch.tensor([1.0, 0.0])).tolist()
    assert noise.certain_px[0] < sure < noise.certain_px[1]
    assert noise.uncertain_px[0] < unsure < noise.uncertain_px[1]


@given(st.tuples(confidences, confidences, confidences))
def test_sigma_never_grows_with_confidence(confidence):
    found = _sigmas(CovarianceRule(), list(confidence))
    order = torch.tensor(confidence).argsort()
    assert (found[order].diff() <= 1e-4).all()
    assert (found >= 0.55 - 1e-4).all()
    assert (found <= 8.0 + 1e-4).all()


@given(st.floats(0.01, 2), st.floats(1, 20), st.floats(0.05, 5), st.floats(0.1, 100), confidences)
def test_every_number_can_be_overridden(confident, ratio, start, full, confidence):
    rule = CovarianceRule(confident, confident * ratio, start, full)
    low, mid, high = rule.sigma(torch.tensor([0.0, confidence * full, start * full])).tolist()
    assert low == pytest.approx(confident * ratio, rel=1e-4)
    assert high == pytest.approx(confident, rel=1e-4)
    assert high * 0.999 <= mid <= low * 1.001


@given(st.floats(0.5, 50))
def test_sigma_follows_the_person_s_size(scale):
    one = CovarianceRule()(PERSON, torch.full((3,), 0.5), ALL)
    other = CovarianceRule()(PERSON * scale + 7, torch.full((3,), 0.5), ALL)
    torch.testing.assert_close(other, one * scale**2, rtol=1e-3, atol=0)


def test_no_confidences_means_all_confident():
    found = CovarianceRule()(PERSON, None, ALL)
    torch.testing.assert_close(found, CovarianceRule()(PERSON, torch.ones(3), ALL))


def test_joints_not_detected_are_left_out_of_the_box():
    person = PERSON.clone()
    person[2] = 0.0
    valid = torch.tensor([True, True, False])
    found = CovarianceRule()(person, torch.ones(3), valid)[:, 0, 0].sqrt()
    assert found[0].item() == pytest.approx(0.55 * 1.25 * 250 / 64)
    assert found[2].item() == pytest.approx(8.0 * 1.25 * 250 / 64)


@pytest.mark.parametrize("count", [0, 1])
def test_covariances_without_a_box_are_small_but_not_singular(count):
    valid = torch.arange(3) < count
    found = CovarianceRule()(PERSON, torch.ones(3), valid)
    torch.testing.assert_close(found, 0.01 * torch.eye(2).expand(3, 2, 2))


def test_nan_confidence_is_the_widest():
    assert CovarianceRule().sigma(torch.tensor([math.nan])).item() == pytest.approx(8.0)


@pytest.mark.parametrize(("scale", "full"), [(1.0, 1.0), (0.5, 1.0), (6.0, 5.7), (100.0, 95.0)])
def test_the_full_score_is_the_95_percent_quantile_but_never_below_one(scale, full):
    scores = scale * torch.linspace(0.01, 1, 100).reshape(20, 5)
    rule = CovarianceRule().scaled_to(scores, torch.ones(20, 5, dtype=torch.bool))
    assert rule.full_score == pytest.approx(full)


def test_a_few_scores_above_one_do_not_make_the_others_unsure():
    scores = torch.full((100, 1), 0.9)
    scores[:3] = 40.0
    assert CovarianceRule().scaled_to(scores, scores > 0).full_score == 1.0


def test_joints_not_detected_do_not_count_for_the_full_score():
    scores = torch.tensor([[50.0, 0.7], [math.nan, 0.6]])
    assert CovarianceRule().scaled_to(scores, scores < 1).full_score == 1.0
    assert CovarianceRule().scaled_to(scores, scores < 0) == CovarianceRule()


@pytest.mark.parametrize(
    "wrong",
    [
        {"sigma_confident": 0.0},
        {"sigma_confident": 9.0},
        {"sigma_uncertain": math.inf},
        {"confident_from": 0.0},
        {"full_score": math.nan},
        {"minimum_px": -1.0},
    ],
)
def test_senseless_rules_are_refused(wrong):
    with pytest.raises(InputError, match="CovarianceRule"):
        CovarianceRule(**wrong)
