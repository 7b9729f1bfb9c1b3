"""Photographs of people who are six coloured dots each, annotated as the data sets do it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from PIL import Image

from poseterior.geometry.skeleton import COCO_17, COCO_WHOLEBODY_133, MPII_16, Skeleton

SIZE = (320, 240)
COLOURS = ((230, 0, 0), (0, 220, 0), (0, 0, 240), (230, 230, 0), (230, 0, 230), (0, 220, 220))
# COCO-WholeBody's fields and how many keypoints they hold.
WHOLEBODY = {
    "keypoints": 17, "foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21, "righthand_kpts": 21,
}  # fmt: skip
# Where the dots are: shares of a body's height, from its centre.
_DOTS = np.array([(0, -0.4), (-0.2, -0.1), (0.22, -0.05), (-0.1, 0.15), (0.12, 0.2), (0.05, 0.4)])
_JOINTS = {
    COCO_17: (0, 5, 6, 13, 14, 16), MPII_16: (9, 12, 13, 1, 4, 0),
    COCO_WHOLEBODY_133: (0, 9, 18, 23 + 36, 91 + 20, 132),
}  # fmt: skip


@dataclass
class Person:
    """One body of an image: its centre and height in px, pixels counted from 0."""

    image: str
    centre: tuple[float, float]
    height: float
    joints: dict[int, tuple[float, float, int]] = field(default_factory=dict)

    def colour(self, joint: int) -> tuple[int, int, int]:
        return COLOURS[list(self.joints).index(joint)]


# Two in the first image, the left one half outside; one alone in each of the others.
BODIES = (
    ("000000012.jpg", (20.0, 120.0), 150.0),
    ("000000012.jpg", (220.0, 110.0), 90.0),
    ("000000005.jpg", (150.5, 130.25), 200.0),
    ("000000033.jpg", (100.0, 100.0), 60.0),
)


def people(skeleton: Skeleton) -> list[Person]:
    """The bodies, of whose six joints the second is hidden (v = 1); those outside are v = 0."""
    found = []
    for image, centre, height in BODIES:
        person = Person(image, centre, height)
        for number, joint in enumerate(_JOINTS[skeleton]):
            x, y = (np.array(centre) + height * _DOTS[number]).tolist()
            v = (1 if number == 1 else 2) if 0 < x < SIZE[0] else 0
            person.joints[joint] = (x, y, v)
        found.append(person)
    return found


def write_photographs(folder: Path, skeleton: Skeleton = COCO_17) -> Path:
    """JPEGs of the people of a skeleton, on grey."""
    folder.mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    every = people(skeleton)
    for name in {person.image for person in every}:
        pixels = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
        for person in every:
            if person.image != name:
                continue
            for joint, place in person.joints.items():
                near = np.hypot(x - place[0], y - place[1]) < 0.06 * person.height
                pixels[near] = person.colour(joint)
        Image.fromarray(pixels).save(folder / name, quality=97, subsampling=0)
    return folder


def coco(skeleton: Skeleton = COCO_17) -> dict[str, Any]:
    """COCO's file; COCO-WholeBody's where the skeleton is its, with COCO's names of 17."""
    every = people(skeleton)
    names = sorted({person.image for person in every})
    width, height = SIZE
    images = [{"id": int(name.split(".")[0]), "file_name": name, "width": width, "height": height}
              for name in names]  # fmt: skip
    annotations = []
    for number, person in enumerate(every):
        points = np.zeros((len(skeleton), 3))
        for joint, (x, y, v) in person.joints.items():
            points[joint] = (x, y, v) if v else (0, 0, 0)
        h = person.height
        annotation = {
            "id": 700 - number, "image_id": int(person.image.split(".")[0]), "category_id": 1,
            "iscrowd": 0, "area": 0.31 * h * h + number,
            "num_keypoints": int((points[:, 2] > 0).sum()),
            "bbox": [person.centre[0] - 0.25 * h, person.centre[1] - 0.5 * h, 0.5 * h, h],
            "segmentation": [[1, 2, 3, 4, 5, 6]],
        }  # fmt: skip
        start = 0
        for name, count in (WHOLEBODY if len(skeleton) == 133 else {"keypoints": 17}).items():
            annotation[name] = points[start : start + count].ravel().tolist()
            start += count
        annotations.append(annotation)
    category = {"id": 1, "name": "person", "keypoints": list(COCO_17.joints)}
    return {"images": images, "annotations": annotations, "categories": [category]}


def write_coco(path: Path, skeleton: Skeleton = COCO_17) -> Path:
    path.write_text(json.dumps(coco(skeleton)))
    return path


def mpii_list() -> list[dict[str, Any]]:
    """As SimpleBaselines and MMPose read them: pixels from 1, the centre 15 px * scale higher."""
    entries = []
    for person in people(MPII_16):
        joints, vis = [[-1.0, -1.0] for _ in range(16)], [0] * 16
        for joint, (x, y, v) in person.joints.items():
            if v:
                joints[joint], vis[joint] = [x + 1, y + 1], 1
        scale = person.height / 200
        x, y = person.centre
        entries.append({"image": person.image, "scale": scale, "joints": joints,
                        "joints_vis": vis, "center": [x + 1, y + 1 - 15 * scale]})  # fmt: skip
    return entries


def structs(rows: list[dict[str, Any]]) -> np.ndarray:
    """A MATLAB struct array; absent fields are empty."""
    names = sorted({name for row in rows for name in row})
    found = np.empty((1, len(rows)), dtype=[(name, object) for name in names])
    for place, row in enumerate(rows):
        for name in names:
            found[name][0, place] = row.get(name, np.zeros((0, 0)))
    return found


def write_mpii_mat(path: Path, videos: dict[str, int]) -> Path:
    """The data set's own file, with an image of nobody and one of the data set's own test.

    `is_visible` is text, a number, or empty for neck and head top, as in the real one.
    """
    every = people(MPII_16)
    annolist: list[dict[str, Any]] = []
    for name in dict.fromkeys(person.image for person in every):
        rects = [_rect(person) for person in every if person.image == name]
        rects.append({"x1": 3.0, "scale": 1.0})  # a head without a body
        annolist.append({"image": {"name": name}, "annorect": structs(rects),
                         "vididx": float(videos[name])})  # fmt: skip
    annolist.append({"image": {"name": "900.jpg"}, "annorect": np.zeros((0, 0)), "vididx": 7.0})
    annolist.append({"image": {"name": "901.jpg"}, "annorect": structs([{"scale": 2.0}])})
    trained = np.array([[1.0] * (len(annolist) - 1) + [0.0]])
    release = {"annolist": structs(annolist), "img_train": trained, "version": "12"}
    scipy.io.savemat(path, {"RELEASE": release})
    return path


def _rect(person: Person) -> dict[str, Any]:
    points = []
    for joint, (x, y, v) in person.joints.items():
        if not v:
            continue
        point: dict[str, Any] = {"id": float(joint), "x": x + 1, "y": y + 1}
        if joint not in (8, 9):
            point["is_visible"] = "0" if v == 1 else 1.0
        points.append(point)
    scale = person.height / 200
    x, y = person.centre
    return {
        "x1": 1.0, "scale": scale, "annopoints": {"point": structs(points)},
        "objpos": {"x": x + 1, "y": y + 1 - 15 * scale},
    }  # fmt: skip
