"""MPII's two kinds of files: the same people, what is assumed of them, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from data.photograph_files import mpii_list, people, structs, write_mpii_mat
from poseterior.data.annotated_people import read_annotated
from poseterior.data.coco import CocoPeople
from poseterior.errors import InputError
from poseterior.geometry.skeleton import MPII_16
from poseterior.metrics.oks import oks
from poseterior.metrics.oks_constants import skeleton_sigmas

VIDEOS = {"000000012.jpg": 4, "000000005.jpg": 20, "000000033.jpg": 4}


@pytest.fixture
def list_file(tmp_path: Path) -> Path:
    path = tmp_path / "mpii_train.json"
    path.write_text("\n " + json.dumps(mpii_list()))
    return path


@pytest.fixture(scope="module")
def mat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mpii_mat(tmp_path_factory.mktemp("mpii") / "mpii.mat", VIDEOS)


def check(found: CocoPeople, visible: bool) -> None:
    """Against what was drawn: px from 0, as high as they stand, names of images as numbers."""
    drawn = {(person.image, person.height): person for person in people(MPII_16)}
    assert found.names == MPII_16.joints
    for row in range(len(found)):
        name = found.image_names[int(found.image_ids[found.image[row]])]
        assert int(found.image_ids[found.image[row]]) == int(name.split(".")[0])
        height = found.box[row, 3]
        person = drawn.pop((name, round(float(height), 6)))
        middle = found.box[row, :2] + found.box[row, 2:] / 2
        np.testing.assert_allclose(middle, person.centre, atol=1e-6)
        np.testing.assert_allclose(found.box[row, 2], 0.75 * height)
        np.testing.assert_allclose(found.area[row], 0.15 * height**2)
        for joint in range(16):
            x, y, v = person.joints.get(joint, (0, 0, 0))
            expected = (x, y, v if visible else 2) if v else (0, 0, 0)
            np.testing.assert_allclose(found.keypoints[row, joint], expected, atol=1e-6)


def test_a_list_has_the_people_that_were_drawn(list_file: Path) -> None:
    found = read_annotated(list_file, "val")
    assert len(found) == 4
    check(found, visible=False)
    assert "0.15 times" in found.notes["area"]


def test_the_file_of_the_data_set_is_divided_by_video(mat: Path) -> None:
    train, val = (read_annotated(mat, split) for split in ("train", "val"))
    assert (len(train), len(val)) == (3, 1)
    assert set(train.image_names.values()) == {"000000012.jpg", "000000033.jpg"}
    for found in (train, val):
        check(found, visible=True)
    with pytest.raises(InputError, match="people with joints, found nobody"):
        read_annotated(mat, "test")


def test_oks_is_by_mpii_s_constants_and_the_height(list_file: Path) -> None:
    """exp(-d² / (2 (2 sigma)² a)) of a head top that is off by 5 px of a person of 200 px."""
    import torch

    found = read_annotated(list_file, "val")
    row = int(np.argmax(found.box[:, 3]))
    true = torch.from_numpy(found.keypoints[row])
    off = true[:, :2].clone()
    off[9, 0] += 5
    area = torch.tensor(found.area[row])
    seen = oks(off, true[:, :2], area, skeleton_sigmas(MPII_16).double(), true[:, 2] > 0)
    assert float(seen) == pytest.approx((5 + np.exp(-25 / (8 * 0.026**2 * 0.15 * 200**2))) / 6)


def test_people_without_a_scale_have_no_area(tmp_path: Path) -> None:
    entries = mpii_list()
    entries[1]["scale"] = -1
    entries[2]["center"] = [-1, -1]
    path = tmp_path / "m.json"
    path.write_text(json.dumps(entries))
    assert (read_annotated(path, "train").area > 0).tolist() == [True, False, False, True]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda e: e[1].pop("joints"), r"\[1\]\.joints: expected 32 numbers, found nothing"),
        (lambda e: e[0].update(joints_vis=[1] * 15), r"\[0\]\.joints_vis: expected 16 numbers"),
        (lambda e: e[2].update(scale="1"), r"\[2\]\.scale: expected a number"),
        (lambda e: e[3].update(center=[1, float("nan")]), r"\[3\]\.center: expected a finite"),
        (lambda e: e[0].update(image=None), r"\[0\]\.image: expected a file's name"),
        (lambda e: e.clear(), "people with joints, found nobody"),
    ],
)
def test_bad_lists_are_named(tmp_path: Path, change: Any, told: str) -> None:
    entries = mpii_list()
    change(entries)
    path = tmp_path / "m.json"
    path.write_text(json.dumps(entries))
    with pytest.raises(InputError, match=told):
        read_annotated(path, "train")


def test_bad_files_of_the_data_set_are_named(mat: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.mat"

    def refused(told: str) -> None:
        with pytest.raises(InputError, match=told):
            read_annotated(path, "train")

    refused("no such file")
    path.write_bytes(mat.read_bytes()[:-900])
    refused("truncated or damaged")
    scipy.io.savemat(path, {"OTHER": 1.0})
    refused("RELEASE: expected this array, found only OTHER")
    scipy.io.savemat(path, {"RELEASE": 1.0})
    refused("RELEASE: expected a struct")
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(600))
    refused(r"expected 7 or older.*found 7\.3")
    scipy.io.savemat(path, {"RELEASE": {"annolist": structs([{"a": 1.0}] * 2), "img_train": 1.0}})
    refused("img_train: expected 2 numbers.*found 1")
    point = structs([{"id": 16.0, "x": 1.0, "y": 1.0}])
    rect = structs([{"annopoints": {"point": point}, "scale": 1.0}])
    image = structs([{"image": {"name": "1.jpg"}, "annorect": rect, "vididx": 3.0}])
    scipy.io.savemat(path, {"RELEASE": {"annolist": image, "img_train": 1.0}})
    refused(r"annolist\(1\).*a joint with the id 16")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json: expected annotated people"):
        read_annotated(tmp_path / "none.json", "train")
