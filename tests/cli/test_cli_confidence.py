"""`poseterior confidence` from the command line: what it writes, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_files import assert_refused

pytest.importorskip("faster_coco_eval")
pytest.importorskip("pycocotools")

from oracles.coco_files import SIGMAS, coco_files, pycocotools_numbers, write

METHODS = ("closed_form", "isotonic", "temperature")


@pytest.fixture(scope="module")
def content() -> tuple[Any, Any]:
    return coco_files(120)


@pytest.fixture
def files(tmp_path: Path, content: tuple[Any, Any]) -> tuple[Path, Path]:
    return write(tmp_path, *content)


def command(run: Any, files: tuple[Path, Path], *options: object, method: str = "isotonic") -> Any:
    return run("confidence", files[0], "--annotations", files[1], "--method", method, *options)


def without_scores(entry: dict[str, Any]) -> dict[str, Any]:
    at = np.array(entry["keypoints"]).reshape(-1, 3)[:, :2].tolist()
    return {key: value for key, value in entry.items() if key != "score"} | {"keypoints": at}


@pytest.mark.parametrize("method", METHODS)
def test_repair(
    tmp_path: Path, files: tuple[Path, Path], content: Any, run: Any, method: str
) -> None:
    out, report = tmp_path / "fixed.json", tmp_path / "report.json"
    ended = command(run, files, "--out", out, "--json", report, method=method)
    assert ended.code == 0, ended.err
    assert "mAP" in ended.out
    assert "90% right at OKS 0.5" in ended.out
    told, fixed = json.loads(report.read_text()), json.loads(out.read_text())
    annotations, results = content

    assert [without_scores(a) for a in fixed] == [without_scores(a) for a in results]
    for when, of in (("before", results), ("after", fixed)):
        expected = pycocotools_numbers(annotations, of, SIGMAS[17])
        keys = ("map", "ap50", "ap75", "ap_m", "ap_l", "mar")
        assert [told[when][key] for key in keys] == expected[:6]
    before, after = told["before"], told["after"]
    assert after["mar"] == before["mar"]
    assert after["map"] > before["map"] + 0.005
    for kind in ("", "_keypoint"):
        assert after[f"ause{kind}"] < 0.8 * before[f"ause{kind}"]
        assert after[f"pearson{kind}"] > before[f"pearson{kind}"] + 0.05
    assert after["ece_keypoint"] < before["ece_keypoint"] / 2
    assert {"score", "matching", "fit", "size", "visibility"} <= told["notes"].keys()
    assert told["versions"].keys() >= {"poseterior", "numpy", "scipy", "faster-coco-eval"}
    assert told["options"]["method"] == method
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "annotations.json", "fixed.json", "report.json", "results.json",
    ]  # fmt: skip


def test_the_same_command_writes_the_same_file(
    tmp_path: Path, files: tuple[Path, Path], run: Any
) -> None:
    paths = [tmp_path / name for name in ("a.json", "b.json", "c.json")]
    for path, seed in zip(paths, (0, 0, 1), strict=True):
        assert command(run, files, "--out", path, "--seed", seed).code == 0
    a, b, c = (path.read_bytes() for path in paths)
    assert a == b != c


def test_the_threshold_is_as_precise_as_wanted(
    tmp_path: Path, files: tuple[Path, Path], run: Any
) -> None:
    found = {}
    for wanted in (0.7, 0.95):
        report = tmp_path / f"{wanted}.json"
        assert command(run, files, "--json", report, "--precision", wanted).code == 0
        found[wanted] = json.loads(report.read_text())["after"]["threshold"]
        assert found[wanted]["precision"] >= wanted
    assert found[0.7]["score"] < found[0.95]["score"]
    assert found[0.7]["recall"] > found[0.95]["recall"]


def test_fitted_on_other_images(tmp_path: Path, files: tuple[Path, Path], run: Any) -> None:
    other = write(tmp_path, *coco_files(120, seed=7), name="fit_")
    report = tmp_path / "report.json"
    # The same numbers of images, but other files: other images.
    ended = command(run, files, "--fit-on", *other, "--json", report)
    assert ended.code == 0, ended.err
    told = json.loads(report.read_text())
    assert "fit_results.json" in told["notes"]["fit"]
    assert told["after"]["map"] > told["before"]["map"]


def test_whole_bodies_have_parts(tmp_path: Path, run: Any) -> None:
    annotations, results = coco_files(30, points=133)
    files, report, out = write(tmp_path, annotations, results), tmp_path / "r.json", tmp_path / "o"
    assert command(run, files, "--json", report, "--out", out).code == 0
    told = json.loads(report.read_text())
    for when in ("before", "after"):
        assert list(told[when]["parts"]) == ["body", "foot", "face", "hand", "whole"]
        assert told[when]["parts"]["whole"]["mar"] == told[when]["mar"]
        assert 0 <= told[when]["parts"]["body"]["map"] <= told[when]["parts"]["body"]["mar"]
    body = pycocotools_numbers(*_cut(annotations, results, 17), SIGMAS[17])
    assert told["before"]["parts"]["body"]["map"] == body[0]
    assert json.loads(out.read_text())[0]["part_scores"].keys() == told["after"]["parts"].keys()


def _cut(annotations: Any, results: Any, points: int) -> tuple[Any, Any]:
    """The first keypoints only."""
    people = []
    for person in annotations["annotations"]:
        keypoints = person["keypoints"][: 3 * points]
        counted = sum(v > 0 for v in keypoints[2::3])
        people.append(person | {"keypoints": keypoints, "num_keypoints": counted})
    found = [entry | {"keypoints": entry["keypoints"][: 3 * points]} for entry in results]
    return annotations | {"annotations": people}, found


def test_the_five_fields_of_wholebody_files(tmp_path: Path, run: Any) -> None:
    annotations, results = coco_files(20, points=133)
    told = []
    for name, split in (("one_", lambda entry: entry), ("five_", _split)):
        people = [split(each) for each in annotations["annotations"]]
        found = [split(each) for each in results]
        files = write(tmp_path, annotations | {"annotations": people}, found, name=name)
        out = tmp_path / f"{name}fixed.json"
        assert command(run, files, "--out", out).code == 0
        told.append(json.loads(out.read_text()))
    assert [_split(entry) for entry in told[0]] == told[1]


def _split(entry: dict[str, Any]) -> dict[str, Any]:
    cuts = {"keypoints": (0, 17), "foot_kpts": (17, 23), "face_kpts": (23, 91),
            "lefthand_kpts": (91, 112), "righthand_kpts": (112, 133)}  # fmt: skip
    whole = entry["keypoints"]
    return entry | {name: whole[3 * start : 3 * end] for name, (start, end) in cuts.items()}


def test_scores_above_one_are_taken_and_named(tmp_path: Path, content: Any, run: Any) -> None:
    annotations, results = content
    changed = [dict(entry) for entry in results]
    for entry in changed:
        at = np.array(entry["keypoints"])
        at[2::3] *= 8
        entry["keypoints"], entry["score"] = at.tolist(), entry["score"] * 8
    files, report = write(tmp_path, annotations, changed), tmp_path / "r.json"
    for method in ("isotonic", "temperature"):
        ended = command(run, files, "--json", report, "--detector", "rtmpose", method=method)
        assert ended.code == 0, ended.err
        told = json.loads(report.read_text())
        assert "uncalibrated" in told["notes"]["score"]
        assert "SimCC" in told["notes"]["score"]
        assert told["before"]["brier_keypoint"] is None
        assert told["after"]["ause"] < 0.9 * told["before"]["ause"]
        assert told["after"]["ece_keypoint"] < 0.05


# Bad input


def _entry(field: str, value: Any) -> Callable[[Any, Any], Any]:
    def change(annotations: Any, results: Any) -> Any:
        return annotations, [results[0] | {field: value}, *results[1:]]

    return change


def _person(**changes: Any) -> Callable[[Any, Any], Any]:
    def change(annotations: Any, results: Any) -> Any:
        first = annotations["annotations"][0] | changes
        first = {key: value for key, value in first.items() if value is not None}
        return annotations | {"annotations": [first, *annotations["annotations"][1:]]}, results

    return change


def _nan_score(annotations: Any, results: Any) -> Any:
    keypoints = list(results[3]["keypoints"])
    keypoints[5] = float("nan")
    return annotations, [*results[:3], results[3] | {"keypoints": keypoints}, *results[4:]]


def _no_visibility(annotations: Any, results: Any) -> Any:
    people = [each | {"keypoints": each["keypoints"][: 2 * 17]} for each in
              annotations["annotations"]]  # fmt: skip
    return annotations | {"annotations": people}, results


BAD: dict[str, tuple[Callable[[Any, Any], Any], tuple[str, ...]]] = {
    "an image that is not annotated": (
        _entry("image_id", 999_999), ("results.json: [0].image_id", "999999")),
    "a foreign category": (_entry("category_id", 5), ("[0].category_id", "5")),
    "a score of NaN": (_entry("score", float("nan")), ("[0].score", "nan")),
    "a keypoint's score of NaN": (_nan_score, ("[3].keypoints", "keypoint 1", "nan")),
    "no score": (_entry("score", None), ("[0].score", "nothing")),
    "a score in words": (_entry("score", "high"), ("[0].score", "high")),
    "another number of keypoints": (
        _entry("keypoints", [1.0, 2.0, 0.5] * 16), ("[0].keypoints", "17 keypoints", "48")),
    "no keypoints": (_entry("keypoints", None), ("[0].keypoints", "nothing")),
    "a negative sigma": (_entry("keypoint_sigmas", [-1.0] * 17), ("keypoint_sigmas", "keypoint 0")),
    "a duplicated id of a detection": (
        lambda a, r: (a, [each | {"id": 4} for each in r]), ("[1].id", "4 again")),
    "a duplicated annotation": (
        lambda a, r: (a | {"annotations": [a["annotations"][1], *a["annotations"][1:]]}, r),
        ("annotations[1].id", "again")),
    "a duplicated image": (
        lambda a, r: (a | {"images": [*a["images"], a["images"][0]]}, r), ("images[120].id",)),
    "no area": (_person(area=None), ("annotations.json: annotations[0].area", "nothing")),
    "a negative area": (_person(area=-4.0), ("annotations[0].area", "-4")),
    "no keypoints of a person": (_person(keypoints=None), ("annotations[0].keypoints",)),
    "no visibilities": (_no_visibility, ("annotations[0].keypoints", "51 numbers", "34")),
    "no results": (lambda a, r: (a, []), ("results.json", "an empty list")),
    "nobody annotated": (lambda a, r: (a | {"annotations": []}, r), ("annotations.json",)),
    "no images": (lambda a, r: (a | {"images": []}, r), ("images",)),
    "results that are no list": (lambda a, r: (a, {"results": r}), ("results.json", "a list")),
    "annotations that are a list": (lambda a, r: (r, r), ("annotations.json", "list")),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_bad_files(tmp_path: Path, content: Any, run: Any, kind: str) -> None:
    change, words = BAD[kind]
    files = write(tmp_path, *change(*content))
    outputs = ("--out", tmp_path / "fixed.json", "--json", tmp_path / "report.json",
               "--report", tmp_path / "page.html")  # fmt: skip
    assert_refused(command(run, files, *outputs, method="closed_form"), *words)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["annotations.json", "results.json"]


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("text", ["", "{", "no json", "[1, 2"])
def test_not_json(files: tuple[Path, Path], run: Any, which: int, text: str) -> None:
    files[which].write_text(text)
    assert_refused(command(run, files), files[which].name, "complete JSON")


def test_closed_form_says_what_it_lacks(tmp_path: Path, content: Any, run: Any) -> None:
    annotations, results = content
    bare = [{k: v for k, v in entry.items() if k != "keypoint_sigmas"} for entry in results]
    files = write(tmp_path, annotations, bare)
    ended = command(run, files, method="closed_form")
    assert_refused(ended, "keypoint_covariances or keypoint_sigmas", "closed_form")


def test_fitted_on_the_same_images_is_refused(
    tmp_path: Path, files: tuple[Path, Path], content: Any, run: Any
) -> None:
    assert_refused(command(run, files, "--fit-on", *files), "--fit-on", "images of both")
    annotations, results = content
    nameless = [{"id": each["id"]} for each in annotations["images"]]
    other = write(tmp_path, annotations | {"images": nameless}, results[:50], name="other_")
    assert_refused(command(run, files, "--fit-on", *other), "--fit-on", "images of both")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--area", "wide"], ["--area", "wide"]),
        (["--aggregate", "sum"], ["--aggregate", "sum"]),
        (["--detector", "vitpos"], ["--detector", "did you mean vitpose"]),
        (["--precision", "1.5"], ["--precision", "1.5"]),
        (["--precision", "nan"], ["--precision", "nan"]),
        (["--folds", "1"], ["--folds", "found 1"]),
        (["--seed", "-1"], ["--seed", "-1"]),
    ],
)
def test_bad_options(
    files: tuple[Path, Path], run: Any, options: list[str], words: list[str]
) -> None:
    assert_refused(command(run, files, *options), *words)


def test_a_few_images_are_as_many_folds(tmp_path: Path, run: Any) -> None:
    ended = command(run, write(tmp_path, *coco_files(3)))
    assert ended.code == 0, ended.err
    assert "cross-fitted in 3 folds" in ended.err
    one = command(run, write(tmp_path, *coco_files(1)))
    assert_refused(one, "results.json: image_id", "at least two images, or --fit-on", "one image")


def test_an_unknown_method(files: tuple[Path, Path], run: Any) -> None:
    assert_refused(command(run, files, method="platt"), "--method", "isotonic", "platt")


def test_no_output_over_an_input(files: tuple[Path, Path], run: Any) -> None:
    before = files[0].read_bytes()
    assert_refused(command(run, files, "--out", files[0]), "a file of its own")
    assert files[0].read_bytes() == before
