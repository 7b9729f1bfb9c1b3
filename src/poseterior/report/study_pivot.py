"""Rows by number of hypotheses as one row a method, with a column for each number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from poseterior.report.numbers import finite
from poseterior.report.study_columns import Column, column
from poseterior.report.study_rows import Row, ends

__all__ = ["counts_shown", "has_counts", "pivot"]

_FEW = (1.0, 5.0, 10.0, 50.0, 200.0, 1000.0, 4096.0)


def pivot(rows: Sequence[Row], key: str) -> tuple[list[Row], list[Column]]:
    """A row for each method, variant and subset; columns by number of hypotheses, ascending.

    Each column is that of `key`, headed by its number of hypotheses.
    """
    merged: dict[tuple[str, ...], dict[str, Any]] = {}
    counts = set()
    for row in rows:
        count, value = finite(row.get("hypotheses")), finite(row.get(key))
        words = {name: row[name] for name in ("method", "variant", "subset") if row.get(name)}
        if count is None or value is None:
            continue
        into = merged.setdefault(tuple(map(str, words.values())), words | {"intervals": {}})
        into[_key(count)] = value
        into["intervals"][_key(count)] = ends(row, column(key)) or ()
        counts.add(count)
    return list(merged.values()), [_column(key, count) for count in sorted(counts)]


def _key(count: float) -> str:
    return f"at_{count:g}_hypotheses"


def _column(key: str, count: float) -> Column:
    of = column(key)
    said = f"{of.heading} of {count:,.0f}. {of.meaning}"
    absent = "Not run with so many hypotheses."
    return replace(
        of, key=_key(count), heading=f"{count:,.0f}", unit="", meaning=said, absent=absent
    )


def counts_shown(columns: Iterable[Column]) -> list[Column]:
    """The few of a pivot's columns that fit into a README; all where none of them is usual."""
    known = list(columns)
    few = [of for of in known if of.key in {_key(count) for count in _FEW}]
    return few or known


def has_counts(result: Mapping[str, Any]) -> bool:
    """Whether the study asks what more hypotheses bring."""
    return result.get("study") == "samples"
