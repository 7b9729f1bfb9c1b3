"""The one exception of the package for input that cannot be used."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["InputError", "known", "require"]


class InputError(ValueError):
    """Input that cannot be used: says where, what was expected and what was found.

    The command line turns it into one line on standard error and exit code 2.

    >>> raise InputError("pred.npz", "hypotheses", expected="(M, H, J, 3)", found="(4, 3)")
    Traceback (most recent call last):
        ...
    poseterior.errors.InputError: pred.npz: hypotheses: expected (M, H, J, 3), found (4, 3)
    """

    def __init__(self, source: object, field: str, *, expected: object, found: object) -> None:
        self.source, self.field = str(source), field
        self.expected, self.found = str(expected), str(found)
        where = ": ".join(part for part in (self.source, self.field) if part)
        super().__init__(f"{where}: expected {self.expected}, found {self.found}")


def require(
    condition: bool, source: object, field: str, *, expected: object, found: object
) -> None:
    """Raise `InputError` unless `condition` holds."""
    if not condition:
        raise InputError(source, field, expected=expected, found=found)


def known(what: str, name: str, names: Iterable[str]) -> str:
    """`name`, if it is one; else `InputError` with the known ones and the nearest."""
    choices = list(names)
    if name not in choices:
        near = difflib.get_close_matches(name, choices, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise InputError(what, "", expected=f"one of {', '.join(choices)}{hint}", found=name)
    return name
