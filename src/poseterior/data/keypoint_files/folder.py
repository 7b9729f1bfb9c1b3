"""A folder of JSON files, one for each frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from poseterior.data.keypoint_files.detections import Detections, Frame, Person, gather, load_json
from poseterior.data.keypoint_files.naming import frame_numbers, natural_key
from poseterior.errors import InputError, require

__all__ = ["frame_files", "parse_folder"]


def frame_files(folder: Path) -> list[Path]:
    """Its JSON files, `2` before `10`; `InputError` if there are none."""
    try:
        found = [path for path in folder.iterdir() if path.suffix.lower() == ".json"]
    except OSError as error:
        said = error.strerror
        raise InputError(folder, "", expected="a folder that can be read", found=said) from None
    require(
        bool(found), folder, "", expected="JSON files, one for each frame", found="no JSON file"
    )
    return sorted(found, key=lambda path: natural_key(path.name))


def parse_folder(folder: Path, people: Callable[[Any, object], list[Person]]) -> Detections:
    """`Detections` of a folder, where `people` reads one file's content."""
    files = frame_files(folder)

    def frames() -> Iterator[Frame]:
        for number, path in zip(frame_numbers([p.name for p in files]), files, strict=True):
            yield Frame(number, path.name, people(load_json(path), path))

    return gather(folder, frames())
