"""`poseterior render`: the folder it makes, and what is refused."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from cli_files import assert_refused

from poseterior.errors import InputError
from poseterior.meshes.rendering import people_workers
from poseterior.meshes.rendering.casters import open_caster


@pytest.fixture
def render(run, tmp_path, monkeypatch):
    """Renders into `people`, with the demo's poses."""
    monkeypatch.delenv("POSETERIOR_CMU", raising=False)
    try:
        open_caster(np.zeros((1, 3), int))
    except InputError as error:
        pytest.skip(str(error))
    return lambda *options: run("render", "--out", tmp_path / "people", *options)


def test_a_folder_in_the_format_of_coco(render, tmp_path):
    ended = render("--train", 3, "--val", 0, "--test", 2, "--frames", 1)
    assert ended.code == 0, ended.err
    assert "train: 3 people" in ended.out
    assert "assumed poses: no motion capture" in ended.err
    folder = tmp_path / "people"
    assert [path.name for path in tmp_path.iterdir()] == ["people"]
    assert not (folder / "crops_val.npy").exists()
    crops = np.load(folder / "crops_train.npy", mmap_mode="r")
    assert (crops.shape, crops.dtype) == ((3, 128, 96, 3), np.uint8)
    assert all(crop.std() > 3 for crop in crops)
    told = json.loads((folder / "render.json").read_text())
    assert told["counts"] == {"train": 3, "val": 0, "test": 2}
    assert told["motion"] == "demo"
    file = json.loads((folder / "annotations_train.json").read_text())
    assert len(file["categories"][0]["keypoints"]) == 17
    images = {image["id"]: image for image in file["images"]}
    for annotation in file["annotations"]:
        _check(annotation, images[annotation["image_id"]])
    first = images[file["annotations"][0]["image_id"]]
    from PIL import Image

    frame = Image.open(folder / "frames_train" / first["file_name"])
    assert frame.size == (first["width"], first["height"])


def _check(annotation, image):
    """COCO's own rules of an annotation."""
    x, y, v = np.array(annotation["keypoints"], float).reshape(17, 3).T
    assert set(v) <= {0, 1, 2}
    assert annotation["num_keypoints"] == (v > 0).sum() > 0
    assert (x[v == 0] == 0).all()
    assert (y[v == 0] == 0).all()
    assert (x[v > 0] <= image["width"]).all()
    assert (y[v > 0] <= image["height"]).all()
    left, top, wide, tall = annotation["bbox"]
    assert 32**2 <= annotation["area"] <= wide * tall
    x0, y0, scale = annotation["crop"]
    middle = (left + wide / 2 - x0) / scale, (top + tall / 2 - y0) / scale
    assert np.abs(np.array(middle) - [47.5, 63.5]).max() < 16


def test_more_processes_give_the_same_people(render, tmp_path, monkeypatch):
    monkeypatch.setattr(people_workers, "BLOCK", 1)
    assert render("--train", 0, "--val", 0, "--test", 2).code == 0
    (tmp_path / "people").rename(tmp_path / "one")
    assert render("--train", 0, "--val", 0, "--test", 2, "--workers", 2).code == 0
    for name in ("crops_test.npy", "annotations_test.json", "render.json"):
        first, second = ((tmp_path / each / name).read_bytes() for each in ("one", "people"))
        assert first == second, name


def test_a_folder_that_is_there_is_kept(render, tmp_path):
    (tmp_path / "people").mkdir()
    (tmp_path / "people" / "mine.txt").write_text("mine")
    assert_refused(render("--train", 1), "people", "a new folder")
    assert (tmp_path / "people" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--train", 0, "--val", 0, "--test", 0), ("--train", "one person or more")),
        (("--train", -1), ("--train",)),
        (("--workers", 0), ("--workers",)),
        (("--train", 1, "--root", "nowhere"), ("nowhere", "no such folder")),
    ],
)
def test_what_cannot_be_is_refused(render, options, words):
    assert_refused(render(*options), *words)


def test_a_missing_extra_names_its_install_command_and_leaves_nothing(
    render, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "moderngl", None)
    ended = render("--train", 1, "--renderer", "gl")
    assert ended.code == 2
    assert "pip install 'poseterior[render]'" in ended.err
    assert list(tmp_path.iterdir()) == []
