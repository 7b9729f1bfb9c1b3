"""`write_study`: a study's result as CSV, Markdown, one self-contained HTML page and a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from poseterior.data.npz_writer import make_folder, replacing
from poseterior.report import study_tables as tables
from poseterior.report.parts import asset, section
from poseterior.report.study_columns import README, column
from poseterior.report.study_figures import figures, reliabilities
from poseterior.report.study_pictures import Pictures, draw_pictures, write_pictures
from poseterior.report.study_pivot import has_counts, pivot
from poseterior.report.study_published import published_html, published_table
from poseterior.report.study_rows import Row, row_name, study_name, study_rows
from poseterior.report.summary import provenance

__all__ = ["study_html", "study_markdown", "write_study"]

_LEGEND = (
    "Arrows: what is better. Bold: best, and its 95% interval meets no other row's (where a third "
    "of the rows have the number, and for errors of the best hypothesis as many hypotheses)."
)
_EXACT = "Arrows: what is better. Bold: best to the digits shown; the rows have no intervals."


def _legend(result: Mapping[str, Any]) -> str:
    rows = study_rows(result)
    known = any(key == "intervals" or key.endswith("_interval") for row in rows for key in row)
    return _LEGEND if known else _EXACT


def write_study(result: Mapping[str, Any], out: Path) -> list[Path]:
    """Write NAME.csv, NAME.md, NAME.html and, where there is something to draw, NAME.png.

    A gallery has a picture NAME_ROW.png of each row in the place of NAME.png.

    Each file appears whole or not at all; the folder is made if there is none.

    Args:
        result: "study" (the NAME), "rows" [{"method", numbers..., "intervals" {key: [low, high]},
            "reliability" as `score --json` has it, "reasons" {key: why it is null}}], and, if
            known, "title", "notes" [str], "missing" [names of rows still to run],
            "published" [the papers' rows, as `studies.published` gives them], "columns" [keys
            of the main table] and "provenance".
        out: folder.

    Returns:
        The files.

    Raises:
        ValueError: the result has no plain name, or a row no `method`.
        InputError: the folder cannot be made or written.
    """
    name = study_name(result)
    drawn = draw_pictures(result)
    texts = {
        "csv": tables.csv_text(result),
        "md": study_markdown(result),
        "html": study_html(result, drawn),
    }
    folder = make_folder(out)
    pictures = write_pictures(result, drawn, folder)
    for picture in pictures:
        texts["md"] += f"\n![{tables.plain(_title(result))}]({picture.name})\n"
    for suffix, content in texts.items():
        with replacing(folder / f"{name}.{suffix}") as temporary:
            temporary.write_text(content, encoding="utf-8")
    return [*(folder / f"{name}.{suffix}" for suffix in texts), *pictures]


def _title(result: Mapping[str, Any]) -> str:
    return str(result.get("title") or study_name(result))


def _notes(result: Mapping[str, Any]) -> list[str]:
    missing = ", ".join(map(str, result.get("missing") or ()))
    said = [f"Still to run: {missing}."] if missing else []
    return [str(note) for note in result.get("notes") or ()] + said


def _told(row: Row) -> str:
    """The row's name and, where there are several, which poses it is about."""
    subset = row.get("subset")
    return f"{row_name(row)}, {subset}" if subset else row_name(row)


def study_markdown(result: Mapping[str, Any]) -> str:
    """Title, table, notes, verdicts."""
    told = "verdict" in README.get(study_name(result), ())
    verdicts = [
        f"- {tables.plain(_told(row))}: {tables.plain(row['verdict'])}\n"
        for row in study_rows(result)
        if row.get("verdict") and not told
    ]
    notes = [f"- {tables.plain(note)}\n" for note in _notes(result)]
    hint = "Best hypothesis, mm, by number of hypotheses.\n" if has_counts(result) else ""
    parts = [
        f"# {tables.plain(_title(result))}\n",
        hint,
        tables.markdown_table(result),
        f"{_legend(result)} –: not computable.\n",
        "".join(notes),
        "".join(["## Verdicts\n\n", *verdicts]) if verdicts else "",
        published_table(result),
    ]
    return "\n".join(part for part in parts if part)


def study_html(result: Mapping[str, Any], pictures: Pictures | None = None) -> str:
    """The page: charts, tables, notes, a reliability curve for each row, what made the result.

    `pictures`, if they are drawn already, are those of `draw_pictures`.

    Raises:
        ValueError: as `write_study`.
    """
    parts = {
        "title": escape(_title(result)),
        "style": asset("report.css") + asset("study.css"),
        "header": _header(result),
        "charts": figures(result, draw_pictures(result) if pictures is None else pictures),
        "tables": _tables(result) + published_html(result),
        "reliability": reliabilities(result),
        "provenance": provenance(result),
    }
    return Template(asset("study.html")).substitute(parts)


def _header(result: Mapping[str, Any]) -> str:
    made, count = result.get("provenance") or {}, len(study_rows(result))
    data = made.get("data")
    source = data.get("name") if isinstance(data, Mapping) else data
    known = [source, made.get("preset"), made.get("device")]
    said = [f"{count} row{'s' if count != 1 else ''}", *(v for v in known if isinstance(v, str))]
    facts = "".join(f"<li>{escape(fact)}</li>" for fact in said)
    return (
        f'<p class="brand">Poseterior study: {escape(study_name(result))}</p>'
        f'<h1>{escape(_title(result))}</h1><ul class="facts">{facts}</ul>'
    )


def _tables(result: Mapping[str, Any]) -> str:
    main, others = tables.main_columns(result), tables.other_columns(result)
    rows = study_rows(result)
    if has_counts(result):
        return _by_count(rows) + _notes_list(result)
    legend = (
        f"{_legend(result)} –: not computable, the reason under the pointer. Small: 95% interval."
    )
    shown = section(
        "Results",
        tables.html_table(rows, main, verdict=True),
        f'<p class="aside-note">{escape(legend)}</p>',
        _notes_list(result),
    )
    if others:
        shown += section("More numbers", tables.html_table(rows, others))
    return shown


def _by_count(rows: Sequence[Row]) -> str:
    """A table for each error, a column for each number of hypotheses."""
    shown = []
    for key in ("min_mpjpe_mm", "min_pa_mpjpe_mm"):
        pivoted, counts = pivot(rows, key)
        if pivoted:
            words = f"{column(key).meaning} In mm, by number of hypotheses. {_LEGEND}"
            lead = f'<p class="lead">{escape(words)}</p>'
            shown.append(section(column(key).heading, lead, tables.html_table(pivoted, counts)))
    return "".join(shown)


def _notes_list(result: Mapping[str, Any]) -> str:
    notes = "".join(f"<li>{escape(note)}</li>" for note in _notes(result))
    return f'<ul class="notes">{notes}</ul>' if notes else ""
