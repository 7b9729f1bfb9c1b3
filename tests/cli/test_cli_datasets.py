"""`evaluate` and `train` on data sets that users hold, from small files of their structure."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_files import assert_refused, observed_walk
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).parents[1] / "data"))

from dataset_files import mpi_test_set, save_3dpw, threedpw_sequence

from oracles import human36m_files as made
from poseterior.data.datasets import DATA_SETS
from poseterior.data.keypoint_source import MemorySource
from poseterior.studies.published import published


@pytest.fixture(scope="module")
def roots(tmp_path_factory) -> dict[str, Path]:
    """Folders of the data sets by name."""
    folder = tmp_path_factory.mktemp("sets")
    save_3dpw(folder / "3dpw", "test", "walk_00", threedpw_sequence())
    return {"mpi_inf_3dhp": mpi_test_set(folder / "mpi"), "3dpw": folder / "3dpw"}


@pytest.fixture
def human36m(monkeypatch, tmp_path) -> Path:
    """The folder of a stand-in for Human3.6M."""
    monkeypatch.setitem(DATA_SETS, "human36m", replace(DATA_SETS["human36m"], opener=observed_walk))
    folder = tmp_path / "human36m"
    folder.mkdir()
    return folder


def _evaluated(run, lifter, tmp_path, *options):
    out = tmp_path / "o.json"
    ended = run("evaluate", lifter, "--hypotheses", 5, "--json", out, *options)
    assert ended.code == 0, ended.err
    return ended, json.loads(out.read_text())


@pytest.mark.parametrize(("name", "count"), [("mpi_inf_3dhp", 24), ("3dpw", 8)])
def test_evaluate_on_a_data_set(run, tiny_lifter, roots, tmp_path, name, count):
    root = roots[name]
    ended, numbers = _evaluated(run, tiny_lifter, tmp_path, "--data", name, "--root", root)
    assert numbers["poses"] == count
    assert 50 < numbers["mpjpe_mean_mm"] < 1500  # untrained, but metres and not millimetres
    assert numbers["per_joint"]["left_wrist"]["mpjpe_mm"] > 0
    assert numbers["per_joint"]["thorax"]["mpjpe_mm"] is None
    assert "assumed " in ended.err


def test_scores_by_setting_and_action_and_their_means(run, tiny_lifter, roots, tmp_path):
    options = ("--data", "mpi_inf_3dhp", "--root", roots["mpi_inf_3dhp"])
    ended, numbers = _evaluated(run, tiny_lifter, tmp_path, *options)
    settings = numbers["per_setting"]
    assert list(settings) == ["studio_green_screen", "studio", "outdoor"]
    assert len(numbers["per_action"]) == 6
    for groups, mean in (
        ("per_setting", "mean_over_settings"),
        ("per_action", "mean_over_actions"),
    ):
        counts = [group["poses"] for group in numbers[groups].values()]
        assert sum(counts) == numbers["poses"]
        for key in ("mpjpe_mean_mm", "min_pa_mpjpe_mm", "pck150"):
            values = [group[key] for group in numbers[groups].values()]
            # All groups have as many poses: the mean of the means is the mean over all.
            assert np.mean(values) == pytest.approx(numbers[mean][key])
            assert np.mean(values) == pytest.approx(numbers[key], rel=1e-5)
    for word in ("by setting", "by action", "outdoor", "mean of the settings", "Exercise"):
        assert word in ended.out
    shown = re.search(r"outdoor +8 +([\d.]+)", ended.out)
    assert float(shown[1]) == pytest.approx(settings["outdoor"]["mpjpe_mean_mm"], abs=0.06)


def test_human36m_by_action(run, tiny_lifter, tmp_path):
    """Its own reader, on files of its structure: one frame of each video but the bad ones."""
    made.write_npz(tmp_path, made.world_poses(("S9", "S11")), ("gt", "cpn_ft_h36m_dbb"))
    options = ("--data", "human36m", "--root", tmp_path, "--protocol", "every_64")
    ended, numbers = _evaluated(run, tiny_lifter, tmp_path, *options, "--keypoints", "cpn")
    assert numbers["provenance"]["assumptions"]["keypoints of"] == "cpn"
    counts = {name: group["poses"] for name, group in numbers["per_action"].items()}
    assert set(counts) == set(published("001", "Table 1, Protocol 1")[0]["per_action"])
    assert counts.pop("Directions") < 16
    assert set(counts.values()) == {16}
    means = [group["min_mpjpe_mm"] for group in numbers["per_action"].values()]
    assert numbers["mean_over_actions"]["min_mpjpe_mm"] == pytest.approx(np.mean(means))
    assert "mean of the actions" in ended.out
    assert_refused(run("evaluate", tiny_lifter, *options, "--split", "train"), "S1")
    wrong = (*options[:4], "--protocol", "every_46")
    assert_refused(run("evaluate", tiny_lifter, *wrong), "every_64")


def test_data_without_groups_has_none(run, tiny_lifter, roots, tmp_path):
    _, numbers = _evaluated(run, tiny_lifter, tmp_path, "--data", "3dpw", "--root", roots["3dpw"])
    assert not [key for key in numbers if "setting" in key or "action" in key]


def test_the_root_may_be_in_the_environment(run, tiny_lifter, roots, tmp_path, monkeypatch):
    monkeypatch.setenv("POSETERIOR_3DPW", str(roots["3dpw"]))
    _, numbers = _evaluated(run, tiny_lifter, tmp_path, "--data", "3dpw")
    assert numbers["poses"] == 8


def test_train_on_pairs_and_evaluate(run, human36m, tmp_path):
    options = ("--data", "human36m", "--root", human36m, "--steps", 2, "--keypoints", "cpn")
    weights = []
    for out in ("a", "b"):
        ended = run("train", "simple_baseline", *options, "--out", tmp_path / out)
        assert ended.code == 0, ended.err
        weights.append(load_file(tmp_path / out / "model.safetensors"))
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    made = json.loads((tmp_path / "a" / "config.json").read_text())["provenance"]
    assert made["data"] == "human36m"
    assert made["pairs"]["poses"] == 30
    assert made["pairs"]["notes"] == {"keypoints": "cpn"}
    _, numbers = _evaluated(run, tmp_path / "a", tmp_path, "--data", "human36m", "--root", human36m)
    assert numbers["poses"] == 10


REFUSED = {
    "unknown": (("--data", "human63m"), ("did you mean human36m?", "mpi_inf_3dhp")),
    "no root": (("--data", "3dpw"), ("3DPW", "POSETERIOR_3DPW")),
    "no folder": (("--data", "3dpw", "--root", "absent"), ("absent", "folder of 3DPW")),
    "split": (("--data", "3dpw", "--root", ".", "--split", "tset"), ("did you mean test?",)),
    "limbs": (("--data", "3dpw", "--root", ".", "--limb-scale", 0.1), ("--limb-scale",)),
    "option": (("--data", "3dpw", "--root", ".", "--protocol", "p1"), ("--protocol", "no such")),
    "option of cmu": (("--root", ".", "--subset", "ambiguous"), ("--subset", "CMU")),
    "option of a file": (("--observations", "in.npz", "--keypoints", "gt"), ("--keypoints",)),
    "empty": (("--data", "3dpw", "--root", "."), ("sequenceFiles",)),
    "no video": (("--data", "mpi_inf_3dhp", "--root", "."), ("annot_data.mat", "TS1")),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_evaluate_refuses(run, tiny_lifter, tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    for data in DATA_SETS.values():
        monkeypatch.delenv(data.variable, raising=False)
    options, words = REFUSED[case]
    assert_refused(run("evaluate", tiny_lifter, *options), *words)


@pytest.mark.parametrize("name", ["3dpw", "mpi_inf_3dhp"])
def test_data_without_all_joints_cannot_be_trained_on(run, roots, tmp_path, name):
    out = tmp_path / "run"
    ended = run("train", "simple_baseline", "--data", name, "--root", roots[name], "--out", out)
    assert_refused(ended, "--data", "cmu, human36m", name)
    assert not out.exists()


def test_pairs_without_all_joints_or_targets_are_refused(run, human36m, tmp_path, monkeypatch):
    def without_target(root, split):
        return MemorySource(observed_walk(root, split).keypoints, name="seen")

    def of_limbs(root, split):
        return DATA_SETS["3dpw"].open(root, "test")

    save_3dpw(human36m, "test", "walk", threedpw_sequence())
    for opened, word in ((without_target, "targets"), (of_limbs, "spine, thorax")):
        monkeypatch.setitem(DATA_SETS, "human36m", replace(DATA_SETS["human36m"], opener=opened))
        out = tmp_path / "run"
        ended = run("train", "simple_baseline", "--data", "human36m", "--root", human36m,
                    "--out", out)  # fmt: skip
        assert_refused(ended, "target", word)
        assert not out.exists()
