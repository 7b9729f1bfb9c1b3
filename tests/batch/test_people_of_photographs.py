"""Crops of photographs: dots are found where annotations say, in the files that were written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from data.photograph_files import (
    SIZE,
    coco,
    mpii_list,
    people,
    write_coco,
    write_mpii_mat,
    write_photographs,
)
from poseterior.batch.people_of_photographs import cut_people
from poseterior.data.annotated_people import read_annotated
from poseterior.data.people_crops import PeopleCrops
from poseterior.errors import InputError
from poseterior.geometry.skeleton import COCO_17, COCO_WHOLEBODY_133, MPII_16, Skeleton
from poseterior.meshes.rendering.crops import crop_window

SKELETONS = (COCO_17, COCO_WHOLEBODY_133, MPII_16)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    for skeleton in SKELETONS:
        write_photographs(folder / skeleton.name, skeleton)
    return folder


def annotate(folder: Path, skeleton: Skeleton) -> Path:
    if skeleton != MPII_16:
        return write_coco(folder / "annotations.json", skeleton)
    path = folder / "mpii.json"
    path.write_text(json.dumps(mpii_list()))
    return path


def cut(folder: Path, photographs: Path, skeleton: Skeleton, **options: Any) -> PeopleCrops:
    found = read_annotated(annotate(folder, skeleton), "val")
    cut_people(found, photographs / skeleton.name, folder / "out", "val", **options)
    return PeopleCrops.open(folder / "out", "val")


@pytest.mark.parametrize("size", [(96, 128), (128, 128)])
@pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda s: s.name)
def test_dots_are_where_the_joints_are(
    skeleton: Skeleton, size: tuple[int, int], photographs: Path, tmp_path: Path
) -> None:
    found = cut(tmp_path, photographs, skeleton, size=size)
    assert found.skeleton == skeleton
    assert found.crops.shape == (4, size[1], size[0], 3)
    drawn = sorted(people(skeleton), key=lambda p: p.image)
    joints = found.joints(slice(None)).numpy()
    y, x = np.mgrid[: size[1], : size[0]]
    seen = 0
    for crop, places, scale, person in zip(
        found.crops, joints, found.affine[:, 2], drawn, strict=True
    ):
        assert ((places[:, 2] > 0) == [j in person.joints and person.joints[j][2] > 0
                                       for j in range(len(skeleton))]).all()  # fmt: skip
        for joint, (left, _, v) in person.joints.items():
            if not v or left < 0.07 * person.height:
                continue  # without a label, or cut by the border of the photograph
            radius = 0.06 * person.height / scale
            near = np.abs(crop.astype(int) - person.colour(joint)).max(-1) < 60
            near &= np.hypot(x - places[joint, 0], y - places[joint, 1]) < 2 * radius
            assert near.sum() == pytest.approx(np.pi * radius**2, rel=0.15)
            middle = x[near].mean(), y[near].mean()
            np.testing.assert_allclose(middle, places[joint, :2], atol=0.35)
            seen += 1
    assert seen >= 20


def test_crops_are_those_of_rendered_people(photographs: Path, tmp_path: Path) -> None:
    found = cut(tmp_path, photographs, COCO_17)
    for box, (left, top, step) in zip(found.boxes, found.affine, strict=True):
        window = crop_window(box)
        np.testing.assert_allclose((window.left, window.top, window.step), (left, top, step))


@pytest.mark.parametrize("skeleton", SKELETONS[:2], ids=lambda s: s.name)
def test_annotations_are_the_file_s_own(
    skeleton: Skeleton, photographs: Path, tmp_path: Path
) -> None:
    cut(tmp_path, photographs, skeleton)
    ours, theirs = COCO(tmp_path / "out" / "annotations_val.json"), coco(skeleton)
    assert len(ours.anns) == len(theirs["annotations"])
    for their in theirs["annotations"]:
        our = ours.anns[their["id"]]
        for name in ("image_id", "category_id", "area", "bbox", "iscrowd", "num_keypoints"):
            assert our[name] == their[name]
        fields = [name for name in their if name == "keypoints" or name.endswith("_kpts")]
        assert our["keypoints"] == [number for name in fields for number in their[name]]
        image = ours.loadImgs(our["image_id"])[0]
        assert (image["width"], image["height"]) == SIZE
    assert tuple(ours.loadCats(1)[0]["keypoints"]) == skeleton.joints


def test_the_file_of_mpii_is_cut_by_split(photographs: Path, tmp_path: Path) -> None:
    videos = {"000000012.jpg": 4, "000000005.jpg": 20, "000000033.jpg": 4}
    mat, out = write_mpii_mat(tmp_path / "mpii.mat", videos), tmp_path / "out"
    for split, count in (("train", 3), ("val", 1)):
        told = cut_people(read_annotated(mat, split), photographs / "mpii_16", out, split)
        assert told["people"] == count
        assert PeopleCrops.open(out, split).skeleton == MPII_16
    info = json.loads((out / "annotations_val.json").read_text())["info"]
    assert info["assumed"]["area"].startswith("0.15 times")


def change(data: dict[str, Any]) -> None:
    """A crowd, somebody without keypoints, somebody without an area."""
    one, two, three, _ = data["annotations"]
    one.update(iscrowd=1)
    two.update(keypoints=[0] * 51, num_keypoints=0)
    three.update(area=0)


def test_who_cannot_be_scored_is_left_out(photographs: Path, tmp_path: Path) -> None:
    data = coco()
    change(data)
    path = tmp_path / "a.json"
    path.write_text(json.dumps(data))
    told = cut_people(read_annotated(path, "val"), photographs / "coco_17", tmp_path / "o", "val")
    assert told["left_out"] == {"crowds": 1, "without_keypoints": 1, "without_size": 1}
    assert len(PeopleCrops.open(tmp_path / "o", "val")) == told["people"] == 1


def test_photographs_are_turned_as_their_camera_was(photographs: Path, tmp_path: Path) -> None:
    """EXIF's orientation 6: to be shown turned clockwise by a quarter."""
    folder = tmp_path / "turned"
    folder.mkdir()
    for file in (photographs / "coco_17").iterdir():
        with Image.open(file) as image:
            exif = image.getexif()
            exif[0x0112] = 6
            turned = image.transpose(Image.Transpose.ROTATE_90)
            turned.save(folder / file.name, quality=97, subsampling=0, exif=exif)
    found = read_annotated(write_coco(tmp_path / "a.json"), "val")
    for images, out in ((photographs / "coco_17", "upright"), (folder, "turned")):
        cut_people(found, images, tmp_path / out, "val")
    upright, turned = (PeopleCrops.open(tmp_path / out, "val") for out in ("upright", "turned"))
    difference = np.abs(upright.crops.astype(int) - turned.crops.astype(int))
    assert difference.mean() < 1


