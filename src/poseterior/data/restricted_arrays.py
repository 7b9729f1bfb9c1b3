"""What NumPy's names in a pickle stand for: arrays, dtypes and scalars, checked to the byte.

An array is made only if its shape and dtype take exactly the bytes that the file holds, so a
short file cannot ask for much memory. Names and calls are those of `ndarray.__reduce_ex__`,
`dtype.__reduce__` and `generic.__reduce__` of NumPy 1 and 2.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

__all__ = ["GLOBALS", "Global", "Pending"]

# Booleans, integers, floats, complex numbers, bytes, text, objects; never records.
_DTYPE = re.compile(r"[<>|=]?([biufcSUO])(\d*)")
_LAST_CHARACTER = 0x10FFFF
_MOST_AXES = 64  # of a NumPy array


@dataclass(frozen=True)
class Global:
    """A name that a pickle may use, and what a call of it builds."""

    name: str
    build: Callable[[tuple[Any, ...]], Any]

    def __str__(self) -> str:
        return f"the global {self.name}"


class Pending:
    """An array or dtype whose state is yet to come."""

    def __init__(self, finish: Callable[[Any], Any]) -> None:
        self._finish = finish
        self.value: Any = None
        self.done = False

    def finish(self, state: Any) -> None:
        """Set the state: `value` is there afterwards."""
        self.value, self.done = self._finish(state), True

    def __str__(self) -> str:
        return "an array or dtype without its state"


def _dtype(arguments: tuple[Any, ...]) -> Pending:
    """`numpy.dtype(code, align, copy)`; the state tells the byte order."""
    code = _text(arguments[0])
    match = _DTYPE.fullmatch(code)
    if match is None:
        raise ValueError(f"the dtype {code[:40]!r}")
    return Pending(lambda state: _dtype_of(np.dtype(code), state))


def _dtype_of(dtype: np.dtype, state: Any) -> np.dtype:
    version, order, subarray, names, fields = state[:5]
    if version != 3 or (subarray, names, fields) != (None, None, None):
        raise ValueError("a dtype that is no single number, text or object")
    if _text(order) == "<":
        return dtype.newbyteorder("<")
    return dtype.newbyteorder(">") if _text(order) == ">" else dtype


def _reconstruct(arguments: tuple[Any, ...]) -> Pending:
    """`_reconstruct(ndarray, (0,), b"b")`: an empty array, filled by its state."""
    if arguments[0] is not GLOBALS["numpy.ndarray"]:
        raise ValueError("an array of another class than numpy.ndarray")
    return Pending(_array_of)


def _array_of(state: Any) -> np.ndarray:
    _, shape, dtype, fortran, data = state
    if isinstance(data, list):
        return _object_array(data, shape, dtype, "F" if fortran else "C")
    array = _array(data, dtype, shape, "F" if fortran else "C")
    return array.astype(array.dtype.newbyteorder("="), copy=False)  # as NumPy does here


def _frombuffer(arguments: tuple[Any, ...]) -> np.ndarray:
    """`_frombuffer(buffer, dtype, shape, order, axis_order)` of protocol 5."""
    data, dtype, shape, order, *axes = arguments
    array = _array(data, dtype, shape, "F" if order == "F" else "C")
    return array if axes in ([], [None]) else array.transpose(axes[0])


def _scalar(arguments: tuple[Any, ...]) -> np.generic:
    """`scalar(dtype, bytes)`."""
    dtype, data = arguments
    return _array(data, dtype, (1,), "C")[0]


def _array(data: Any, dtype: Any, shape: Any, order: str) -> np.ndarray:
    """A copy of bytes as an array; `ValueError` unless they are just what it takes."""
    data = data.encode("latin-1") if isinstance(data, str) else data
    _check_shape(shape)
    if not isinstance(dtype, np.dtype) or not isinstance(data, bytes | bytearray):
        raise ValueError("an array without dtype or bytes")
    if dtype.hasobject or (dtype.itemsize == 0 and prod(shape)):
        raise ValueError(f"bytes as an array of {dtype}")
    if prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"{len(data)} bytes for an array {shape} of {dtype}")
    flat = np.frombuffer(data, dtype) if data else np.empty(0, dtype)
    return _sound(flat).reshape(shape, order=order)  # type: ignore[call-overload]


def _sound(flat: np.ndarray) -> np.ndarray:
    """A copy with truth values 0 and 1 and text that Python can show, else `ValueError`."""
    if flat.dtype.kind == "b":
        return flat.view(np.uint8) != 0
    if flat.dtype.kind == "U":
        codes = flat.view(np.dtype(np.uint32).newbyteorder(flat.dtype.byteorder))
        if codes.size and codes.max() > _LAST_CHARACTER:
            raise ValueError("text with codes beyond Unicode")
    return flat.copy()


def _object_array(items: list[Any], shape: Any, dtype: Any, order: str) -> np.ndarray:
    _check_shape(shape)
    if dtype != np.dtype(object) or prod(shape) != len(items):
        raise ValueError(f"{len(items)} objects for an array {shape}")
    flat = np.empty(len(items), object)
    for i, item in enumerate(items):
        flat[i] = item
    return flat.reshape(shape, order=order)  # type: ignore[call-overload]


def _check_shape(shape: Any) -> None:
    counts = isinstance(shape, tuple) and len(shape) <= _MOST_AXES
    if not counts or not all(isinstance(n, int) and 0 <= n < 1 << 63 for n in shape):
        raise ValueError("an array whose shape is no tuple of counts")


def _text(value: Any) -> str:
    value = value.decode("ascii") if isinstance(value, bytes) else value
    if not isinstance(value, str):
        raise ValueError(f"a {type(value).__name__} where text should be")
    return value


def _encode(arguments: tuple[Any, ...]) -> bytes:
    """`_codecs.encode(text, "latin1")`: bytes in protocols 0 to 2."""
    text, encoding = arguments
    if _text(encoding) not in ("latin1", "latin-1"):
        raise ValueError("bytes in another encoding than latin1")
    return _text(text).encode("latin-1")


def _no_bytes(arguments: tuple[Any, ...]) -> bytes:
    """`bytes()`: empty bytes in protocols 0 to 2."""
    if arguments:
        raise ValueError("bytes() of something")
    return b""


def _no_call(arguments: tuple[Any, ...]) -> Any:
    raise ValueError("a call of numpy.ndarray")


_BUILDERS: dict[str, Callable[[tuple[Any, ...]], Any]] = {
    "numpy.dtype": _dtype,
    "numpy.ndarray": _no_call,
    "_codecs.encode": _encode,
    "builtins.bytes": _no_bytes,
    "__builtin__.bytes": _no_bytes,
}
for _core in ("numpy.core", "numpy._core"):  # NumPy 1 and 2
    _BUILDERS[f"{_core}.multiarray._reconstruct"] = _reconstruct
    _BUILDERS[f"{_core}.multiarray.scalar"] = _scalar
    _BUILDERS[f"{_core}.numeric._frombuffer"] = _frombuffer

GLOBALS = {name: Global(name, build) for name, build in _BUILDERS.items()}
