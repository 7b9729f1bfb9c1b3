"""The page: well formed, self-contained, safe to open, and whole whatever is missing."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch

from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_17
from poseterior.metrics.summary import ScoreAccumulator
from poseterior.report import Examples, write_report
from poseterior.report.page import report_html, script_json

VOID = {"meta", "input", "br", "hr", "img", "link"}
BUNDLE = "plotly.js (gl3d"


class Page(HTMLParser):
    """Tags must nest; keeps attributes, scripts, ids and the visible text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.scripts: list[str] = []
        self.words = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif self.open and self.open[-1] != "style":
            self.words += data + " "

    def ids(self) -> set[str]:
        return {value for _, name, value in self.attributes if name == "id"}


def scene_data(html: str) -> Any:
    text = re.search(r'<script type="application/json" id="scene-data">(.*?)</script>', html, re.S)
    assert text is not None
    return json.loads(text[1])


def test_parses_and_shows_the_numbers(result: dict[str, Any], examples: Examples) -> None:
    page = Page(report_html(result, examples))
    assert "a little overconfident" in page.words
    for words in ("46.9", "45.0 to 48.8", "−88.31", "mpjpe_mode_mm", "data.fingerprint", "4,000"):
        assert words in page.words
    assert len(page.scripts) == 4
    assert {"scene", "image", "pose", "slide", "previous", "next"} <= page.ids()


def test_every_id_that_the_script_asks_for_is_there(
    result: dict[str, Any], examples: Examples
) -> None:
    page = Page(report_html(result, examples))
    asked = set(re.findall(r'(?:byId|getElementById)\("([\w-]+)"\)', page.scripts[-1]))
    assert asked
    assert asked <= page.ids()


def test_asks_nothing_of_the_network(result: dict[str, Any], examples: Examples) -> None:
    html = report_html(result, examples)
    page = Page(html)
    assert not [a for a in page.attributes if a[1] in {"src", "href", "action", "srcset"}]
    own = [s for s in page.scripts if BUNDLE not in s[:300]]
    assert len(own) == 3
    namespaces = "http://www.w3.org/2000/svg"
    for script in own:
        assert not re.search(
            r"\bfetch\(|XMLHttpRequest|import\(|https?://", script.replace(namespaces, "")
        )
    style = re.search(r"<style>(.*?)</style>", html, re.S)
    assert style is not None
    assert not re.search(r"url\(|@import|https?:", style[1])
    policy = [v for _, name, v in page.attributes if name == "content" and "default-src" in v]
    assert policy[0].startswith("default-src 'none'")
    assert "http" not in policy[0]


def test_size_is_two_to_three_megabytes(
    result: dict[str, Any], examples: Examples, tmp_path: Path
) -> None:
    path = write_report(tmp_path / "report.html", result, examples)
    assert 1.5e6 < path.stat().st_size < 3e6
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_scene_holds_the_poses(result: dict[str, Any], examples: Examples) -> None:
    data = scene_data(report_html(result, examples))
    assert len(data["poses"]) == 8
    assert data["poses"][3]["label"] == "clip 03_02, frame 123"
    x, y, z = examples.target[3, 13]  # type: ignore[index]
    assert data["poses"][3]["target"][13] == pytest.approx([x, z, -y], abs=6e-4)
    assert len(data["bones"]) == 16


NASTY = '</script><script>alert(1)</script><img src=x onerror="alert(2)">&\u2028'


def test_names_cannot_become_code(result: dict[str, Any], examples: Examples) -> None:
    plain = Page(report_html(result, examples))
    result["provenance"] |= {"lifter": NASTY, NASTY: {"deep": NASTY}}
    result["skeleton"] = NASTY
    result["per_joint"][NASTY] = {"ece": 0.1, "mpjpe_mm": 3.0, "coverage": [0.0, 1.0]}
    result["histograms"][NASTY] = {"edges": [0, 1, 2], "counts": [1, 2, 3]}
    html = report_html(result, replace(examples, labels=[NASTY] * len(examples)))
    page = Page(html)
    assert len(page.scripts) == len(plain.scripts)
    assert not [a for a in page.attributes if a[0] == "img" or a[1] == "onerror"]
    assert scene_data(html)["poses"][0]["label"] == NASTY
    assert NASTY.split("\u2028")[0] in page.words


