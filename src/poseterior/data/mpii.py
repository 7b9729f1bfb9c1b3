"""MPII Human Pose (Andriluka et al., CVPR 2014) as people annotated in COCO's terms.

Its own file `mpii_human_pose_v1_u12_1.mat`, or the lists (`mpii_train.json`, `mpii_val.json`) of
SimpleBaselines, HRNet and MMPose: {image, center, scale, joints, joints_vis}. Both count pixels
from 1; here 0 is the first. Neither has a box or an area, but both have a centre and a scale, the
whole person's height over 200 px; paper 003 does not tell what it took for the area.

- Box: 200 scale high, three quarters as wide, about the centre moved down by 15 scale: crops of 3
  to 4 are as high as the squares that those tools cut.
- Area: `AREA` times the height's square, of whole bodies that nothing hides
  (`benchmarks/mpii_area.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from poseterior.data.coco.columns import objects, required_finite, stacked
from poseterior.data.coco.people import CocoPeople
from poseterior.data.keypoint_files.detections import load_json
from poseterior.data.matlab_file import read_matlab_struct
from poseterior.errors import InputError, require
from poseterior.geometry.skeleton import MPII_16

__all__ = ["AREA", "SPLITS", "read_mpii_list", "read_mpii_mat"]

AREA = 0.15
SPLITS = ("train", "val", "test")
_HEIGHT, _WIDTH, _DOWN = 200.0, 150.0, 15.0  # px for a scale of 1
_TENTHS = {0: "val", 1: "test"}  # of the videos; the others train
_JOINTS = len(MPII_16)
_SOMEBODY = "people with joints"


class _Person(NamedTuple):
    """As the files have it: centre and scale may be NaN or not positive."""

    image: str
    centre: tuple[float, float]
    scale: float
    joints: NDArray[np.float64]  # (16, 3): x, y from 1 on, and COCO's v


def read_mpii_mat(path: str | os.PathLike[str], split: str) -> CocoPeople:
    """People of the data set's own file, of the images that it has for training.

    The others have no joints. Images of a video stay together: `val` has every tenth video,
    `test` the next ones, `train` all others. v is 1 for joints that the file has as not visible
    and 2 for all others: of neck and head top it says nothing.

    Raises:
        InputError: no such file, another one, nobody in the split.
    """
    require(split in SPLITS, "--split", "", expected=f"one of {SPLITS}", found=split)
    release = read_matlab_struct(path, "RELEASE")
    images, trained = _each(release, "annolist"), _each(release, "img_train")
    where, expected = "RELEASE.img_train", f"{len(images)} numbers, one for each of annolist"
    require(len(trained) == len(images), path, where, expected=expected, found=len(trained))
    people: list[_Person] = []
    for number, image in enumerate(images):
        try:
            if trained[number] and _split_of(image, number) == split:
                people += _of_image(image)
        except (AttributeError, TypeError, ValueError, IndexError) as error:
            where = f"RELEASE.annolist({number + 1})"
            expected = "image.name, and annorect with annopoints.point.x, y and id"
            raise InputError(path, where, expected=expected, found=error) from error
    return _people(path, people)


def read_mpii_list(path: str | os.PathLike[str]) -> CocoPeople:
    """People of a JSON list; v is 2 where `joints_vis` is not 0, which says that there is a label.

    Raises:
        InputError: no such list, nobody in it, a field that is absent or of another shape, as the
            joints in `mpii_test.json` are.
    """
    entries = objects(load_json(Path(path)), path, "", "people of MPII")
    require(bool(entries), path, "", expected=_SOMEBODY, found="nobody")
    columns = {
        name: stacked(entries, _flat(name), path, f"[{{}}].{name}", width).astype(np.float64)
        for name, width in (("center", 2), ("scale", None), ("joints", 2 * _JOINTS),
                            ("joints_vis", _JOINTS))
    }  # fmt: skip
    for name, values in columns.items():
        required_finite(values, path, f"[{{}}].{name}", "number")
    people = []
    for row, entry in enumerate(entries):
        image = entry.get("image")
        named = isinstance(image, str) and bool(image)
        require(named, path, f"[{row}].image", expected="a file's name", found=image)
        v = 2.0 * (columns["joints_vis"][row] > 0)
        joints = np.concatenate([columns["joints"][row].reshape(-1, 2), v[:, None]], 1)
        x, y = columns["center"][row].tolist()
        people.append(_Person(str(image), (x, y), float(columns["scale"][row]), joints))
    return _people(path, people)


def _flat(name: str) -> Any:
    """What reads a field of an entry, a list of pairs as one list."""

    def read(entry: dict[str, Any]) -> Any:
        value = entry.get(name)
        if isinstance(value, list) and all(isinstance(each, list) for each in value):
            return [number for pair in value for number in pair]
        return value

    return read


def _split_of(image: Any, number: int) -> str:
    """By the video that an image is of, or by its own number where it is of none."""
    video = _each(image, "vididx")
    return _TENTHS.get(int(video[0] if video else number) % 10, "train")


def _of_image(image: Any) -> Iterator[_Person]:
    """The people of an image that have joints."""
    for person in _each(image, "annorect"):
        points = [point for each in _each(person, "annopoints") for point in _each(each, "point")]
        if not points:
            continue
        joints = np.zeros((_JOINTS, 3))
        for point in points:
            number = int(point.id)
            if not 0 <= number < _JOINTS:
                raise ValueError(f"a joint with the id {number}")
            hidden = any(int(seen) == 0 for seen in _each(point, "is_visible"))
            joints[number] = float(point.x), float(point.y), 1 if hidden else 2
        place = (_each(person, "objpos") or [None])[0]
        x, y, scale = (
            float((_each(struct, name) or [np.nan])[0])
            for struct, name in ((place, "x"), (place, "y"), (person, "scale"))
        )
        yield _Person(str(image.image.name), (x, y), scale, joints)


def _each(struct: Any, name: str) -> list[Any]:
    """What a field holds: structs or numbers; nothing where it is absent or empty."""
    value = getattr(struct, name, None)
    if value is None:
        return []
    return list(value.ravel()) if isinstance(value, np.ndarray) else [value]


def _people(path: str | os.PathLike[str], people: Sequence[_Person]) -> CocoPeople:
    require(len(people) > 0, path, "", expected=_SOMEBODY, found="nobody")
    centre, scale = np.array([p.centre for p in people]), np.array([p.scale for p in people])
    sized = (scale > 0) & np.isfinite(centre).all(1) & (centre[:, 0] > 0)
    scale = np.where(sized, scale, 0.0)[:, None]
    middle = np.where(sized[:, None], centre, 0.0) - 1 + scale * [0, _DOWN]
    sides = scale * [_WIDTH, _HEIGHT]
    keypoints = np.stack([p.joints for p in people])
    labelled: NDArray[np.bool_] = keypoints[..., 2] > 0
    places = np.where(labelled[..., None], keypoints[..., :2] - 1, 0.0)
    numbers = _image_numbers([p.image for p in people])
    image_ids = np.array(sorted(numbers.values()))
    return CocoPeople(
        source=str(path),
        image_ids=image_ids,
        image_names={number: name for name, number in numbers.items()},
        ids=np.arange(1, len(people) + 1),
        image=np.searchsorted(image_ids, [numbers[p.image] for p in people]),
        category=np.ones(len(people), np.int64),
        categories=(1,),
        keypoints=np.concatenate([places, keypoints[..., 2:]], -1),
        area=AREA * (_HEIGHT * scale[:, 0]) ** 2,
        box=np.concatenate([middle - sides / 2, sides], 1),
        crowd=np.zeros(len(people), bool),
        ignored=labelled.sum(1) == 0,
        names=MPII_16.joints,
        notes={
            "area": f"{AREA} times the square of the person's height, {_HEIGHT:g} px times scale",
            "bbox": f"{_WIDTH:g} x {_HEIGHT:g} px times scale, about the centre",
        },
    )


def _image_numbers(names: Sequence[str]) -> dict[str, int]:
    """{name: id}: the number that a file's name is, as MMPose has it, or else its place."""
    distinct = sorted(set(names))
    stems = [Path(name).stem for name in distinct]
    numbers = {int(stem) for stem in stems if stem.isdecimal()}
    if len(numbers) == len(distinct):
        return {name: int(stem) for name, stem in zip(distinct, stems, strict=True)}
    return {name: place for place, name in enumerate(distinct, 1)}
