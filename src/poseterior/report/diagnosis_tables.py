"""The tables of `diagnose`: evidence, scores by joint and axis, strata, a perfect posterior."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from poseterior.report.diagnosis_charts import factor_strip
from poseterior.report.diagnosis_read import (
    AXES,
    joint_words,
    p_text,
    part,
    rounded,
    span,
    span_text,
    tinted,
)
from poseterior.report.numbers import finite, named
from poseterior.report.study_series import Span
from poseterior.report.study_tables import breakable

__all__ = [
    "confidence_table",
    "evidence_table",
    "joint_table",
    "perfect_table",
    "score_table",
    "strata_tables",
    "table",
]  # fmt: skip

Row = Mapping[str, Any]
_FIRST_TESTS, _MOST_TESTS, _MOST_STRATA = 12, 200, 20
_SCORES = {"energy_mm": ("Energy score, mm", 1), "crps_mm": ("CRPS, mm", 1),
           "variogram": ("Variogram score, mm", 1)}  # fmt: skip
_TESTS = {
    "bias": "Shift", "joint": "Factor of a joint", "spread": "Common factor",
    "coverage": "90% intervals", "dependence": "Dependence of joints",
    "whole_pose": "Regions of whole poses",
}  # fmt: skip
_PERFECT = {
    "coverage_90": "Share of targets in 90% regions",
    "error_over_spread": "Error of the mean over predicted spread",
}
_STRATA = {
    "occlusion": "By occlusion", "depth": "By depth", "joint": "By joint",
    "clip": "By clip, farthest from 1 first",
}  # fmt: skip


def table(head: Sequence[str], rows: Sequence[str], css: str = "") -> str:
    """A table in a box that scrolls sideways; `head` is HTML, `rows` are the cells of each row."""
    first, *others = head
    cells = f'<th scope="col" class="word">{first}</th>' + "".join(
        f'<th scope="col">{words}</th>' for words in others
    )
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Table">'
        f'<table class="study {css}"><thead><tr>{cells}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def evidence_table(evidence: Sequence[Row]) -> str:
    """Every test, first those of the whole, then the significant ones; at most 200, most folded."""
    order = sorted(
        evidence,
        key=lambda row: (bool(row.get("joint")), not _named(row), not row.get("significant")),
    )
    rows = [_test(row) for row in order[:_MOST_TESTS]]
    head = ("Test", "Speaks for", "Effect", "p", "Statistic")
    shown = table(head, rows[:_FIRST_TESTS], "evidence")
    if len(rows) > _FIRST_TESTS:
        more = f"{len(rows) - _FIRST_TESTS} more tests"
        left = len(order) - len(rows)
        more += f" ({left:,} beyond those are only in the JSON)" if left else ""
        folded = table(head, rows[_FIRST_TESTS:], "evidence")
        shown += f"<details><summary>{more}</summary>{folded}</details>"
    return shown


def _test(row: Row) -> str:
    sure = _named(row)
    fault = joint_words(row.get("fault") or "")
    small = "sure, but small" if row.get("significant") else "not shown"
    said = f"<b>{escape(fault)}</b>" if sure else small
    css = ("sure under" if fault == "underconfident" else "sure") if sure else "unsure"
    about = ", ".join(joint_words(row[key]) for key in ("joint", "axis") if row.get(key))
    test = str(row.get("test") or "test")
    name = escape(_TESTS.get(test, joint_words(test)))
    name += f" <i>{escape(about)}</i>" if about else ""
    return (
        f'<th scope="row">{name}<p>{escape(str(row.get("says") or ""))}</p></th>'
        f'<td class="word {css}">{said}</td><td>{_effect(row)}</td>'
        f"<td>{escape(p_text(row.get('p_value')))}</td>"
        f"<td>{_significant(row.get('statistic'))}</td>"
    )


def _named(row: Row) -> bool:
    """Whether the verdict counts it: significant, and its effect worth naming."""
    return bool(row.get("named", row.get("significant")))


def _effect(row: Row) -> str:
    value, unit = finite(row.get("effect")), str(row.get("unit") or "")
    if value is None:
        return "–"
    ends = span(row)
    if unit == "share":
        value, unit = 100 * value, "points"
        ends = (100 * ends[0], 100 * ends[1]) if ends else None
    digits = 1 if unit in ("mm", "points") else 2
    number = rounded(value, digits)
    said = f"× {number}" if unit == "x" else f"{number} {escape(unit)}".strip()
    return said + _small(span_text(ends, digits))


def _small(words: str) -> str:
    return f"<small>{words}</small>" if words else ""


def _significant(value: object) -> str:
    """A statistic with about three digits."""
    known = finite(value)
    return "–" if known is None else f"{known:.3g}".replace("-", "−")


def _scored(result: Mapping[str, Any]) -> Iterator[tuple[str, Row, int]]:
    """Heading, numbers and digits of each score."""
    for key, (words, digits) in _SCORES.items():
        yield words, part(result, "scores", key), digits
    yield "Spread, mm", part(result, "sharpness_mm"), 1


def score_table(result: Mapping[str, Any]) -> str:
    """Each score over all joints, and along each axis; empty where none is known."""
    rows = [
        f'<th scope="row">{words}</th>'
        f"<td>{rounded(of['value'], digits)}{_small(span_text(span(of), digits))}</td>"
        + "".join(f"<td>{rounded(of.get(axis), digits)}</td>" for axis in AXES)
        for words, of, digits in _scored(result)
        if finite(of.get("value")) is not None
    ]
    head = ("Score", "All", *(f"{axis}, {words}" for axis, words in AXES.items()))
    return table(head, rows) if rows else ""


def joint_table(result: Mapping[str, Any]) -> str:
    """Factors and scores of each joint, a cell the darker the farther off or the larger."""
    columns = list(_joint_columns(result))
    joints = list(dict.fromkeys(j for _, cells in columns for j in cells))
    rows = [
        f'<th scope="row">{breakable(joint_words(joint))}</th>'
        + "".join(cells.get(joint, "<td>–</td>") for _, cells in columns)
        for joint in joints
    ]
    return table(("Joint", *(head for head, _ in columns)), rows, "heat") if rows else ""


def _joint_columns(result: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, str]]]:
    """Heading and the cells by joint of each column that has one."""
    per_joint = part(result, "factors", "per_joint")
    for key, head in {"factor": "Factor", **{a: f"Factor {a}" for a in AXES}}.items():
        values = {joint: finite(part(per_joint, joint).get(key)) for joint in per_joint}
        cells = {joint: _factor_cell(v) for joint, v in values.items() if v is not None and v > 0}
        if cells:
            yield head, cells
    for head, of, digits in _scored(result):
        known = {j: v for j, w in part(of, "joints").items() if (v := finite(w)) is not None}
        if known:
            top = max(known.values()) or 1.0
            yield head, {j: tinted(rounded(v, digits), v / top, "cool") for j, v in known.items()}


def _factor_cell(value: float) -> str:
    """Orange above 1 and blue below, full at a factor of two."""
    return tinted(rounded(value, 2), abs(math.log2(value)), "warm" if value > 1 else "cold")


def strata_tables(strata: Sequence[Row]) -> str:
    """A table for each kind of stratum."""
    kinds = dict.fromkeys([*_STRATA, *(str(row.get("by")) for row in strata)])
    shown = []
    for kind in kinds:
        rows = [row for row in strata if str(row.get("by")) == kind]
        if rows:
            title = _STRATA.get(kind, f"By {joint_words(kind)}, farthest from 1 first")
            shown.append(f'<h3 class="over">{escape(title)}</h3>{_strata(rows, kind)}')
    return "".join(shown)


def _strata(rows: Sequence[Row], kind: str) -> str:
    """In their own order where that means something, else the worst first; at most 20."""
    if kind not in ("occlusion", "depth"):
        rows = sorted(rows, key=lambda row: -_distance(row))
    cells = [_stratum(row) for row in rows[:_MOST_STRATA]]
    head = (kind.replace("_", " ").capitalize(), "Cases", "Factor", "¼ … 1 … 4", "In 50% regions",
            "In 90% regions", "Bias, sigma")  # fmt: skip
    shown = table(tuple(map(escape, head)), cells, "strata")
    if len(rows) > _MOST_STRATA:
        words = f"{_MOST_STRATA} of {len(rows):,} shown, those farthest from 1. The JSON has all."
        shown += f'<p class="aside-note">{words}</p>'
    return shown


def _distance(row: Row) -> float:
    factor = finite(row.get("factor"))
    return abs(math.log(factor)) if factor is not None and factor > 0 else -1.0


def _stratum(row: Row) -> str:
    name = str(row.get("name") or "–")
    name = joint_words(name) if row.get("by") == "joint" else name
    factor, ends = finite(row.get("factor")), span(row)
    strip = factor_strip(factor, ends) if factor is not None and factor > 0 else ""
    return (
        f'<th scope="row">{breakable(name)}</th>'
        f"<td>{rounded(row.get('poses'), 0)}</td>"
        f"<td>{rounded(factor, 2)}{_small(span_text(ends, 2))}</td>"
        f'<td class="strip">{strip}</td>'
        + "".join(_coverage_cell(row.get(f"coverage_{level}"), level / 100) for level in (50, 90))
        + f"<td>{rounded(row.get('bias_sigma'), 2)}</td>"
    )


def _coverage_cell(value: object, level: float) -> str:
    known = finite(value)
    if known is None:
        return "<td>–</td>"
    off = abs(known - level) / level
    return tinted(f"{known:.0%}", 2 * off, "warm" if known < level else "cold")


def perfect_table(result: Mapping[str, Any]) -> str:
    """What a perfect posterior scores, with all poses and as many as are independent."""
    perfect = part(result, "perfect")
    fewer = part(perfect, "at_independent_poses")
    head = ["Number", "A perfect posterior", "This one"]
    if fewer:
        head.insert(2, f"… of {rounded(fewer.get('poses'), 0)} independent poses")
    rows = []
    for key in perfect:
        if not isinstance(perfect[key], Mapping):
            values = [perfect[key], *([fewer.get(key)] if fewer else []), _own(result, key)]
            cells = "".join(f"<td>{rounded(value, _digits(key))}</td>" for value in values)
            label = _PERFECT.get(key, named(key).label)
            rows.append(f'<th scope="row">{escape(label)}</th>{cells}')
    return table(head, rows) if rows else ""


def _own(result: Mapping[str, Any], key: str) -> object:
    """The result's own number of that name, wherever it has one."""
    for of in (part(result, "scores", key), part(result, key)):
        if "value" in of:
            return of["value"]
    return part(result, "score").get(key)


