"""The papers' own figures of a study, each with ours beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from poseterior.report.numbers import finite
from poseterior.report.parts import section
from poseterior.report.study_columns import Column, cell_text, column, heading
from poseterior.report.study_rows import Row, study_rows

__all__ = ["published_html", "published_table"]

_LEAD = "Published / ours. Ours is the mean of the actions' means where actions are known."
# What the papers call a number that has another key in our rows.
_OURS = {
    "std_x_mm": "spread_x_mm", "std_y_mm": "spread_y_mm", "std_z_mm": "spread_z_mm",
    "max_pa_mpjpe_mm": "worst_pa_mpjpe_mm",
}  # fmt: skip
_NO_FIGURES = {"paper", "table", "data", "study", "about", "method", "ours", "hypotheses", "note"}
_WORDS = ("Paper", "Table", "Method", "Our row", "H")


def published_table(result: Mapping[str, Any]) -> str:
    """A Markdown table of the papers' rows; empty where the result has none."""
    lines = _lines(result)
    if not lines:
        return ""
    lines.insert(1, [":--"] * len(_WORDS) + ["--:"] * (len(lines[0]) - len(_WORDS)))
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return f"## As published\n\n{_LEAD}\n\n{table}"


def published_html(result: Mapping[str, Any]) -> str:
    """The same table as a section of the page."""
    lines = _lines(result)
    if not lines:
        return ""
    head = "".join(f'<th scope="col" class="word">{escape(cell)}</th>' for cell in lines[0])
    rows = (f"<tr>{''.join(f'<td>{escape(c)}</td>' for c in line)}</tr>" for line in lines[1:])
    return section(
        "As published",
        f'<p class="lead">{escape(_LEAD)}</p><div class="scroll" tabindex="0" role="region" '
        f'aria-label="Table"><table class="study"><thead><tr>{head}</tr></thead>',
        f"<tbody>{''.join(rows)}</tbody></table></div>",
    )


def _lines(result: Mapping[str, Any]) -> list[list[str]]:
    """Heading and rows as text."""
    rows: Sequence[Row] = result.get("published") or ()
    keys = dict.fromkeys(key for row in rows for key in row if _is_figure(row, key))
    shown = {key: column(_OURS.get(key, key)) for key in keys}
    if not shown:
        return []
    ours = {row["method"]: row for row in reversed(study_rows(result))}
    lines = [[*_WORDS, *map(heading, shown.values())]]
    for row in rows:
        own = ours.get(row.get("ours") or "")
        words = [row["paper"], row["table"], row["method"], row.get("ours"), row.get("hypotheses")]
        cells = [f"{cell_text(row.get(key), of)} / {_own(own, of)}" for key, of in shown.items()]
        lines.append([*("–" if word is None else str(word) for word in words), *cells])
    return lines


def _is_figure(row: Row, key: str) -> bool:
    return key not in _NO_FIGURES and finite(row.get(key)) is not None


def _own(row: Row | None, of: Column) -> str:
    if row is None:
        return "–"
    averaged = (row.get("mean_over_actions") or {}).get(of.key)
    return cell_text(row.get(of.key) if averaged is None else averaged, of)
