"""`poseterior train` and `evaluate` on a small data set like the CMU arrays."""

from __future__ import annotations

import json
import shutil
import signal

import numpy as np
import pytest
import torch
from cli_files import assert_refused, observations, save
from safetensors.torch import load_file

TINY = ("--steps", 3, "--validate-every", 0)


@pytest.fixture
def train(run, cmu):
    """Trains on the made-up motion."""

    def command(lifter, out, *options):
        return run("train", lifter, "--data", "cmu", "--root", cmu, "--out", out, *options)

    return command


def weights(folder):
    return load_file(folder / "model.safetensors")


def same(one, other):
    return set(one) == set(other) and all(torch.equal(one[k], other[k]) for k in one)


@pytest.fixture(scope="module")
def baseline(tmp_path_factory):
    """Where the tests below leave a trained run for each other: none trains it twice."""
    return tmp_path_factory.mktemp("runs") / "baseline"


@pytest.fixture
def trained(baseline, train):
    """The folder of a `simple_baseline` trained for three steps."""
    if not baseline.exists():
        ended = train("simple_baseline", baseline, *TINY)
        assert ended.code == 0, ended.err
        assert "mpjpe_mean_mm" in ended.out
        assert str(baseline / "log.jsonl") in ended.out
        assert ended.err == ""
    return baseline


def test_a_run_has_weights_config_log_and_what_made_it(trained):
    assert {p.name for p in trained.iterdir()} == {
        "model.safetensors", "config.json", "log.jsonl", "training.json",
        "training-000000003.safetensors",
    }  # fmt: skip
    made = json.loads((trained / "config.json").read_text())["provenance"]
    assert (made["data"], made["preset"], made["step"]) == ("cmu", "small", 3)
    assert made["clips"]["frames"] == 20
    validated = json.loads((trained / "log.jsonl").read_text().splitlines()[-1])["validation"]
    assert np.isfinite(validated["mpjpe_mean_mm"])


def test_resumed_is_as_if_never_stopped(train, trained, tmp_path, monkeypatch):
    """Ctrl-C comes in the second step; --resume ends with the same weights."""
    from poseterior.data.pose_source import PoseSource

    whole = PoseSource.batch

    def stop_at_one(self, index):
        if index == 1:
            signal.raise_signal(signal.SIGINT)
        return whole(self, index)

    monkeypatch.setattr(PoseSource, "batch", stop_at_one)
    out = tmp_path / "run"
    stopped = train("simple_baseline", out, *TINY)
    assert stopped.code == 130
    assert "stopped at step 2 of 3" in stopped.err
    assert "--resume to go on" in stopped.err
    monkeypatch.setattr(PoseSource, "batch", whole)
    assert json.loads((out / "training.json").read_text())["step"] == 2

    resumed = train("simple_baseline", out, *TINY, "--resume")
    assert resumed.code == 0, resumed.err
    assert same(weights(out), weights(trained))
    again = train("simple_baseline", out, *TINY, "--resume")  # nothing left to do
    assert again.code == 0
    assert again.out == resumed.out
    assert same(weights(out), weights(trained))


def test_the_seed_decides_the_weights(train, trained, tmp_path):
    assert train("simple_baseline", tmp_path / "same", *TINY).code == 0
    assert same(weights(tmp_path / "same"), weights(trained))
    assert train("simple_baseline", tmp_path / "other", *TINY, "--seed", 1).code == 0
    assert not same(weights(tmp_path / "other"), weights(trained))


def test_a_gaussian_trains_its_mean_first_and_goes_on_where_it_was(train, trained, tmp_path):
    out = tmp_path / "run"
    ended = train("gaussian", out, *TINY)
    assert ended.code == 0, ended.err
    mean = {k.removeprefix("mean."): v for k, v in weights(out).items() if k.startswith("mean.")}
    assert same(mean, weights(out / "base"))
    assert same(mean, weights(trained))  # the same lifter, preset, seed and steps

    given = tmp_path / "given"
    assert train("gaussian", given, *TINY, "--base", trained).code == 0
    assert not (given / "base").exists()
    assert same(weights(given), weights(out))

    begun = tmp_path / "begun"  # a kill between the two
    shutil.copytree(out / "base", begun / "base")
    assert_refused(train("gaussian", begun, *TINY), "base", "--resume")
    assert train("gaussian", begun, *TINY, "--resume").code == 0
    assert same(weights(begun), weights(out))


def test_the_default_lifter_trains(train, run, cmu, tmp_path):
    ended = train("coupling_flow", tmp_path / "run", "--steps", 1, "--preset", "small")
    assert ended.code == 0, ended.err
    evaluated = run("evaluate", tmp_path / "run", "--root", cmu, "--hypotheses", 3)
    assert evaluated.code == 0, evaluated.err


