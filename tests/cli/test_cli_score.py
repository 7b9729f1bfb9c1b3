"""`poseterior score`: the promised keys, files of known calibration, targets of their own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli_files import predictions, save

from oracles.from_path import load

hand_made = load(Path(__file__).parents[2] / "benchmarks" / "hand_made_predictions.py")

# As the issue lists them.
KEYS = [
    "poses", "invalid", "hypotheses", "skeleton", "mpjpe_mean_mm", "mpjpe_mode_mm",
    "mpjpe_latent_centre_mm", "expected_mpjpe_mm", "min_mpjpe_mm", "min_pa_mpjpe_mm", "pck150",
    "auc", "cps_mm", "ece_median", "ece_mean", "ece_mode", "ece_latent_centre", "ece_joint_mean",
    "ece_joint_max", "energy_score_mm", "crps_mm", "sharpness_mm", "nll", "coverage",
]  # fmt: skip
UNKNOWN = ["mpjpe_mode_mm", "mpjpe_latent_centre_mm", "ece_mode", "ece_latent_centre", "nll"]


@pytest.fixture
def score(run, tmp_path):
    """Scores arrays; the command's end and the JSON it wrote."""

    def command(arrays, *options):
        source = save(tmp_path / "in.npz", arrays)
        ended = run("score", source, "--json", tmp_path / "o.json", *options)
        assert (ended.code, ended.err) == (0, "")
        return ended, json.loads((tmp_path / "o.json").read_text())

    return command


@pytest.mark.parametrize(("name", "spread"), hand_made.SPREADS.items())
def test_calibration_error_of_hand_made_files_is_near_theory(score, name, spread):
    poses, hypotheses = 500, 100
    arrays = hand_made.predictions(spread, poses, hypotheses, seed=0)
    ended, numbers = score(arrays)
    expected = hand_made.ece_in_theory(spread, hypotheses)
    assert numbers["ece_median"] == pytest.approx(expected, abs=0.015)
    in_theory = hand_made.coverage_in_theory(spread, hypotheses)
    assert list(numbers["coverage"].values()) == pytest.approx(in_theory, abs=0.05)
    if name == "calibrated":
        assert "well calibrated" in ended.out
    else:
        assert name in ended.out


def test_every_key_in_order_and_what_cannot_be_computed_is_null(score):
    _, numbers = score(predictions())
    assert list(numbers)[: len(KEYS)] == KEYS
    assert [key for key in KEYS if numbers[key] is None] == UNKNOWN
    assert (numbers["poses"], numbers["invalid"], numbers["hypotheses"]) == (40, 0, 30)
    assert len(numbers["coverage"]) == 21


def test_the_first_hypotheses_only(score):
    arrays = predictions()
    _, first = score(arrays | {"hypotheses": arrays["hypotheses"][:, :7]})
    _, numbers = score(arrays, "--hypotheses", 7)
    assert numbers["hypotheses"] == 7
    assert {k: numbers[k] for k in KEYS} == {k: first[k] for k in KEYS}


def test_one_hypothesis_has_errors_but_no_calibration_and_says_so_once(score):
    arrays = predictions()
    ended, numbers = score(arrays, "--hypotheses", 1)
    first = arrays["hypotheses"][:, 0]
    error = np.linalg.norm(first - arrays["target"], axis=-1).mean()
    assert numbers["mpjpe_mean_mm"] == pytest.approx(1000 * error, rel=1e-4)
    assert numbers["ece_median"] is None
    assert numbers["ece_joint_max"] is None
    assert ended.out.count("calibration is not") == 1


def test_a_target_in_a_file_of_its_own(score, tmp_path):
    arrays = predictions()
    _, own = score(arrays)
    target = save(tmp_path / "t.npz", {"target": arrays.pop("target"), "skeleton": "h36m_17"})
    _, numbers = score(arrays, "--target", target)
    assert {k: numbers[k] for k in KEYS} == {k: own[k] for k in KEYS}


def test_rows_that_are_not_valid_are_counted_and_left_out(score):
    arrays = predictions()
    _, fewer = score({k: v if k == "skeleton" else v[:30] for k, v in arrays.items()})
    arrays["valid"] = np.arange(40) < 30
    arrays["hypotheses"][30:] = np.nan
    ended, numbers = score(arrays)
    assert (numbers["poses"], numbers["invalid"]) == (30, 10)
    assert numbers["mpjpe_mean_mm"] == pytest.approx(fewer["mpjpe_mean_mm"])
    assert "10 poses could not be lifted and are not scored" in ended.out


def test_report_and_plots(score, tmp_path):
    page, plots = tmp_path / "o.html", tmp_path / "deep" / "plots"
    score(predictions(), "--report", page, "--plots", plots)
    html = page.read_text(encoding="utf-8")
    assert "<html" in html
    assert 'src="http' not in html
    assert {p.name for p in plots.iterdir()} >= {"reliability.png", "per_joint.png"}
    assert [p for p in tmp_path.rglob(".*")] == []


def test_a_file_written_over_is_the_new_one(score, tmp_path):
    (tmp_path / "o.json").write_text("old")
    _, numbers = score(predictions())
    assert numbers["poses"] == 40
