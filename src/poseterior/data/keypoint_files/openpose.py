"""OpenPose: `--write_json`, a folder with one `NAME_FRAME_keypoints.json` for each frame.

Each file (doc/02_output.md) has `people`, each with `pose_keypoints_2d` [x0, y0, c0, x1, ...],
zeros where a part was not found, and `person_id`, [-1] unless it tracks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from poseterior.data.keypoint_files.detections import Detections, Frame, Person, gather, triplets
from poseterior.data.keypoint_files.folder import parse_folder
from poseterior.data.keypoint_files.naming import person_number
from poseterior.errors import require

__all__ = ["parse_openpose", "parse_openpose_folder", "people_of"]


def parse_openpose(content: Any, source: object) -> Detections:
    """`Detections` of a single frame's file."""
    return gather(source, [Frame(0, None, people_of(content, source))])


def parse_openpose_folder(folder: Path) -> Detections:
    """`Detections` of a folder with one file for each frame."""
    return parse_folder(folder, people_of)


def people_of(
    content: Any,
    source: object,
    where: str = "people",
    people: str = "people",
    keypoints: str = "pose_keypoints_2d",
) -> list[Person]:
    """The people of one frame; those of whom only face or hands were found are left out."""
    found = content.get(people) if isinstance(content, dict) else None
    require(
        isinstance(found, list),
        source, where, expected=f"an object with {people!r}, one entry a person",
        found="a list" if isinstance(content, list) else repr(found)[:80],
    )  # fmt: skip
    assert isinstance(found, list)
    result = []
    for place, entry in enumerate(found):
        field = f"{where}[{place}]"
        good = isinstance(entry, dict) and keypoints in entry
        require(good, source, field, expected=keypoints, found=repr(entry)[:80])
        if entry[keypoints] != []:
            points = triplets(entry[keypoints], source, f"{field}.{keypoints}")
            number = person_number(entry.get("person_id"), source, f"{field}.person_id")
            result.append(Person(points, number))
    return result
