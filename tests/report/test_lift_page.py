"""The page of a lift: what is drawn on the image, and where."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest

from poseterior.geometry.skeleton import H36M_17
from poseterior.report.examples import Examples
from poseterior.report.lift_page import LiftReport, lift_html, write_lift_report
from poseterior.report.overlay import overlay
from poseterior.report.pictures import Picture, picture
from poseterior.report.scene import ellipses

W, HEIGHT, FOCAL, DEPTH = 640, 480, 800.0, 4.0


@pytest.fixture
def examples():
    """Two people whose hypotheses are the truth, seen without error."""
    rng = np.random.default_rng(0)
    pose = rng.normal(0, 0.3, (2, 17, 3))
    pose -= pose[:, :1]
    camera = np.array([[FOCAL, 0, W / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
    seen = (pose + np.array([0, 0, DEPTH])) @ camera.T
    covariance = np.tile(np.diag([16.0, 4.0]), (2, 17, 1, 1))
    valid = np.ones((2, 17), bool)
    valid[1, 5] = False
    return Examples(
        H36M_17, np.repeat(pose[:, None], 3, 1), keypoints=seen[..., :2] / seen[..., 2:],
        covariance=covariance, valid=valid, intrinsics=camera,
        labels=["clip a.jpg, frame 0, person 0", "clip <b>, frame 0, person 1"],
    )  # fmt: skip


PICTURE = Picture("data:image/jpeg;base64,AAAA", W, HEIGHT, "frame <0>")


def test_re_projected_hypotheses_lie_on_keypoints_without_error(examples):
    svg = overlay(PICTURE, 0, examples, [0])
    path = re.search(r'<path d="([^"]+)" class="hypotheses2"', svg)[1]
    ends = np.array(re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path), float).reshape(3, 16, 2, 2)
    expected = examples.keypoints[0][np.array(examples.bones)]
    assert ends == pytest.approx(np.tile(expected, (3, 1, 1, 1)), abs=0.11)


def test_ellipses_are_two_sigma_of_the_covariance_in_px_of_the_image(examples):
    svg = overlay(PICTURE, 0, examples, [0])
    found = re.findall(r'<ellipse cx="(\S+)" cy="(\S+)" rx="(\S+)" ry="(\S+)"', svg)
    assert len(found) == 17
    assert {(float(rx), float(ry)) for *_, rx, ry in found} == {(8.0, 4.0)}
    centres = np.array([row[:2] for row in found], float)
    assert centres == pytest.approx(examples.keypoints[0], abs=0.06)
    # What lies within 2 sigma of a normal is 1 - exp(-2) of it.
    draws = np.random.default_rng(1).multivariate_normal([0, 0], [[9, 4], [4, 6]], 20_000)
    a, b, degrees = ellipses(np.array([[[9.0, 4], [4, 6]]]), np.array([True]), 2.0)[0]
    angle = np.radians(degrees)
    turned = draws @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    inside = ((turned / [a, b]) ** 2).sum(1) < 1
    assert inside.mean() == pytest.approx(1 - np.exp(-2), abs=0.01)


def test_pixel_i_has_its_centre_at_i_and_joints_not_seen_are_not_drawn(examples):
    svg = overlay(PICTURE, 3, examples, [0, 1])
    assert f'viewBox="-0.5 -0.5 {W} {HEIGHT}"' in svg
    assert f'<image id="picture-3" x="-0.5" y="-0.5" width="{W}" height="{HEIGHT}"' in svg
    assert svg.count("<ellipse") == 33
    assert svg.count('class="dot2"') == 33
    assert "person 0" in svg
    assert "person 1" in svg


def test_people_are_named_where_the_page_has_several(examples):
    second = Picture("data:image/jpeg;base64,AAAA", W, HEIGHT, "frame 1")
    report = LiftReport("a", "b", examples=examples, pictures=[PICTURE, second], shown_in=[0, 1])
    assert [lift_html(report).count(f">person {n}<") for n in (0, 1)] == [1, 1]
    assert "person" not in overlay(PICTURE, 0, examples, [0])


def test_pictures_are_small_jpegs_that_keep_their_size_in_px():
    image_module = pytest.importorskip("PIL.Image", reason="pictures need Pillow")
    image = np.zeros((900, 3000, 3), np.uint8)
    image[:, 1500:] = 255
    made = picture(image, "frame 7")
    assert (made.width, made.height, made.label) == (3000, 900, "frame 7")
    kind, _, data = made.uri.partition(",")
    assert kind == "data:image/jpeg;base64"
    stored = image_module.open(io.BytesIO(base64.b64decode(data)))
    assert stored.size == (1600, 480)
    assert np.asarray(stored)[:, [100, 1500], 0].mean(0) == pytest.approx([0, 255], abs=4)


def test_the_page_holds_everything_and_escapes_what_it_is_told(examples, tmp_path):
    report = LiftReport(
        "<photo>", "2 people in <photo>", ["100 hypotheses"], ["Assumed <focal>: x"],
        {"lifter": "a </script>"}, examples, [PICTURE], [0, 0],
    )  # fmt: skip
    path = write_lift_report(tmp_path / "page.html", report)
    text = path.read_text()
    assert text == lift_html(report)
    assert "<photo>" not in text
    assert "clip <b>" not in text
    assert "a </script>" not in text
    assert '"picture":0' in text
    assert '"region":"2 sigma ellipse"' in text
    assert "://" not in text.split("<script")[0]


def test_nobody_and_no_pictures(examples):
    empty = lift_html(LiftReport("a.jpg", "Nobody was found in a.jpg"))
    assert "nothing to draw" in empty
    assert "<script" not in empty
    plain = lift_html(LiftReport("a.npz", "2 poses", examples=examples, shown_in=[None, None]))
    assert "<image" not in plain
    assert "scene-data" in plain
