"""Reading the result of `diagnose`, any part of which may be missing, and its words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from poseterior.report.numbers import finite
from poseterior.report.study_series import Span

__all__ = [
    "AXES", "factor_text", "joint_words", "number_list", "p_text", "part", "rounded", "span",
    "span_text", "tinted",
]  # fmt: skip

AXES = {"x": "right", "y": "down", "z": "depth"}


def part(result: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """The nested dict of those keys; empty where one of them is missing or None.

    >>> part({"factors": {"common": None}}, "factors", "common")
    {}
    """
    for key in keys:
        found = result.get(key)
        result = found if isinstance(found, Mapping) else {}
    return result


def number_list(values: Sequence[Any] | None) -> list[float]:
    """The values as floats; none at all where one of them is missing or not finite."""
    known = [finite(v) for v in values or ()]
    return [] if None in known else [v for v in known if v is not None]


def span(of: Mapping[str, Any], key: str = "interval") -> Span:
    """The two ends of an interval, or None."""
    ends = number_list(of.get(key))
    return (ends[0], ends[1]) if len(ends) == 2 else None


def joint_words(joint: object) -> str:
    """A joint's name in words.

    >>> joint_words("left_knee")
    'left knee'
    """
    return str(joint).replace("_", " ")


def rounded(value: object, digits: int = 1) -> str:
    """A number with a real minus sign, or a dash.

    >>> rounded(-1.25), rounded(None), rounded(-0.01)
    ('−1.2', '–', '0.0')
    """
    known = finite(value)
    if known is None:
        return "–"
    said = f"{known:,.{digits}f}"
    return (said.removeprefix("-") if not float(said.replace(",", "")) else said).replace("-", "−")


def span_text(ends: Span, digits: int = 1) -> str:
    """An interval such as `1.90 to 2.30`; empty for None."""
    return " to ".join(rounded(end, digits) for end in ends) if ends else ""


def factor_text(value: object, ends: Span = None) -> str:
    """What a spread must be multiplied by.

    >>> factor_text(2.104, (1.9, 2.3))
    '2.10 (1.90 to 2.30)'
    """
    return rounded(value, 2) + (f" ({span_text(ends, 2)})" if ends else "")


def p_text(value: object) -> str:
    """A p-value.

    >>> p_text(1e-9), p_text(0.0312), p_text(0.41)
    ('< 0.001', '0.031', '0.41')
    """
    known = finite(value)
    if known is None:
        return "–"
    return "< 0.001" if known < 0.001 else f"{known:.3f}" if known < 0.1 else f"{known:.2f}"


def tinted(said: str, strength: float, css: str = "warm", title: str = "") -> str:
    """A table cell whose ground is as strong as `strength` in 0..1 of its colour."""
    share = round(100 * min(max(strength, 0.0), 1.0))
    told = f' title="{escape(title)}"' if title else ""
    return f'<td class="tint {css}" style="--share:{share}%"{told}>{said}</td>'
