"""Visibility, area and box of bodies where one can tell them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from meshes.rendering.rendered_scenes import (
    AWAY,
    CAMERA,
    SIZE,
    body,
    flags,
    opened,
    place,
    scene,
    thing,
)
from poseterior.geometry.skeleton import COCO_17
from poseterior.meshes.rendering.studio import with_disc


@pytest.fixture(scope="module", params=["gl", "warp"])
def studio(request):
    return opened(request.param)


def painted(vertices, finer=4):
    """The silhouette by painting every projected triangle, `finer` times larger."""
    canvas = Image.new("1", (SIZE[0] * finer, SIZE[1] * finer))
    draw = ImageDraw.Draw(canvas)
    points = (CAMERA.project(vertices) + 0.5) * finer - 0.5
    for corners in points[body().faces.numpy()]:
        draw.polygon([tuple(corner) for corner in corners], fill=1)
    return np.asarray(canvas)


def test_all_of_a_body_that_faces_the_camera_is_visible(studio):
    labels = studio.label(scene())
    assert set(flags(labels).values()) == {2}
    assert not labels.truncated
    assert labels.keypoints[:, :2] == pytest.approx(CAMERA.project(scene().landmarks), abs=1e-3)


def test_left_is_on_the_right_of_who_faces_the_camera_and_up_is_up(studio):
    facing, away = studio.label(scene()), studio.label(scene(AWAY))
    assert place(facing, "left_wrist")[0] > place(facing, "right_wrist")[0]
    assert place(away, "left_wrist")[0] < place(away, "right_wrist")[0]
    assert place(facing, "nose")[1] < place(facing, "left_hip")[1] < place(facing, "left_ankle")[1]


def test_area_and_box_are_those_of_painted_triangles(studio):
    labels, mask = studio.label(scene()), painted(scene().vertices[0])
    rows, columns = np.nonzero(mask)
    box = np.array([columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]) / 4
    assert labels.area == pytest.approx(mask.sum() / 16, rel=0.03)  # painting fattens edges
    assert labels.box == pytest.approx(box - [0.5, 0.5, 0, 0], abs=1.5)


def test_the_face_of_who_looks_away_has_no_label(studio):
    seen = flags(studio.label(scene(AWAY)))
    assert {seen[name] for name in ("nose", "left_eye", "right_eye")} == {0}
    assert seen["left_shoulder"] == seen["right_knee"] == 2


def test_the_far_side_of_a_profile_is_labelled_and_hidden(studio):
    turn = np.array([[0.0, 0, 1], [0, -1, 0], [1, 0, 0]])  # its left towards the camera
    seen = flags(studio.label(scene(turn)))
    near, far = ("left", "right") if seen["left_hip"] == 2 else ("right", "left")
    assert seen[f"{near}_shoulder"] == 2
    assert seen[f"{far}_shoulder"] == seen[f"{far}_hip"] == 1
    assert seen[f"{far}_ear"] == 0


def test_a_thing_hides_and_one_beside_a_visible_joint_is_told(studio):
    free = studio.label(scene())
    x, y = place(free, "left_wrist")
    labels = studio.label(scene(before=[thing((x, y), (8, 8))]))
    changed = {name for name, v in flags(labels).items() if v != 2}
    assert changed == {"left_wrist"}
    assert flags(labels)["left_wrist"] == 1  # its elbow is seen
    assert labels.area < free.area


def test_what_is_hidden_far_from_all_that_is_seen_has_no_label(studio):
    free = studio.label(scene())
    top = place(free, "left_knee")[1] - 12
    labels = studio.label(scene(before=[thing((100, top + 200), (300, 200))]))
    seen = flags(labels)
    assert seen["left_ankle"] == seen["right_ankle"] == 0
    assert seen["left_hip"] == 2
    assert (labels.keypoints[labels.keypoints[:, 2] == 0] == 0).all()
    assert labels.box[1] + labels.box[3] <= top + 1


def test_outside_the_image_there_is_no_label_and_no_area(studio):
    whole, half = studio.label(scene()), studio.label(scene(size=(SIZE[0], 130)))
    assert half.truncated
    assert half.area < 0.7 * whole.area
    assert half.box[1] + half.box[3] <= 129.5 + 1e-6
    seen = flags(half)
    assert seen["left_ankle"] == seen["right_knee"] == 0
    assert seen["nose"] == 2


def test_someone_in_front_hides_and_someone_behind_does_not(studio):
    alone = studio.label(scene())
    behind = studio.label(scene(others=[(0.1, 0.0, 4.5)]))
    front = studio.label(scene(others=[(0.0, 0.0, 2.2)]))
    assert flags(behind) == flags(alone)
    assert behind.area == pytest.approx(alone.area)
    assert flags(front)["nose"] != 2
    assert front.area < 0.5 * alone.area


def test_nobody_to_be_seen_is_no_label(studio):
    assert studio.label(scene(before=[thing((100, 130), (300, 300))])) is None
    assert studio.label(scene(at=(30.0, 0.0, 3.0))) is None


def test_a_growing_disc_hides_the_wrist_it_is_on(studio):
    start = scene()
    x, y = place(studio.label(start), "left_wrist")
    texture = start.backdrop
    areas = [studio.label(with_disc(start, (x, y), r, texture)).area for r in (0.5, 6, 15)]
    assert areas[0] > areas[1] > areas[2]
    hidden = studio.label(with_disc(start, (x, y), 6.0, texture))
    assert flags(hidden)["left_wrist"] == 1
    assert replace(start).before == ()


def test_margins_have_the_order_of_coco():
    from poseterior.meshes.rendering.labels import MARGINS

    assert (
        MARGINS[COCO_17.index("left_hip")] == MARGINS[COCO_17.index("right_hip")] == MARGINS.max()
    )
    assert len(MARGINS) == 17
