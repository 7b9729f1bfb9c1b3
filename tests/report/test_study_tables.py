"""Tables of a study: the numbers of its rows, best claimed only where it is."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from poseterior.report.study_columns import column
from poseterior.report.study_pivot import pivot
from poseterior.report.study_rows import best_rows, kind
from poseterior.report.study_tables import csv_text, main_columns, markdown_table
from report.study_results import STUDIES, ablation, samples, table1


def _cells(markdown: str) -> list[list[str]]:
    return [[c.strip() for c in line.strip("|").split("|")] for line in markdown.splitlines()]


def _rows(*numbers: tuple[float, float, float]) -> list[dict[str, Any]]:
    return [
        {"method": f"m{n}", "ece_median": v, "intervals": {"ece_median": [low, high]}}
        for n, (v, low, high) in enumerate(numbers)
    ]


@pytest.mark.parametrize("name", STUDIES)
def test_csv_reads_back_as_the_rows(name: str) -> None:
    result = STUDIES[name]()
    read = list(csv.DictReader(io.StringIO(csv_text(result))))
    assert len(read) == len(result["rows"])
    for line, row in zip(read, result["rows"], strict=True):
        for key, value in row.items():
            if isinstance(value, float | int):
                assert float(line[key]) == value
            elif isinstance(value, str):
                assert line[key] == value
            elif value is None and key in line:
                assert line[key] == ""
        for key, (low, high) in row.get("intervals", {}).items():
            assert (float(line[f"{key}_low"]), float(line[f"{key}_high"])) == (low, high)


def test_markdown_has_a_line_for_each_row_and_the_asked_columns() -> None:
    cells = _cells(markdown_table(table1(), ["ece_median", "nll", "verdict", "unheard_of"]))
    assert cells[0] == ["Method", "ECE ↓", "NLL, nats ↓", "Verdict"]
    assert {len(line) for line in cells} == {4}
    assert len(cells) == 2 + len(table1()["rows"])
    assert cells[-1][1:3] == ["–", "–"]


def test_default_markdown_fits_a_readme() -> None:
    lines = markdown_table(table1()).splitlines()
    assert max(map(len, lines)) < 130
    assert "coupling_flow" in lines[2]
    assert "**0.004**" in lines[2]


def test_samples_have_a_line_for_each_method() -> None:
    cells = _cells(markdown_table(samples()))
    assert len(cells) == 2 + 8
    found = {row["method"]: row for row in samples()["rows"] if row["hypotheses"] == 200}
    at = cells[0].index("200 ↓")
    for line in cells[2:]:
        assert line[at].strip("*") == f"{found[line[0]]['min_mpjpe_mm']:.1f}"


def test_pivot_keeps_subsets_and_intervals_apart() -> None:
    rows = [
        {"method": "a", "subset": s, "hypotheses": h, "min_mpjpe_mm": 10.0 * h + len(s),
         "intervals": {"min_mpjpe_mm": [h, 99.0]}}
        for s in ("x", "xy") for h in (2, 1)
    ]  # fmt: skip
    merged, (one, two) = pivot(rows, "min_mpjpe_mm")
    assert [(r["subset"], r[one.key], r[two.key]) for r in merged] == [
        ("x", 11.0, 21.0), ("xy", 12.0, 22.0),
    ]  # fmt: skip
    assert merged[0]["intervals"][two.key] == (2.0, 99.0)


def test_best_is_claimed_only_beyond_the_intervals() -> None:
    of = column("ece_median")
    assert best_rows(_rows((0.1, 0.09, 0.11), (0.2, 0.15, 0.25)), of) == {0}
    assert best_rows(_rows((0.1, 0.09, 0.16), (0.2, 0.15, 0.25)), of) == set()
    assert best_rows(_rows((0.1, 0.1, 0.1)), of) == set()
    assert best_rows([{"method": "a", "ece_median": 0.1}, {"method": "b"}], of) == set()
    higher = [{"method": "a", "cps_mm": 3.0}, {"method": "b", "cps_mm": 5.0}]
    assert best_rows(higher, column("cps_mm")) == {1}
    alike = [{"method": "a", "cps_mm": 5.01}, {"method": "b", "cps_mm": 5.02}]
    assert best_rows(alike, column("cps_mm")) == set()


def test_the_best_hypothesis_of_few_does_not_compete_with_that_of_many() -> None:
    rows = [
        {"method": str(n), "hypotheses": h, "min_mpjpe_mm": e}
        for n, (h, e) in enumerate([(200, 40.0), (200, 50.0), (1, 70.0), (1000, 30.0)])
    ]
    assert best_rows(rows, column("min_mpjpe_mm")) == {0}


def test_subsets_compete_apart() -> None:
    rows = [
        {"method": m, "subset": s, "cps_mm": v}
        for m, s, v in [("a", "x", 9.0), ("b", "x", 5.0), ("a", "y", 1.0), ("b", "y", 2.0)]
    ]
    assert best_rows(rows, column("cps_mm")) == {0, 3}


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"coverage_90": 0.89, "verdict": "overconfident"}, "over"),
        ({"coverage_90": 0.97, "verdict": "covers as it says at 90 %"}, "right"),
        ({"coverage_90": 0.1, "verdict": "not known: too few clips"}, None),
        ({"verdict": "one pose, no spread"}, None), ({"coverage_90": 0.6}, "over"),
        ({"coverage_90": 0.97}, "under"),
        ({"coverage_90": 0.89, "ece_median": 0.02}, "right"),
        ({"coverage_90": 0.91, "ece_median": 0.1}, "uneven"), ({"coverage_90": None}, None),
    ],
)  # fmt: skip
def test_kind_follows_the_90_percent_regions(row: dict[str, Any], found: str | None) -> None:
    assert kind(row) == found


def test_kind_allows_for_few_hypotheses() -> None:
    curve = {"levels": [0.0, 0.9, 1.0], "observed": [0.0, 0.82, 1.0]}
    assert kind({"reliability": curve}) == "over"
    perfect = {"observed": [0.0, 0.83, 1.0], "ece": 0.04}
    assert kind({"reliability": curve | {"perfect": perfect}, "ece_median": 0.05}) == "right"


def test_the_result_chooses_its_columns() -> None:
    chosen = main_columns(ablation() | {"columns": ["energy_score_mm", "variant", "ece_median"]})
    assert [of.key for of in chosen] == ["energy_score_mm", "ece_median"]


def test_hostile_words_stay_in_their_cell() -> None:
    rows = [{"method": "a|b\n| c <b> `x`", "ece_median": 0.1}]
    table = markdown_table({"study": "table1", "rows": rows}, ["ece_median"])
    assert len(table.splitlines()) == 3
    assert "<b>" not in table
    assert table.splitlines()[2].replace(r"\|", "").count("|") == 3


@pytest.mark.parametrize("rows", [[{"ece_median": 0.1}], ["method"], None, "rows", [{"method": 3}]])
def test_rows_without_method_are_refused(rows: object) -> None:
    for write in (markdown_table, csv_text):
        with pytest.raises(ValueError, match=r"row 0 .*no `method`|`rows`, a list"):
            write({"study": "table1", "rows": rows})
