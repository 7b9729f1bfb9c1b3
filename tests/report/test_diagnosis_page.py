"""The page of a diagnosis: whole whatever is missing, safe to open, and true to its numbers."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_17
from poseterior.metrics.diagnosis import Diagnosis
from poseterior.metrics.verdict import VERDICTS as NAMES
from poseterior.recalibration import METHODS
from poseterior.report.diagnosis_page import diagnosis_html, write_diagnosis
from report.diagnosis_results import VERDICTS, diagnosis
from report.test_study_page import HOSTILE, Page

PARTS = [
    "words", "evidence", "poses", "invalid", "hypotheses", "skeleton", "alpha", "groups", "factors",
    "bias", "ranks", "whole_pose", "scores", "sharpness_mm", "spread_skill", "risk_coverage",
    "skill", "skill_scores", "strata", "perfect", "score", "notes", "provenance", "verdict",
]  # fmt: skip


@pytest.fixture(scope="module")
def whole() -> Mapping[str, Any]:
    return diagnosis()


def words_of(result: dict[str, Any]) -> str:
    return " ".join(Page(diagnosis_html(result)).words.split())


def test_the_example_results_have_every_verdict() -> None:
    assert set(VERDICTS) == set(NAMES)


@pytest.mark.parametrize("verdict", VERDICTS)
def test_each_verdict_has_its_own_headline_and_advice(verdict: str) -> None:
    html = diagnosis_html(diagnosis(verdict))
    heading = re.search(r"<h1[^>]*>(.*?)</h1>", html, re.S)
    assert heading is not None
    assert heading[1].lower().startswith(verdict.replace("_", " "))
    methods = re.findall(r"--method (\w+)", html)
    expected = {
        "overconfident": ["spread"], "underconfident": ["spread"],
        "wrong_by_joint": ["spread_joint", "adaptive"],
    }  # fmt: skip
    assert methods == expected.get(verdict, [])
    assert set(methods) <= set(METHODS)


def test_advice_names_no_remedy_that_does_not_help() -> None:
    assert "No recalibration of the spread repairs a bias" in words_of(diagnosis("biased"))
    together = words_of(diagnosis("miscorrelated"))
    assert "limb lengths, angles, distances) cannot, although each joint can" in together
    assert "poseterior recalibrate" not in together
    assert "Not to be seen this way" in words_of(diagnosis("calibrated"))


@pytest.mark.parametrize("skeleton", ["h36m_17", "openpose_25", "lsp_14", "halpe_26"])
def test_pages_are_well_formed_and_self_contained(skeleton: str) -> None:
    html = diagnosis_html(diagnosis("wrong_by_joint", skeleton))
    page = Page(html)
    assert not {t for t, _ in page.found} & {"script", "link", "img", "iframe"}
    assert not re.search(r"https?://|url\(|@import", html)
    assert "default-src 'none'" in html
    places = re.findall(r' (?:cx|cy|x|y|points|d|width|height)="([^"]*)"', html)
    assert len(places) > 1000
    assert not [p for p in places if re.search(r"nan|inf|None", p)]
    assert len([1 for _, a in page.found if "data-joint" in a]) == int(skeleton.split("_")[-1])


def test_dark_and_light_are_the_readers_choice() -> None:
    assert "@media (prefers-color-scheme: dark)" in diagnosis_html(diagnosis())


def test_the_first_sentence_is_not_said_twice() -> None:
    result = diagnosis("overconfident")
    result["words"] = ["Overconfident: the hypotheses spread too little.", "By a lot."]
    said = words_of(result)
    assert "By a lot." in said
    assert "the hypotheses spread too little" not in said


def test_names_cannot_become_code() -> None:
    result = diagnosis("wrong_by_joint", clips=3)
    result |= {"words": [HOSTILE], "skeleton": HOSTILE, "notes": {"clip": HOSTILE}}
    for part in (result["factors"]["per_joint"], result["bias"], result["ranks"]["joints"],
                 result["ranks"]["p_value"], result["scores"]["crps_mm"]["joints"],
                 result["whole_pose"]):  # fmt: skip
        part[HOSTILE] = copy.deepcopy(next(iter(part.values())))
    result["evidence"][0] |= dict.fromkeys(("test", "fault", "joint", "axis", "says"), HOSTILE)
    result["evidence"][0] |= {"unit": HOSTILE, "significant": True}
    result["strata"][0] |= {"by": HOSTILE, "name": HOSTILE}
    result["perfect"] |= {HOSTILE: 1.0, "at_independent_poses": {"poses": HOSTILE}}
    result["groups"]["by"] = HOSTILE
    page = Page(diagnosis_html(result))
    assert not {t for t, _ in page.found} & {"script", "img"}
    assert not [a for _, a in page.found if "onerror" in a]
    assert page.words.count("alert(1)") > 10


@pytest.mark.parametrize("absent", [None, "gone"])
@pytest.mark.parametrize("key", PARTS)
def test_any_part_may_be_missing(key: str, absent: str | None, whole: Mapping[str, Any]) -> None:
    result = dict(whole)
    del result[key]
    if absent is None:
        result[key] = None
    said = words_of(result)
    assert "None" not in said
    assert "nan" not in said.split()


def test_every_part_of_a_part_may_be_none() -> None:
    result = diagnosis()
    for part in list(result.values()):
        if isinstance(part, dict):
            part.update(dict.fromkeys(part))
    said = words_of(result)
    assert "The result holds no rank histograms" in said
    assert "The result holds no skill" in said
    assert "None" not in said


def test_an_empty_result_says_what_is_missing() -> None:
    page = Page(diagnosis_html({}))
    assert "No verdict" in page.words
    assert page.count("p", "missing") >= 8


def test_numbers_that_are_not_finite_are_dashes() -> None:
    result = diagnosis()
    result["factors"]["common"]["factor"] = float("nan")
    result["factors"]["per_joint"]["spine"] |= {"factor": float("inf"), "x": 0.0}
    result["evidence"][0] |= {"effect": float("nan"), "p_value": float("nan")}
    result["skill_scores"]["crps"]["x"] = float("-inf")
    result["strata"][0]["factor"] = 0.0
    assert not re.search(r"[\s\",>(-](nan|inf)[\s\",<)]", diagnosis_html(result))


def test_five_hundred_clips_are_cut_and_counted() -> None:
    page = Page(diagnosis_html(diagnosis(clips=500)))
    assert "20 of 500 shown, those farthest from 1" in page.words
    assert "500 clips, worth 305.0 independent ones" in page.words
    short = Page(diagnosis_html(diagnosis(clips=1)))
    assert "1 clip, worth" in short.words
    assert "shown, those farthest" not in short.words


def test_the_strata_shown_are_those_farthest_from_right() -> None:
    result = diagnosis(clips=50)
    clips = {s["name"]: max(s["factor"], 1 / s["factor"]) for s in result["strata"][4:]}
    worst = sorted(clips, key=lambda name: -clips[name])[:20]
    table = diagnosis_html(result).partition("By clip, farthest from 1 first")[2].split("</table>")
    shown = re.findall(r'<th scope="row">(.*?)</th>', table[0])
    assert [name.replace("<wbr>", "") for name in shown] == worst


def test_of_many_tests_the_overall_ones_come_first_and_the_rest_is_folded() -> None:
    result = diagnosis("wrong_by_joint")
    html = diagnosis_html(result)
    shown = html.partition("The evidence")[2].partition("<details>")[0]
    assert shown.count('<th scope="row">') == 12
    assert f"{len(result['evidence']) - 12} more tests" in html
    assert shown.index("Common factor") < shown.index("Factor of a joint")


@pytest.mark.parametrize(
    ("low", "said"), [(0.1, "It uses its input: its energy score is 15% lower"),
                      (-0.1, "It cannot be shown to use its input")],
)  # fmt: skip
def test_skill_is_said_in_words(low: float, said: str) -> None:
    result = diagnosis()
    result["skill_scores"] |= {"value": 0.15, "interval": [low, 0.3]}
    assert said in words_of(result)


def test_the_numbers_are_those_of_the_result() -> None:
    result = diagnosis("overconfident")
    common = result["factors"]["common"]
    worst = max(result["factors"]["per_joint"].values(), key=lambda entry: entry["factor"])
    said = words_of(result)
    assert f"too narrow (multiply it by {common['factor']:.2f})" in said
    assert f"95%: {common['interval'][0]:.2f} to {common['interval'][1]:.2f}" in said
    assert f"× {worst['factor']:.2f}" in said
    assert "mpjpe_mean_mm" in said  # all numbers of the score


@pytest.fixture(scope="module")
def computed() -> dict[str, Any]:
    """What the diagnostics themselves say of a posterior that is twice too narrow."""
    draw = 0.05 * torch.randn(240, 41, 17, 3, generator=torch.Generator().manual_seed(0))
    draw[:, :, 0] = 0
    found = Diagnosis(H36M_17, by="row", replicates=50)
    found.update(0.5 * draw[:, 1:], draw[:, 0])
    return found.compute()


def test_fits_what_the_diagnostics_compute(computed: dict[str, Any]) -> None:
    page = Page(diagnosis_html(computed))
    assert "Overconfident: the spread is too narrow" in page.words
    assert page.count("rect", "rank") > 17 * 3 * 20 - 3 * 20
    assert page.count("circle", "factor") >= 17
    assert page.count("circle", "axis-x") == 16
    for section in ("The whole pose at once", "Does the spread know", "Which poses", "perfect"):
        assert section in page.words


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    assert write_diagnosis(tmp_path / "d.html", diagnosis()).stat().st_size > 100_000
    with pytest.raises(InputError, match=r"absent/d\.html"):
        write_diagnosis(tmp_path / "absent" / "d.html", {})
    assert [p.name for p in tmp_path.iterdir()] == ["d.html"]
