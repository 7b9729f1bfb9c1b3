"""`poseterior confidence --report`, and files at the edge of what can be repaired."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_files import assert_refused

pytest.importorskip("faster_coco_eval")
pytest.importorskip("pycocotools")

from test_cli_confidence import METHODS, command

from oracles.coco_files import SIGMAS, coco_files, pycocotools_numbers, write
from poseterior.report.keypoint_confidence_page import keypoint_confidence_html


@pytest.fixture(scope="module")
def content() -> tuple[Any, Any]:
    return coco_files(60)


def told(tmp_path: Path, run: Any, content: Any, *options: object, method: str = "isotonic") -> Any:
    """What the command reports of files that it takes."""
    report = tmp_path / "told.json"
    files = write(tmp_path, *content)
    ended = command(run, files, "--json", report, *options, method=method)
    assert ended.code == 0, ended.err
    return json.loads(report.read_text())


def test_the_page_is_made_of_the_json_alone(tmp_path: Path, content: Any, run: Any) -> None:
    page = tmp_path / "page.html"
    result = told(tmp_path, run, content, "--report", page)
    assert page.read_text() == keypoint_confidence_html(result)
    assert len(json.dumps(result["curves"])) < 20_000
    files = [f"{tmp_path}/{name}.json" for name in ("results", "annotations")]
    command_line = f"poseterior confidence {files[0]} --annotations {files[1]} --method isotonic"
    assert result["command"] == command_line


def test_the_command_names_what_is_not_as_usual(tmp_path: Path, content: Any, run: Any) -> None:
    other = write(tmp_path, *coco_files(40, seed=7), name="other one ")
    options = ["--fit-on", *other, "--area", "true", "--precision", "0.8", "--seed", "3",
               "--out", tmp_path / "fixed.json"]  # fmt: skip
    result = told(tmp_path, run, content, *options, method="closed_form")
    for words in ("--method closed_form --area true --precision 0.8 --seed 3 --fit-on '",
                  "other one annotations.json' --out "):  # fmt: skip
        assert words in result["command"]
    assert "--folds" not in result["command"]
    assert len(result["data"]) == 4


@pytest.mark.parametrize("same_as", ["--json", "--out", "results", "annotations", "fit"])
def test_the_page_is_a_file_of_its_own(
    tmp_path: Path, content: Any, run: Any, same_as: str
) -> None:
    files = write(tmp_path, *content)
    other = write(tmp_path, *coco_files(20, seed=7), name="fit_")
    kept = {path: path.read_bytes() for path in tmp_path.iterdir()}
    known = {"results": files[0], "annotations": files[1], "fit": other[1]}
    page = known.get(same_as, tmp_path / "page.html")
    options = [same_as, page] if same_as.startswith("--") else []
    ended = command(run, files, "--fit-on", *other, "--report", page, *options)
    assert_refused(ended, page.name, "a file of its own")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == kept


def test_a_page_that_cannot_be_written_is_told_before_all_else(
    tmp_path: Path, content: Any, run: Any
) -> None:
    files, out = write(tmp_path, *content), tmp_path / "fixed.json"
    ended = command(run, files, "--out", out, "--report", tmp_path / "absent" / "page.html")
    assert_refused(ended, "absent")
    assert not out.exists()


# Files at the edge


def _shifted(annotations: Any, results: Any, by: int) -> tuple[Any, Any]:
    """All ids of annotations, images and categories moved."""
    moved = {
        "images": [each | {"id": each["id"] + by} for each in annotations["images"]],
        "categories": [each | {"id": each["id"] + by} for each in annotations["categories"]],
        "annotations": [
            each | {key: each[key] + by for key in ("id", "image_id", "category_id")}
            for each in annotations["annotations"]
        ],
    }
    keys = ("image_id", "category_id")
    return moved, [each | {key: each[key] + by for key in keys} for each in results]


def test_ids_from_zero_give_what_ids_from_one_give(tmp_path: Path, content: Any, run: Any) -> None:
    whole = told(tmp_path, run, content)
    moved = _shifted(*content, -1)
    assert 0 in {each["id"] for each in moved[0]["annotations"]}
    assert 0 in {each["image_id"] for each in moved[1]}
    found = told(tmp_path, run, moved)
    for key in ("before", "after", "curves"):
        assert found[key] == whole[key]
    assert found["before"]["map"] == pycocotools_numbers(*content, SIGMAS[17])[0]
    assert "id 0" in found["notes"]["ids"]
    assert "ids" not in whole["notes"]


@pytest.mark.parametrize("method", ["isotonic", "temperature"])
def test_logits_are_named_and_repaired(tmp_path: Path, content: Any, run: Any, method: str) -> None:
    annotations, results = content
    logits = []
    for entry in results:
        at = np.array(entry["keypoints"])
        at[2::3] = 8 * at[2::3] - 1
        logits.append(entry | {"keypoints": at.tolist(), "score": 8 * entry["score"] - 1})
    page = tmp_path / "page.html"
    result = told(tmp_path, run, (annotations, logits), "--report", page, method=method)
    before, after = result["before"], result["after"]
    assert before["brier_keypoint"] is before["verdict_keypoint"] is None
    assert result["curves"]["before"]["reliability"] is None
    assert result["curves"]["before"]["bias_joint"] is None
    assert after["ause"] < before["ause"]
    assert after["ece_keypoint"] < 0.08
    assert "uncalibrated: not all from 0 to 1" in page.read_text()
    assert "nan" not in page.read_text().lower().split()


@pytest.mark.parametrize("method", METHODS)
def test_nobody_is_found(tmp_path: Path, content: Any, run: Any, method: str) -> None:
    annotations, results = content
    away = [entry | {"keypoints": [-9999.0, -9999.0, 0.5] * 17} for entry in results]
    files = write(tmp_path, annotations, away)
    page = tmp_path / "page.html"
    ended = command(run, files, "--out", tmp_path / "o", "--report", page, method=method)
    assert_refused(ended, "results.json", "somebody's", f"0 of {len(away)}")
    assert not page.exists()
    assert not (tmp_path / "o").exists()


def test_found_in_one_image_only(tmp_path: Path, content: Any, run: Any) -> None:
    annotations, results = content
    kept = results[0]["image_id"]
    away = [entry if entry["image_id"] == kept else
            entry | {"keypoints": [-9999.0, -9999.0, 0.5] * 17} for entry in results]  # fmt: skip
    ended = command(run, write(tmp_path, annotations, away))
    assert_refused(ended, "results.json", "5 folds", "in 1 image")


def test_one_image_fitted_on_others(tmp_path: Path, run: Any) -> None:
    page, other = tmp_path / "page.html", write(tmp_path, *coco_files(60, seed=7), name="fit_")
    for results in (slice(None), slice(1)):
        annotations, found = coco_files(1, seed=3)
        content = annotations, found[results]
        result = told(tmp_path, run, content, "--fit-on", *other, "--report", page)
        assert result["images"] == 1
        assert result["before"]["map"] == pycocotools_numbers(*content, SIGMAS[17])[0]
        assert "<h1" in page.read_text()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("every", [False, True])
def test_keypoints_without_any_score(
    tmp_path: Path, content: Any, run: Any, method: str, every: bool
) -> None:
    annotations, results = content
    silent = []
    for place, entry in enumerate(results):
        at = np.array(entry["keypoints"])
        at[2::3] = 0
        silent.append(entry | {"keypoints": at.tolist()} if every or place == 0 else entry)
    out = tmp_path / "fixed.json"
    result = told(tmp_path, run, (annotations, silent), "--out", out, method=method)
    assert result["after"]["mar"] == result["before"]["mar"]
    scores = [entry["score"] for entry in json.loads(out.read_text())]
    assert np.isfinite(scores).all()
    if not every:
        assert scores[0] <= np.median(scores) or method == "closed_form"


def test_no_score_is_as_precise_as_wanted(tmp_path: Path, content: Any, run: Any) -> None:
    annotations, results = content
    off = []
    for entry in results:  # the same score for all, so that only the mean precision is to be had
        at = np.array(entry["keypoints"])
        at[2::3] = 0.5
        off.append(entry | {"keypoints": at.tolist(), "score": 0.5})
    for each in off:
        each["bbox"] = [0.0, 0.0, 10.0, 10.0]
    page = tmp_path / "page.html"
    result = told(tmp_path, run, (annotations, off), "--precision", 1, "--report", page)
    assert result["after"]["threshold"]["score"] is None
    assert "No score makes 100% of them right" in page.read_text()
