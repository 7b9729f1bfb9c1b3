"""The files of a study: all written, well formed, self-contained, safe to open."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread

from poseterior.errors import InputError
from poseterior.report.study_page import study_html, study_markdown, write_study
from poseterior.report.study_plots import write_study_plot
from poseterior.report.study_series import axis
from report.study_results import METHODS, POINTS, STUDIES, ablation, table1

VOID = {"meta"}
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>&$\\frac{'


class Page(HTMLParser):
    """Tags must nest; keeps elements and words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID | {"wbr"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words += data

    def count(self, tag: str, css: str) -> int:
        return sum(t == tag and css in (a.get("class") or "").split() for t, a in self.found)


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_writes_its_four_files(name: str, tmp_path: Path) -> None:
    before, pyplot = dict(matplotlib.rcParams), "matplotlib.pyplot" in sys.modules
    paths = write_study(STUDIES[name](), tmp_path / "new")
    assert [p.name for p in paths] == [f"{name}.{end}" for end in ("csv", "md", "html", "png")]
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == sorted(p.name for p in paths)
    pixels = imread(paths[-1])[..., :3]
    assert min(pixels.shape[:2]) > 300
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20
    assert dict(matplotlib.rcParams) == before
    assert ("matplotlib.pyplot" in sys.modules) == pyplot


@pytest.mark.parametrize("name", STUDIES)
def test_pages_are_well_formed_and_self_contained(name: str) -> None:
    html = study_html(STUDIES[name]())
    page = Page(html)
    assert not {t for t, _ in page.found} & {"script", "link", "img", "iframe"}
    assert not re.search(r"https?://|url\(", html)
    assert "poseterior study" in page.words
    assert "nan" not in re.findall(r'(?:cx|cy|x|y|points|d|transform)="([^"]*)"', html)


def test_table1_shows_every_row_where_it_can() -> None:
    page = Page(study_html(table1()))
    rows = [*METHODS, *POINTS]
    assert all(row in page.words for row in rows)
    assert page.count("path", "mark") == 2 * len(METHODS) + 3  # and the legend's
    assert page.count("polygon", "deficit") == len(METHODS)
    reasons = [a["title"] for t, a in page.found if t == "td" and a.get("class") == "absent"]
    assert "The method has no density." in reasons
    assert all(reasons)


def test_rows_still_to_run_are_named() -> None:
    assert (
        "Still to run: cinn, mdn."
        in Page(study_html(table1() | {"missing": ["cinn", "mdn"]})).words
    )


def test_a_row_says_why_it_lacks_a_number() -> None:
    row = {"method": "a", "nll": None, "reasons": {"nll": "It <is> improper."}}
    html = study_html({"study": "table1", "rows": [row, {"method": "b", "nll": 1.0}]})
    assert 'title="It &lt;is&gt; improper."' in html


def _poisoned(value: Any) -> Any:
    """Every word of it hostile, but those that numbers are found by."""
    if isinstance(value, str):
        return HOSTILE
    if isinstance(value, dict):
        return {k: _poisoned(v) for k, v in value.items()}
    return [_poisoned(v) for v in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", STUDIES)
def test_hostile_words_are_escaped(name: str) -> None:
    result = _poisoned(STUDIES[name]()) | {"study": name, "provenance": {HOSTILE: [HOSTILE]}}
    page = Page(study_html(result))
    assert not {t for t, _ in page.found} & {"script", "img"}
    assert not any(key.startswith("on") for _, attributes in page.found for key in attributes)
    assert "<script>" not in study_markdown(result)


def test_hostile_words_can_be_drawn(tmp_path: Path) -> None:
    result = _poisoned(ablation()) | {"study": "ablation"}
    assert write_study_plot(result, tmp_path / "x.png") is not None


@pytest.mark.parametrize("name", ["table1", "samples", "diversity", "ablation", "something_new"])
def test_nothing_to_draw_is_said_and_not_drawn(name: str, tmp_path: Path) -> None:
    for rows in ([], [{"method": "a"}], [{"method": "a", "ece_median": float("nan"), "nll": None}]):
        paths = write_study({"study": name, "rows": rows}, tmp_path)
        assert [p.suffix for p in paths] == [".csv", ".md", ".html"]
        assert 'class="missing"' in paths[2].read_text(encoding="utf-8")


@pytest.mark.parametrize("name", STUDIES)
def test_one_row_is_enough(name: str) -> None:
    result = STUDIES[name]()
    html = study_html(result | {"rows": result["rows"][:1]})
    assert "svg" in {tag for tag, _ in Page(html).found}
    assert 'class="missing"' not in html


@pytest.mark.parametrize("name", [None, "", "../table1", "a/b", ".hidden"])
def test_names_that_are_no_file_names_are_refused(name: object, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="plain name"):
        write_study({"study": name, "rows": []}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_bad_row_leaves_the_old_files_alone(tmp_path: Path) -> None:
    (tmp_path / "table1.csv").write_text("old")
    old = {p: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(ValueError, match="row 0"):
        write_study(table1() | {"rows": [{"ece_median": 0.1}]}, tmp_path)
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == old


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file"):
        write_study(table1(), tmp_path / "file")


@pytest.mark.parametrize("make", [lambda v: axis(v), lambda v: axis(v, zero=True),
                                  lambda v: axis(v, log=True)])  # fmt: skip
def test_axes_hold_their_values_and_have_ticks(make: Callable[[list[float]], Any]) -> None:
    random = np.random.default_rng(0)
    for scale in (1e-3, 1.0, 700.0):
        for spread in (0.0, 0.05, 1.0, 5.0):
            values = (scale * np.exp(spread * random.standard_normal(9))).tolist()
            found = make(values)
            assert found.low <= min(values) <= max(values) <= found.high
            assert all(found.low <= tick <= found.high for tick in found.ticks)
            assert len(found.ticks) >= 1


def test_a_gallery_draws_each_pose_of_each_row() -> None:
    rng = np.random.default_rng(0)
    poses = 0.3 * rng.standard_normal((6, 11, 17, 3))
    entries = [
        {
            "row": n, "skeleton": "h36m_17", "uncertain_joints": n,
            "target": pose[0].tolist(), "hypotheses": pose[1:].tolist(),
        }
        for n, pose in enumerate(poses)
    ]  # fmt: skip
    rows = [{"method": name, "gallery": entries} for name in ("full", "no L_HM")]
    result = {"study": "diversity", "rows": [*rows, {"method": "other"}]}
    page = Page(study_html(result))
    figures = page.count("polyline", "truth")
    assert figures == 2 * 6 * 2 * 16  # rows, poses, views, bones
    assert page.count("polyline", "guess") == 10 * figures
    assert "Pose 0: every joint sure" in page.words
    assert "Pose 1: 1 uncertain joint" in page.words
    assert "Gallery" not in Page(study_html({**result, "rows": [{"method": "other"}]})).words


def test_published_figures_stand_beside_ours() -> None:
    published = [
        {"paper": "001", "table": "Table 1", "method": "Theirs <1>", "ours": "glow",
         "hypotheses": 200, "min_mpjpe_mm": 44.3, "note": "n"},
        {"paper": "000", "table": "Table 1", "method": "Unknown", "ours": None,
         "hypotheses": None, "min_mpjpe_mm": 55.0, "ece_median": 0.25},
    ]  # fmt: skip
    result = table1() | {"published": published}
    text, page = study_markdown(result), Page(study_html(result))
    assert "| 001 | Table 1 | Theirs <1> | glow | 200 | 44.3 / 52.9 |" in text
    assert "| 000 | Table 1 | Unknown | – | – | 55.0 / – | 0.250 / – |" in text
    assert "Theirs <1>" in page.words
    assert "As published" not in study_markdown(table1())
    rows = [row | {"mean_over_actions": {"min_mpjpe_mm": 12.3}} for row in result["rows"]]
    assert "44.3 / 12.3" in study_markdown(result | {"rows": rows})
