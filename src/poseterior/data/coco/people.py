"""COCO keypoint annotations: who is where in each image, as arrays.

The object {images, annotations, categories} of cocodataset.org, "data format": an annotation has
`image_id`, `category_id`, `keypoints` [x, y, v] with v 0 for not labelled, 1 for labelled but
hidden and 2 for visible, `area` in px², `bbox` [x, y, width, height], `iscrowd`. COCO-WholeBody's
`foot_kpts`, `face_kpts`, `lefthand_kpts` and `righthand_kpts` are read as keypoints 17 to 132.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseterior.data.coco.columns import joined, objects, required_finite, stacked, unique_numbers
from poseterior.data.keypoint_files.detections import load_json
from poseterior.errors import InputError, require

__all__ = ["CocoPeople", "read_people"]


@dataclass(frozen=True, eq=False)
class CocoPeople:
    """Annotated people (A) with K keypoints, in the file's order.

    Attributes:
        source: the file, for errors.
        image_ids: (I,) int64 of all images, ascending, those with nobody too.
        image_names: {image id: its file_name}, where the file has them.
        ids: (A,) int64 of the annotations.
        image: (A,) int64, rows of `image_ids`.
        category: (A,) int64.
        categories: ids of the categories that have keypoints.
        keypoints: (A, K, 3) float64: x and y px and COCO's v.
        area: (A,) float64 px².
        box: (A, 4) float64 px: x, y, width, height.
        crowd: (A,) bool.
        ignored: (A,) bool: crowds, and people without a labelled keypoint.
        names: of the K keypoints; empty where the file names none.
        notes: what had to be assumed, by topic.
        image_sizes: {image id: (width, height) px}, where the file has them.
    """

    source: str
    image_ids: NDArray[np.int64]
    image_names: dict[int, str]
    ids: NDArray[np.int64]
    image: NDArray[np.int64]
    category: NDArray[np.int64]
    categories: tuple[int, ...]
    keypoints: NDArray[np.float64]
    area: NDArray[np.float64]
    box: NDArray[np.float64]
    crowd: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    names: tuple[str, ...]
    notes: dict[str, str] = field(default_factory=dict)
    image_sizes: dict[int, tuple[int, int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """(A, K): v > 0."""
        return self.keypoints[..., 2] > 0


def read_people(path: str | os.PathLike[str]) -> CocoPeople:
    """The people of an annotations file.

    Raises:
        InputError: not JSON, no `images` or `annotations`, nobody, a duplicated id, a missing
            or negative area, missing keypoints or visibilities, an unknown image.
    """
    content = load_json(Path(path))
    good = isinstance(content, dict)
    expected, found = "COCO's images and annotations", type(content).__name__
    require(good, path, "", expected=expected, found=found)
    images = objects(content.get("images"), path, "images", "images")
    entries = objects(content.get("annotations"), path, "annotations", "annotated people")
    require(bool(images), path, "images", expected="at least one image", found="none")
    require(bool(entries), path, "annotations", expected="at least one person", found="none")
    image_ids = unique_numbers(images, path, "images")
    ids = unique_numbers(entries, path, "annotations")
    names = {int(i): str(each["file_name"])
             for i, each in zip(image_ids, images, strict=True) if "file_name" in each}  # fmt: skip
    categories = content.get("categories")
    people = _people(str(path), entries, ids, np.sort(image_ids), names, categories)
    return replace(people, image_sizes=_sizes(images))


def _people(
    source: str, entries: list[dict[str, Any]], ids: NDArray[np.int64],
    image_ids: NDArray[np.int64], image_names: dict[int, str], categories: Any,
) -> CocoPeople:  # fmt: skip
    named = _keypoint_names(categories)
    first = joined(entries[0])
    count = len(next(iter(named.values()), ())) or (len(first) // 3 if first else 0)
    wholebody = "foot_kpts" in entries[0]
    count = 133 if wholebody else count
    keypoints = _keypoints(entries, source, count)
    labelled = (keypoints[..., 2] > 0).sum(1)
    crowd = stacked(entries, lambda e: e.get("iscrowd", 0), source, "annotations[{}].iscrowd") != 0
    notes = {}
    if all("num_keypoints" in entry for entry in entries) and not wholebody:
        counted = stacked(entries, "num_keypoints", source, "annotations[{}].num_keypoints")
    else:
        counted = labelled
        notes["num_keypoints"] = "keypoints with v > 0, where the annotations do not count them"
    category = stacked(
        entries, lambda e: e.get("category_id", 1), source, "annotations[{}].category_id"
    )
    return CocoPeople(
        source=source,
        image_ids=image_ids,
        image_names=image_names,
        ids=ids,
        image=_images(entries, image_ids, source, "annotations"),
        category=category.astype(np.int64),
        categories=tuple(named) or tuple(np.unique(category).tolist()),
        keypoints=keypoints,
        area=_area(entries, source),
        box=_box(entries, keypoints, source),
        crowd=crowd,
        ignored=crowd | (counted == 0),
        names=next((n for n in named.values() if len(n) == count), ()),
        notes=notes,
    )


def _keypoint_names(categories: Any) -> dict[int, tuple[str, ...]]:
    """{category id: names of its keypoints} of the categories that have any."""
    found = {}
    for each in categories if isinstance(categories, list) else []:
        names = each.get("keypoints") if isinstance(each, dict) else None
        if isinstance(names, list) and names and isinstance(each.get("id"), int):
            found[each["id"]] = tuple(map(str, names))
    return found


def _sizes(images: list[dict[str, Any]]) -> dict[int, tuple[int, int]]:
    sizes = ((each["id"], each.get("width"), each.get("height")) for each in images)
    return {
        number: (width, height)
        for number, width, height in sizes
        if isinstance(width, int) and isinstance(height, int)
    }


def _keypoints(entries: list[dict[str, Any]], source: str, count: int) -> NDArray[np.float64]:
    where = "annotations[{}].keypoints"
    flat = stacked(entries, joined, source, where, 3 * max(count, 1)).astype(np.float64)
    required_finite(flat, source, where, "x, y or visibility")
    return flat.reshape(len(entries), -1, 3)


def _images(
    entries: list[dict[str, Any]], image_ids: NDArray[np.int64], source: str, where: str
) -> NDArray[np.int64]:
    given = stacked(entries, "image_id", source, f"{where}[{{}}].image_id")
    row = np.searchsorted(image_ids, given).clip(max=len(image_ids) - 1)
    absent = image_ids[row] != given
    if absent.any():
        place = int(absent.argmax())
        field_ = f"{where}[{place}].image_id"
        raise InputError(source, field_, expected="one of the images", found=given[place])
    return row


def _area(entries: list[dict[str, Any]], source: str) -> NDArray[np.float64]:
    area = stacked(entries, "area", source, "annotations[{}].area").astype(np.float64)
    bad = ~(np.isfinite(area) & (area >= 0))
    if bad.any():
        place = int(bad.argmax())
        field_ = f"annotations[{place}].area"
        raise InputError(source, field_, expected="an area in px²", found=area[place])
    return area


def _box(
    entries: list[dict[str, Any]], keypoints: NDArray[np.float64], source: str
) -> NDArray[np.float64]:
    """The annotated boxes, where there are none those of the labelled keypoints."""

    def box(place: int) -> Any:
        given = entries[place].get("bbox")
        if given is not None:
            return given
        seen = keypoints[place, keypoints[place, :, 2] > 0, :2]
        low, high = (seen.min(0), seen.max(0)) if len(seen) else (np.zeros(2), np.zeros(2))
        return [*low.tolist(), *(high - low).tolist()]

    places = [{"box": box(place)} for place in range(len(entries))]
    found = stacked(places, "box", source, "annotations[{}].bbox", 4).astype(np.float64)
    required_finite(found, source, "annotations[{}].bbox", "number")
    return found
