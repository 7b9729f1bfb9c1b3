"""AlphaPose: `alphapose-results.json` in its three formats.

By default a flat list of {image_id "12.jpg", category_id, keypoints [x1, y1, c1, ...], score,
box, idx}; `idx` is the tracker's number. With `--format open` an object that holds for each
image what OpenPose writes; with `--format cmu` the same with `bodies` and `joints`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from poseterior.data.keypoint_files.detections import Detections, Frame, gather
from poseterior.data.keypoint_files.flat_list import parse_flat_list
from poseterior.data.keypoint_files.naming import frame_numbers
from poseterior.data.keypoint_files.openpose import people_of
from poseterior.errors import require

__all__ = ["parse_alphapose"]


def parse_alphapose(content: Any, source: object) -> Detections:
    """`Detections` of an AlphaPose results file in any of its formats."""
    if isinstance(content, list):
        return parse_flat_list(content, source)
    good = isinstance(content, dict) and bool(content)
    require(good, source, "", expected="AlphaPose's list or object", found=repr(content)[:80])
    return gather(source, _frames(content, source))


def _frames(content: dict[str, Any], source: object) -> Iterator[Frame]:
    for number, (name, image) in zip(frame_numbers(list(content)), content.items(), strict=True):
        cmu = isinstance(image, dict) and "bodies" in image
        keys = ("bodies", "joints") if cmu else ("people", "pose_keypoints_2d")
        yield Frame(number, name, people_of(image, source, f"{name}: {keys[0]}", *keys))
