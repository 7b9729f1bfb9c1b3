"""Cameras that a file does not tell."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from poseterior.data.assumptions import assume_image_size, camera_matrix, complete_camera
from poseterior.errors import InputError

YES = torch.tensor([[True]])


def _at(x, y):
    return torch.tensor([[[x, y]]], dtype=torch.float32)


@pytest.mark.parametrize(
    ("corner", "size"),
    [
        ((0, 0), (640, 480)),
        ((639.9, 479.9), (640, 480)),
        ((640.0, 479.0), (1280, 720)),
        ((470, 600), (480, 640)),
        ((1100, 1000), (1920, 1080)),
        ((900, 1800), (1080, 1920)),
        ((5000.2, 300.7), (5001, 301)),
        ((-20, -5), (640, 480)),
    ],
)
def test_the_smallest_usual_size_that_holds_everything(corner, size):
    assert assume_image_size(_at(*corner), YES) == size


@given(st.floats(0, 9000, width=32), st.floats(0, 9000, width=32))
def test_the_assumed_image_holds_every_keypoint(x, y):
    width, height = assume_image_size(_at(x, y), YES)
    assert x < width
    assert y < height


def test_joints_not_detected_do_not_count():
    points = torch.tensor([[[100.0, 100.0], [9000.0, 9000.0]]])
    assert assume_image_size(points, torch.tensor([[True, False]])) == (640, 480)
    assert assume_image_size(points, torch.tensor([[False, False]])) == (640, 480)


def test_the_matrix_projects_the_axis_to_the_centre_and_45_degrees_to_the_focal_length():
    matrix = camera_matrix(torch.tensor([1920.0, 1080.0]), 1000.0)
    point = matrix @ torch.tensor([2.0, -2.0, 2.0])
    assert (point[:2] / point[2]).tolist() == [960 + 1000, 540 - 1000]


def test_without_focal_length_the_longer_side_sees_47_degrees():
    matrix = camera_matrix(torch.tensor([[1080.0, 1920.0]]))
    assert 2 * math.degrees(math.atan(960 / matrix[0, 1, 1].item())) == pytest.approx(47, abs=0.1)
    assert matrix[0, 0, 0] == matrix[0, 1, 1]


def test_what_the_user_gives_comes_before_what_the_file_says():
    own = torch.tensor([[640.0, 480.0]])
    size, matrix, notes = complete_camera(_at(1, 2), YES, (1000, 800), 900.0, own)
    assert size.tolist() == [[1000, 800]]
    assert matrix[0].tolist() == [[900, 0, 500], [0, 900, 400], [0, 0, 1]]
    assert notes == {}


def test_the_file_s_own_sizes_come_before_assumptions():
    own = torch.tensor([[640.0, 480.0]])
    size, _, notes = complete_camera(_at(1000, 2), YES, None, None, own)
    assert size.tolist() == [[640, 480]]
    assert set(notes) == {"focal"}


def test_every_assumption_is_noted():
    _, matrix, notes = complete_camera(_at(1000, 2), YES, None, None)
    assert matrix[0, 0, 0].item() == pytest.approx(1.15 * 1280)
    assert "1280x720" in notes["image_size"]
    assert "1472 px" in notes["focal"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"image_size": (0, 100)}, "image_size"),
        ({"image_size": (math.inf, 100)}, "image_size"),
        ({"image_size": (100,)}, "image_size"),
        ({"focal": 0.0}, "focal"),
        ({"focal": math.nan}, "focal"),
        ({"own_size": torch.zeros(1, 2)}, "image_size"),
    ],
)
def test_sizes_and_focal_lengths_that_are_not_positive_are_refused(wrong, field):
    arguments = {"image_size": None, "focal": None, "source": "x.json"} | wrong
    with pytest.raises(InputError, match=f"x.json: {field}"):
        complete_camera(_at(1, 2), YES, **arguments)
