"""`study oks_theory`: every equation of paper 003 is covered and holds, slips do not; its files."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import torch
from matplotlib.image import imread

from poseterior.confidence import imperfect
from poseterior.report.oks_theory_page import write_oks_theory
from poseterior.studies.oks_heatmaps import Grid
from poseterior.studies.oks_rows import holds, searched
from poseterior.studies.oks_theory import oks_theory_study


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    return oks_theory_study(seed=3)


def test_everything_holds_but_the_slips(result: dict[str, Any]) -> None:
    assert result["failed"] == []
    slips = {row["equation"] for row in result["rows"] if row["printed"]}
    assert slips == {"31-34", "18", "below 89, printed", "110, printed"}


def test_the_rows_name_every_equation_of_the_theory(result: dict[str, Any]) -> None:
    named: set[int] = set()
    for row in result["rows"]:
        for first, last in re.findall(r"(\d+)(?:-(\d+))?", row["equation"]):
            named |= set(range(int(first), int(last or first) + 1))
    assert set(range(10, 19)) | set(range(22, 111)) <= named


def test_a_wrong_form_would_be_seen() -> None:
    row = searched("1", "x", {}, 1.0, 1.02, error=0.001)
    assert not holds(row)
    assert holds(searched("1", "x", {}, 1.0, 1.002, error=0.001))
    assert not holds(searched("1", "x", {}, 1.0, 1.01))
    grid = Grid.of(2.0, 3.0)
    fitted = torch.tensor(6.0, dtype=torch.float64)
    right = imperfect.heatmap_scale(fitted, *grid.args)
    assert grid.best_height(fitted) == pytest.approx(right.item(), rel=1e-9)
    assert grid.best_height(fitted) != pytest.approx(right.item() * 1.01, rel=1e-3)


def test_peaks_are_those_of_the_fit_the_better_the_more_annotators(result: dict[str, Any]) -> None:
    pearson = [group["pearson"] for group in result["peaks"]]
    assert pearson[0] < 0.97 < 0.98 < pearson[1] < 0.999 < min(pearson[2:])
    last = result["peaks"][-1]
    assert abs(last["mean_difference"]) < 0.02
    gaps = [abs(p - e) for p, e in zip(last["peak"], last["expected"], strict=True)]
    assert max(gaps) < 0.12


def test_the_files_are_written(result: dict[str, Any], tmp_path) -> None:
    files = write_oks_theory(result, tmp_path)
    assert [path.name for path in files] == ["oks_theory.md", "oks_theory.html", "oks_theory.png"]
    assert imread(files[2]).std() > 0.05
    assert "110, mended" in files[0].read_text()
    page = files[1].read_text()
    assert "data:image/png" in page
    assert "$" not in re.sub(r"data:image/png;base64,[^\"]*|<style>.*?</style>", "", page,
                             flags=re.DOTALL)  # fmt: skip
    assert json.loads(json.dumps(result)) == result
