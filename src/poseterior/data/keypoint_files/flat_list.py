"""The flat list of people that COCO results and AlphaPose have in common."""

from __future__ import annotations

from typing import Any

from poseterior.data.keypoint_files.detections import (
    Detections,
    Frame,
    Person,
    gather,
    triplets,
)
from poseterior.data.keypoint_files.naming import frame_numbers, is_number, person_number
from poseterior.errors import require

__all__ = ["parse_flat_list", "parse_person"]

_PERSON_KEYS = ("track_id", "person_id", "idx")


def parse_flat_list(entries: list[Any], source: object) -> Detections:
    """People by `image_id`, images in order of first appearance.

    A list names only the images in which somebody was found. `InputError` for entries without
    `image_id` or `keypoints`.
    """
    people: dict[int | str, list[Person]] = {}
    for place, entry in enumerate(entries):
        image, person = parse_person(entry, source, f"[{place}]")
        people.setdefault(image, []).append(person)
    if all(isinstance(image, int) for image in people):
        return gather(source, [Frame(int(image), None, found) for image, found in people.items()])
    names = [str(image) for image in people]
    numbers = frame_numbers(names)
    frames = (Frame(*of) for of in zip(numbers, names, people.values(), strict=True))
    detections = gather(source, frames)
    absent = max(numbers) - min(numbers) + 1 - len(numbers)
    if absent:
        detections.notes["frames"] = (
            f"{absent} frame numbers between the first and the last are not in the file"
        )
    return detections


def parse_person(entry: Any, source: object, where: str) -> tuple[int | str, Person]:
    """One entry's image and person."""
    good = isinstance(entry, dict)
    require(good, source, where, expected="an object for a person", found=type(entry).__name__)
    image = entry.get("image_id")
    whole = is_number(image) or isinstance(image, str)
    require(whole, source, f"{where}.image_id", expected="a number or a name", found=repr(image))
    given = next((entry[key] for key in _PERSON_KEYS if key in entry), None)
    points = triplets(entry.get("keypoints"), source, f"{where}.keypoints")
    return image, Person(points, person_number(given, source, f"{where}: person's number"))
