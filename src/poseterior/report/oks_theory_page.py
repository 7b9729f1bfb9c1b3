"""The study `oks_theory` as Markdown, one self-contained HTML page and a picture."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from poseterior.data.npz_writer import replacing
from poseterior.report.parts import asset, section
from poseterior.report.png import clean, panels, write_figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["oks_theory_table", "peaks_table", "write_oks_theory"]

_TITLE = "Expected OKS and what confidences measure: closed forms against draws and searches"
_HEADS = ("equation", "what", "at, px", "closed form", "found", "difference")
_PEAKS = ("annotators", "Pearson", "mean difference", "mean absolute difference", "not fitted")
_COLOURS = ("#b45309", "#0f766e", "#4338ca", "#111827")
_WORDS = (
    "Each dot is the mean of a number of annotators' target heatmaps, with noise. On the line the "
    "maximum is what Eq. 17 makes of the Gaussian fitted to the heatmap. The highest pixel lies up "
    "to half a px off the mean, hence a little below the line."
)


def write_oks_theory(result: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write oks_theory.md, .html and .png into a folder that is there.

    Args:
        result: of `oks_theory_study`.
        folder: where to.

    Raises:
        InputError: a file cannot be written.
    """
    pictures = write_figures(folder, {"oks_theory.png": lambda: _peaks_figure(result)})
    texts = {"md": _markdown(result), "html": _html(result, pictures[0])}
    for suffix, content in texts.items():
        with replacing(folder / f"oks_theory.{suffix}") as temporary:
            temporary.write_text(content, encoding="utf-8")
    return [*(folder / f"oks_theory.{suffix}" for suffix in texts), *pictures]


def oks_theory_table(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The rows as text: equation, what, parameters, closed form, found, difference."""
    return [
        (
            row["equation"],
            row["what"] + (" (a slip)" if row["printed"] else ""),
            ", ".join(f"{key} {value:.4g}" for key, value in row["given"].items()),
            f"{row['closed_form']:.5g}",
            f"{row['measured']:.5g}",
            _difference(row),
        )
        for row in result["rows"]
    ]


def peaks_table(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Figure f in numbers, a row for each number of annotators."""
    keys = ("mean_difference", "mean_absolute_difference")
    return [
        (
            str(group["annotators"]),
            f"{group['pearson']:.4f}",
            *(f"{group[key]:.4f}" for key in keys),
            str(group["not_fitted"]),
        )
        for group in result["peaks"]
    ]


def _difference(row: Mapping[str, Any]) -> str:
    if row["in_standard_errors"] is not None:
        return f"{row['in_standard_errors']:+.1f} standard errors"
    if abs(row["relative"]) < 1e-6:
        return "below 1e-6 of it"
    return f"{row['relative']:+.1%}" if abs(row["relative"]) < 1 else f"{row['difference']:+.4g}"


def _summary(result: Mapping[str, Any]) -> str:
    rows = result["rows"]
    slips = sum(row["printed"] for row in rows)
    said = f"All {len(rows) - slips} hold" if not result["failed"] else (
        f"Not as expected: {', '.join(result['failed'])}"
    )  # fmt: skip
    return (
        f"{said}; {slips} rows show slips of the paper as printed, which do not. "
        f"{result['draws']} draws, seed {result['seed']}; rows without standard errors are "
        "numerical searches, integrals and derivatives on a grid of half a pixel."
    )


def _markdown(result: Mapping[str, Any]) -> str:
    return "\n".join([
        f"# {_TITLE}", "", _summary(result), "",
        *_lines(_HEADS, oks_theory_table(result)), "", "## Figure f", "", _WORDS, "",
        *_lines(_PEAKS, peaks_table(result)), "", "![Figure f](oks_theory.png)", "",
    ])  # fmt: skip


def _lines(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    body = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows]
    return [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *(f"| {row} |" for row in body)]


def _html(result: Mapping[str, Any], picture: Path) -> str:
    drawn = base64.b64encode(picture.read_bytes()).decode("ascii")
    image = f'<img alt="Figure f" style="max-width:100%" src="data:image/png;base64,{drawn}">'
    parts = {
        "title": escape(_TITLE),
        "style": asset("report.css") + asset("study.css"),
        "header": f'<p class="brand">Poseterior study: oks_theory</p><h1>{escape(_TITLE)}</h1>',
        "charts": section("Figure f", f'<p class="lead">{escape(_WORDS)}</p>', image,
                          _html_table(_PEAKS, peaks_table(result))),
        "tables": section("Equations", f'<p class="lead">{escape(_summary(result))}</p>',
                          _html_table(_HEADS, oks_theory_table(result))),
        "reliability": "",
        "provenance": "",
    }  # fmt: skip
    return Template(asset("study.html")).safe_substitute(parts)


def _html_table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return (
        f'<div style="overflow-x:auto"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _peaks_figure(result: Mapping[str, Any]) -> Figure:
    groups = result["peaks"]
    figure, grid = panels(1, len(groups), 3.3 * len(groups), 3.7, sharex=True, sharey=True)
    for number, (axes, group) in enumerate(zip(grid[0], groups, strict=True)):
        axes.plot([0, 1], [0, 1], color="#9ca3af", linewidth=1)
        colour = _COLOURS[number % len(_COLOURS)]
        axes.scatter(group["fitted"], group["peak"], s=9, color=colour, alpha=0.6, linewidths=0)
        axes.text(0.04, 0.9, f"Pearson {group['pearson']:.4f}", transform=axes.transAxes)
        title = f"{group['annotators']} annotators"
        clean(axes, title, "l̃² / σ̂² of the fit", "" if number else "maximum of the heatmap")
        axes.set(xlim=(0, 1.05), ylim=(0, 1.05), aspect="equal")
    return figure
