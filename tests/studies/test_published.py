"""The papers' figures: the structure of the file, and the pages that quote the same tables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from poseterior.errors import InputError
from poseterior.studies.published import published, published_for, tables

PAGES = Path(__file__).parents[2] / "docs" / "papers"
FIGURE = re.compile(r"(_mm|_ms)$|^(pck150|ece_\w+)$")
NOT_FIGURES = {
    "paper", "table", "data", "study", "about", "method", "ours", "hypotheses", "note",
    "per_action", "per_setting",
}  # fmt: skip

ROWS = [row for paper, table in tables() for row in published(paper, table)]


def figures(row: dict[str, Any]) -> dict[str, float | None]:
    return {key: value for key, value in row.items() if key not in NOT_FIGURES}


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r['paper']} {r['table']} {r['method']}")
def test_a_row_says_what_it_is_and_has_figures_in_our_units(row: dict[str, Any]) -> None:
    assert {"paper", "table", "data", "study", "method", "ours", "hypotheses"} <= set(row)
    assert row["hypotheses"] is None or row["hypotheses"] >= 1
    assert figures(row)
    for key, value in figures(row).items():
        assert FIGURE.search(key), key
        bounded = key == "pck150" or key.startswith("ece")
        assert value is None or 0 < value < (1 if bounded else 300)


@pytest.mark.parametrize("table", ["Table 1, Protocol 1", "Table 1, Protocol 2"])
def test_averages_are_those_of_the_actions(table: str) -> None:
    whole = 0
    for row in published("001", table):
        (key,) = figures(row)
        values = [each[key] for each in row.get("per_action", {}).values()]
        if len(values) == 15 and None not in values:
            # As printed, three averages are 0.2 off what their own rows give.
            assert sum(values) / 15 == pytest.approx(row[key], abs=0.26)
            whole += 1
    assert whole >= 5


def test_the_same_figure_in_two_tables_is_the_same() -> None:
    ours = [row for row in published("001", "Table 5") if row["hypotheses"] == 200][-1]
    first, second = (published("001", f"Table 1, Protocol {n}")[-1] for n in (1, 2))
    assert ours["min_mpjpe_mm"] == first["min_mpjpe_mm"]
    assert ours["min_pa_mpjpe_mm"] == second["min_pa_mpjpe_mm"]
    full = published("001", "Table 4")[-1]
    subset = published("001", "Table 2")[-1]
    assert figures(full) == figures(subset)


def page_rows(paper: str, start: str) -> list[list[float]]:
    """Figures in the published column of the rows of a page that begin so."""
    lines = (PAGES / f"{paper}.md").read_text(encoding="utf-8").splitlines()
    cells = [line.split(" | ") for line in lines if line.startswith(f"| {start}")]
    return [[float(n) for n in re.findall(r"\d+\.\d+", row[3])] for row in cells]


def test_the_pages_quote_the_same_figures() -> None:
    gaussians = published("000", "Table 1")[2:4]
    quoted = page_rows("000", "Table 1: Gaussian by")
    assert quoted == [[row["min_mpjpe_mm"], row["ece_median"]] for row in gaussians]
    ablation = published("001", "Table 4")
    expected = [
        [row["min_mpjpe_mm"], row["min_pa_mpjpe_mm"], 100 * row["pck150"], row["cps_mm"]]
        for row in ablation
    ]
    assert page_rows("001", "Table 4, ablation") == [pytest.approx(row) for row in expected]
    (spread,) = published("001", "Section 4.5")
    assert page_rows("001", "Section 4.5: spread by axis") == [
        [spread["std_z_mm"], spread["std_x_mm"], spread["std_y_mm"]]
    ]
    least = [row["min_pa_mpjpe_mm"] for row in published("002", "Section 5.3")]
    assert page_rows("002", "Section 5.3: least PA-MPJPE") == [least[:1], least[1:]]


def test_settings_and_actions_have_the_names_of_the_data_sets() -> None:
    for row in published("001", "Table 3"):
        assert list(row["per_setting"]) == ["studio_green_screen", "studio", "outdoor"]
    assert len(published("001", "Table 1, Protocol 1")[0]["per_action"]) == 15


def test_rows_of_a_study() -> None:
    rows = published_for("human36m", "ambiguous")
    assert [row["table"] for row in rows] == ["Table 2"] * 3
    assert {row["data"] for row in published_for("human36m", "table1")} == {"human36m"}
    assert published_for("cmu", "table1") == []


def test_a_change_of_the_rows_reaches_nobody_else() -> None:
    published("001", "Table 2")[0]["min_mpjpe_mm"] = 0.0
    assert published("001", "Table 2")[0]["min_mpjpe_mm"] == 81.1


@pytest.mark.parametrize(("paper", "table"), [("005", "Table 1"), ("001", "Table 9")])
def test_unknown_tables_are_refused(paper: str, table: str) -> None:
    with pytest.raises(InputError, match="one of"):
        published(paper, table)
