"""Scoring files and lifters: theory for hand-made posteriors, gaps, keys, one pass or two."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import fake_lifters as fake
import numpy as np
import pytest
import torch
from scipy.stats import chi

from poseterior.batch.examples import ExampleRows
from poseterior.batch.lift import lift
from poseterior.batch.score import RESULT_KEYS, evaluate, save_result, score
from poseterior.data.observations import MemorySource
from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_17
from poseterior.report.examples import Examples

J = 17


def _predictions(path, rows=400, hypotheses=100, spread=1.0, seed=0, **changes):
    """Target and hypotheses about one mean; the hypotheses `spread` times as wide."""
    random = np.random.default_rng(seed)
    mean = random.normal(0, 0.3, size=(rows, J, 3))
    target = mean + 0.05 * random.normal(size=mean.shape)
    drawn = 0.05 * spread * random.normal(size=(rows, hypotheses, J, 3))
    drawn += mean[:, None]
    target[:, 0] = drawn[:, :, 0] = 0
    arrays = {
        "hypotheses": drawn.astype(np.float32),
        "target": target.astype(np.float32),
        "skeleton": np.array("h36m_17"),
    }
    np.savez(path, **{k: v for k, v in (arrays | changes).items() if v is not None})
    return path


def test_a_calibrated_file_scores_as_theory_says(tmp_path):
    result = score(_predictions(tmp_path / "p.npz"))
    assert result["ece_median"] < 0.02  # theory: 0.01 of it from H = 100
    assert result["ece_joint_max"] < 0.06
    for level, observed in result["coverage"].items():
        assert observed == pytest.approx(float(level), abs=0.05)
    sigma, free = 50.0, J - 1
    expected = free / J * sigma * math.sqrt(2) * chi.mean(3)
    assert result["expected_mpjpe_mm"] == pytest.approx(expected, rel=0.03)
    assert result["mpjpe_mean_mm"] == pytest.approx(free / J * sigma * chi.mean(3), rel=0.03)
    assert result["crps_mm"] == pytest.approx(sigma / math.sqrt(math.pi), rel=0.03)
    assert result["sharpness_mm"] == pytest.approx(sigma * math.sqrt(3), rel=0.03)


@pytest.mark.parametrize("spread", [0.5, 2.0])
def test_a_file_too_narrow_or_too_wide_scores_as_theory_says(tmp_path, spread):
    """Distances over 50 mm are chi(3): at q, F(spread * Q) is covered, Q the q-quantile of H."""
    result = score(_predictions(tmp_path / "p.npz", spread=spread))
    levels = np.arange(21) / 20
    drawn = np.random.default_rng(0).chisquare(3, size=(4000, 100)) ** 0.5
    theory = chi.cdf(spread * np.quantile(drawn, levels, axis=1), 3).mean(1)
    assert result["ece_median"] == pytest.approx(np.abs(theory - levels).mean(), abs=0.02)
    np.testing.assert_allclose(list(result["coverage"].values()), theory, atol=0.05)
    assert (result["coverage"]["0.5"] < 0.45) == (spread < 1)


def _assert_same(one, two, rel=1e-9):
    """Equal results, numbers within `rel`."""
    if isinstance(two, dict):
        assert one.keys() == two.keys()
        for key in two:
            _assert_same(one[key], two[key], rel)
    elif isinstance(two, list):
        for a, b in zip(one, two, strict=True):
            _assert_same(a, b, rel)
    elif isinstance(two, float):
        assert one == pytest.approx(two, rel=rel)
    else:
        assert one == two


def _keys(result, *without):
    return {key: result[key] for key in RESULT_KEYS if key not in without}


def test_every_key_is_there_and_what_cannot_be_computed_is_null(tmp_path):
    result = score(_predictions(tmp_path / "p.npz", rows=20, hypotheses=5))
    assert list(result)[: len(RESULT_KEYS)] == list(RESULT_KEYS)
    assert [k for k in RESULT_KEYS if result[k] is None] == [
        "mpjpe_mode_mm", "mpjpe_latent_centre_mm", "ece_mode", "ece_latent_centre", "nll",
    ]  # fmt: skip
    assert (result["poses"], result["invalid"], result["hypotheses"]) == (20, 0, 5)
    assert result["skeleton"] == "h36m_17"
    assert len(result["coverage"]) == 21
    assert result["provenance"]["predictions"].endswith("p.npz")
    one = score(_predictions(tmp_path / "p.npz", rows=20, hypotheses=1))
    assert one["mpjpe_mean_mm"] == pytest.approx(one["min_mpjpe_mm"])
    assert one["mpjpe_mean_mm"] > 0
    for key in ("ece_median", "energy_score_mm", "crps_mm", "sharpness_mm", "coverage"):
        assert one[key] is None


def test_the_first_hypotheses_are_scored_as_a_file_of_only_those(tmp_path):
    path = _predictions(tmp_path / "p.npz", rows=50, hypotheses=30)
    with np.load(path) as loaded:
        np.savez(tmp_path / "q.npz", **(dict(loaded) | {"hypotheses": loaded["hypotheses"][:, :8]}))
    few, cut = score(path, hypotheses=8), score(tmp_path / "q.npz")
    assert few["hypotheses"] == 8
    assert _keys(few) == _keys(cut)


@pytest.mark.parametrize("rows", [1, 7, 64, 1000])
def test_the_rows_held_at_a_time_change_nothing(tmp_path, rows):
    valid = np.arange(90) % 7 != 0
    path = _predictions(tmp_path / "p.npz", rows=90, hypotheses=9, valid=valid)
    whole, pieces = score(path), score(path, rows=rows)
    _assert_same(_keys(pieces), _keys(whole))


def test_rows_that_are_not_valid_are_never_scored(tmp_path):
    path = _predictions(tmp_path / "p.npz", rows=60, hypotheses=9)
    with np.load(path) as loaded:
        arrays = dict(loaded)
    valid = np.arange(60) % 4 != 1
    kept = {k: v[valid] if v.ndim else v for k, v in arrays.items()}
    np.savez(tmp_path / "kept.npz", **kept)
    arrays["hypotheses"][~valid] = 0
    np.savez(tmp_path / "all.npz", **arrays, valid=valid)
    whole, only = score(tmp_path / "all.npz"), score(tmp_path / "kept.npz")
    assert (whole["poses"], whole["invalid"]) == (45, 15)
    _assert_same(_keys(whole, "invalid"), _keys(only, "invalid"))


def test_joints_that_are_not_valid_do_not_count(tmp_path):
    joints = np.ones((40, J), bool)
    joints[::2, 5] = False
    path = _predictions(tmp_path / "p.npz", rows=40, hypotheses=9, valid_joints=joints)
    with np.load(path) as loaded:
        arrays = dict(loaded)
    first = score(path)
    arrays["hypotheses"][::2, :, 5] = 1e6
    arrays["target"][::2, 5] = np.nan
    np.savez(path, **arrays)
    second = score(path)
    assert _keys(second) == _keys(first)


def test_targets_from_another_file(tmp_path):
    path = _predictions(tmp_path / "p.npz", rows=30, hypotheses=9)
    with np.load(path) as loaded:
        target = loaded["target"]
    bare = _predictions(tmp_path / "bare.npz", rows=30, hypotheses=9, target=None)
    np.savez(tmp_path / "t.npz", target=target)
    with pytest.raises(InputError, match="target: expected the array target"):
        score(bare)
    one, two = score(path), score(bare, tmp_path / "t.npz")
    assert _keys(one) == _keys(two)


def test_nothing_to_score(tmp_path):
    path = _predictions(tmp_path / "p.npz", rows=6, hypotheses=3, valid=np.zeros(6, bool))
    with pytest.raises(InputError, match="valid: expected at least one valid row, found none of 6"):
        score(path)
    keypoints, _ = fake.observations(5, 0.05)
    with pytest.raises(InputError, match="target: expected targets to score"):
        evaluate(fake.FlatGaussian(), MemorySource(keypoints), 3)


def _source(rows=150, sigma=0.05):
    keypoints, target = fake.observations(rows, sigma, missing=0.1)
    keypoints.valid[7] = False
    return MemorySource(keypoints, target, {"clip": np.arange(rows) // 30})


def test_evaluating_in_one_pass_is_lifting_then_scoring(tmp_path):
    lift(_source(), fake.FlatGaussian(), tmp_path / "p.npz", 20, seed=3)
    two = score(tmp_path / "p.npz")
    one = evaluate(fake.FlatGaussian(), _source(), 20, seed=3, chunk=64)
    made = ("provenance",)
    _assert_same(*({k: v for k, v in r.items() if k not in made} for r in (one, two)))
    assert one["invalid"] == 1
    assert one["ece_mode"] is not None
    assert two["provenance"]["lift"]["lifter"] == one["provenance"]["lifter"] == "flat_gaussian"


def test_the_likelihood_of_a_true_posterior_is_its_entropy():
    sigma = 0.05
    result = evaluate(fake.FlatGaussian(sigma), _source(600, sigma), 2)
    entropy = 3 * (J - 1) * 0.5 * math.log(2 * math.pi * math.e * sigma**2)
    assert result["nll"] == pytest.approx(entropy, abs=5 * math.sqrt(24 / 600))


def test_results_are_saved_whole_and_without_nan(tmp_path):
    path = tmp_path / "r.json"
    odd = {"a": math.nan, "b": [1, np.float32(math.inf)], "c": {0.05: torch.tensor(2)}, "d": None}
    assert save_result(odd, path) == path
    assert json.loads(path.read_text()) == {"a": None, "b": [1, None], "c": {"0.05": 2}, "d": None}
    result = score(_predictions(tmp_path / "p.npz", rows=20, hypotheses=4))
    save_result(result, path)
    assert json.loads(path.read_text()) == json.loads(json.dumps(result))
    before = path.read_bytes()
    with pytest.raises(TypeError):
        save_result({"x": object()}, path)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p.npz", "r.json"]
    with pytest.raises(InputError, match="existing folder"):
        save_result(result, tmp_path / "none" / "r.json")


def test_examples_are_spread_over_the_valid_rows(tmp_path):
    source = _source(150)
    lift(source, fake.FlatGaussian(), tmp_path / "p.npz", 60)
    one, two = ExampleRows(150, 5), ExampleRows(150, 5)
    score(tmp_path / "p.npz", examples=one)
    evaluate(fake.FlatGaussian(), source, 60, examples=two)
    arrays = one.arrays()
    assert arrays["labels"] == ["clip 0", "clip 1", "clip 2", "clip 3", "clip 4"]
    np.testing.assert_array_equal(arrays["hypotheses"], two.arrays()["hypotheses"])
    np.testing.assert_array_equal(arrays["target"], source.target[[0, 30, 60, 90, 120]])
    np.testing.assert_array_equal(arrays["keypoints"], source.keypoints.pixels[::30])
    assert arrays["hypotheses"].shape == (5, 50, J, 3)
    Examples(H36M_17, **arrays)  # the report takes them as they are


def test_examples_leave_out_what_is_not_valid_or_not_known(tmp_path):
    valid = np.arange(40) >= 13
    path = _predictions(tmp_path / "p.npz", rows=40, hypotheses=3, valid=valid)
    kept = ExampleRows(40, 4)
    score(path, examples=kept)
    assert kept.arrays()["labels"] == ["row 13", "row 20", "row 30"]
    assert set(kept.arrays()) == {"hypotheses", "mean", "labels", "target"}
    assert ExampleRows(40).arrays() == {}


MEMORY = """
import resource, sys
import numpy as np
from poseterior.batch.score import score
from poseterior.data.predictions import write_predictions
from poseterior.geometry.skeleton import H36M_17
path, rows = sys.argv[1], 2000
random = np.random.default_rng(0)
with write_predictions(path, rows, H36M_17) as out:
    for start in range(0, rows, 500):
        drawn = random.random(size=(500, 400, 17, 3), dtype=np.float32)
        out.write(start, np.ones(500, bool), hypotheses=drawn, target=drawn[:, 0])
score(path, hypotheses=1, rows=1)  # what is imported or allocated once
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
result = score(path, hypotheses=4)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(result["poses"], (after - before) // 1024)
"""


def test_scoring_holds_far_less_than_the_file(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path / "p.npz")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    poses, grown_mib = map(int, run.stdout.split())
    assert poses == 2000
    assert (tmp_path / "p.npz").stat().st_size > 120e6
    assert grown_mib < 60
