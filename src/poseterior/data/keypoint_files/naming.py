"""Frames and people by the names and numbers that tools give them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from poseterior.errors import InputError

__all__ = ["frame_numbers", "is_number", "natural_key", "person_number"]

_LARGEST = 2**63 - 1


def is_number(value: Any) -> bool:
    """Whether it is a whole number that a table of frames can hold; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key by which `2.jpg` comes before `10.jpg`."""
    parts = re.split(r"(\d+)", name)
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts]


def frame_numbers(names: Sequence[str]) -> list[int]:
    """The last number in each image's name, if all have one and no two the same; else 0, 1, ...

    An ending (`.jpg`, `_keypoints.json`) does not count.

    >>> frame_numbers(["dance_000000000007_keypoints.json", "dance_000000000009_keypoints.json"])
    [7, 9]
    >>> frame_numbers(["left.png", "right.png"])
    [0, 1]
    """
    stems = [re.sub(r"(_keypoints)?(\.[^./]*)?$", "", name) for name in names]
    found = [match and int(match[1]) for match in (re.search(r"(\d+)$", stem) for stem in stems)]
    numbers = [n for n in found if n is not None and n <= _LARGEST]
    return numbers if len(set(numbers)) == len(names) else list(range(len(names)))


def person_number(value: Any, source: object, where: str) -> int:
    """A tracker's number, also inside lists as some tools write it; -1 if there is none.

    `InputError` if it is something else than a whole number.
    """
    while isinstance(value, list):
        value = value[0] if value else None
    if value is None:
        return -1
    whole = isinstance(value, (int, float)) and value == value and abs(value) <= _LARGEST
    if not whole or int(value) != value:
        raise InputError(source, where, expected="a whole number", found=repr(value))
    return max(int(value), -1)
