"""Crops: each a function of its numbers, where their maps say they are, native where small."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from meshes.rendering.rendered_scenes import body, opened, scene
from poseterior.detectors.crops import person_regions
from poseterior.errors import InputError
from poseterior.meshes.rendering.crops import CROP, blurred_disc, crop_window, native_window
from poseterior.meshes.rendering.hits import Window
from poseterior.meshes.rendering.labels import label
from poseterior.meshes.rendering.people import LEAST_AREA, RenderedPeople
from poseterior.meshes.rendering.poses import poses_for
from poseterior.meshes.rendering.shading import resized


@pytest.fixture(scope="module")
def people():
    return RenderedPeople(opened("auto"), poses_for(body(), None).rotations, seed=3)


@pytest.fixture(scope="module")
def shots(people):
    return list(people.shots("train", 0, 6))


def test_the_same_numbers_give_the_same_crop(people, shots):
    again = RenderedPeople(people.studio, people.rotations, seed=3)
    other = RenderedPeople(people.studio, people.rotations, seed=4)
    crop = people.crop(shots[0])
    assert crop.shape == (128, 96, 3)
    assert crop.dtype == np.uint8
    assert (again.crop(next(again.shots("train", 0, 6))) == crop).all()
    assert (other.crop(next(other.shots("train", 0, 1))) != crop).any()
    assert (people.crop(next(people.shots("test", 0, 1))) != crop).any()


def test_people_may_be_asked_for_from_any_number_on(people, shots):
    later = next(people.shots("train", 4, 5))
    assert later.labels.keypoints == pytest.approx(shots[4].labels.keypoints, abs=1e-2)


def test_everyone_is_labelled_and_large_enough(shots):
    for shot in shots:
        assert shot.labels.area >= LEAST_AREA
        assert (shot.labels.keypoints[:, 2] == 2).any()
        x, y, wide, tall = shot.labels.box
        seen = shot.labels.keypoints[shot.labels.keypoints[:, 2] == 2]
        inside = (seen[:, 0] > x - 4) & (seen[:, 0] < x + wide + 4)
        inside &= (seen[:, 1] > y - 4) & (seen[:, 1] < y + tall + 4)
        assert inside.mean() > 0.9


def test_regions_of_crops_are_those_of_the_detectors():
    box = np.array([30.0, 40.0, 50.0, 90.0])
    window = crop_window(box)
    corners = torch.tensor([[box[0], box[1], box[0] + box[2], box[1] + box[3]]])
    left, top, right, bottom = person_regions(corners, CROP)[0].tolist()
    half = window.step / 2
    assert (window.left - half, window.top - half) == pytest.approx((left, top))
    last = window.left + window.step * 95 + half, window.top + window.step * 127 + half
    assert last == pytest.approx((right, bottom))


def test_only_training_crops_are_jittered(people, shots):
    plain = next(people.shots("val", 0, 1))
    assert plain.window == crop_window(plain.labels.box)
    moved = [shot.window.left - crop_window(shot.labels.box).left for shot in shots]
    assert np.ptp(moved) > 0.1


def test_keypoints_lie_on_the_person_in_the_crop():
    studio = opened("auto")
    one = scene()
    labels = label(one, studio.caster)
    window = crop_window(labels.box)
    index = window.index(labels.keypoints[:, :2])
    bodies = studio.caster.cast(one.vertices, one.camera, window).body_map(window)
    column, row = np.rint(index).astype(int).T
    assert (bodies[row, column] == 0).all()


@pytest.mark.parametrize("step", [0.2, 0.5, 0.9])
def test_small_people_are_drawn_with_the_pixels_that_the_image_has(step):
    crop = Window(10.0, 20.0, step, *CROP)
    native, finer = native_window(crop)
    assert native.step == pytest.approx(1, abs=0.1)
    assert native.width * 4 == native.height * 3
    half, own = crop.step / 2, native.step / 2
    assert native.left - own == pytest.approx(crop.left - half)
    assert native.top - own == pytest.approx(crop.top - half)
    assert native.width * native.step == pytest.approx(crop.width * crop.step)
    assert finer >= 2


def test_outside_the_image_a_crop_is_black():
    studio = opened("auto")
    crop = studio.crop(scene(), Window(-40.0, -40.0, 1.5, *CROP))
    assert (crop[:26, :] == 0).all()
    assert (crop[:, :26] == 0).all()
    assert (crop[28:, 28:].max(-1) > 0).mean() > 0.9


def test_enlarging_keeps_borders_and_making_smaller_takes_means():
    values = np.random.default_rng(0).random((4, 3, 3)).astype(np.float32)
    assert resized(np.repeat(np.repeat(values, 2, 0), 2, 1), (3, 4)) == pytest.approx(values)
    assert resized(values, (6, 8)).mean((0, 1)) == pytest.approx(values.mean((0, 1)), abs=0.05)


def test_a_blurred_disc_changes_nothing_outside():
    crop = np.random.default_rng(0).integers(0, 256, (128, 96, 3), dtype=np.uint8)
    blurred = blurred_disc(crop, (40.0, 60.0), 10.0, 4.0)
    y, x = np.mgrid[:128, :96]
    outside = np.hypot(x - 40, y - 60) > 10
    assert (blurred[outside] == crop[outside]).all()
    assert blurred[~outside].std() < 0.3 * crop[~outside].std()


def test_rotations_of_another_body_are_refused(people):
    with pytest.raises(InputError, match=r"\(F, 16, 3, 3\)"):
        RenderedPeople(people.studio, {"train": torch.zeros(2, 24, 3, 3)})
