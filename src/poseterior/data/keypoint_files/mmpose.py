"""MMPose: predictions of its inferencer and demos.

A video gives a list of {frame_id, instances}, an image a list of instances, each with
`keypoints` [[x, y], ...], `keypoint_scores` [...] and perhaps `bbox` and `track_id`. The demos
wrap either as {meta_info, instance_info}; a saved result of the inferencer has `predictions`,
a list of instances for each frame. A folder has one file for each image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseterior.data.keypoint_files.detections import (
    Detections,
    Frame,
    Person,
    gather,
    numbers,
)
from poseterior.data.keypoint_files.folder import parse_folder
from poseterior.data.keypoint_files.naming import is_number, person_number
from poseterior.errors import require

__all__ = ["parse_mmpose", "parse_mmpose_folder"]


def parse_mmpose(content: Any, source: object) -> Detections:
    """`Detections` of a file of predictions in any of the forms above."""
    names = None
    if isinstance(content, dict):
        names = _point_names(content.get("meta_info"))
        content = content.get("instance_info", content.get("predictions"))
    require(
        isinstance(content, list),
        source, "", expected="MMPose's list of frames or instances", found=repr(content)[:80],
    )  # fmt: skip
    detections = gather(source, _frames(content, source))
    fits = names is not None and len(names) == detections.values.shape[1]
    return replace(detections, point_names=names if fits else None)


def parse_mmpose_folder(folder: Path) -> Detections:
    """`Detections` of a folder with the instances of one image in each file."""
    return parse_folder(folder, _people)


def _frames(content: list[Any], source: object) -> Iterator[Frame]:
    if content and isinstance(content[0], dict) and "keypoints" in content[0]:
        yield Frame(0, None, _people(content, source))
        return
    given = [frame.get("frame_id") for frame in content if isinstance(frame, dict)]
    identified = {number for number in given if is_number(number)}
    for place, frame in enumerate(content):
        listed = frame.get("instances") if isinstance(frame, dict) else frame
        people = _people(listed, source, f"[{place}]")
        yield Frame(frame["frame_id"] if len(identified) == len(content) else place, None, people)


def _people(content: Any, source: object, where: str = "") -> list[Person]:
    if isinstance(content, dict):  # a demo's file of one image
        content = content.get("instance_info")
    good = isinstance(content, list)
    require(good, source, where, expected="a list of instances", found=repr(content)[:80])
    return [_person(entry, source, f"{where}[{i}]") for i, entry in enumerate(content)]


def _person(entry: Any, source: object, where: str) -> Person:
    good = isinstance(entry, dict) and "keypoints" in entry
    require(good, source, where, expected="an instance with keypoints", found=repr(entry)[:80])
    points = numbers(entry["keypoints"], source, f"{where}.keypoints")
    require(
        points.ndim == 2 and points.shape[1] == 2 and len(points) > 0,
        source, f"{where}.keypoints", expected="(K, 2) pixels", found=f"shape {points.shape}",
    )  # fmt: skip
    scores = _scores(entry, points, source, f"{where}.keypoint_scores")
    number = person_number(entry.get("track_id"), source, f"{where}.track_id")
    return Person(np.column_stack([points, scores]), number)


def _scores(
    entry: dict[str, Any], points: NDArray[np.float64], source: object, where: str
) -> NDArray[np.float64]:
    if "keypoint_scores" not in entry:
        return np.full(len(points), np.nan)
    scores = numbers(entry["keypoint_scores"], source, where)
    same = scores.shape == (len(points),)
    require(same, source, where, expected=f"{len(points)} scores", found=f"shape {scores.shape}")
    return scores


def _point_names(meta: Any) -> tuple[str, ...] | None:
    """Names in order from `keypoint_id2name`, whose keys JSON has turned into text."""
    named = meta.get("keypoint_id2name") if isinstance(meta, dict) else None
    if not isinstance(named, dict) or not all(str(key).isdecimal() for key in named):
        return None
    return tuple(str(named[key]) for key in sorted(named, key=int))
