"""The figures of the papers' own tables, to stand beside ours.

`published.json` holds them as paper -> table -> rows, in our terms: errors in mm, PCK as a share,
ECE as printed. Each row has `method` (as the paper calls it), `ours` (our row's name, None where we
have no such method), `hypotheses` (None where the paper does not say) and the figures; some
have `per_action`, `per_setting` or a `note`. None stands for a figure that the paper lacks.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from poseterior.errors import InputError

__all__ = ["published", "published_for", "tables"]


def published(paper: str, table: str) -> list[dict[str, Any]]:
    """The rows of one table, each with `paper`, `table`, `data`, `study` and `about`.

    Args:
        paper: "000", "001" or "002".
        table: as in the paper, for example "Table 2" or "Section 4.5".

    Raises:
        InputError: no such paper or table among those kept.

    >>> [row["min_mpjpe_mm"] for row in published("001", "Table 2")]
    [81.1, 78.3, 71.0]
    """
    kept = _kept()
    _require_known("paper", paper, kept)
    _require_known("table", table, kept[paper])
    found = kept[paper][table]
    common = {key: value for key, value in found.items() if key != "rows"}
    return [{"paper": paper, "table": table, **common, **row} for row in found["rows"]]


def published_for(data: str, study: str) -> list[dict[str, Any]]:
    """The rows that a study's results on a data set can be read beside.

    Args:
        data: the data set; the ambiguous subsets of Human3.6M belong to "human36m".
        study: the study's name; no rows for a study or data set that no paper reports.
    """
    names = {data, *_SUBSETS.get(data, ())}
    rows = (row for paper, table in tables() for row in published(paper, table))
    return [row for row in rows if row["data"] in names and row["study"] == study]


def tables() -> list[tuple[str, str]]:
    """Paper and name of each table, in order."""
    return [(paper, table) for paper, kept in _kept().items() for table in kept]


_SUBSETS = {"human36m": ("h36ma", "ah36m")}


@cache
def _text() -> str:
    return (files("poseterior.studies") / "published.json").read_text(encoding="utf-8")


def _kept() -> dict[str, dict[str, Any]]:
    """Parsed anew each time, so that nobody's change reaches another."""
    return json.loads(_text())


def _require_known(what: str, name: str, known: dict[str, Any]) -> None:
    if name not in known:
        raise InputError("published", what, expected=f"one of {', '.join(known)}", found=name)
