"""The sections with words and numbers: header, cards, the table, what made the result."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from poseterior.report.curve import perfect_ece
from poseterior.report.numbers import GROUPS, NUMBERS, Number, finite, interval_text, number_text
from poseterior.report.parts import card, missing, section
from poseterior.report.verdict import caveats, verdict

__all__ = ["cards", "header", "numbers", "provenance"]

_CARDS = (
    "mpjpe_mean_mm", "min_mpjpe_mm", "ece_median", "ece_joint_max", "energy_score_mm",
    "sharpness_mm",
)  # fmt: skip


def header(result: Mapping[str, Any]) -> str:
    """What was scored, the verdict, and what to know before reading on."""
    facts = "".join(f"<li>{escape(fact)}</li>" for fact in _facts(result))
    said = "".join(f"<li>{escape(words)}</li>" for words in caveats(result))
    return (
        f'<p class="brand">Poseterior report</p><h1>{escape(verdict(result))}</h1>'
        f'<ul class="facts">{facts}</ul>' + (f'<ul class="caveats">{said}</ul>' if said else "")
    )


def _facts(result: Mapping[str, Any]) -> Iterator[str]:
    poses, hypotheses = finite(result.get("poses")), finite(result.get("hypotheses"))
    if poses is not None:
        yield f"{poses:,.0f} pose{'s' if poses != 1 else ''}"
    if hypotheses is not None:
        yield f"{hypotheses:,.0f} hypothes{'e' if hypotheses != 1 else 'i'}s each"
    made = result.get("provenance") or {}
    keys = ("lifter", "source", "predictions")
    known = (result.get("skeleton"), *map(made.get, keys))
    yield from (value for value in known if isinstance(value, str) and value)


def cards(result: Mapping[str, Any]) -> str:
    """The few numbers to look at first."""
    known = [NUMBERS[key] for key in _CARDS if finite(result.get(key)) is not None]
    return "".join(_card(result, number) for number in known)


def _card(result: Mapping[str, Any], number: Number) -> str:
    interval, best = interval_text(result, number), perfect_ece(result)
    between = f"95%: {interval}" if interval else ""
    told = number.key == "ece_median" and best is not None
    perfect = f"perfect: {best:.{number.digits}f}" if told else ""
    return card(number.label, number.meaning, _value(result, number), between, perfect)


def _value(result: Mapping[str, Any], number: Number) -> str:
    value, _, unit = number_text(result.get(number.key), number).partition(" ")
    return f"{value}<small> {unit}</small>" if unit else value


def numbers(result: Mapping[str, Any]) -> str:
    """Every number of the result with its interval and its meaning."""
    rows = []
    for group, members in GROUPS.items():
        known = [_row(result, number) for number in members if number.key in result]
        if known:
            rows.append(f'<tr class="group"><th colspan="3" scope="colgroup">{group}</th></tr>')
            rows += known
    if not rows:
        return missing("All numbers", "The result holds no numbers.")
    words = (
        "95% intervals are bootstrapped over clips, because the frames of one clip are not "
        "independent. " * bool(result.get("intervals")) + "A dash: not computable here."
    )
    return section(
        "All numbers",
        f'<p class="lead">{words}</p><table class="numbers">'
        "<thead><tr><th>Number</th><th>Value</th><th>95% interval</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>",
    )


def _row(result: Mapping[str, Any], number: Number) -> str:
    better = f" <em>{number.better}.</em>" if number.better else ""
    return (
        f"<tr><th scope='row'>{escape(number.label)} <code>{number.key}</code>"
        f"<p>{escape(number.meaning)}{better}</p></th>"
        f"<td>{_value(result, number)}</td><td>{interval_text(result, number)}</td></tr>"
    )


def provenance(result: Mapping[str, Any], title: str = "What was scored, and how") -> str:
    """What was scored and how, every entry of the nested dict on a line."""
    made = result.get("provenance")
    if not made:
        return missing(title, "The result does not say what made it.")
    rows = "".join(
        f"<tr><th scope='row'>{escape(name)}</th><td><code>{escape(value)}</code></td></tr>"
        for name, value in _flat(made)
    )
    return section(title, f'<table class="made"><tbody>{rows}</tbody></table>')


def _flat(made: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in made.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{name}.")
        else:
            yield name, value if isinstance(value, str) else json.dumps(value, default=str)
