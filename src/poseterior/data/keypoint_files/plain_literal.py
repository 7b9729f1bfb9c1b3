"""Lists, tuples, dicts, numbers and text from Python's textual object notation, and no more.

HDF5 files of pandas keep their column labels in that notation (protocol 0), which is a small
program that could run anything. Only the instructions that build plain data are known here;
whatever else stands there is refused, and nothing is ever run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from poseterior.errors import InputError, require

__all__ = ["read_literal"]

_MARK = object()
_WITH_ARGUMENT = b"VpgI"
_EXPECTED = "labels of plain lists, tuples and text (or DeepLabCut's CSV)"


def read_literal(text: bytes, source: object) -> Any:
    r"""The plain data that the notation describes.

    `InputError` for every instruction but those for plain data, among them all that name or
    call anything, and for a text that ends too early.

    >>> read_literal(b"(lp0\n(Vscorer\np1\nVnose\np2\ntp3\na.", "file")
    [('scorer', 'nose')]
    """
    stack: list[Any] = []
    memory: dict[bytes, Any] = {}
    text, at = bytes(text), 0
    while (code := text[at : at + 1]) != b".":
        end = text.find(b"\n", at) if code and code in _WITH_ARGUMENT else at
        if code not in _INSTRUCTIONS or end < 0:
            raise InputError(source, "labels", expected=_EXPECTED, found=f"instruction {code!r}")
        try:
            _INSTRUCTIONS[code](stack, memory, text[at + 1 : end])
        except (IndexError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise InputError(source, "labels", expected=_EXPECTED, found=repr(error)) from None
        at = end + 1
    require(len(stack) == 1, source, "labels", expected="one object", found=len(stack))
    return stack[0]


def _since_mark(stack: list[Any]) -> list[Any]:
    at = max(place for place, item in enumerate(stack) if item is _MARK)
    items = stack[at + 1 :]
    del stack[at:]
    return items


def _pairs(items: list[Any]) -> dict[Any, Any]:
    return dict(zip(items[::2], items[1::2], strict=True))


def _append(stack: list[Any]) -> None:
    item = stack.pop()
    stack[-1].append(item)


def _set_item(stack: list[Any]) -> None:
    value, key = stack.pop(), stack.pop()
    stack[-1][key] = value


# instruction: (stack, memory, argument) -> None
_INSTRUCTIONS: dict[bytes, Callable[[list[Any], dict[bytes, Any], bytes], None]] = {
    b"(": lambda stack, memory, argument: stack.append(_MARK),
    b"l": lambda stack, memory, argument: stack.append(_since_mark(stack)),
    b"t": lambda stack, memory, argument: stack.append(tuple(_since_mark(stack))),
    b"d": lambda stack, memory, argument: stack.append(_pairs(_since_mark(stack))),
    b"a": lambda stack, memory, argument: _append(stack),
    b"s": lambda stack, memory, argument: _set_item(stack),
    b"N": lambda stack, memory, argument: stack.append(None),
    b"I": lambda stack, memory, argument: stack.append(int(argument)),
    b"V": lambda stack, memory, argument: stack.append(argument.decode("raw-unicode-escape")),
    b"p": lambda stack, memory, argument: memory.__setitem__(argument, stack[-1]),
    b"g": lambda stack, memory, argument: stack.append(memory[argument]),
}
