"""Small pieces of HTML that the sections share; every text is escaped here."""

from __future__ import annotations

from html import escape
from importlib.resources import files

__all__ = ["asset", "card", "chart", "missing", "section", "tip"]


def asset(name: str) -> str:
    """The text of a file that is shipped with the reports."""
    return (files("poseterior.report") / "assets" / name).read_text(encoding="utf-8")


def card(label: str, meaning: str, value: str, *notes: str) -> str:
    """A number that stands out; `value` is HTML, empty notes are left out."""
    said = "".join(f"<span>{escape(note)}</span>" for note in notes if note)
    return f'<div class="card">{tip(label, meaning)}<strong>{value}</strong>{said}</div>'


def section(title: str, *content: str) -> str:
    """A titled section of the page."""
    return f"<section><h2>{escape(title)}</h2>{''.join(content)}</section>"


def missing(title: str, reason: str) -> str:
    """A section that has nothing to show, and says why."""
    return section(title, f'<p class="missing">{escape(reason)}</p>')


def chart(title: str, words: str, drawn: str) -> str:
    """A chart with its title and what it shows; says so where there is nothing to draw."""
    drawn = drawn or '<p class="missing">Not in this result.</p>'
    return f'<div class="chart"><h3>{escape(title)}</h3><p>{escape(words)}</p>{drawn}</div>'


def tip(label: str, meaning: str) -> str:
    """A label that explains itself under the pointer, the finger or the keyboard."""
    return (
        f'<span class="tip" tabindex="0" data-tip="{escape(meaning)}" '
        f'aria-label="{escape(label)}: {escape(meaning)}">{escape(label)}</span>'
    )
