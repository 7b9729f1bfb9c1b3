"""`poseterior recalibrate` from the command line: fit, apply, and the same on lifters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_files import assert_refused, observations, predictions, save, save_tiny_lifter

from poseterior.data.predictions import open_predictions
from poseterior.recalibration import METHODS

FILE_METHODS = sorted(METHODS.keys() - {"latent_temperature"})
ROWS, COUNT = 240, 30


def wide(clip: int = 0, **changed: Any) -> dict[str, Any]:
    """Predictions twice too narrow, of six clips of 40 poses from `clip` on."""
    arrays = predictions(ROWS, COUNT, spread=0.5)
    return arrays | {"clip": clip + np.arange(ROWS) // 40} | changed


@pytest.fixture
def val(tmp_path: Path) -> Path:
    return save(tmp_path / "val.npz", wide())


@pytest.fixture
def fitted(tmp_path: Path, val: Path, run: Any) -> Path:
    path = tmp_path / "R.json"
    ended = run("recalibrate", val, "--method", "spread", "--out", path)
    assert ended.code == 0, ended.err
    return path


def read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


# Fit and apply


@pytest.mark.parametrize("method", FILE_METHODS)
def test_fit_and_apply(tmp_path: Path, val: Path, run: Any, method: str) -> None:
    recalibration, out = tmp_path / "R.json", tmp_path / "fixed.npz"
    ended = run("recalibrate", val, "--method", method, "--out", recalibration)
    assert (ended.code, ended.err) == (0, "")
    assert f"{method} fitted on 240 poses of 6 clips, 30 hypotheses" in ended.out
    told = json.loads(recalibration.read_text())
    assert told["fitted_on"]["clips"] == ["0", "1", "2", "3", "4", "5"]
    assert told["effect"]["after"]["ece_median"] < 0.1 < told["effect"]["before"]["ece_median"]

    test = save(tmp_path / "test.npz", wide(clip=10))
    ended = run("recalibrate", test, "--apply", recalibration, "--out", out)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        f"{out}: 240 poses repaired by {method}; 0 are not valid and stay as they were\n"
    )
    before, after = read(test), read(out)
    assert np.array_equal(before["target"], after["target"])
    spreads = [a["hypotheses"][:, :, 1:].std(1).mean() for a in (before, after)]
    assert spreads[1] / spreads[0] == pytest.approx(2, abs=0.15)
    means = [a["hypotheses"].mean(1) for a in (before, after)]
    assert np.allclose(means[0], means[1], atol=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "R.json", "fixed.npz", "test.npz", "val.npz",
    ]  # fmt: skip


def test_what_else_a_file_has_is_carried_over(tmp_path: Path, fitted: Path, run: Any) -> None:
    rng = np.random.default_rng(0)
    extra = {
        "weights": rng.dirichlet(np.ones(COUNT), ROWS).astype(np.float32),
        "mode": rng.random((ROWS, 17, 3)).astype(np.float32),
        "latent_centre": rng.random((ROWS, 17, 3)).astype(np.float32),
        "observed_keypoints": rng.random((ROWS, 17, 2)).astype(np.float32),
        "observed_covariance": np.tile(np.eye(2, dtype=np.float32), (ROWS, 17, 1, 1)),
        "observed_valid": rng.random((ROWS, 17)) < 0.8,
        "frame": np.arange(ROWS),
        "person": np.repeat("anna", ROWS),
        "log_prob": np.zeros((ROWS, COUNT), np.float32),
        "target_log_prob": np.zeros(ROWS, np.float32),
        "valid": np.arange(ROWS) != 7,
        "provenance": '{"made_by": "poseterior lift", "lifter": "mine"}',
    }
    test, out = save(tmp_path / "test.npz", wide(clip=10, **extra)), tmp_path / "fixed.npz"
    ended = run("recalibrate", test, "--apply", fitted, "--out", out)
    assert "239 poses repaired by spread; 1 are not valid" in ended.out
    before, after = read(test), read(out)
    assert before.keys() - after.keys() == {"log_prob", "target_log_prob", "mode"}
    counts = before["valid"]
    for name in ("target", "latent_centre", "observed_keypoints", "observed_covariance",
                 "observed_valid"):  # fmt: skip
        assert np.array_equal(before[name][counts], after[name][counts]), name
    for name in ("clip", "frame", "person", "valid"):
        assert np.array_equal(before[name], after[name]), name
    assert np.allclose(after["weights"][counts].sum(1), 1, atol=1e-6)
    told = json.loads(str(after["provenance"]))
    assert told["made_by"] == "poseterior recalibrate"
    assert told["recalibration"]["method"] == "spread"
    assert told["lift"]["lifter"] == "mine"
    with open_predictions(out) as opened:
        assert sum(int(rows.valid.sum()) for rows in opened.chunks()) == 239


def test_the_same_file_byte_for_byte(tmp_path: Path, val: Path, fitted: Path, run: Any) -> None:
    outs = [tmp_path / name for name in ("a.npz", "b.npz")]
    for out in outs:
        run("recalibrate", val, "--apply", fitted, "--out", out)
    assert outs[0].read_bytes() == outs[1].read_bytes()
    again = tmp_path / "S.json"
    run("recalibrate", val, "--method", "spread", "--out", again)
    assert again.read_bytes() == fitted.read_bytes()


def test_a_target_from_another_file(tmp_path: Path, val: Path, fitted: Path, run: Any) -> None:
    arrays = wide()
    truth = {name: arrays[name] for name in ("target", "skeleton", "clip")}
    del arrays["target"]
    bare, target = save(tmp_path / "bare.npz", arrays), save(tmp_path / "target.npz", truth)
    out = tmp_path / "S.json"
    ended = run("recalibrate", bare, "--target", target, "--method", "spread", "--out", out)
    assert ended.code == 0, ended.err
    parameters = [json.loads(path.read_text())["parameters"] for path in (fitted, out)]
    assert parameters[0] == parameters[1]


# Clips of the fit


def test_clips_of_the_fit_are_told(tmp_path: Path, fitted: Path, run: Any) -> None:
    test = save(tmp_path / "test.npz", wide(clip=4))
    ended = run("recalibrate", test, "--apply", fitted, "--out", tmp_path / "fixed.npz")
    assert ended.code == 0
    assert ended.err.startswith(f"warning: {fitted} was fitted on clips 4, 5 of this file too")


def test_namesakes_in_other_observations_are_others(tmp_path: Path, run: Any) -> None:
    names = [f'{{"made_by": "poseterior lift", "data": "{k}"}}' for k in "ab"]
    val, test = (save(tmp_path / f"{k}.npz", wide(provenance=name)) for k, name in enumerate(names))
    fitted = tmp_path / "R.json"
    run("recalibrate", val, "--method", "spread", "--out", fitted)
    ended = run("recalibrate", test, "--apply", fitted, "--out", tmp_path / "fixed.npz")
    assert ended.err.startswith("note: clips 0, 1, 2, 3, 4 and 1 more have namesakes")
    ended = run("recalibrate", val, "--apply", fitted, "--out", tmp_path / "fixed.npz")
    assert ended.err == (
        f"warning: {fitted} was fitted on this very file: its scores are too good\n"
    )


def test_smoothing_does_not_hide_the_observations(tmp_path: Path, run: Any) -> None:
    """Nor does a repair before it: namesakes in a smoothed file are told from the same clips."""
    fitted, fixed, smooth = (tmp_path / name for name in ("R.json", "fixed.npz", "smooth.npz"))
    video = {"frame": np.arange(len(wide()["target"]))}
    for k in "ab":
        made = f'{{"made_by": "poseterior lift", "data": "{k}"}}'
        save(tmp_path / f"{k}.npz", wide(provenance=made) | video)
    run("recalibrate", tmp_path / "a.npz", "--method", "spread", "--out", fitted)
    for k, said in (("a", "warning: "), ("b", "note: clips 0, 1, 2, 3, 4 and 1 more have")):
        run("recalibrate", tmp_path / f"{k}.npz", "--apply", fitted, "--out", fixed)
        assert run("smooth", fixed, "--out", smooth).code == 0
        ended = run("recalibrate", smooth, "--apply", fitted, "--out", tmp_path / "last.npz")
        assert ended.err.startswith(said)


def test_observations_of_the_fit_are_told(tmp_path: Path, run: Any) -> None:
    source, lifter = seen(tmp_path), save_tiny_lifter(tmp_path / "lifter")
    lifted, fitted, out = (tmp_path / name for name in ("val.npz", "R.json", "out.npz"))
    lift = ("lift", source, "--lifter", lifter, "--hypotheses", COUNT)
    assert run(*lift, "--out", lifted).code == 0
    assert run("recalibrate", lifted, "--method", "spread", "--out", fitted).code == 0
    ended = run(*lift, "--recalibration", fitted, "--out", out)
    assert f"warning: {fitted} was fitted on these observations" in ended.err


# Lifters


def seen(tmp_path: Path, rows: int = 60) -> Path:
    return save(tmp_path / "observations.npz", observations(rows))


def test_lifting_repaired_is_lifting_and_repairing(tmp_path: Path, fitted: Path, run: Any) -> None:
    source, lifter = seen(tmp_path), save_tiny_lifter(tmp_path / "lifter")
    plain, fixed, direct = (tmp_path / f"{name}.npz" for name in ("plain", "fixed", "direct"))
    lift = ("lift", source, "--lifter", lifter, "--hypotheses", COUNT)
    assert run(*lift, "--out", plain).code == 0
    assert run("recalibrate", plain, "--apply", fitted, "--out", fixed).code == 0
    ended = run(*lift, "--recalibration", fitted, "--out", direct)
    assert ended.code == 0, ended.err
    one, other = read(fixed), read(direct)
    assert "log_prob" not in other
    assert one.keys() == other.keys()
    assert np.allclose(one["hypotheses"], other["hypotheses"], atol=1e-6)
    assert not np.allclose(read(plain)["hypotheses"], other["hypotheses"], atol=1e-3)
    told = json.loads(str(other["provenance"]))
    assert told["made_by"] == "poseterior lift"
    assert told["lifter"] == "coupling_flow"
    assert told["weights"] == json.loads(str(read(plain)["provenance"]))["weights"]
    assert told["recalibration"] == json.loads(str(one["provenance"]))["recalibration"]


def test_evaluate_scores_what_is_repaired(tmp_path: Path, fitted: Path, run: Any) -> None:
    source, lifter = seen(tmp_path), save_tiny_lifter(tmp_path / "lifter")
    direct, scores = tmp_path / "direct.npz", tmp_path / "scores.json"
    options = ("--hypotheses", COUNT, "--recalibration", fitted)
    run("lift", source, "--lifter", lifter, "--out", direct, *options)
    ended = run("evaluate", lifter, "--observations", source, "--json", scores, *options)
    assert ended.code == 0, ended.err
    told = json.loads(scores.read_text())
    spread = read(direct)["hypotheses"][:, :, 1:].var(1, ddof=1).sum(-1).mean() ** 0.5
    assert told["sharpness_mm"] == pytest.approx(1000 * spread, rel=1e-3)
    assert told["provenance"]["recalibration"]["method"] == "spread"


def test_a_latent_temperature(tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from poseterior.data import datasets
    from poseterior.data.observations import open_observations

    source, lifter = seen(tmp_path), save_tiny_lifter(tmp_path / "lifter")
    opened = open_observations(source)
    cmu = datasets.DataSet(
        "ours", "NONE", ("val",), lambda root, split: opened, train=None, held_out="val"
    )
    monkeypatch.setitem(datasets.DATA_SETS, "cmu", cmu)
    monkeypatch.setattr("poseterior.batch.temperature.HYPOTHESES", COUNT)
    out = tmp_path / "T.json"
    arguments = ("recalibrate", lifter, "--method", "latent_temperature", "--root", tmp_path)
    ended = run(*arguments, "--out", out)
    assert ended.code == 0, ended.err
    told = json.loads(out.read_text())
    chosen = told["parameters"]["temperature"]
    assert 0.6 <= chosen <= 1.4
    assert f"temperature {chosen:.3f}" in ended.out

    spreads = {}
    for name, options in {"plain": (), "fixed": ("--recalibration", out)}.items():
        path = tmp_path / f"{name}.npz"
        ended = run("lift", source, "--lifter", lifter, "--out", path, *options)
        assert ended.code == 0, ended.err
        spreads[name] = read(path)["hypotheses"][:, :, 1:].std(1).mean()
        assert "log_prob" in read(path)
    assert (spreads["fixed"] < spreads["plain"]) == (chosen < 1)
    assert_refused(run("recalibrate", tmp_path / "plain.npz", "--apply", out,
                       "--out", tmp_path / "x.npz"), "a lifter, whose latent it is")  # fmt: skip
    assert_refused(
        run("lift", source, "--recalibration", out, "--out", tmp_path / "x.npz"), "with weights"
    )


# What cannot be


def test_one_of_method_and_apply(tmp_path: Path, val: Path, fitted: Path, run: Any) -> None:
    out = tmp_path / "x.json"
    assert_refused(run("recalibrate", val, "--out", out), "--method", "neither")
    both = run("recalibrate", val, "--method", "spread", "--apply", fitted, "--out", out)
    assert_refused(both, "method and apply")
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--method", "spred"), ("did you mean spread?",)),
        (("--method", "spread", "--rule", "clips"), ("--rule", "an option of spread")),
        (("--method", "conformal", "--rule", "clip"), ("conformal: rule", "did you mean clips?")),
        (("--method", "latent_temperature"), ("a lifter, whose latent it is", "found a file")),
        (("--apply", "none.json"), ("none.json", "JSON file of a recalibration")),
    ],
)
def test_wrong_options(
    tmp_path: Path, val: Path, run: Any, options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    assert_refused(run("recalibrate", val, *options, "--out", tmp_path / "x"), *words)
    assert not (tmp_path / "x").exists()


CUTS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "no target": ({"target": None}, ("target", "neither")),
    "another H": ({"hypotheses": 21}, ("hypotheses", "30 of each pose", "found 21")),
    "constant": ({"hypotheses": 0.0}, ("hypotheses", "all equal at right_hip in row 0")),
    "negative weights": ({"weights": -np.ones((ROWS, COUNT))}, ("weights",)),
    "no sum": ({"weights": np.zeros((ROWS, COUNT))}, ("weights", "a sum above zero")),
    "another skeleton": ({"skeleton": "mpi_inf_3dhp_17"}, ("skeleton", "h36m_17")),
}


@pytest.mark.parametrize("cut", [c for c in CUTS if c != "no target"])
def test_predictions_that_cannot_be_repaired(
    tmp_path: Path, fitted: Path, run: Any, cut: str
) -> None:
    bad, out = tmp_path / "bad.npz", tmp_path / "fixed.npz"
    changed, words = CUTS[cut]
    save(bad, spoiled(changed))
    assert_refused(run("recalibrate", bad, "--apply", fitted, "--out", out), "bad.npz", *words)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["R.json", "bad.npz", "val.npz"]


@pytest.mark.parametrize("cut", ["no target", "constant", "negative weights", "no sum"])
@pytest.mark.parametrize("method", FILE_METHODS)
def test_predictions_that_cannot_be_fitted(tmp_path: Path, run: Any, cut: str, method: str) -> None:
    changed, words = CUTS[cut]
    bad = save(tmp_path / "bad.npz", spoiled(changed))
    ended = run("recalibrate", bad, "--method", method, "--out", tmp_path / "R.json")
    assert_refused(ended, "bad.npz", *(words if cut != "constant" else words[:1]))
    assert [p.name for p in tmp_path.iterdir()] == ["bad.npz"]


def spoiled(changed: dict[str, Any]) -> dict[str, Any]:
    arrays = wide()
    for name, value in changed.items():
        if value is None:
            del arrays[name]
        elif name == "hypotheses":
            samples = arrays[name]
            arrays[name] = samples[:, :value] if value else np.repeat(samples[:, :1], COUNT, 1)
        else:
            arrays[name] = value
    return arrays


@pytest.mark.parametrize("method", FILE_METHODS)
def test_too_few_poses_say_how_many_are_needed(tmp_path: Path, run: Any, method: str) -> None:
    few = save(tmp_path / "few.npz", predictions(8, COUNT))
    ended = run("recalibrate", few, "--method", method, "--out", tmp_path / "R.json")
    assert_refused(ended, "few.npz", "9 or more" if method == "conformal" else "at least")


def test_no_output_over_an_input(val: Path, fitted: Path, run: Any) -> None:
    before = val.read_bytes()
    assert_refused(run("recalibrate", val, "--apply", fitted, "--out", val), "a file of its own")
    assert val.read_bytes() == before


def test_lifting_another_number_of_hypotheses(tmp_path: Path, fitted: Path, run: Any) -> None:
    source, lifter = seen(tmp_path), save_tiny_lifter(tmp_path / "lifter")
    out = tmp_path / "x.npz"
    ended = run("lift", source, "--lifter", lifter, "--recalibration", fitted, "--out", out)
    assert_refused(ended, "30 of each pose", "found 200")
    assert not out.exists()
