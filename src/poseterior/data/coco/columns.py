"""Fields of a list of JSON objects as columns of numbers; errors name the entry and the field."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseterior.errors import InputError, require

__all__ = ["WHOLEBODY_FIELDS", "joined", "objects", "required_finite", "stacked", "unique_numbers"]

# What COCO-WholeBody keeps apart, in the order of its 133 keypoints (WHOLEBODY_PARTS).
WHOLEBODY_FIELDS = ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")

Read = Callable[[dict[str, Any]], Any]


def objects(value: Any, source: object, where: str, what: str) -> list[dict[str, Any]]:
    """The list, if it is one of objects; `InputError` otherwise."""
    if not isinstance(value, list):
        raise InputError(source, where, expected=f"a list of {what}", found=_kind(value))
    for place, entry in enumerate(value):
        if not isinstance(entry, dict):
            where = f"{where}[{place}]"
            raise InputError(source, where, expected="an object", found=_kind(entry))
    return value


def joined(entry: dict[str, Any]) -> Any:
    """An entry's keypoints, COCO-WholeBody's five fields put together where it has them."""
    body = entry.get("keypoints")
    if "foot_kpts" not in entry or not isinstance(body, list):
        return body
    parts = [entry[name] for name in WHOLEBODY_FIELDS if isinstance(entry.get(name), list)]
    whole = len(parts) == len(WHOLEBODY_FIELDS)
    return [number for part in parts for number in part] if whole else None


def stacked(
    entries: Sequence[dict[str, Any]],
    read: Read | str,
    source: object,
    where: str,
    width: int | None = None,
) -> NDArray[Any]:
    """One number (N,), or `width` numbers (N, width), of each entry.

    Args:
        entries: the objects.
        read: a field's name, or what takes its value from an entry.
        source: the file, for errors.
        where: `annotations[{}].area`: the place of an entry, for errors.
        width: numbers of each entry; None for a single one.

    Raises:
        InputError: the first entry whose value is absent, no number or of another length.
    """
    take: Read = (lambda entry: entry.get(read)) if isinstance(read, str) else read
    values = [take(entry) for entry in entries]
    shape = (len(values),) if width is None else (len(values), width)
    try:
        found = np.array(values)
        if found.dtype.kind in "iuf" and found.shape == shape:
            return found
    except ValueError:  # ragged
        pass
    for place, value in enumerate(values):
        _refuse(value, source, where.format(place), width)
    return np.array(values, dtype=np.float64).reshape(shape)  # numbers of several kinds


def _refuse(value: Any, source: object, where: str, width: int | None) -> None:
    if width is None:
        good = isinstance(value, int | float) and not isinstance(value, bool)
        require(good, source, where, expected="a number", found=_kind(value))
        return
    if not isinstance(value, list):
        raise InputError(source, where, expected=f"{width} numbers", found=_kind(value))
    require(len(value) == width, source, where, expected=f"{width} numbers", found=f"{len(value)}")
    for each in value:
        good = isinstance(each, int | float) and not isinstance(each, bool)
        require(good, source, where, expected=f"{width} numbers", found=f"{_kind(each)} in it")


def required_finite(values: NDArray[Any], source: object, where: str, what: str) -> None:
    """`InputError` that names the first entry of values (N, ...) with NaN or infinity."""
    bad = ~np.isfinite(values.reshape(len(values), -1)).all(1)
    if bad.any():
        place = int(bad.argmax())
        found = values[place].ravel()
        value = found[~np.isfinite(found)][0]
        raise InputError(source, where.format(place), expected=f"a finite {what}", found=value)


def unique_numbers(
    entries: Sequence[dict[str, Any]], source: object, where: str
) -> NDArray[np.int64]:
    """The whole numbers `id` (N,) of objects; `InputError` where one is none, or comes twice."""
    seen: dict[int, int] = {}
    for place, entry in enumerate(entries):
        value: Any = entry.get("id")
        good = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53
        require(good, source, f"{where}[{place}].id", expected="a whole number",
                found=_kind(value))  # fmt: skip
        if value in seen:
            found = f"{value} again, which is {where}[{seen[value]}]"
            raise InputError(source, f"{where}[{place}].id", expected="an id of its own",
                             found=found)  # fmt: skip
        seen[value] = place
    return np.array([*seen], dtype=np.int64)


def _kind(value: Any) -> str:
    if value is None or isinstance(value, list | dict):
        return "nothing" if value is None else type(value).__name__
    return f"{type(value).__name__} {str(value)[:40]!r}"
