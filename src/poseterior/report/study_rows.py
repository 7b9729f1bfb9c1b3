"""The rows of a study: what each is called, how sure it is of itself, and which is best."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from poseterior.report.curve import perfect, perfect_ece, reliability
from poseterior.report.numbers import finite
from poseterior.report.study_columns import Column, cell_text, column

__all__ = [
    "KINDS", "Row", "best_rows", "count", "ends", "kind", "row_name", "study_name", "study_rows",
    "subset", "why_absent",
]  # fmt: skip

Row = Mapping[str, Any]

# What a row's regions are, in words.
KINDS = {
    "over": "overconfident: regions too narrow",
    "under": "underconfident: regions too wide",
    "right": "calibrated",
    "uneven": "right at 90%, not at other levels",
    "none": "not known",
}
# As in the report's verdict: differences that are not worth a word.
_SMALL_EXCESS, _UNEVEN_ECE = 0.02, 0.05


def study_name(result: Mapping[str, Any]) -> str:
    """The study's name, which its files are called by.

    Raises:
        ValueError: there is none, or it is not made of letters, digits, "_" and "-".
    """
    name = result.get("study")
    if not isinstance(name, str) or not name.replace("_", "").replace("-", "").isalnum():
        raise ValueError(f"study must be a plain name such as 'table1', not {name!r}")
    return name


def study_rows(result: Mapping[str, Any]) -> list[Row]:
    """The rows, each with a `method`.

    Raises:
        ValueError: `rows` is not a sequence of mappings that have a `method`, a string.
    """
    rows = result.get("rows")
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        raise ValueError("a study's result needs `rows`, a list")
    for n, row in enumerate(rows):
        if not isinstance(row, Mapping) or not isinstance(row.get("method"), str):
            raise ValueError(f"row {n} of the study has no `method`")
    return list(rows)


def row_name(row: Row) -> str:
    """What to call the row: its variant, else its method; the subset is told apart elsewhere."""
    variant = row.get("variant")
    return str(variant if variant not in (None, "") else row["method"])


def subset(row: Row) -> str:
    """Which observations, or whose, the row is of, empty where a study has one set of them."""
    return str(row.get("subset") or row.get("data") or row.get("detector") or "")


def count(row: Row) -> float | None:
    """How many hypotheses, or bodies `n`, the best was taken of."""
    return finite(row.get("n", row.get("hypotheses")))


def ends(row: Row, of: Column) -> tuple[float, float] | None:
    """The interval of the row's number, in `intervals` or as `KEY_interval`, or None."""
    found = (row.get("intervals") or {}).get(of.key) or row.get(f"{of.key}_interval") or ()
    known = [finite(v) for v in found]
    low, high = known if len(known) == 2 else (None, None)
    return None if low is None or high is None else (low, high)


def kind(row: Row) -> str | None:
    """A key of `KINDS`; None if unknown.

    By the verdict where it begins with one, so that picture and words agree; else by the 90%
    regions, against those of a perfect posterior.
    """
    surplus = (finite(row.get("ece_median")) or 0.0) - (perfect_ece(row) or 0.0)
    right = "uneven" if surplus > _UNEVEN_ECE else "right"
    judged = {"overconfident": "over", "underconfident": "under", "covers as it says": right,
              "not known": None, "one pose": None}  # fmt: skip
    said = str(row.get("verdict") or "")
    for words, known in judged.items():
        if said.startswith(words):
            return known
    levels = zip(reliability(row), perfect(row), strict=True)
    at = {round(level, 3): (seen, best) for (level, seen), best in levels}
    seen, best = at.get(0.9, (finite(row.get("coverage_90")), 0.9))
    if seen is None:
        return None
    if abs(seen - best) > _SMALL_EXCESS:
        return "over" if seen < best else "under"
    return right


def why_absent(row: Row, key: str) -> str:
    """Why the row lacks that number: its own `reasons` {key: words}, else the column's."""
    return str((row.get("reasons") or {}).get(key) or column(key).absent)


def best_rows(rows: Sequence[Row], of: Column) -> set[int]:
    """Rows whose number is best beyond doubt: its interval meets no other row's.

    Rows compete within a subset, of as many views, and for the best hypothesis only at the same
    number of hypotheses, and only where at least a third of the subset takes part. A number without
    interval counts as exact, to the digits shown. Nobody is best where no way is better.
    """
    if of.better not in ("low", "high"):
        return set()
    return {n for group in _contests(rows, of) if (n := _winner(rows, group, of)) is not None}


def _contests(rows: Sequence[Row], of: Column) -> Iterator[list[int]]:
    groups: dict[tuple[str, ...], list[int]] = {}
    for n, row in enumerate(rows):
        of_count = count(row) if of.key.startswith("min_") or "n" in row else None
        if finite(row.get(of.key)) is not None:
            alike = (subset(row), str(of_count), str(row.get("views")))
            groups.setdefault(alike, []).append(n)
    for (name, *_), group in groups.items():
        whole = sum(subset(row) == name for row in rows)
        if len(group) > 1 and 3 * len(group) >= whole:
            yield group


def _winner(rows: Sequence[Row], group: list[int], of: Column) -> int | None:
    sign = 1 if of.better == "low" else -1

    def reach(n: int) -> list[float]:
        """Lowest and highest, smaller always better."""
        value = float(rows[n][of.key])
        return sorted(sign * end for end in (value, *(ends(rows[n], of) or ())))

    def said(n: int) -> str:
        return cell_text(rows[n][of.key], of)

    best, *others = sorted(group, key=lambda n: sign * float(rows[n][of.key]))
    beyond = all(reach(best)[-1] < reach(n)[0] and said(best) != said(n) for n in others)
    return best if beyond else None