@pytest.mark.parametrize(
    ("lifter", "options", "words"),
    [
        ("coupling_flwo", (), ("lifter", "did you mean coupling_flow?")),
        ("gaussian", ("--preset", "smal"), ("--preset", "did you mean small?")),
        ("gaussian", ("--preset", "huge"), ("--preset", "paper")),
        ("simple_baseline", ("--steps", 0), ("--steps",)),
        ("simple_baseline", ("--steps", -3), ("--steps",)),
        ("simple_baseline", ("--seed", -1), ("--seed",)),
        ("simple_baseline", ("--seed", 2**24), ("--seed",)),
        ("simple_baseline", ("--devices", 0), ("--devices",)),
        ("simple_baseline", ("--validate-every", -1), ("--validate-every",)),
        ("simple_baseline", ("--resume",), ("a run to resume",)),
        ("simple_baseline", ("--base", "x"), ("--base", "builds on no other")),
        ("gaussian", ("--base", "absent"), ("absent",)),
    ],
)
def test_what_cannot_be_trained(train, tmp_path, lifter, options, words):
    assert_refused(train(lifter, tmp_path / "run", *options), *words)
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_not_written_over(train, trained, tmp_path):
    before = {p.name: p.read_bytes() for p in trained.iterdir()}
    for lifter in ("simple_baseline", "coupling_flow", "gaussian"):
        assert_refused(train(lifter, trained, *TINY), str(trained), "--resume")
    for lifter, options, word in (
        ("coupling_flow", (), "coupling_flow"),
        ("simple_baseline", ("--seed", 5), "seed"),
    ):
        ended = train(lifter, trained, *TINY, "--resume", *options)
        assert_refused(ended._replace(out=""), word)
    assert_refused(
        train("gaussian", tmp_path / "run", *TINY, "--preset", "paper", "--base", trained), "config"
    )
    assert {p.name: p.read_bytes() for p in trained.iterdir()} == before


def test_a_loss_that_is_not_finite_ends_the_training_with_1(train, tmp_path, monkeypatch):
    from poseterior.lifters.simple_baseline import SimpleBaseline

    def losses(self, keypoints, pose, generator):
        return {"mse": self.last.bias.sum() * float("nan")}

    monkeypatch.setattr(SimpleBaseline, "losses", losses)
    ended = train("simple_baseline", tmp_path / "run", *TINY)
    assert_refused(ended._replace(out=""), "mse is nan", "lower learning rate", code=1)


@pytest.fixture
def evaluate(run, cmu, tiny_lifter, tmp_path):
    """Evaluates the tiny lifter; the command's end and the JSON it wrote."""

    def command(*options, root=cmu):
        ended = run("evaluate", tiny_lifter, "--data", "cmu", "--root", root, "--hypotheses", 5,
                    "--json", tmp_path / "o.json", *options)  # fmt: skip
        assert ended.code == 0, ended.err
        return ended, json.loads((tmp_path / "o.json").read_text())

    return command


def test_evaluate_scores_the_fixed_observations_as_lift_and_score_do(
    evaluate, run, cmu, tiny_lifter, tmp_path
):
    ended, numbers = evaluate("--split", "test", "--report", tmp_path / "o.html")
    assert (numbers["poses"], numbers["hypotheses"]) == (8, 5)
    assert numbers["provenance"]["source"].endswith("test_observations.npz")
    assert "8 poses" in ended.out
    assert "observations" not in ended.err
    assert (tmp_path / "o.html").stat().st_size > 0

    given = cmu / "test_observations.npz"
    lifted, scored = tmp_path / "p.npz", tmp_path / "s.json"
    lift = run("lift", given, "--out", lifted, "--lifter", tiny_lifter, "--hypotheses", 5)
    assert lift.code == 0, lift.err
    assert run("score", lifted, "--json", scored).code == 0
    other = json.loads(scored.read_text())
    for key in ("mpjpe_mean_mm", "min_pa_mpjpe_mm", "ece_median", "energy_score_mm", "nll"):
        assert numbers[key] == pytest.approx(other[key], rel=1e-5), key


def test_evaluate_takes_an_observations_file(evaluate, tmp_path):
    _, numbers = evaluate("--observations", save(tmp_path / "in.npz", observations()))
    assert numbers["poses"] == 6


def test_a_split_without_observations_is_observed_anew_and_that_is_said(evaluate):
    ended, numbers = evaluate("--split", "test_dance")
    assert numbers["poses"] == 20
    assert "assumed observations: " in ended.err
    assert "test_dance_observations.npz" in numbers["provenance"]["assumptions"]["observations"]


def test_limb_scale_observes_val_anew_from_the_seed(evaluate):
    _, plain = evaluate("--limb-scale", 0.0)
    _, scaled = evaluate("--limb-scale", 0.15, "--seed", 0)
    assert "cmu_val.npz" in scaled["provenance"]["source"]
    assert "0.15" in scaled["provenance"]["source"]
    assert plain["mpjpe_mean_mm"] != scaled["mpjpe_mean_mm"]
    _, other = evaluate("--limb-scale", 0.15, "--seed", 1)
    assert other["mpjpe_mean_mm"] != scaled["mpjpe_mean_mm"]
    _, again = evaluate("--limb-scale", 0.15, "--split", "val")
    assert again == scaled


def test_the_root_may_be_in_the_environment(run, cmu, monkeypatch):
    monkeypatch.setenv("POSETERIOR_CMU", str(cmu))
    ended = run("data", "cmu")
    assert (ended.code, ended.err) == (0, "")
    assert "mocap.cs.cmu.edu" in ended.out
    for split in ("train", "val", "test", "test_dance"):
        assert f"cmu_{split}.npz: 2 clips, 20 frames" in ended.out


def test_data_tells_where_to_get_it_without_a_copy(run, monkeypatch):
    monkeypatch.delenv("POSETERIOR_CMU", raising=False)
    ended = run("data", "cmu")
    assert (ended.code, ended.err) == (0, "")
    assert "mocap.cs.cmu.edu" in ended.out
    assert "--root" in ended.out
