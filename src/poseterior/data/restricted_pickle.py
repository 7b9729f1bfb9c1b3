"""Read pickles of plain data without running anything that is in them.

A pickle is a small program. This is an interpreter of the part that describes data: NumPy
arrays and scalars, dicts, lists, tuples, text, bytes, numbers, booleans and None. Nothing is
imported and no class or function is ever looked up: the few names that NumPy's own pickles
contain stand for constructors of `restricted_arrays.py`, and any other name, call or state is
refused. Pickle protocols 0 to 5, of Python 2 too. `restricted_chumpy.py` adds the names of
another kind of file.
"""

from __future__ import annotations

import codecs
import io
import pickletools
import zipfile
import zlib
from collections.abc import Callable, Iterator
from os import PathLike
from typing import Any

import numpy as np
from numpy.lib import format as npy

from poseterior.data.restricted_arrays import GLOBALS, Global, Pending
from poseterior.errors import InputError, require

__all__ = ["read_object_npz", "read_pickle_bytes"]

_ALLOWED = "NumPy arrays, dicts, lists, tuples, text, bytes and numbers only"
# What damaged bytes raise in pickletools, in struct and in NumPy's checks.
_DAMAGED = (ValueError, LookupError, TypeError, OverflowError, AttributeError, MemoryError)
_LARGEST = 1 << 32  # bytes of an unpacked array: the largest known one has under 2**30

_Key = str | bytes | int | float | None
_PLAIN = (str, bytes, bytearray, int, float, type(None), np.generic)

# Opcodes that push their own argument, as pickletools decodes it.
_PUSH = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
    "BYTEARRAY8", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8",
}  # fmt: skip
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple,
}  # fmt: skip
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_IGNORED = {"PROTO", "FRAME", "STOP"}
_OPCODES = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes}


def read_pickle_bytes(
    data: bytes,
    source: object,
    field: str = "",
    known: Callable[[str], Global | None] = GLOBALS.get,
) -> Any:
    """The value that a pickle describes.

    Args:
        data: the whole pickle.
        source: the file, for errors.
        field: the array or key in it, for errors.
        known: what a global stands for, by its full name, or None to refuse it.

    Raises:
        InputError: for anything but plain data, naming the global or the opcode that was
            refused, and for truncated or damaged bytes.
    """
    machine = _Machine(source, field, known)
    try:
        for name, argument in _operations(data):
            machine.step(name, argument)
        return machine.result()
    except InputError:
        raise
    except _DAMAGED as error:
        found = f"a truncated or damaged pickle ({type(error).__name__}: {str(error)[:100]})"
        raise InputError(source, field, expected="a pickle of plain data", found=found) from None


def _operations(data: bytes) -> Iterator[tuple[str, Any]]:
    """Names and arguments of the opcodes; `ValueError` if the pickle does not end."""
    stream = io.BytesIO(data)
    while code := stream.read(1):
        opcode = _OPCODES[code]
        if opcode.name == "STRING":  # of Python 2, so bytes of any kind: pickletools has ASCII
            line = pickletools.read_stringnl(stream, decode=False)
            yield opcode.name, codecs.escape_decode(line)[0].decode("latin-1")
        else:
            yield opcode.name, opcode.arg.reader(stream) if opcode.arg else None
        if opcode.name == "STOP":
            return
    raise ValueError("it does not end")


