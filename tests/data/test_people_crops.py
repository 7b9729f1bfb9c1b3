"""Folders of crops: what is read, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detectors.drawn_people import write_people
from poseterior.data.people_crops import PeopleCrops
from poseterior.errors import InputError


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_people(tmp_path_factory.mktemp("people"), {"train": 3})


def test_joints_lie_where_the_crop_shows_them(whole: Path) -> None:
    people = PeopleCrops.open(whole, "train")
    joints, crops = people.joints([0, 2]).numpy(), people.images([0, 2]).numpy()
    assert crops.shape == (2, 3, 128, 96)
    for crop, person in zip(crops, joints, strict=True):
        left = person[9]  # the left wrist, a red dot that nothing is drawn over
        if left[2] > 0:
            x, y = left[:2].round().astype(int)
            assert crop[0, y, x] == 230


def test_px_of_the_image_come_back(whole: Path) -> None:
    people = PeopleCrops.open(whole, "train")
    joints = people.joints(slice(None)).numpy().astype(float)
    seen = people.keypoints[..., 2] > 0
    back = people.affine[:, None, :2] + people.affine[:, None, 2:] * joints[..., :2]
    np.testing.assert_allclose(back[seen], people.keypoints[..., :2][seen], atol=1e-3)


def test_crops_stay_on_disk(whole: Path) -> None:
    assert isinstance(PeopleCrops.open(whole, "train").crops, np.memmap)


Change = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: d["annotations"].pop(), "2 annotated people"),
        (lambda d: d["annotations"][1].pop("crop"), r"annotation 1: crop: .*found None"),
        (lambda d: d["annotations"][2].update(crop=[0, 0, 0]), r"annotation 2: crop: .*over 0"),
        (lambda d: d["annotations"][0].update(area=-1), "area"),
        (lambda d: d["annotations"][0].update(keypoints=[1, 2]), r"shape \(51,\)"),
        (lambda d: d["annotations"][0].update(area=float("nan")), "area"),
        (lambda d: d.update(annotations=[]), "a list of people"),
        (lambda d: d["annotations"][0].update(bbox=["a", 1, 2, 3]), "bbox"),
    ],
)
def test_bad_annotations_are_named(whole: Path, tmp_path: Path, change: Change, told: str) -> None:
    for file in whole.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    path = tmp_path / "annotations_train.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match=told):
        PeopleCrops.open(tmp_path, "train")


def test_other_files_are_refused(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="annotations in COCO's format"):
        PeopleCrops.open(tmp_path, "train")
    (tmp_path / "annotations_train.json").write_text((whole / "annotations_train.json").read_text())
    with pytest.raises(InputError, match=r"crops_train\.npy: expected crops"):
        PeopleCrops.open(tmp_path, "train")
    (tmp_path / "crops_train.npy").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"a \.npy file"):
        PeopleCrops.open(tmp_path, "train")
    np.save(tmp_path / "crops_train.npy", np.zeros((3, 8, 8, 3)))
    with pytest.raises(InputError, match="uint8"):
        PeopleCrops.open(tmp_path, "train")
