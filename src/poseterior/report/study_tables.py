"""A study's rows as CSV, Markdown and HTML tables."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from poseterior.report.numbers import finite
from poseterior.report.study_columns import (
    MAIN,
    README,
    Column,
    cell_text,
    column,
    heading,
    present,
)  # fmt: skip
from poseterior.report.study_pivot import counts_shown, has_counts, pivot
from poseterior.report.study_rows import (
    Row,
    best_rows,
    ends,
    row_name,
    study_name,
    study_rows,
    why_absent,
)  # fmt: skip

__all__ = [
    "breakable",
    "csv_text",
    "html_table",
    "main_columns",
    "markdown_table",
    "other_columns",
    "plain",
]

_WORDS = ("detector", "method", "variant", "subset", "data")


def main_columns(result: Mapping[str, Any]) -> list[Column]:
    """The numbers to show first: the result's `columns`, else those of its study."""
    rows = study_rows(result)
    wanted = result.get("columns") or MAIN.get(study_name(result), MAIN["table1"])
    return present(rows, [key for key in wanted if key not in (*_WORDS, "verdict")])


def other_columns(result: Mapping[str, Any]) -> list[Column]:
    """All other plain numbers of the rows, in their order."""
    shown = {c.key for c in main_columns(result)}
    keys = dict.fromkeys(key for row in study_rows(result) for key in row)
    return [column(key) for key in keys if key not in shown and _numeric(result, key)]


def _numeric(result: Mapping[str, Any], key: str) -> bool:
    return any(finite(row.get(key)) is not None for row in study_rows(result))


def csv_text(result: Mapping[str, Any]) -> str:
    """Every word and number of the rows at full precision, with the ends of its intervals.

    Headings are the keys of the JSON; `KEY_low` and `KEY_high` are the ends of a 95% interval.
    A null is empty.
    """
    rows = study_rows(result)
    keys = dict.fromkeys([*_WORDS, *(key for row in rows for key in row)])
    flat = [k for k in keys if any(_scalar(row.get(k)) for row in rows)]
    spans = {key for key in flat if any(ends(row, column(key)) for row in rows)}
    header = [h for k in flat for h in ((k, f"{k}_low", f"{k}_high") if k in spans else (k,))]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        cells: list[object] = []
        for key in flat:
            cells.append(_csv_cell(row.get(key)))
            cells += (ends(row, column(key)) or ("", "")) if key in spans else ()
        writer.writerow(cells)
    return text.getvalue()


def _scalar(value: object) -> bool:
    return isinstance(value, str | bool) or finite(value) is not None


def _csv_cell(value: object) -> object:
    return value if _scalar(value) else ""


def markdown_table(result: Mapping[str, Any], columns: Iterable[str] | None = None) -> str:
    """A Markdown table, by default short enough for a README.

    Args:
        result: of a study.
        columns: keys of the numbers to show, "verdict" among them if wanted; keys that no row
            has are left out. None takes the study's own choice.

    Raises:
        ValueError: for a row without `method`.
    """
    rows, name = study_rows(result), study_name(result)
    if columns is None and has_counts(result):
        pivoted, counts = pivot(rows, "min_mpjpe_mm")
        return _markdown(pivoted, counts_shown(counts))
    default = README.get(name, tuple(c.key for c in main_columns(result)))
    return _markdown(rows, present(rows, default if columns is None else columns))


def _markdown(rows: Sequence[Row], shown: Sequence[Column]) -> str:
    words = _word_columns(rows)
    best = {c.key: best_rows(rows, c) for c in shown}
    lines = [[*words.values(), *map(_markdown_heading, shown)]]
    lines.append([*(":--" for _ in words), *(":--" if _is_verdict(c) else "--:" for c in shown)])
    for n, row in enumerate(rows):
        line = [plain(_word(row, key)) for key in words]
        for of in shown:
            said = _verdict(row) if _is_verdict(of) else cell_text(row.get(of.key), of)
            line.append(f"**{said}**" if n in best[of.key] else plain(said))
        lines.append(line)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _is_verdict(of: Column) -> bool:
    return of.key == "verdict"


def _markdown_heading(of: Column) -> str:
    return "Verdict" if _is_verdict(of) else plain(heading(of))


def plain(words: object) -> str:
    r"""Words on one line that Markdown takes literally.

    >>> plain("a|b <i>*c*\n`d`")
    'a\\|b &lt;i&gt;\\*c\\* \\`d\\`'
    """
    line = " ".join(str(words).split())
    marked = re.sub(r"([\\`*|\[\]]|(?<!\w)_|_(?!\w))", r"\\\1", line)
    return marked.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _word_columns(rows: Sequence[Row]) -> dict[str, str]:
    """Key and heading of the words that tell rows apart."""
    variants = any(row.get("variant") for row in rows)
    words = {"name": "Variant" if variants else "Method"}
    if any(row.get("detector") for row in rows):
        words = {"detector": "Detector", **words}
    methods = {row["method"] for row in rows}
    if variants and len(methods) > 1:
        words["method"] = "Method"
    for key, said in (("subset", "Poses"), ("data", "Data")):
        if any(row.get(key) for row in rows):
            words[key] = said
    return words


def _word(row: Row, key: str) -> str:
    said = row_name(row) if key == "name" else row.get(key)
    return "–" if said in (None, "") else str(said)


def _verdict(row: Row) -> str:
    return str(row.get("verdict") or "–")


def html_table(rows: Sequence[Row], columns: Sequence[Column], *, verdict: bool = False) -> str:
    """The table of those numbers, intervals below them, in a box that scrolls sideways."""
    words = _word_columns(rows)
    verdict = verdict and any(row.get("verdict") for row in rows)
    best = {c.key: best_rows(rows, c) for c in columns}
    head = [f'<th scope="col" class="word">{escape(said)}</th>' for said in words.values()]
    head += [_html_heading(of) for of in columns]
    head += ['<th scope="col" class="verdict">Verdict</th>'] * verdict
    body = []
    for n, row in enumerate(rows):
        first, *others = words
        cells = [f'<th scope="row">{breakable(_word(row, first))}</th>']
        cells += [f'<td class="word">{breakable(_word(row, key))}</td>' for key in others]
        cells += [_html_cell(row, of, n in best[of.key]) for of in columns]
        cells += [f'<td class="verdict">{escape(_verdict(row))}</td>'] * verdict
        body.append(f"<tr>{''.join(cells)}</tr>")
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Table">'
        f'<table class="study"><thead><tr>{"".join(head)}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _html_heading(of: Column) -> str:
    said = f' title="{escape(of.meaning)}"' if of.meaning else ""
    name, arrow = re.fullmatch(r"(.*?)( [↓↑→].*)?", heading(of)).groups()  # type: ignore[union-attr]
    better = f"&nbsp;<b>{escape(arrow.strip())}</b>" if arrow else ""
    return f'<th scope="col"{said}>{escape(name)}{better}</th>'


def breakable(name: str) -> str:
    """A name that a narrow column may break after its underscores, not within a word."""
    return escape(name).replace("_", "_<wbr>")


def _html_cell(row: Row, of: Column, best: bool) -> str:
    said = cell_text(row.get(of.key), of)
    if said == "–":
        return f'<td class="absent" title="{escape(why_absent(row, of.key))}">–</td>'
    shown = f"<strong>{said}</strong>" if best else said
    span = ends(row, of)
    between = " to ".join(cell_text(end, of) for end in span) if span else ""
    return f"<td>{shown}{f'<small>{between}</small>' if between else ''}</td>"