class _Machine:
    """The stack and the memo of an interpreter that can only build data."""

    def __init__(self, source: object, field: str, known: Callable[[str], Global | None]) -> None:
        self._source, self._field, self._known = source, field, known
        self._stack: list[Any] = []
        self._marked: list[list[Any]] = []  # the stacks below each mark
        self._memo: dict[int, Any] = {}

    def refuse(self, what: str) -> InputError:
        """The error for something that is not data."""
        return InputError(self._source, self._field, expected=_ALLOWED, found=what)

    def step(self, name: str, argument: Any) -> None:
        """Do one opcode."""
        if name in _PUSH:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name]())
        elif name in _TUPLES:
            self._stack[-_TUPLES[name] :] = [tuple(self._top(_TUPLES[name]))]
        elif name not in _IGNORED:
            action = _ACTIONS.get(name)
            if action is None:
                raise self.refuse(f"the opcode {name}")
            action(self, argument)

    def result(self) -> Any:
        """The one value left, once everything in it is known to be data."""
        if len(self._stack) != 1 or self._marked:
            raise ValueError("it does not end with one value")
        value = _finished(self._stack.pop())
        self._check(value)
        return value

    def _check(self, value: Any) -> None:
        """Refuse names and unfinished arrays, wherever they hide."""
        seen, waiting = set(), [value]
        while waiting:
            item = waiting.pop()
            if isinstance(item, dict | list | tuple | np.ndarray):
                if id(item) not in seen:
                    seen.add(id(item))
                    waiting.extend(_children(item))
            elif not isinstance(item, _PLAIN):
                raise self.refuse(f"{item} as a value")

    def _top(self, count: int) -> list[Any]:
        if len(self._stack) < count:
            raise ValueError("its stack is empty")
        return [_finished(item) for item in self._stack[-count:]]

    def _push(self, item: Any) -> None:
        self._stack.append(item)

    def _pop(self) -> Any:
        return _finished(self._stack.pop())

    def _mark(self, _: Any) -> None:
        self._marked.append(self._stack)
        self._stack = []

    def _to_mark(self) -> list[Any]:
        items, self._stack = self._stack, self._marked.pop()
        return [_finished(item) for item in items]

    def _put(self, key: Any) -> None:
        self._memo[len(self._memo) if key is None else key] = self._stack[-1]

    def _get(self, key: Any) -> None:
        self._stack.append(_finished(self._memo[key]))

    def _pop_top(self, _: Any) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._pop_mark(None)

    def _pop_mark(self, _: Any) -> None:
        self._stack = self._marked.pop()

    def _append(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, list):
            raise self.refuse(f"items for a {type(target).__name__}")
        target.extend(items)

    def _set(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise self.refuse(f"entries for a {type(target).__name__}")
        target.update(self._entries(items))

    def _entries(self, items: list[Any]) -> dict[_Key, Any]:
        keys = items[::2]
        for key in keys:  # never a tuple: hashing nested ones can take for ever
            if not isinstance(key, _Key):
                raise self.refuse(f"a {type(key).__name__} as a key")
        return dict(zip(keys, items[1::2], strict=True))

    def _global(self, name: str) -> None:
        known = self._known(name)
        if known is None:
            raise self.refuse(f"the global {name}")
        self._stack.append(known)

    def _stack_global(self, _: Any) -> None:
        name, module = self._pop(), self._pop()
        if not (isinstance(name, str) and isinstance(module, str)):
            raise self.refuse("a global without a name")
        self._global(f"{module}.{name}")

    def _call(self, _: Any) -> None:
        arguments, function = self._pop(), self._pop()
        if not isinstance(function, Global) or not isinstance(arguments, tuple):
            raise self.refuse(f"a call of a {type(function).__name__}")
        self._stack.append(function.build(arguments))

    def _empty_set(self, _: Any) -> None:
        self._global("builtins.set")
        self._push(())
        self._call(None)

    def _build(self, _: Any) -> None:
        state = self._pop()
        target = self._stack[-1]
        if not isinstance(target, Pending) or target.done:
            raise self.refuse(f"a state for a {type(target).__name__}")
        target.finish(state)


def _finished(item: Any) -> Any:
    """An array or dtype in place of the `Pending` that has become one."""
    return item.value if isinstance(item, Pending) and item.done else item


def _children(item: Any) -> list[Any]:
    """What a container holds."""
    if isinstance(item, np.ndarray):
        return item.ravel().tolist() if item.dtype.hasobject else []
    return [*item.keys(), *item.values()] if isinstance(item, dict) else list(item)


_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine._mark,
    "POP": _Machine._pop_top,
    "POP_MARK": _Machine._pop_mark,
    "DUP": lambda m, _: m._stack.append(m._stack[-1]),
    "TUPLE": lambda m, _: m._push(tuple(m._to_mark())),
    "LIST": lambda m, _: m._push(m._to_mark()),
    "DICT": lambda m, _: m._push(m._entries(m._to_mark())),
    "APPEND": lambda m, _: m._append([m._pop()]),
    "APPENDS": lambda m, _: m._append(m._to_mark()),
    "SETITEM": lambda m, _: m._set([m._pop(), m._pop()][::-1]),
    "SETITEMS": lambda m, _: m._set(m._to_mark()),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _Machine._put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine._get),
    "GLOBAL": lambda m, name: m._global(".".join(name.split(" ", 1))),
    "STACK_GLOBAL": _Machine._stack_global,
    "REDUCE": _Machine._call,
    "NEWOBJ": _Machine._call,
    "EMPTY_SET": _Machine._empty_set,
    "ADDITEMS": lambda m, _: m._append(m._to_mark()),
    "BUILD": _Machine._build,
}


def read_object_npz(path: str | PathLike[str], name: str) -> Any:
    """An object array of an `.npz`: the object itself if it is a single one, else the array.

    Raises:
        InputError: naming the file and the array, if there is none, if it is damaged or too
            large, or if it holds more than plain data.
    """
    try:
        shape, dtype, data = _member(path, name)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(path, name, expected="an .npz file", found="no such file") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, *_DAMAGED) as error:
        found = f"a truncated, damaged or foreign file ({error})"
        raise InputError(path, name, expected="a readable .npz file", found=found) from None
    require(dtype.kind == "O", path, name, expected="an object array", found=f"dtype {dtype}")
    array = read_pickle_bytes(data, path, name)
    fits = isinstance(array, np.ndarray) and array.dtype.kind == "O" and array.shape == shape
    require(fits, path, name, expected=f"objects of shape {shape}", found=type(array).__name__)
    return array.item() if shape == () else array


def _member(path: str | PathLike[str], name: str) -> tuple[tuple[int, ...], np.dtype, bytes]:
    """Shape and dtype that an array's header tells, and what follows: a pickle of objects."""
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: info for info in archive.infolist()}
        info = members.get(f"{name}.npy")
        require(info is not None, path, name, expected="an array", found=f"only {list(members)}")
        assert info is not None
        require(
            info.file_size <= _LARGEST, path, name,
            expected=f"at most {_LARGEST} bytes", found=info.file_size,
        )  # fmt: skip
        with archive.open(info) as stream:
            shape, _, dtype = readers[npy.read_magic(stream)](stream)
            return shape, dtype, stream.read()
