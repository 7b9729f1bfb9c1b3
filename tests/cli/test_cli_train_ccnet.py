"""`poseterior train ccnet`: from a folder of people and a detector to a network on it."""

from __future__ import annotations

import json
import os
import signal

import pytest
import torch
from cli_files import assert_refused

from detectors.drawn_people import write_people
from detectors.tiny_models import save_vitpose
from poseterior.detectors.crop_detector import CropDetector
from poseterior.detectors.resnet_pose import ResNetSize
from poseterior.detectors.rle import RLE, RLEConfig
from poseterior.detectors.sbl import SBL, SBLConfig
from poseterior.geometry.skeleton import COCO_17
from poseterior.training.begin import new_lifter
from poseterior.training.checkpoint import read_tensors, save_model
from poseterior.training.confidence_network import open_ccnet
from poseterior.training.detectors import open_any_detector
from poseterior.training.frozen_features import FeatureSource

BACKBONE = ResNetSize(8, (8, 8, 16, 16), (1, 1, 1, 1), "basic")
CONFIGS = {
    SBL: SBLConfig((96, 128), BACKBONE, 8, 1.5),
    RLE: RLEConfig((96, 128), BACKBONE),
}
NUMBERS = ("people", "oks", "pearson_before", "pearson_after", "ause_before", "ause_after")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with runs `sbl`, `rle` of no steps, and a ViTPose."""
    folder = tmp_path_factory.mktemp("runs")
    for cls, config in CONFIGS.items():
        save_model(new_lifter(cls, config, 0, COCO_17), folder / cls.name)
    save_vitpose(folder / "vitpose")
    return folder


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return write_people(tmp_path_factory.mktemp("people"), {"train": 10, "val": 5})


@pytest.fixture
def train(run, people, runs):
    def command(detector, out, *options, steps=40):
        return run("train", "ccnet", "--detector", runs / detector, "--data", "people", "--root",
                   people, "--out", out, "--steps", steps, *options)  # fmt: skip

    return command


@pytest.mark.parametrize("name", ["sbl", "rle", "vitpose"])
def test_a_network_is_trained_on_any_of_them(train, runs, tmp_path, name):
    ended = train(name, tmp_path / "run", *(("--loss", "soap") if name == "rle" else ()))
    assert ended.code == 0, ended.err
    assert "ccnet (small): 40 steps of 128" in ended.out
    printed = [line.split()[0] for line in ended.out.splitlines()[2:]]
    assert tuple(printed) == NUMBERS
    network = open_ccnet(tmp_path / "run", open_any_detector(runs / name))
    assert network.config.loss == ("soap" if name == "rle" else "mse")
    made = json.loads((tmp_path / "run" / "config.json").read_text())["provenance"]
    assert made["detector"]["name"] == name
    assert made["people"] == {"train": 10, "val": 5}


def test_stopped_while_looking_and_while_training(train, tmp_path, monkeypatch):
    assert train("sbl", tmp_path / "whole").code == 0
    parts, look, batch = tmp_path / "parts", CropDetector.look, FeatureSource.batch
    seen = []

    def tired(self, crops, inputs):
        seen.append(len(crops))
        if sum(seen) > 10:  # those of val
            raise KeyboardInterrupt
        return look(self, crops, inputs)

    def terminated(self, index):
        if index == 25:
            os.kill(os.getpid(), signal.SIGTERM)
        return batch(self, index)

    with monkeypatch.context() as patch:
        patch.setattr(CropDetector, "look", tired)
        ended = train("sbl", parts)
    assert_refused(ended, "stopped while the detector was looking", "--resume", code=130)
    assert json.loads((parts / "seen" / "train" / "seen.json").read_text())["blocks"] == 1
    assert_refused(train("sbl", parts), "a new folder, or --resume")
    with monkeypatch.context() as patch:
        patch.setattr(FeatureSource, "batch", terminated)
        ended = train("sbl", parts, "--resume")
    assert ended.code == 130
    assert "step 26 of 40" in ended.err
    assert "--resume" in ended.err
    assert_refused(train("sbl", parts), "a new folder, or --resume")
    assert train("sbl", parts, "--resume").code == 0
    one, other = (read_tensors(tmp_path / run / "model.safetensors") for run in ("whole", "parts"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_what_the_detector_has_seen_can_be_made_again(train, tmp_path):
    out = tmp_path / "run"
    assert train("rle", out, steps=10).code == 0
    weights = read_tensors(out / "model.safetensors")["layer.weight"]
    for split in ("train", "val"):
        for path in (out / "seen" / split).iterdir():
            path.unlink()
    assert train("rle", out, "--resume", steps=10).code == 0
    assert torch.equal(read_tensors(out / "model.safetensors")["layer.weight"], weights)
    for path in (out / "seen" / "train").iterdir():
        path.unlink()
    assert_refused(train("sbl", out, "--resume"), "config.json", "detector: name")
    assert not [*(out / "seen" / "train").iterdir()]


def test_another_detector_or_other_options_do_not_go_on(train, tmp_path):
    out = tmp_path / "run"
    assert train("sbl", out, steps=2).code == 0
    assert_refused(train("rle", out, "--resume"), "detector: name", "expected sbl")
    assert_refused(train("sbl", out, "--resume", "--loss", "aleatoric"), "loss", "mse as before")
    assert_refused(train("sbl", out, "--resume", "--inputs", "lower_layer"), "inputs")
    assert_refused(train("sbl", out, "--resume", "--seed", 1), "seed")


def test_what_cannot_be_trained_on_is_refused(train, run, people, runs, tmp_path):
    out = tmp_path / "run"
    assert_refused(train("sbl", out, "--loss", "l1"), "CCNet: loss", "cross_entropy")
    assert_refused(train("sbl", out, "--head", "max"), "CCNet: head")
    assert_refused(train("sbl", out, "--visibility-weight", -1), "visibility_weight")
    assert_refused(train("vitpose", out, "--inputs", "lower_layer"), "inputs", "penultimate")
    assert_refused(train("sbl", out, "--base", runs / "sbl"), "--base")
    assert_refused(train("sbl", out, "--body", "anny"), "--body")
    assert_refused(train("sbl", out, "--devices", 2), "--devices")
    assert_refused(train("sbl", out, "--resume"), "a run to resume")
    assert_refused(train("sbl", out, "--preset", "large"), "--preset")
    given = ("train", "ccnet", "--out", out)
    assert_refused(run(*given, "--data", "people", "--root", people), "--detector", "train sbl")
    there = (*given, "--detector", runs / "sbl")
    assert_refused(run(*there, "--root", people), "--data", "people")
    assert_refused(run(*there, "--data", "people"), "--root")
    assert_refused(run(*there, "--data", "people", "--root", tmp_path), "annotations_train.json")
    assert_refused(run(*given, "--detector", people, "--data", "people", "--root", people))
    assert_refused(run("train", "sbl", "--out", out, "--loss", "mse"), "--loss", "ccnet")
    assert_refused(run("train", "sbl", "--out", out, "--detector", "x"), "--detector", "ccnet")
    assert not out.exists()


def test_a_detector_that_shows_nothing_is_refused(run, people, tmp_path):
    from detectors.tiny_onnx import save_rtmpose

    path = save_rtmpose(tmp_path / "rtmpose.onnx")
    ended = run("train", "ccnet", "--detector", path, "--data", "people", "--root", people,
                "--out", tmp_path / "run")  # fmt: skip
    assert_refused(ended, "--detector", "train sbl", "ViTPose", "rtmpose, which shows nothing")
    assert not (tmp_path / "run").exists()
