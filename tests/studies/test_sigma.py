"""`study sigma`: the grid of Figure 1a, the appendices' claims, and its files."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from poseterior.metrics.gaussian_theory import optimal_sigma
from poseterior.report.sigma_plots import write_sigma_plots
from poseterior.studies import sigma
from poseterior.studies.sigma import DIMS, HYPOTHESES, best_draw, sigma_study

SOME_DIMS = (1, 1, 3, 100)


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    """The study on few rows of its grids: those of the paper would take half a minute."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sigma, "DIMS", SOME_DIMS)
        patch.setattr(sigma, "_SHIFTS", np.array([0, 0.125, 0.5, 2]))
        return sigma_study()


def test_the_grid_is_the_papers() -> None:
    assert (DIMS[0], DIMS[-1], HYPOTHESES[0], HYPOTHESES[-1]) == (1, 100, 1, 500)
    assert len(DIMS) == len(HYPOTHESES) == 20
    assert DIMS[:2] == SOME_DIMS[:2]
    assert 3 in DIMS


def test_the_optima_of_the_grid(result: dict[str, Any]) -> None:
    assert result["dims"] == list(SOME_DIMS)
    found = np.array(result["sigma"])
    assert found.shape == (4, 20)
    assert np.all(found[:, np.array(HYPOTHESES) == 1] == 0)
    assert np.array_equal(found[0], found[1])  # one dimension twice
    row, column = SOME_DIMS.index(3), HYPOTHESES.index(50)
    assert found[row, column] == pytest.approx(optimal_sigma(3, 50, 0.5), rel=1e-6)


def test_the_pose_point_is_miscalibrated(result: dict[str, Any]) -> None:
    point = result["pose_point"]
    assert point["sigma"] == pytest.approx(0.197, abs=5e-4)
    assert point["min_mpjpe"] < point["oracle_min_mpjpe"]
    assert point["nll"] > point["oracle_nll"]


def test_landscapes_are_least_where_the_papers_say(result: dict[str, Any]) -> None:
    found = result["landscapes"]
    sigma = np.array(found["sigma"])
    for key, best in (("min_mpjpe", 0.197), ("nll", 0.5), ("ece", 0.5)):
        values = np.array(found[key])
        row, column = np.unravel_index(values.argmin(), values.shape)
        assert row == 0, key  # the right mean
        if key == "min_mpjpe":
            assert not values.argmin(0).any()  # whatever sigma is
        assert column == np.abs(np.log(sigma / best)).argmin(), key


def test_a_single_hypothesis_is_best_without_spread(result: dict[str, Any]) -> None:
    a1 = result["a1"]
    assert np.argmin(a1["drawn"]) == 0
    off = np.abs(np.subtract(a1["drawn"], a1["expected"])) / a1["standard_error"]
    assert np.all(off < 4)


def test_the_best_draw_is_a_sigmoid_of_the_means_error(result: dict[str, Any]) -> None:
    a2 = result["a2"]
    draws = np.array(a2["best_draw"])
    assert draws[16] == pytest.approx(0, abs=1e-9)
    assert np.allclose(draws, -draws[::-1], atol=1e-9)
    assert np.all(np.diff(draws) > -1e-6)
    assert draws[-1] == pytest.approx(a2["limit"], rel=1e-3)


def test_the_best_draw_is_that_of_draws() -> None:
    rng = np.random.default_rng(0)
    truth = 0.3 + 0.5 * rng.standard_normal(20_000)
    z = rng.standard_normal((20_000, 20))
    best = z[np.arange(len(z)), np.abs(truth[:, None] - 0.4 * z).argmin(1)]
    error = best.std() / np.sqrt(len(best))
    assert abs(best_draw(0.3, 20, 0.4, 0.5) - best.mean()) < 4 * error


def test_the_pictures_are_drawn(result: dict[str, Any], tmp_path) -> None:
    files = write_sigma_plots(result, tmp_path)
    assert [path.name for path in files] == ["sigma.png", "sigma_landscapes.png"]
    assert all(imread(path).std() > 0.05 for path in files)
    assert json.loads(json.dumps(result)) == result