Change = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: d["images"][0].update(width=321), r"005\.jpg: size: expected 321 x 240 px"),
        (lambda d: d["images"][1].update(file_name="no.jpg"), r"no\.jpg: expected an image file"),
        (lambda d: d["images"][1].pop("file_name"), "images: id 12: file_name"),
        (lambda d: d["images"][2].update(file_name="bad.jpg"), r"bad\.jpg: .*readable image"),
        (lambda d: d["annotations"][2].update(bbox=[400, 1, 9, 9]), r"id 698: bbox: .*overlaps"),
        (lambda d: d["categories"][0].update(keypoints=list("abcdefghijklmnopq")),
         "categories: keypoints: expected those of coco_17, mpii_16 or|coco_wholebody_133"),
        (lambda d: [a.update(iscrowd=1) for a in d["annotations"]], "none: .*'crowds': 4"),
        (lambda d: d["annotations"][1].pop("area"), r"annotations\[1\]\.area"),
    ],
)  # fmt: skip
def test_what_is_bad_is_named_and_nothing_is_left(
    change: Change, told: str, photographs: Path, tmp_path: Path
) -> None:
    data, images = coco(), tmp_path / "images"
    change(data)
    path = tmp_path / "a.json"
    path.write_text(json.dumps(data))
    write_photographs(images)
    (images / "bad.jpg").write_bytes((images / "000000012.jpg").read_bytes()[:400])
    with pytest.raises(InputError, match=told):
        cut_people(read_annotated(path, "val"), images, tmp_path / "out", "val")
    assert not (tmp_path / "out").exists()


def test_a_split_that_is_there_is_not_touched(photographs: Path, tmp_path: Path) -> None:
    cut(tmp_path, photographs, COCO_17)
    before = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    assert set(before) == {"annotations_val.json", "crops_val.npy"}
    with pytest.raises(InputError, match="a split that is not there yet"):
        cut(tmp_path, photographs, COCO_17)
    assert before == {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}


def test_memory_holds_one_photograph(photographs: Path, tmp_path: Path) -> None:
    """Ten times the people and photographs take the same memory but for their numbers."""
    import tracemalloc

    def peak(times: int) -> int:
        data = coco()
        images, every = list(data["images"]), list(data["annotations"])
        for turn in range(1, times):
            data["images"] += [image | {"id": image["id"] + 100 * turn} for image in images]
            data["annotations"] += [
                each | {"id": each["id"] + 1000 * turn, "image_id": each["image_id"] + 100 * turn}
                for each in every
            ]
        path = tmp_path / f"{times}.json"
        path.write_text(json.dumps(data))
        found = read_annotated(path, "val")
        tracemalloc.start()
        cut_people(found, photographs / "coco_17", tmp_path / f"out{times}", "val")
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(1)  # what is imported and kept at the first call
    crops = 4 * 50 * 128 * 96 * 3
    assert peak(50) - peak(5) < 0.1 * crops