def test_script_json_round_trips() -> None:
    value = {"a": [NASTY, 1, None, True, {"b": 0.5}]}
    assert json.loads(script_json(value)) == value
    assert not set("<>&\u2028") & set(script_json(value))


def test_an_empty_result_is_said_to_be_empty() -> None:
    page = Page(report_html({}, None))
    assert "Not scored: no target was given" in page.words
    assert page.scripts == []


@pytest.mark.parametrize("absent", [None, "gone"])
@pytest.mark.parametrize(
    "key",
    ["intervals", "per_joint", "reliability", "coverage", "histograms", "provenance", "ece_median",
     "mpjpe_mean_mm", "invalid", "hypotheses", "poses", "skeleton"],
)  # fmt: skip
def test_any_part_may_be_missing(key: str, absent: str | None, result: dict[str, Any]) -> None:
    less = copy.deepcopy(result)
    del less[key]
    if absent is None:
        less[key] = None
    page = Page(report_html(less, None))
    assert "None" not in page.words
    assert "nan" not in page.words.split()


def test_numbers_that_are_not_finite_are_dashes(result: dict[str, Any]) -> None:
    result |= {"mpjpe_mean_mm": float("nan"), "nll": float("inf")}
    result["reliability"]["observed"][3] = None
    result["reliability"]["band"][0][5] = float("nan")
    html = report_html(result, None)
    assert not re.search(r"[\s\",>(-](nan|inf)[\s\",<)]", html)


def test_without_a_target_only_the_spread_is_shown(examples: Examples) -> None:
    result = {"poses": 8, "hypotheses": 200, "mpjpe_mean_mm": None, "sharpness_mm": 63.21}
    html = report_html(result, replace(examples, target=None))
    page = Page(html)
    for words in ("no target was given", "Calibration needs a target", "63.2", "Joint by joint"):
        assert words in page.words
    assert scene_data(html)["poses"][0]["target"] is None
    assert 'data-layer="target"' not in html


def test_one_hypothesis_has_errors_but_no_calibration(
    result: dict[str, Any], examples: Examples
) -> None:
    result |= {key: None for key in result if key.startswith("ece")}
    result |= {"hypotheses": 1, "reliability": None, "coverage": None}
    page = Page(report_html(result, replace(examples, hypotheses=examples.hypotheses[:, :1])))
    assert "One hypothesis per pose has no spread" in page.words
    assert "1 hypothesis each" in page.words
    assert "46.9" in page.words


@pytest.mark.parametrize("field", ["keypoints", "covariance", "valid", "intrinsics", "labels"])
def test_examples_without_a_field(field: str, result: dict[str, Any], examples: Examples) -> None:
    data = scene_data(report_html(result, replace(examples, **{field: None})))
    image = data["poses"][2]["image"]
    if field == "keypoints":
        assert image is None
    elif field == "intrinsics":
        assert image["mean"] is None
        assert image["keypoints"][13] is None
    else:
        assert len(image["mean"]) == 17


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"absent/report\.html: expected a file in an existing folder"
    ):
        write_report(tmp_path / "absent" / "report.html", {}, None)
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(InputError, match=r"folder\.html"):
        write_report(tmp_path / "folder.html", {}, None)
    assert [p.name for p in tmp_path.iterdir()] == ["folder.html"]


def test_examples_of_the_wrong_shape_are_refused(examples: Examples) -> None:
    with pytest.raises(InputError, match=r"Examples: target: expected shape \(8, 17, 3\)"):
        replace(examples, target=examples.hypotheses)
    with pytest.raises(InputError, match="Examples: hypotheses"):
        replace(examples, hypotheses=examples.hypotheses[:, :0])


def test_a_result_of_the_metrics_is_shown(tmp_path: Path) -> None:
    draw = 0.05 * torch.randn(300, 21, 17, 3, generator=torch.Generator().manual_seed(0))
    draw[:, :, 0] = 0
    scores = ScoreAccumulator(H36M_17)
    scores.update(0.5 * draw[:, 1:], draw[:, 0])
    page = Page(report_html(scores.compute(), None))
    assert "of the time: far overconfident" in page.words
    assert "With 20 hypotheses per pose the 90% regions of a perfect posterior" in page.words
    assert "pelvis" not in page.words
