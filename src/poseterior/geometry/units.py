"""Units: metres inside, millimetres in reports."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

__all__ = ["METRES_PER_INCH", "MM_PER_METRE", "metres", "mm"]

MM_PER_METRE = 1000.0
METRES_PER_INCH = 0.0254

Length = TypeVar("Length", bound="_Scalable")


class _Scalable(Protocol):
    def __mul__(self, other: float, /) -> Any: ...

    def __truediv__(self, other: float, /) -> Any: ...


def mm(length: Length) -> Length:
    """Metres (a number, array or tensor) in millimetres.

    >>> mm(0.0503)
    50.3
    """
    return length * MM_PER_METRE


def metres(length: Length) -> Length:
    """Millimetres (a number, array or tensor) in metres.

    >>> metres(50.3)
    0.0503
    """
    return length / MM_PER_METRE
