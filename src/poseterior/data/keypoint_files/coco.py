"""COCO keypoints: the results list, and annotation files.

Results (cocodataset.org, "results format"): a list of {image_id, category_id, keypoints
[x1, y1, v1, ...], score}. Its flags v are unused there, so most detectors write the keypoint's
score into them. Annotations ("data format"): an object with `images` (their sizes) and
`annotations`, where v is 0 for not labelled, 1 for labelled but hidden, 2 for visible.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseterior.data.keypoint_files.detections import Detections, Frame, Person, gather, numbers
from poseterior.data.keypoint_files.flat_list import parse_flat_list, parse_person
from poseterior.errors import InputError, require

__all__ = ["parse_coco"]


def parse_coco(content: Any, source: object) -> Detections:
    """`Detections` of a COCO results list or an annotation object."""
    if isinstance(content, dict):
        return _flags(_annotations(content, source))
    require(
        isinstance(content, list),
        source, "", expected="a COCO list of results", found=type(content).__name__,
    )  # fmt: skip
    return _flags(parse_flat_list(content, source))


def _flags(detections: Detections) -> Detections:
    """Third numbers that are only 0, 1 and 2 are visibility flags, and no scores."""
    third = detections.values[..., 2]
    known = third[~np.isnan(third)]
    if not np.isin(known, (0, 1, 2)).all() or not (known == 2).any():
        return detections
    values = detections.values.copy()
    values[third == 0] = np.nan
    values[..., 2] = np.nan
    note = "the third numbers are COCO's visibility flags, not scores: every joint is confident"
    return replace(
        detections,
        values=values,
        visible=third == 2,
        notes={**detections.notes, "confidence": note},
    )


def _annotations(content: dict[str, Any], source: object) -> Detections:
    images, entries = content.get("images"), content.get("annotations")
    for key, value in (("images", images), ("annotations", entries)):
        good = isinstance(value, list)
        require(good, source, key, expected="a COCO list", found=type(value).__name__)
    assert isinstance(images, list)
    assert isinstance(entries, list)
    sizes = dict(_image(image, source, f"images[{i}]") for i, image in enumerate(images))
    people: dict[int | str, list[Person]] = {image: [] for image in sizes}
    for place, entry in enumerate(entries):
        image, person = parse_person(entry, source, f"annotations[{place}]")
        if image not in people:
            where = f"annotations[{place}].image_id"
            raise InputError(source, where, expected="one of the images", found=repr(image))
        people[image].append(person)
    frames = [
        Frame(image if isinstance(image, int) else place, str(image), found)
        for place, (image, found) in enumerate(people.items())
    ]
    detections = gather(source, frames)
    rows = [max(1, len(found)) for found in people.values()]
    size = np.repeat(np.array([sizes[image] for image in people], np.float32), rows, axis=0)
    return replace(
        detections,
        image_size=None if np.isnan(size).any() else size,
        point_names=_point_names(content.get("categories"), detections.values),
    )


def _image(image: Any, source: object, where: str) -> tuple[int | str, tuple[float, float]]:
    good = isinstance(image, dict) and isinstance(image.get("id"), (int, str))
    require(good, source, where, expected="an image with an id", found=repr(image)[:80])
    width, height = numbers([image.get("width"), image.get("height")], source, where)
    return image["id"], (float(width), float(height))


def _point_names(categories: Any, values: NDArray[np.float32]) -> tuple[str, ...] | None:
    """Names of the first category that has as many keypoints as the people."""
    for category in categories if isinstance(categories, list) else []:
        names = category.get("keypoints") if isinstance(category, dict) else None
        if isinstance(names, list) and len(names) == values.shape[1]:
            return tuple(map(str, names))
    return None
