"""Events: what holds for a pose or not, combined with `&`, `|` and `~`; see `quantities.py`."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from torch import Tensor

from poseterior.errors import require
from poseterior.geometry.skeleton import Skeleton

__all__ = ["COMPARISONS", "Event", "Measure", "Needs", "compared", "source_of"]

COMPARISONS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
# The joints that something needs of a skeleton; `InputError` that names the source if it lacks one.
Needs = Callable[[Skeleton, str], frozenset[str]]
# Poses (..., J, 3) of a skeleton -> (...).
Measure = Callable[[Tensor, Skeleton], Tensor]


def source_of(text: str) -> str:
    """What an error calls an event that is written so."""
    return f'event "{text}"'


@dataclass(frozen=True, eq=False)
class Event:
    """Something that holds for a pose or not; combined with `&`, `|` and `~`.

    Attributes:
        text: how it is written.
        needs: the joints it depends on.
        holds: what decides it.
    """

    text: str
    needs: Needs
    holds: Measure

    def __call__(self, pose: Tensor, skeleton: Skeleton) -> Tensor:
        """Of poses (..., J, 3), (...) bool.

        Raises:
            InputError: a joint or angle that the skeleton has not, or a pose whose quantity is
                not a number.
        """
        self.joints(skeleton)
        return self.holds(pose, skeleton)

    def joints(self, skeleton: Skeleton) -> frozenset[str]:
        """The joints that it depends on; `InputError` if the skeleton lacks what it names."""
        return self.needs(skeleton, source_of(self.text))

    def __and__(self, other: Event) -> Event:
        return _joined(self, "&", other, operator.and_)

    def __or__(self, other: Event) -> Event:
        return _joined(self, "|", other, operator.or_)

    def __invert__(self) -> Event:
        return Event(f"~({self.text})", self.needs, lambda *given: ~self.holds(*given))

    def __bool__(self) -> NoReturn:
        # `30 < angle(...) < 60` and `first and second` would silently drop one of the two.
        raise TypeError("combine events with &, | and ~, each comparison in parentheses")


def compared(text: str, needs: Needs, measure: Measure, symbol: str, threshold: float) -> Event:
    """The event that a measure, written as `text`, is <, <=, > or >= than a number.

    Raises:
        InputError: a threshold that is not finite; later, a measure that is not a number: NaN is
            not above 60 and not below, and neither may count.
    """
    text = f"{text} {symbol} {threshold:.12g}"
    finite = math.isfinite(threshold)
    require(finite, source_of(text), "", expected="a finite number", found=threshold)

    def holds(pose: Tensor, skeleton: Skeleton) -> Tensor:
        values = measure(pose, skeleton)
        unknown = int(values.isnan().sum())
        found = f"{unknown} of {values.numel()} NaN"
        known = unknown == 0
        require(known, source_of(text), "", expected="a number for each hypothesis", found=found)
        return COMPARISONS[symbol](values, threshold)

    return Event(text, needs, holds)


def _joined(
    first: Event, symbol: str, second: Event, combine: Callable[[Tensor, Tensor], Tensor]
) -> Event:
    return Event(
        f"({first.text}) {symbol} ({second.text})",
        lambda *given: first.needs(*given) | second.needs(*given),
        lambda *given: combine(first.holds(*given), second.holds(*given)),
    )
