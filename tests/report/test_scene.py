"""What the scene is given: upright axes, ellipses and re-projections, against other formulas."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.stats import chi2

from poseterior.report import Examples
from poseterior.report.scene import ellipses, limits, reproject, to_plot


def test_plot_axes_are_upright_and_not_mirrored() -> None:
    right, down, forward = to_plot(np.eye(3))
    np.testing.assert_array_equal(down, [0, 0, -1])
    np.testing.assert_array_equal(forward, [0, 1, 0])
    np.testing.assert_array_equal(np.cross(right, down), forward)


def test_limits_hold_every_mean_and_target(examples: Examples) -> None:
    low, high = limits(examples)
    for pose in (examples.centre, examples.target):
        points = to_plot(np.asarray(pose))
        assert (points > low).all()
        assert (points < high).all()


def test_limits_ignore_one_stray_hypothesis(examples: Examples) -> None:
    stray = examples.hypotheses.copy()
    stray[0, 0, 16] = 30.0
    known = replace(examples, mean=examples.centre)
    np.testing.assert_allclose(limits(replace(known, hypotheses=stray)), limits(known), atol=0.1)


def test_ellipses_hold_ninety_percent(examples: Examples) -> None:
    assert examples.covariance is not None
    major, minor, degrees = np.array(ellipses(examples.covariance[0], examples.seen[0])).T
    assert (major >= minor).all()
    along = np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=-1)
    for end in (major[:, None] * along, minor[:, None] * along[:, ::-1] * [-1, 1]):
        inverse = np.linalg.inv(examples.covariance[0])
        squared = np.einsum("ja,jab,jb->j", end, inverse, end)
        np.testing.assert_allclose(squared, chi2.ppf(0.9, 2), rtol=0.02)


def test_unseen_joints_have_no_ellipse(examples: Examples) -> None:
    covariance = np.full((17, 2, 2), np.nan)
    covariance[0] = np.eye(2)
    seen = np.arange(17) == 0
    assert [shape is not None for shape in ellipses(covariance, seen)] == seen.tolist()


def test_the_true_pose_lands_on_its_keypoints(examples: Examples) -> None:
    true = replace(examples, mean=examples.target)
    for n in range(len(true)):
        pixels = np.array(reproject(true, n, true.centre[n]))
        error = np.linalg.norm(pixels - true.keypoints[n], axis=-1)  # type: ignore[index]
        assert error[true.seen[n]].mean() < 6  # px; the keypoints' own noise is 2 px an axis


def test_no_place_for_the_pose_means_no_reprojection(examples: Examples) -> None:
    nothing = replace(examples, valid=np.zeros((8, 17), bool))
    assert reproject(nothing, 0, examples.centre[0]) is None
