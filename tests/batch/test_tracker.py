"""Tracks: who is who from frame to frame."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fake_detectors import BoxDetector
from poseterior.batch.tracker import Tracker, iou
from poseterior.errors import InputError
from poseterior.keypoints import Keypoints

DETECTOR = BoxDetector()


def people(*places):
    """Boxes and keypoints of people at x, y, s px wide and 2 s high."""
    boxes = torch.tensor([(x, y, x + s, y + 2 * s) for x, y, s in places]).float().reshape(-1, 4)
    return boxes, DETECTOR.detect([np.zeros((400, 600, 3), np.uint8)], [boxes])[0]


def followed(frames, **options):
    tracker = Tracker(**options)
    return [tracker.update(n, *people(*frame)).tolist() for n, frame in enumerate(frames)]


def test_two_who_walk_past_each_other_keep_their_numbers_in_any_order():
    frames = []
    for n in range(30):
        left, right = (10.0 + 6 * n, 20.0, 60.0), (300.0 - 6 * n, 180.0, 70.0)
        frames.append((left, right) if n % 2 else (right, left))
    numbers = followed(frames)
    assert numbers[0] == [0, 1]
    assert all(found == ([1, 0] if n % 2 else [0, 1]) for n, found in enumerate(numbers))
    assert followed(frames) == numbers


def test_a_gap_is_bridged_up_to_its_length():
    here = ((50.0, 50.0, 60.0),)
    for missing, expected in ((0, 0), (5, 0), (6, 1)):
        frames = [here, *[()] * missing, here]
        assert followed(frames, gap=5)[-1] == [expected]


def test_somebody_elsewhere_is_somebody_else_and_numbers_are_not_given_twice():
    first, second, third = ((10.0, 10.0, 50.0),), ((400.0, 10.0, 50.0),), ((200.0, 10.0, 50.0),)
    assert followed([first, second, third, first], gap=1) == [[0], [1], [2], [3]]
    assert followed([first, second, third, first], gap=9) == [[0], [1], [2], [0]]


def test_keypoints_tell_apart_who_shares_a_box():
    """With one fixed box IoU says nothing; two with the same box, one upside down."""
    box, upright = people((50.0, 50.0, 60.0), (50.0, 50.0, 60.0))
    pixels = upright.pixels.clone()
    pixels[1, :, 1] = 220 - pixels[1, :, 1]
    both = Keypoints(pixels, upright.covariance, upright.valid, upright.skeleton)
    tracker = Tracker()
    assert tracker.update(0, box, both).tolist() == [0, 1]
    assert tracker.update(1, box, both[[1, 0]]).tolist() == [1, 0]


def test_the_greatest_total_affinity_wins_over_the_greedy_pair():
    """B overlaps track 0 best, but then A would be left without a track."""
    tracker = Tracker(least=0.05)
    tracker.update(0, *people((100.0, 50.0, 60.0), (150.0, 50.0, 60.0)))
    a, b = (76.0, 50.0, 60.0), (120.0, 50.0, 60.0)  # A only overlaps 0; B overlaps both
    assert tracker.update(1, *people(a, b)).tolist() == [0, 1]


def test_memory_holds_only_tracks_that_have_not_ended():
    tracker = Tracker(gap=3)
    for n in range(200):
        tracker.update(n, *people((float(n % 7) * 80, 10.0, 40.0)))
    assert len(tracker._tracks) <= 5


def test_iou_is_that_of_masks():
    rng = np.random.default_rng(0)
    for _ in range(50):
        corners = rng.integers(0, 20, (2, 2, 2))
        low, high = corners.min(1), corners.max(1) + 1
        masks = np.zeros((2, 24, 24), bool)
        for mask, a, b in zip(masks, low, high, strict=True):
            mask[a[0] : b[0], a[1] : b[1]] = True
        boxes = torch.from_numpy(np.concatenate([low, high], 1)).float()
        expected = (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()
        assert iou(boxes[0], boxes[1]).item() == pytest.approx(expected)


@pytest.mark.parametrize("options", [{"least": 0.0}, {"least": 1.5}, {"gap": -1}])
def test_settings_that_make_no_sense(options):
    with pytest.raises(InputError):
        Tracker(**options)