def _digits(key: str) -> int:
    return 1 if key.endswith("_mm") else named(key).digits


def confidence_table(result: Mapping[str, Any]) -> str:
    """What spread-skill and risk-coverage come to, in numbers."""
    rows = [
        f'<th scope="row">{words}</th><td>{rounded(of.get(key), digits)}'
        f"{_small(span_text(_ends(of, key), digits))}</td>"
        for words, of, key, digits in _confidence(result)
        if finite(of.get(key)) is not None
    ]
    return table(("Number", "Value"), rows) if rows else ""


def _confidence(result: Mapping[str, Any]) -> Iterator[tuple[str, Row, str, int]]:
    """Words, where the number is, its key and digits."""
    for kind, cases in (("pose", "poses"), ("joint", "joints")):
        bins = part(result, "spread_skill", kind)
        yield f"Slope of error over spread, {cases}", bins, "slope", 2
        yield f"Correlation of spread and error, {cases}", bins, "correlation", 2
        yield f"… of a perfect posterior, {cases}", bins, "perfect_correlation", 2
    risk = part(result, "risk_coverage")
    yield "Area under the risk-coverage curve (AURC), mm", risk, "aurc_mm", 1
    yield "AURC of the oracle, mm", risk, "oracle_aurc_mm", 1
    yield "Lost against the oracle (AUSE), mm", risk, "ause_mm", 1
    yield "… as a share of what can be lost", risk, "ause_share", 2


def _ends(of: Row, key: str) -> Span:
    """The number's interval, in `intervals` or as `KEY_interval`."""
    return span(part(of, "intervals"), key) or span(of, f"{key}_interval")
