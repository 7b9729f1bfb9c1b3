"""A row of the study `oks_theory`: a closed form beside what draws or a search gave."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

__all__ = ["drawn", "holds", "searched"]

_MOST_ERRORS = 4.0
_MOST_RELATIVE = 1e-3


def drawn(
    equation: str, what: str, given: Mapping[str, float], closed: Any, samples: Tensor,
    printed: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """A row whose measured value is the mean of samples (N,)."""
    error = float(samples.std()) / math.sqrt(len(samples))
    return searched(equation, what, given, closed, float(samples.mean()), error, printed=printed)


def searched(
    equation: str, what: str, given: Mapping[str, float], closed: Any, measured: Any,
    error: float | None = None, printed: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """A row whose measured value is a numerical optimum, integral or derivative.

    Args:
        equation: numbers in paper 003.
        what: is compared.
        given: parameters, px.
        closed: value of the closed form.
        measured: what it should be.
        error: standard error of `measured`; None where nothing was drawn.
        printed: the closed form is a slip of the paper, as printed; it should not hold.
    """
    closed, measured = float(closed), float(measured)
    difference = measured - closed
    return {
        "equation": equation,
        "what": what,
        "given": dict(given),
        "closed_form": closed,
        "measured": measured,
        "standard_error": error,
        "difference": difference,
        "in_standard_errors": difference / error if error else None,
        "relative": difference / abs(closed) if closed else None,
        "printed": printed,
    }


def holds(row: Mapping[str, Any]) -> bool:
    """Whether the two agree: within 4 standard errors, or 0.1 % where nothing was drawn."""
    if row["in_standard_errors"] is not None:
        return abs(row["in_standard_errors"]) < _MOST_ERRORS
    return abs(row["difference"]) < _MOST_RELATIVE * max(abs(row["closed_form"]), 1e-6)
