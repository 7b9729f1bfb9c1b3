"""What the arrays of an `.npz` must look like, checked before and while they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from poseterior.data.npz_stream import NpzReader
from poseterior.errors import InputError, require
from poseterior.geometry.skeleton import Skeleton, get_skeleton

__all__ = [
    "Field",
    "as_float",
    "as_mask",
    "check_layout",
    "read_skeleton",
    "require_where",
    "spread_rows",
]

_KINDS = {"number": "fiu", "mask": "biu", "label": "iuUS"}


@dataclass(frozen=True)
class Field:
    """An array's shape, in letters (M poses, H hypotheses, J joints) and numbers, and kind.

    `shapes` are the allowed ones; `kind` is "number", "mask" (bool, or 0 and 1) or "label"
    (integers or text).
    """

    shapes: tuple[tuple[str | int, ...], ...]
    kind: str = "number"


def _sizes(shape: tuple[str | int, ...], sizes: Mapping[str, int]) -> tuple[int | str, ...]:
    return tuple(sizes.get(axis, axis) if isinstance(axis, str) else axis for axis in shape)


def check_layout(
    reader: NpzReader, fields: Mapping[str, Field], sizes: Mapping[str, int]
) -> frozenset[str]:
    """The names of `fields` that the file has, all of the right shape and kind of number."""
    present = frozenset(name for name in fields if name in reader)
    for name in sorted(present):
        member, field = reader[name], fields[name]
        allowed = [_sizes(shape, sizes) for shape in field.shapes]
        require(
            member.shape in allowed, reader.path, name,
            expected=f"shape {' or '.join(map(str, allowed))}", found=member.shape,
        )  # fmt: skip
        require(
            member.dtype.kind in _KINDS[field.kind], reader.path, name,
            expected=f"a {field.kind} array", found=f"dtype {member.dtype}",
        )  # fmt: skip
    return present


def read_skeleton(reader: NpzReader) -> Skeleton:
    """The skeleton that the array `skeleton`, one name, tells."""
    name = reader["skeleton"]
    require(
        name.dtype.kind in "US" and name.shape in ((), (1,)), reader.path, "skeleton",
        expected="one name", found=f"{name.dtype} of shape {name.shape}",
    )  # fmt: skip
    text = reader.read("skeleton").reshape(()).item()
    return get_skeleton(text.decode() if isinstance(text, bytes) else text, reader.path)


def as_float(array: np.ndarray) -> np.ndarray:
    """float64 as it is, every other number as float32 (what is computed in)."""
    wide = array.dtype.kind == "f" and array.dtype.itemsize >= 8
    return array.astype(np.float64 if wide else np.float32, copy=False)


def as_mask(array: np.ndarray, path: Path, name: str, start: int) -> np.ndarray:
    """Bool as it is, 0 and 1 as bool; anything else is an `InputError`."""
    if array.dtype == bool:
        return array
    flat = array.reshape(len(array), -1)
    require_where(((flat == 0) | (flat == 1)).all(1), array, path, name, start, "0 or 1")
    return array.astype(bool)


def require_where(
    good: np.ndarray, values: np.ndarray, path: Path, name: str, start: int, expected: str
) -> None:
    """`InputError` naming the first index at which `good` (rows, ...) is False, and its value."""
    if good.all():
        return
    index = tuple(int(i) for i in np.argwhere(~good)[0])
    value = np.asarray(values)[index]
    found = str(value) if value.ndim == 0 else np.array2string(value, precision=4, threshold=12)
    found = " ".join(found.split())
    place = ", ".join(map(str, (start + index[0], *index[1:])))
    raise InputError(path, name, expected=expected, found=f"{found} at [{place}]")


def spread_rows(mask: np.ndarray, like: np.ndarray) -> np.ndarray:
    """A mask (rows, ...) with trailing axes of 1, to meet an array of more axes."""
    return mask.reshape(*mask.shape, *(1,) * (like.ndim - mask.ndim))
