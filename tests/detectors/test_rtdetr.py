"""Boxes of people against the post-processing of transformers, and what a folder must hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from detectors.tiny_models import noise, save_rtdetr, save_vitpose
from poseterior.detectors.rtdetr import RTDetr
from poseterior.errors import InputError
from poseterior.keypoints import PersonFinder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_rtdetr(tmp_path_factory.mktemp("rtdetr"))


IMAGES = [noise((120, 90)), noise((64, 200), seed=1), noise((33, 47), seed=2)]


def test_people_are_those_of_transformers(folder: Path) -> None:
    finder = RTDetr.load(folder, threshold=0.45)
    assert isinstance(finder, PersonFinder)
    sizes = torch.tensor([image.shape[:2] for image in IMAGES])
    with torch.no_grad():
        seen = finder.model(**finder.processor(IMAGES, return_tensors="pt"))
    # Their list ends after as many as there are queries, of all classes.
    theirs = finder.processor.post_process_object_detection(seen, 0.45, sizes)
    compared = 0
    for image, found, their in zip(IMAGES, finder.find(IMAGES), theirs, strict=True):
        people = their["labels"] == 0
        count = int(people.sum())
        limit = torch.tensor([*image.shape[1::-1]] * 2)
        expected = torch.minimum(their["boxes"][people].clamp_min(0), limit) - 0.5
        torch.testing.assert_close(found.score[:count], their["scores"][people])
        torch.testing.assert_close(found.corners[:count], expected, atol=1e-3, rtol=0)
        assert len(found) >= count
        compared += count
    assert compared > 5


def test_scores_fall_and_are_above_the_threshold(folder: Path) -> None:
    everyone = RTDetr.load(folder, threshold=0.0).find(IMAGES)[0]
    assert len(everyone) == 12
    assert (everyone.score.diff() <= 0).all()
    middle = float(everyone.score[4:6].mean())
    assert len(RTDetr.load(folder, threshold=middle).find(IMAGES[:1])[0]) == 5


def test_its_fingerprint_is_of_weights_and_threshold(folder: Path) -> None:
    same, other = RTDetr.load(folder), RTDetr.load(folder, threshold=0.4)
    assert RTDetr.load(folder).fingerprint() == same.fingerprint() != other.fingerprint()
    with torch.no_grad():
        next(other.model.parameters()).add_(1e-3)
    other.threshold = same.threshold
    assert other.fingerprint() != same.fingerprint()


def test_nobody_is_an_empty_result(folder: Path) -> None:
    found = RTDetr.load(folder, threshold=0.999).find(IMAGES)
    assert [tuple(people.corners.shape) for people in found] == [(0, 4)] * 3
    assert RTDetr.load(folder).find([]) == []


def test_a_batch_equals_its_images_one_by_one(folder: Path) -> None:
    one, many = RTDetr.load(folder, batch_size=1), RTDetr.load(folder, batch_size=3)
    for single, batched in zip(one.find(IMAGES), many.find(IMAGES), strict=True):
        torch.testing.assert_close(single.corners, batched.corners, atol=1e-3, rtol=0)


def test_a_grey_image_is_seen_as_three_equal_channels(folder: Path) -> None:
    grey = IMAGES[0][..., 0]
    finder = RTDetr.load(folder)
    found, same = finder.find([grey, np.stack([grey] * 3, -1)])
    assert torch.equal(found.corners, same.corners)


def test_a_model_that_knows_no_people_is_refused(tmp_path: Path) -> None:
    save_rtdetr(tmp_path, classes=("cat", "dog"))
    with pytest.raises(InputError, match=r"config\.json: id2label: expected a class person"):
        RTDetr.load(tmp_path)


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    save_vitpose(tmp_path)
    with pytest.raises(InputError, match="model_type: expected rt_detr, found vitpose"):
        RTDetr.load(tmp_path)


@pytest.mark.parametrize("threshold", [-0.1, 1.0, float("nan")])
def test_thresholds_are_probabilities(folder: Path, threshold: float) -> None:
    with pytest.raises(InputError, match="threshold"):
        RTDetr.load(folder, threshold=threshold)
