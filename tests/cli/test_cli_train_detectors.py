"""`poseterior train` of detectors, on a folder of crops of people."""

from __future__ import annotations

import json

import pytest
import torch
from cli_files import assert_refused

from detectors.drawn_people import write_people
from poseterior.training.detectors import open_crop_detector


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return write_people(tmp_path_factory.mktemp("people"), {"train": 33, "val": 3})


@pytest.mark.parametrize("name", ["sbl", "rle"])
def test_a_detector_is_trained_and_resumed(run, people, tmp_path, name):
    out = tmp_path / "run"
    given = ("train", name, "--data", "people", "--root", people, "--out", out)
    ended = run(*given, "--steps", 1)
    assert ended.code == 0, ended.err
    assert f"{name} (small): 1 steps of 16" in ended.out
    assert "pck10" in ended.out
    made = json.loads((out / "config.json").read_text())
    assert (made["lifter"], made["skeleton"]) == (name, "coco_17")
    assert made["provenance"]["people"] == {"train": 33, "val": 3}
    assert run(*given, "--steps", 2, "--resume").code == 0
    detector = open_crop_detector(out)
    image = torch.full((100, 100, 3), 90, dtype=torch.uint8).numpy()
    found = detector.detect([image], [torch.tensor([[10.0, 10, 60, 90]])])[0]
    assert tuple(found.pixels.shape) == (1, 17, 2)


def test_what_cannot_be_trained_on_is_refused(run, people, tmp_path):
    given = ("train", "sbl", "--out", tmp_path / "run")
    assert_refused(run(*given, "--root", people), "--data", "people")
    assert_refused(run(*given, "--data", "people"), "--root")
    assert_refused(run(*given, "--data", "people", "--root", tmp_path), "annotations_train.json")
    assert_refused(
        run(*given, "--data", "people", "--root", people, "--protocol", "x"), "--protocol"
    )
    assert_refused(run(*given, "--data", "people", "--root", people, "--base", people), "--base")
    assert not (tmp_path / "run").exists()


def test_info_lists_detectors(run):
    ended = run("info")
    assert "sbl, rle" in ended.out
