"""Repairs: isotonic cases by hand, recovered parameters, confidences that mean what they say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, logit

from poseterior.confidence.aggregation import mean_above, mean_by_visibility
from poseterior.confidence.anybody import Anybody
from poseterior.confidence.closed_form import ClosedForm
from poseterior.confidence.detector_scores import DETECTORS, score_note
from poseterior.confidence.isotonic import Isotonic
from poseterior.confidence.monotone import Monotone
from poseterior.confidence.repair import Repair, cross_fitted, fold_of
from poseterior.confidence.sample import Sample
from poseterior.confidence.temperature import Temperature
from poseterior.errors import InputError

SIGMAS = np.array([0.026, 0.062, 0.107])


def sample(count: int = 3000, seed: int = 0, **changed: Any) -> Sample:
    """People of three keypoints, noise of a known sigma, scores that know only the sigma."""
    rng = np.random.default_rng(seed)
    area = np.exp(rng.uniform(np.log(1000), np.log(60_000), count))
    sigma = np.exp(rng.normal(1.0, 0.8, (count, 3)))
    off = sigma[..., None] * rng.normal(size=(count, 3, 2))
    l2 = (2 * SIGMAS) ** 2 * area[:, None]
    given: dict[str, Any] = {
        "score": rng.random(count),
        "keypoint_score": 4 / (4 + sigma**2),
        "box_area": 2 * area,
        "sigmas": SIGMAS,
        "covariance": sigma[..., None, None] ** 2 * np.eye(2),
        "visibility": None,
        "matched": np.ones(count, dtype=bool),
        "counted": np.ones(count, dtype=bool),
        "area": area,
        "labelled": rng.random((count, 3)) < 0.8,
        "keypoint_oks": np.exp(-(off**2).sum(-1) / (2 * l2)),
    }
    return Sample(**(given | changed))


def calibration(confidence: np.ndarray, of: Sample) -> tuple[float, float]:
    """Largest gap of the mean OKS in ten groups of equal confidence; correlation."""
    sure, right = confidence[of.labelled], of.keypoint_oks[of.labelled]
    parts = np.array_split(np.argsort(sure), 10)
    gap = max(abs(sure[p].mean() - right[p].mean()) for p in parts)
    return float(gap), float(np.corrcoef(sure, right)[0, 1])


# Isotonic regression by hand


def test_pooled_neighbours_become_their_mean() -> None:
    curve = Monotone.fit(np.array([4.0, 1, 2, 3]), np.array([1.0, 0.1, 0.8, 0.2]))
    assert curve.x.tolist() == [1, 2.5, 4]
    assert curve.y.tolist() == pytest.approx([0.1, 0.5, 1.0])
    assert curve(np.array([0.0, 9.0])).tolist() == pytest.approx([0.1, 1.0])


def test_equal_scores_are_one_point_and_weights_count() -> None:
    x, y = np.array([1.0, 1, 1, 2]), np.array([0.0, 0.0, 0.9, 0.2])
    assert Monotone.fit(x, y).y.tolist() == pytest.approx([0.275])  # 0.3 of three, 0.2 of one
    assert Monotone.fit(x, y, np.array([1.0, 1, 0, 1])).y.tolist() == [0.0, 0.2]


def test_a_rising_curve_stays() -> None:
    x = np.linspace(0, 1, 20)
    assert np.allclose(Monotone.fit(x, x**2)(x), x**2)


# Keypoint confidences


@pytest.mark.parametrize("method", ["closed_form", "isotonic", "temperature"])
def test_confidence_is_the_expected_oks_on_others(method: str) -> None:
    fit, test = sample(seed=0), sample(seed=1)
    raw = calibration(test.keypoint_score, test)
    gap, correlation = calibration(Repair.fit(fit, method)(test).keypoints, test)
    assert raw[0] > 0.2
    assert gap < 0.05
    assert correlation > raw[1] + 0.05


def test_closed_form_of_the_right_area_is_exact_and_the_mean_area_is_not() -> None:
    test = sample(20_000)
    of_true, of_predicted, of_mean = (
        ClosedForm.fit(test, a) for a in ("true", "predicted", "mean")
    )
    l2 = (2 * SIGMAS) ** 2 * test.area[:, None]
    sigma2 = test.covariance[..., 0, 0]  # type: ignore[index]
    assert np.allclose(of_true(test), l2 / (l2 + sigma2))  # Eq. 12
    assert np.allclose(of_predicted(test), of_true(test))  # every box is twice the area here
    assert calibration(of_true(test), test)[0] < 0.02
    assert calibration(of_mean(test), test)[0] > 0.05


def test_true_area_of_nobody_is_the_predicted_one() -> None:
    some = sample(100)
    matched = np.arange(100) < 50
    absent = replace(some, matched=matched, area=np.where(matched, 3 * some.area, np.nan))
    true, predicted = (ClosedForm.fit(absent, area)(absent) for area in ("true", "predicted"))
    assert np.array_equal(true[50:], predicted[50:])
    assert np.isfinite(true).all()


def test_isotonic_knows_the_size() -> None:
    fit, test = sample(seed=0), sample(seed=1)
    with_size = calibration(Isotonic.fit(fit)(test), test)
    alike = np.full(len(fit), 1.0)
    blind = calibration(
        Isotonic.fit(replace(fit, box_area=alike))(replace(test, box_area=alike)), test
    )
    assert with_size[1] > blind[1] + 0.03


def test_isotonic_never_falls_with_the_score() -> None:
    fitted = Isotonic.fit(sample())
    scores = np.linspace(0, 1, 200)[:, None].repeat(3, 1)
    for area in (500.0, 9_000.0, 300_000.0):
        rows = replace(sample(200), keypoint_score=scores, box_area=np.full(200, area))
        assert (np.diff(fitted(rows), axis=0) >= 0).all()


def test_temperature_finds_the_parameters_that_made_the_outcomes() -> None:
    rng = np.random.default_rng(0)
    rows = sample(20_000)
    z = 0.5 * np.log(rows.box_area)
    score = rng.uniform(0.02, 0.98, (20_000, 3))
    chance = expit(0.5 * logit(score) - 0.7 + 0.9 * (z - z.mean())[:, None])
    outcome = (rng.random(chance.shape) < chance).astype(float)
    fitted = Temperature.fit(replace(rows, keypoint_score=score, keypoint_oks=outcome))
    assert fitted.parameters == pytest.approx(np.tile([0.5, -0.7, 0.9], (3, 1)), abs=0.08)
    assert np.abs(fitted(replace(rows, keypoint_score=score)) - chance).mean() < 0.02


def test_temperature_takes_scores_above_one() -> None:
    fit, test = sample(seed=0), sample(seed=1)
    logits = [replace(of, keypoint_score=3 * of.keypoint_score) for of in (fit, test)]
    assert calibration(Temperature.fit(logits[0])(logits[1]), test)[0] < 0.06


# People


def test_aggregation_by_hand() -> None:
    confidence = np.array([[0.9, 0.3, 0.2], [0.1, 0.0, 0.2]])
    assert mean_above(confidence).tolist() == pytest.approx([0.6, 0.0])
    visibility = np.array([[1.0, 0.5, 0.0], [0.0, 0.0, 0.0]])
    assert mean_by_visibility(confidence, visibility).tolist() == pytest.approx([0.7, 0.1])


def test_the_chance_of_being_anybody_finds_the_box_score() -> None:
    rng = np.random.default_rng(0)
    rows = sample(5000)
    box = rng.random(5000)
    matched = rng.random(5000) < box
    of = replace(rows, matched=matched, score=box * mean_above(rows.keypoint_score))
    confidence = rng.random(5000)
    chance = Anybody.fit(of, confidence)(of, confidence)
    assert np.corrcoef(chance, box)[0, 1] > 0.9
    for part in np.array_split(np.argsort(chance), 5):
        assert chance[part].mean() == pytest.approx(matched[part].mean(), abs=0.1)


def test_where_everybody_is_somebody_the_chance_is_one() -> None:
    rows = sample(100)
    assert (Repair.fit(rows, "isotonic")(rows).anybody == 1).all()


def test_the_files_visibility_is_taken() -> None:
    rows = sample(100)
    told = np.random.default_rng(0).random((100, 3))
    assert np.array_equal(
        Repair.fit(rows, "isotonic")(replace(rows, visibility=told)).visibility, told
    )


def test_visibility_is_the_chance_of_being_labelled() -> None:
    rng = np.random.default_rng(0)
    rows = sample(8000)
    labelled = rng.random((8000, 3)) < rows.keypoint_score
    told = Repair.fit(replace(rows, labelled=labelled), "isotonic")(rows).visibility
    assert np.abs(told - rows.keypoint_score).mean() < 0.03


# Folds


def test_folds_are_of_images() -> None:
    image = np.repeat(np.arange(23) * 7, 3)
    fold = fold_of(image, 5, seed=0)
    assert set(fold.tolist()) == set(range(5))
    assert (fold.reshape(23, 3) == fold.reshape(23, 3)[:, :1]).all()
    assert np.array_equal(fold, fold_of(image, 5, seed=0))
    assert not np.array_equal(fold, fold_of(image, 5, seed=1))


@pytest.mark.parametrize("folds", [0, 1, 24])
def test_impossible_folds(folds: int) -> None:
    with pytest.raises(InputError, match="--folds"):
        fold_of(np.arange(23), folds, 0)


def test_nobody_is_repaired_by_themselves() -> None:
    rows = sample(90)
    fold = np.arange(90) % 3
    seen: list[int] = []

    def fit(of: Sample) -> Repair:
        seen.append(len(of))
        assert not np.isin(rows.area[fold == len(seen) - 1], of.area).any()
        return Repair.fit(of, "temperature")

    told = cross_fitted(rows, fold, fit)
    assert seen == [60, 60, 60]
    alone = Repair.fit(rows.rows(fold != 1), "temperature")(rows.rows(fold == 1))
    assert np.array_equal(told.keypoints[fold == 1], alone.keypoints)


def test_nothing_to_fit_on() -> None:
    rows = sample(50)
    with pytest.raises(InputError, match="somebody's to fit on"):
        Repair.fit(replace(rows, matched=np.zeros(50, dtype=bool)), "isotonic")


def test_what_scores_are_is_said() -> None:
    assert "17" in DETECTORS["deeplabcut"]
    fine, high = np.array([[0.0, 1.0]]), np.array([[-0.5, 7.25]])
    assert "uncalibrated" not in score_note("vitpose", fine)
    said = score_note("rtmpose", high)
    assert "SimCC" in said
    assert "uncalibrated: 1 of 2 above 1, at most 7.25, 1 of 2 below 0" in said
