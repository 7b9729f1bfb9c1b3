"""The page of a repair of confidences: whole whatever is missing, safe, true to its numbers."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from poseterior.errors import InputError
from poseterior.report.keypoint_confidence_page import (
    keypoint_confidence_html,
    write_keypoint_confidence,
)
from poseterior.report.keypoint_confidence_read import MEASURES, measure, moved
from report.test_study_page import HOSTILE, Page

KEPT = [step / 20 for step in range(1, 21)]
RECALL = [step / 50 for step in range(51)]
JOINTS = ["nose", "left_eye", "right_wrist"]
BEFORE = {
    "map": 0.45, "mar": 0.5, "ap50": 0.8, "ap75": 0.4, "ap_m": 0.41, "ap_l": 0.47, "ause": 0.04,
    "pearson": 0.7, "ause_keypoint": 0.05, "pearson_keypoint": 0.6, "brier_keypoint": 0.09,
    "ece_keypoint": 0.12, "bias_keypoint": 0.1, "verdict_keypoint": "overconfident",
}  # fmt: skip
AFTER = BEFORE | {
    "map": 0.4725, "ap50": 0.84, "ap_m": 0.4, "ause": 0.01, "pearson": 0.9,
    "brier_keypoint": 0.04, "ece_keypoint": 0.03, "bias_keypoint": 0.0001,
    "verdict_keypoint": "calibrated",
}  # fmt: skip
THRESHOLD = {"precision_wanted": 0.9, "oks": 0.5, "precision": 0.91, "recall": 0.6}


def _curves(score: float, joints: int) -> dict[str, Any]:
    levels = [0.025 + step / 20 for step in range(20)]
    return {
        "precision": [1 - recall for recall in RECALL],
        "risk": [0.1 + 0.3 * kept for kept in KEPT],
        "reliability": {
            "probability": levels, "outcome": [level**2 for level in levels],
            "count": [10 * step for step in range(1, 21)],
            "interval": [None, *([level - 0.05, level + 0.05] for level in levels[1:])],
        },
        "threshold": {"score": [score, score / 2, score / 4], "precision": [1.0, 0.9, 0.5],
                      "recall": [0.2, 0.6, 0.8]},
        "bias_joint": [0.1 * (-1) ** joint for joint in range(joints)],
        "interval_joint": [[None, None], *([0.05, 0.15] for _ in range(joints - 1))],
    }  # fmt: skip


def result(joints: int = 3, parts: bool = False) -> dict[str, Any]:
    """What `confidence --json` writes."""
    names = [*JOINTS, *(f"face_{number}" for number in range(joints - 3))]
    before = copy.deepcopy(BEFORE) | {"threshold": THRESHOLD | {"score": 0.7, "detections": 500}}
    after = copy.deepcopy(AFTER) | {"threshold": THRESHOLD | {"score": 0.4, "detections": 700}}
    if parts:
        before["parts"] = {name: dict(BEFORE) for name in ("body", "foot")}
        after["parts"] = {name: dict(AFTER) for name in ("body", "foot")}
    return {
        "made_by": "poseterior confidence", "method": "isotonic", "detections": 1200,
        "people": 1000, "images": 300, "before": before, "after": after,
        "curves": {
            "recall": RECALL, "kept": KEPT,
            "joints": {"names": names, "count": [400] * joints, "oks": [0.6] * joints},
            "before": _curves(0.8, joints), "after": _curves(0.9, joints),
            "random": {"precision": [0.3] * 51, "map": 0.3, "risk": 0.4},
            "ideal": {"precision": [0.5] * 51, "risk": [0.3 * kept for kept in KEPT]},
        },
        "notes": {"score": "detector not told (--detector)", "fit": "cross-fitted in 5 folds"},
        "command": "poseterior confidence r.json --annotations a.json --method isotonic",
        "options": {"method": "isotonic", "area": "predicted", "detector": None},
        "data": {"r.json": "0123456789abcdef"}, "versions": {"poseterior": "0.1.0"},
    }  # fmt: skip


def words_of(content: Mapping[str, Any]) -> str:
    return " ".join(Page(keypoint_confidence_html(content)).words.split())


def test_the_verdict_says_what_was_and_what_changed() -> None:
    said = words_of(result())
    assert "The keypoint scores were overconfident; repair adds 2.2 points of mAP" in said
    assert "mAP was 0.450 and is 0.472" in said
    assert "falls from 0.0400 to 0.0100 (−75%)" in said
    assert "OKS rises from 0.700 to 0.900" in said
    assert "from 0.400 on: at least 90%" in said
    assert "from 0.700 on, kept 500 detections" in said
    assert "keep the detector's scores" not in said


@pytest.mark.parametrize(
    ("before", "headline"),
    [
        ({"verdict_keypoint": "calibrated"}, "were calibrated;"),
        ({"verdict_keypoint": "underconfident"}, "were underconfident;"),
        ({"verdict_keypoint": "underconfident", "ece_keypoint": 0.01}, "were nearly calibrated;"),
        ({"verdict_keypoint": "both"}, "overconfident in part, underconfident in part;"),
        ({"verdict_keypoint": None}, "Too few people to judge the scores;"),
        (dict.fromkeys(("brier_keypoint", "verdict_keypoint", "ece_keypoint", "bias_keypoint")),
         "uncalibrated: not all from 0 to 1;"),
        ({"map": 0.4725}, "repair leaves mAP as it was"),
        ({"map": 0.4625}, "repair adds 1.0 point of mAP"),
        ({"map": 0.49}, "repair costs 1.8 points of mAP"),
    ],
)  # fmt: skip
def test_each_state_has_its_headline(before: dict[str, Any], headline: str) -> None:
    content = result()
    content["before"] |= before
    heading = re.search(r"<h1[^>]*>(.*?)</h1>", keypoint_confidence_html(content), re.S)
    assert heading is not None
    assert headline in heading[1] + ";"


def test_a_repair_that_harms_is_not_advised() -> None:
    content = result()
    content["after"]["map"], content["after"]["ause"] = 0.40, 0.06
    assert "By mAP and AUSE people are ranked worse than before" in words_of(content)
    content["options"]["method"] = "closed_form"
    assert "Or try another area, or the method isotonic" in words_of(content)
    assert "Keep repaired scores" not in words_of(content)


def test_every_number_is_there_before_and_after_with_its_side() -> None:
    html = keypoint_confidence_html(result())
    table = html.partition("Before and after</h2>")[2].partition("</table>")[0]
    assert [row for row in re.findall(r'<th scope="row">([^<]+) [↑↓→]', table)] == [
        each.label for each in MEASURES
    ]
    rows = dict(zip((each.key for each in MEASURES), table.split("<tr>")[2:], strict=True))
    for key, words in {"map": ("0.450", "0.472", "+2.2 points", "better"),
                       "mar": ("0.500", "unchanged"), "ap_m": ("−1.0 points", "worse"),
                       "ause": ("−75%", "better"), "pearson": ("+0.200", "better"),
                       "bias_keypoint": ("0.1000", "0.0001", "better")}.items():  # fmt: skip
        assert [word for word in words if word not in rows[key]] == []


@pytest.mark.parametrize(
    ("key", "before", "after", "side"),
    [("map", 0.4, 0.5, "better"), ("ause", 0.4, 0.5, "worse"),
     ("bias_keypoint", -0.3, 0.2, "better"), ("bias_keypoint", 0.1, -0.2, "worse"),
     ("pearson", 0.5, 0.5, ""), ("ause", 0.0, 0.1, "worse"),
     ("map", None, 0.5, ""), ("map", 0.5, None, "")],
)  # fmt: skip
def test_which_way_is_better(
    key: str, before: float | None, after: float | None, side: str
) -> None:
    assert moved(measure(key), before, after).side == side


def test_the_page_is_well_formed_and_self_contained() -> None:
    html = keypoint_confidence_html(result(133, parts=True))
    page = Page(html)
    assert not {tag for tag, _ in page.found} & {"script", "link", "img", "iframe"}
    assert not re.search(r"https?://|url\(|@import", html)
    assert "default-src 'none'" in html
    assert "@media (prefers-color-scheme: dark)" in html
    places = re.findall(r' (?:cx|cy|x|y|points|d|width|height)="([^"]*)"', html)
    assert len(places) > 300
    assert not [place for place in places if re.search(r"nan|inf|None", place)]


def test_curves_are_drawn_where_they_are() -> None:
    content = result()
    page = Page(keypoint_confidence_html(content))
    drawings = [a["aria-label"] for tag, a in page.found if tag == "svg" and "aria-label" in a]
    assert len(drawings) == 7  # two diagrams, joints, two rankings, two thresholds
    assert page.count("rect", "calm") == 40
    assert page.count("polyline", "chosen") == 2
    assert page.count("polyline", "oracle") == 2
    for words in ("ideal order: mAR 0.500", "after: mAP 0.472", "before: mAP 0.450",
                  "random order: mAP 0.300", "before: AUSE 0.0400"):  # fmt: skip
        assert words in page.words


def test_of_many_joints_the_farthest_are_drawn_and_all_are_listed() -> None:
    content = result(133)
    content["curves"]["before"]["bias_joint"][100] = 0.9
    html = keypoint_confidence_html(content)
    drawn = html.partition("Which joints</h2>")[2].partition("</svg></div>")[0]
    assert "20 of 133 joints that were farthest off" in html
    assert "face 97<" in drawn
    assert drawn.count("<text") < 40
    assert html.partition("All 133 joints")[2].count('<th scope="row">') >= 133


def test_parts_are_told_where_there_are_any() -> None:
    assert "Parts of the body" not in words_of(result())
    said = words_of(result(133, parts=True))
    assert "Parts of the body" in said
    assert "foot0.4500.4720.5000.04000.01000.7000.900" in said  # the cells of its row


def test_scores_that_are_no_probabilities_have_no_diagram() -> None:
    content = result()
    content["before"] |= dict.fromkeys(
        ("brier_keypoint", "ece_keypoint", "bias_keypoint", "verdict_keypoint")
    )
    content["curves"]["before"] |= dict.fromkeys(("reliability", "bias_joint", "interval_joint"))
    content["curves"]["before"]["threshold"]["score"] = [8.0, 4.0, -2.0]
    content["notes"]["instance score"] = "uncalibrated: some are not from 0 to 1"
    page = Page(keypoint_confidence_html(content))
    assert "are no probabilities: there is no diagram" in page.words
    assert "People's scores: uncalibrated" in page.words
    assert page.count("rect", "calm") == 20
    assert "None" not in page.words


@pytest.mark.parametrize("absent", [None, "gone"])
@pytest.mark.parametrize("key", result())
def test_any_part_may_be_missing(key: str, absent: str | None) -> None:
    content = result(parts=True) | {"method": "closed_form"}
    del content[key]
    if absent is None:
        content[key] = None
    said = words_of(content)
    assert "None" not in said
    assert "nan" not in said.split()


def test_every_number_and_curve_may_be_none() -> None:
    content = result(parts=True)
    for when in ("before", "after"):
        content[when].update(dict.fromkeys(content[when]))
        content["curves"][when].update(dict.fromkeys(content["curves"][when]))
    said = words_of(content)
    assert "None" not in said
    assert "Too few people to judge the scores" in said
    assert words_of({}).count("The result holds no") >= 4


def test_names_cannot_become_code() -> None:
    content = result(3, parts=True)
    content["curves"]["joints"]["names"] = [HOSTILE] * 3
    content |= {"method": HOSTILE, "command": HOSTILE, "data": {HOSTILE: HOSTILE},
                "notes": {"score": HOSTILE, HOSTILE: HOSTILE}}  # fmt: skip
    for when in ("before", "after"):
        content[when]["parts"][HOSTILE] = dict(BEFORE)
        content[when]["verdict_keypoint"] = HOSTILE
    page = Page(keypoint_confidence_html(content))
    assert not {tag for tag, _ in page.found} & {"script", "img"}
    assert not [attributes for _, attributes in page.found if "onerror" in attributes]
    assert page.words.count("alert(1)") > 8


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    assert write_keypoint_confidence(tmp_path / "c.html", result()).stat().st_size > 20_000
    with pytest.raises(InputError, match=r"absent/c\.html"):
        write_keypoint_confidence(tmp_path / "absent" / "c.html", {})
    assert [path.name for path in tmp_path.iterdir()] == ["c.html"]
