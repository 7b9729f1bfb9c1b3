"""`Detections`: what a keypoint file says, before anything is assumed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from poseterior.errors import InputError, require

__all__ = [
    "UNTRACKED", "Detections", "Frame", "Person", "gather", "load_json", "numbers", "triplets",
]  # fmt: skip

# The note on `person` of a file whose numbers say nothing of who is who in the next frame.
UNTRACKED = "the file tracks nobody: numbers are places in each frame's list"


@dataclass(frozen=True, eq=False)
class Detections:
    """Rows of K points, each one person of one frame, frames in the file's order.

    Attributes:
        source: the file, for errors.
        values: (M, K, 3) float32: x and y in px and the detector's score; NaN where the file
            has none. A frame with nobody is one row of NaN with `person` -1.
        frame: (M,) int64; rows of one frame follow each other.
        person: (M,) int64.
        frame_names: the image of each row, or None.
        point_names: the K points' names, or None.
        ordered: the points come in the order of a known layout (else only names tell).
        visible: (M, K) bool, False where known to be occluded, or None.
        image_size: (M, 2) px, or None.
        notes: what had to be assumed, by topic.
    """

    source: str
    values: NDArray[np.float32]
    frame: NDArray[np.int64]
    person: NDArray[np.int64]
    frame_names: tuple[str, ...] | None = None
    point_names: tuple[str, ...] | None = None
    ordered: bool = True
    visible: NDArray[np.bool_] | None = None
    image_size: NDArray[np.float32] | None = None
    notes: dict[str, str] = field(default_factory=dict)


class Person(NamedTuple):
    """Points (K, 3) of x, y, score, and the tracker's number, -1 where there is none."""

    points: NDArray[np.float64]
    number: int = -1


class Frame(NamedTuple):
    """One image: its number, its name if it has one, and everybody in it."""

    number: int
    name: str | None
    people: list[Person]


def load_json(path: Path) -> Any:
    """A JSON file's content; `InputError` if it is truncated, foreign or not text."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        found = error.strerror
        raise InputError(path, "", expected="a file that can be read", found=found) from None
    except (ValueError, RecursionError) as error:  # also what is not UTF-8
        raise InputError(path, "", expected="complete JSON", found=error) from None


def numbers(value: Any, source: object, where: str) -> NDArray[np.float64]:
    """A (nested) list of numbers as an array, null as NaN; `InputError` for anything else."""
    try:
        require(isinstance(value, list), source, where, expected="numbers", found=_kind(value))
        return np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(source, where, expected="numbers", found=error) from None


def triplets(value: Any, source: object, where: str) -> NDArray[np.float64]:
    """Points (K, 3) from x1, y1, score1, x2, ...; `InputError` unless a multiple of 3."""
    flat = numbers(value, source, where)
    nested = flat.ndim == 2 and flat.shape[1] == 3
    good = flat.size > 0 and (nested or (flat.ndim == 1 and flat.size % 3 == 0))
    expected = "x, y, score of each keypoint (a multiple of 3)"
    require(good, source, where, expected=expected, found=f"numbers of shape {flat.shape}")
    return flat.reshape(-1, 3)


def _kind(value: Any) -> str:
    return "nothing" if value is None else type(value).__name__


def gather(source: object, frames: Iterable[Frame]) -> Detections:
    """The `Detections` of frames in order; people without a number get one.

    `InputError` if nobody is in any frame, or people have different numbers of keypoints.
    """
    listed = [(frame, person) for frame in frames for person in _people(frame)]
    found = [person for _, person in listed if person is not None]
    count = len({id(frame) for frame, _ in listed})
    require(
        bool(found),
        source, "keypoints", expected="at least one person", found=f"nobody in {count} frames",
    )  # fmt: skip
    points = len(found[0].points)
    values = np.full((len(listed), points, 3), np.nan, dtype=np.float32)
    for row, (frame, person) in enumerate(listed):
        if person is not None:
            same = len(person.points) == points
            require(
                same, source, f"keypoints of frame {frame.name or frame.number}",
                expected=f"{points} as before", found=len(person.points),
            )  # fmt: skip
            with np.errstate(over="ignore"):  # too large becomes infinite, refused later
                values[row] = person.points
    names = tuple(str(frame.name) for frame, _ in listed if frame.name is not None)
    person_of, notes = _person_numbers(listed)
    return Detections(
        source=str(source),
        values=values,
        frame=np.array([frame.number for frame, _ in listed], dtype=np.int64),
        person=person_of,
        frame_names=names if len(names) == len(listed) else None,
        notes=notes,
    )


def _people(frame: Frame) -> list[Person | None]:
    return [*frame.people] or [None]


def _person_numbers(
    listed: list[tuple[Frame, Person | None]],
) -> tuple[NDArray[np.int64], dict[str, str]]:
    """Each row's person (M,): the tracker's, else above all of those by place in the frame."""
    highest = max(person.number for _, person in listed if person is not None)
    result: list[int] = []
    place, last = 0, None
    for frame, person in listed:
        place = place + 1 if frame is last else 0
        last = frame
        given = -1 if person is None else person.number
        result.append(highest + 1 + place if person is not None and given < 0 else given)
    return np.array(result, dtype=np.int64), {"person": UNTRACKED} if highest < 0 else {}
