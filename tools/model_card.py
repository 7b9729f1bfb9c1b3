"""A table printed into a model card, between its marks."""

from __future__ import annotations

from pathlib import Path

OPEN, CLOSE = "<!-- scores -->", "<!-- /scores -->"


def fill(card: Path, text: str) -> None:
    """Put the table between the marks of the model card, where there is a card."""
    if card.exists():
        before, rest = card.read_text(encoding="utf-8").split(OPEN)
        after = rest.split(CLOSE)[1]
        card.write_text(f"{before}{OPEN}\n{text}\n{CLOSE}{after}", encoding="utf-8")
