"""COCO's numbers against pycocotools, to the last digit; matching against COCO's rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("faster_coco_eval")
pytest.importorskip("pycocotools")

from oracles.coco_files import SIGMAS, coco_files, pycocotools_numbers, write
from poseterior.batch.confidence_scores import ScoredResults
from poseterior.confidence.coco_score import KEYS, CocoScore
from poseterior.confidence.matching import best_matches, coco_matches, keep_found
from poseterior.confidence.similarity import groups

FILES: dict[str, dict[str, Any]] = {
    "crowds, ties, many, people without keypoints": {},
    "without ties": {"ties": False},
    "keypoints' boxes": {"boxes": False},
    "nobody spurious": {"spurious": 0.0, "crowded": False},
    "many empty images": {"per_image": 0.4, "spurious": 0.2},
    "few": {"images": 3, "crowded": False},  # the surest detection alone decides much
    "whole bodies": {"points": 133, "images": 10},
}


def read(folder: Path, annotations: Any, results: Any) -> ScoredResults:
    return ScoredResults.read(*write(folder, annotations, results))


def numbers(scored: ScoredResults, score: np.ndarray | None = None) -> list[float]:
    found = CocoScore(scored.people, scored.results, scored.groups, scored.oks)(
        scored.results.score if score is None else score
    )
    return [-1.0 if found[key] is None else found[key] for key in KEYS]


@pytest.mark.parametrize("seed", [0, 2, 5])
@pytest.mark.parametrize("kind", FILES)
def test_pycocotools_says_the_same_to_the_last_digit(tmp_path: Path, kind: str, seed: int) -> None:
    annotations, results = coco_files(seed=seed, **({"images": 30} | FILES[kind]))
    if not results:
        pytest.skip("an empty file is refused")
    points = FILES[kind].get("points", 17)
    expected = pycocotools_numbers(annotations, results, SIGMAS[points])
    scored = read(tmp_path, annotations, results)
    assert numbers(scored) == expected
    # Once more under other scores, with the OKS of the first time.
    rng = np.random.default_rng(seed)
    other = rng.random(len(results)).round(1)
    for entry, value in zip(results, other.tolist(), strict=True):
        entry["score"] = value
    assert numbers(scored, other) == pycocotools_numbers(annotations, results, SIGMAS[points])


def test_more_than_twenty_detections_and_a_crowd_are_there() -> None:
    annotations, results = coco_files(30)
    images = [entry["image_id"] for entry in results]
    assert max(images.count(image) for image in set(images)) > 20
    assert any(each["iscrowd"] for each in annotations["annotations"])
    assert any(each["num_keypoints"] == 0 for each in annotations["annotations"])
    assert len({entry["score"] for entry in results}) < 20


def test_nobody_to_find_is_no_number(tmp_path: Path) -> None:
    annotations, results = coco_files(4, seed=1)
    for person in annotations["annotations"]:
        person["iscrowd"] = 1
    scored = read(tmp_path, annotations, results)
    found = CocoScore(scored.people, scored.results, scored.groups, scored.oks)
    assert set(found(scored.results.score).values()) == {None}


@pytest.mark.parametrize(
    ("oks", "ignored", "crowd", "expected"),
    [
        # The surest takes the best person, though the second could take no other.
        ([[0.9, 0.8], [0.7, 0.1]], [0, 0], [0, 0], [0, -1]),
        ([[0.7, 0.1], [0.9, 0.8]], [0, 0], [0, 0], [0, 1]),
        # Equal OKS: the later person. A regular person before an ignored one that fits better.
        ([[0.6, 0.6]], [0, 0], [0, 0], [1]),
        ([[0.6, 0.9]], [0, 1], [0, 0], [0]),
        # A crowd takes any number, an ignored person only one.
        ([[0.6], [0.6]], [1], [1], [0, 0]),
        ([[0.6], [0.6]], [1], [0], [0, -1]),
    ],
)
def test_greedy_matching(oks: Any, ignored: Any, crowd: Any, expected: list[int]) -> None:
    flags = [np.array(of, dtype=bool) for of in (ignored, crowd)]
    assert coco_matches(np.array(oks), *flags, 0.5) == expected


def _beside(person: dict[str, Any], score: float, off: float) -> dict[str, Any]:
    """A detection of the person, `off` px to the right."""
    keypoints = np.array(person["keypoints"]).reshape(-1, 3)
    keypoints[:, 0] += off
    at = {"keypoints": keypoints.ravel().tolist(), "bbox": person["bbox"]}
    return {"image_id": person["image_id"], "category_id": 1, "score": score, **at}


def test_best_matches_go_by_oks_and_not_by_score(tmp_path: Path) -> None:
    annotations, _ = coco_files(1, seed=3, per_image=3.0)
    annotations["annotations"] = [
        each | {"iscrowd": 0} for each in annotations["annotations"] if each["num_keypoints"]
    ]
    person = annotations["annotations"][0]
    near, far = (_beside(person, score, off) for score, off in ((0.1, 0.5), (0.9, 3.0)))
    scored = read(tmp_path, annotations, [far, near])
    found = best_matches(scored.groups, scored.oks, scored.people, 2)
    assert found.person.tolist() == [-1, 0]
    assert found.oks[0] == 0
    assert found.oks[1] > 0.8
    assert found.counted.all()


@pytest.mark.parametrize("seed", range(4))
def test_any_order_of_scores_can_keep_the_recall(tmp_path: Path, seed: int) -> None:
    annotations, results = coco_files(25, seed=seed, per_image=6.0)
    for image in annotations["annotations"]:  # people on each other: detections that compete
        at = np.array(image["keypoints"]).reshape(-1, 3)
        at[:, :2] = at[:, :2] % 40
        image["keypoints"], image["area"] = at.ravel().tolist(), 20_000.0
    for entry in results:
        at = np.array(entry["keypoints"]).reshape(-1, 3)
        at[:, :2] = at[:, :2] % 40
        entry["keypoints"] = at.ravel().tolist()
    scored = read(tmp_path, annotations, results)
    new = np.random.default_rng(seed).random(len(results)).round(1)
    kept, changed = keep_found(scored.groups, scored.oks, scored.people, scored.results.score, new)
    mar = KEYS.index("mar")
    before = numbers(scored)[mar]
    assert numbers(scored, new)[mar] != before  # it takes something to keep it
    assert numbers(scored, kept)[mar] == before
    assert 0 < changed < 25
    assert np.abs(np.sort(kept) - np.sort(new)).max() < 1e-12  # they only change hands


def test_groups_are_images_and_categories(tmp_path: Path) -> None:
    annotations, results = coco_files(6)
    scored = read(tmp_path, annotations, results)
    rows = np.concatenate([group.found for group in groups(scored.people, scored.results)])
    assert sorted(rows.tolist()) == list(range(len(results)))
