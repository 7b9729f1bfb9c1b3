"""The curves of a report on confidences, against pycocotools and plain numpy."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("faster_coco_eval")
pytest.importorskip("pycocotools")

from oracles.coco_files import SIGMAS, coco_files, pycocotools_numbers, write
from poseterior.batch.confidence import ConfidenceOptions, repair_confidence

IMAGES = 60


@pytest.fixture(scope="module")
def content() -> tuple[Any, Any]:
    return coco_files(IMAGES)


@pytest.fixture(scope="module")
def result(content: tuple[Any, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    files = write(tmp_path_factory.mktemp("files"), *content)
    return repair_confidence(*files, None, ConfidenceOptions("isotonic"))


def pycocotools_precision(annotations: Any, results: Any) -> np.ndarray:
    """Precision (T, 101) of people of all sizes by pycocotools."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = annotations
        truth.createIndex()
        run = COCOeval(truth, truth.loadRes(results), "keypoints")
        run.params.kpt_oks_sigmas = SIGMAS[17]
        run.evaluate()
        run.accumulate()
    return run.eval["precision"][:, :, 0, 0, 0]


def test_precision_at_each_recall_is_pycocotools(content: Any, result: dict[str, Any]) -> None:
    curves, expected = result["curves"], pycocotools_precision(*content).mean(0)
    np.testing.assert_allclose(curves["before"]["precision"], expected[::2], atol=1e-5)
    np.testing.assert_allclose(curves["recall"], np.linspace(0, 1, 51), atol=1e-12)


def test_no_order_is_better_than_the_ideal_one(result: dict[str, Any]) -> None:
    curves = result["curves"]
    ideal = np.array(curves["ideal"]["precision"])
    for when in ("before", "after", "random"):
        assert (np.array(curves[when]["precision"]) <= ideal + 1e-9).all()
    assert abs(ideal.mean() - result["before"]["mar"]) < 0.02
    assert curves["random"]["map"] < result["before"]["map"] < result["after"]["map"]
    for when in ("before", "after"):
        assert (np.array(curves[when]["risk"]) >= np.array(curves["ideal"]["risk"]) - 1e-5).all()
        assert curves[when]["risk"][-1] == curves["ideal"]["risk"][-1] == curves["random"]["risk"]


def test_recall_at_a_threshold_is_that_of_the_file_cut_there(
    content: Any, result: dict[str, Any]
) -> None:
    annotations, results = content
    curve = result["curves"]["before"]["threshold"]
    assert curve["score"] == sorted(curve["score"], reverse=True)
    assert min(curve["score"]) == min(each["score"] for each in results)
    for place in (0, len(curve["score"]) // 2, -1):
        kept = [each for each in results if each["score"] >= curve["score"][place] - 1e-9]
        recall = pycocotools_numbers(annotations, kept, SIGMAS[17])[6]
        assert curve["recall"][place] == pytest.approx(recall, abs=1e-5)
    threshold = result["before"]["threshold"]
    at = np.interp(threshold["score"], curve["score"][::-1], curve["precision"][::-1])
    assert at == pytest.approx(threshold["precision"], abs=0.05)


def test_bias_of_joints_by_hand(tmp_path: Path) -> None:
    """One person an image and one detection each: its OKS is plain to compute."""
    rng = np.random.default_rng(0)
    people, found, gaps = [], [], np.full((40, 17), np.nan)
    for number in range(40):
        at, seen = rng.uniform(0, 100, (2, 17, 2))
        seen = at + rng.normal(size=(17, 2)) * 3
        v, area, score = rng.integers(0, 3, 17), rng.uniform(2e3, 9e3), rng.random(17)
        v[0] = 2 * (number == 0)  # once
        v[1] = 0  # never
        oks = np.exp(-((seen - at) ** 2).sum(1) / (2 * (2 * SIGMAS[17]) ** 2 * area))
        gaps[number, v > 0] = (score - oks)[v > 0]
        one = {"image_id": number, "category_id": 1, "bbox": [0, 0, 100, 100]}
        people.append(one | {"id": number, "area": area, "iscrowd": 0, "keypoints":
                             np.c_[at, v].ravel().tolist()})  # fmt: skip
        found.append(one | {"score": 0.5, "keypoints": np.c_[seen, score].ravel().tolist()})
    annotations = {"images": [{"id": n} for n in range(40)], "annotations": people}
    files = write(tmp_path, annotations, found)
    curves = repair_confidence(*files, None, ConfidenceOptions("isotonic"))["curves"]
    bias, joints = curves["before"]["bias_joint"], curves["joints"]
    assert joints["count"] == (~np.isnan(gaps)).sum(0).tolist()
    np.testing.assert_allclose(bias[2:], np.nanmean(gaps[:, 2:], 0), atol=1e-5)
    assert bias[0] == pytest.approx(gaps[0, 0], abs=1e-5)
    assert bias[1] is joints["oks"][1] is None
    assert curves["before"]["interval_joint"][:2] == [[None, None]] * 2
    reach = 1.96 * np.nanstd(gaps[:, 5], ddof=1) / np.sqrt(joints["count"][5])
    low, high = curves["before"]["interval_joint"][5]
    assert (high - low) / 2 == pytest.approx(reach, abs=2e-5)
    assert sum(curves["before"]["reliability"]["count"]) == sum(joints["count"])


@pytest.mark.parametrize("points", [17, 133])
def test_joints_have_names(tmp_path: Path, points: int) -> None:
    annotations, results = coco_files(12, points=points)
    annotations["categories"][0].pop("keypoints", None)
    files = write(tmp_path, annotations, results)
    told = repair_confidence(*files, None, ConfidenceOptions("isotonic"))["curves"]["joints"]
    names = told["names"]
    assert len(set(names)) == len(names) == len(told["oks"]) == points
    assert names[:2] == ["nose", "left_eye"]
    assert points == 17 or names[91] == "left_hand_root"
