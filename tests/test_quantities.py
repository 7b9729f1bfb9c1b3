"""Named quantities and events of them, against closed forms of a Gaussian posterior."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import ncx2, norm

from poseterior.errors import InputError
from poseterior.events import Event
from poseterior.geometry.joint_angles import ANGLES, joint_angles
from poseterior.geometry.skeleton import H36M_17, get_skeleton
from poseterior.posteriors import GaussianPosterior
from poseterior.quantities import (
    angle,
    azimuth,
    distance,
    elevation,
    height,
    within,
)
from unsure_joints import SCALE, rng, unsure_joints

MANY = 20_000
ERROR = 5 * 0.5 / MANY**0.5  # five standard errors of a share, at most


@pytest.fixture
def posterior() -> GaussianPosterior:
    return unsure_joints(0.2)


def share(posterior: GaussianPosterior, event: Event, **given: torch.Tensor) -> list[float]:
    return posterior.probability(event, MANY, rng(), **given).tolist()


def position(posterior: GaussianPosterior, joint: str) -> torch.Tensor:
    return posterior.mean[:, H36M_17.index(joint)].double()


def ball(offset: torch.Tensor, scale: torch.Tensor, radius: float) -> list[float]:
    """P(|x| < radius) of x ~ N(offset, scale² I) in three dimensions."""
    squares = offset.square().sum(-1) / scale.double() ** 2
    return ncx2.cdf((radius / scale.double().numpy()) ** 2, 3, squares.numpy()).tolist()


def test_a_joint_near_a_point_is_non_central_chi_square(posterior: GaussianPosterior) -> None:
    point = torch.tensor([0.1, -0.1, 0.2])
    wanted = ball(position(posterior, "right_wrist") - point, SCALE, 0.3)
    assert share(posterior, within("right_wrist", point, 0.3)) == pytest.approx(wanted, abs=ERROR)
    near = distance("right_wrist", point.tolist()) < 0.3
    assert share(posterior, near) == pytest.approx(wanted, abs=ERROR)


def test_two_joints_have_twice_the_variance(posterior: GaussianPosterior) -> None:
    apart = position(posterior, "right_wrist") - position(posterior, "left_wrist")
    wanted = ball(apart, 2**0.5 * SCALE, 0.25)
    close = distance("left_wrist", "right_wrist") < 0.25
    assert share(posterior, close) == pytest.approx(wanted, abs=ERROR)


def test_points_are_in_the_cameras_frame_where_the_root_is_known(
    posterior: GaussianPosterior,
) -> None:
    root, point = torch.tensor([[0.0, 0.1, 3.0], [1.0, 0.0, 4.0]]), (0.2, 0.0, 3.2)
    offset = position(posterior, "nose") + root - torch.tensor(point)
    found = share(posterior, within("nose", point, 0.4), root=root)
    assert found == pytest.approx(ball(offset, SCALE, 0.4), abs=ERROR)
    # The same as points that are told relative to each root.
    each = share(posterior, within("nose", torch.tensor(point) - root, 0.4))
    assert each == pytest.approx(found, abs=1e-3)


def test_heights_are_normal_along_gravity(posterior: GaussianPosterior) -> None:
    down = torch.tensor([0.0, 0.6, 0.8])
    above = (torch.tensor([0.0, 0.1, 0.1]) - position(posterior, "nose")) @ down.double()
    wanted = norm.sf(0.05, above.numpy(), SCALE.numpy()).tolist()
    event = height("nose", (0.0, 0.1, 0.1), 5 * down) > 0.05
    assert share(posterior, event) == pytest.approx(wanted, abs=ERROR)
    rise = position(posterior, "left_wrist")[:, 1] - position(posterior, "head_top")[:, 1]
    wanted = norm.sf(0, rise.numpy(), 2**0.5 * SCALE.numpy()).tolist()
    assert share(posterior, height("head_top", "left_wrist") > 0) == pytest.approx(
        wanted, abs=ERROR
    )


def test_the_azimuth_of_a_symmetric_joint_is_uniform() -> None:
    centred = GaussianPosterior(torch.zeros(2, 17, 3), SCALE, H36M_17)
    right = (azimuth("pelvis", "nose") > 60) & (azimuth("pelvis", "nose") < 120)
    assert share(centred, right) == pytest.approx([1 / 6] * 2, abs=ERROR)
    # The share of a sphere above a latitude (Archimedes).
    assert share(centred, elevation("pelvis", "nose") > 30) == pytest.approx([1 / 4] * 2, abs=ERROR)


@pytest.mark.parametrize("name", ANGLES)
def test_angles_are_those_of_joint_angles(name: str, posterior: GaussianPosterior) -> None:
    pose = posterior.sample((20,), rng())
    assert torch.equal(angle(name)(pose, H36M_17), joint_angles(pose, H36M_17)[name])


def test_events_combine_as_sets_do(posterior: GaussianPosterior) -> None:
    pose = posterior.sample((300,), rng())
    first, second = angle("left_knee_flexion") > 90, distance("nose", "pelvis") <= 0.3
    a, b = first(pose, H36M_17), second(pose, H36M_17)
    assert 0 < a.sum() < a.numel()
    assert torch.equal((first & second)(pose, H36M_17), a & b)
    assert torch.equal((first | ~second)(pose, H36M_17), a | ~b)
    assert (first | ~second).text == "(left_knee_flexion > 90) | (~(distance(nose, pelvis) <= 0.3))"
    assert (first & second).joints(H36M_17) == {
        "left_hip", "left_knee", "left_ankle", "nose", "pelvis"
    }  # fmt: skip


@pytest.mark.parametrize("both", [lambda: 30 < angle("trunk_flexion") < 60, lambda: not within(
    "nose", (0, 0, 0), 1)])  # fmt: skip
def test_what_python_would_drop_in_silence_is_an_error(both) -> None:
    with pytest.raises(TypeError, match="&"):
        both()


BAD = {
    "unknown joint": (lambda: distance("left_wirst", "nose") < 1, "did you mean left_wrist"),
    "unknown angle": (lambda: angle("left_kne_flexion") < 1, "did you mean left_knee_flexion"),
    "point": (lambda: within("nose", (0.0, math.nan, 0.0), 1), "three finite numbers"),
    "length of the point": (lambda: within("nose", (0.0, 0.0), 1), "three finite numbers"),
    "radius": (lambda: within("nose", (0.0, 0.0, 0.0), -0.3), "radius: expected metres above 0"),
    "no radius": (lambda: within("nose", (0.0, 0.0, 0.0), math.nan), "radius"),
    "threshold": (lambda: angle("trunk_flexion") > math.inf, "a finite number"),
    "gravity": (lambda: height("nose", "pelvis", (0, 0, 0)) > 0, "a vector with a direction"),
    "no direction": (lambda: elevation("nose", "nose") > 0, "NaN"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused(case: str, posterior: GaussianPosterior) -> None:
    make, words = BAD[case]
    with pytest.raises(InputError, match=words):
        posterior.probability(make(), 20, rng())


def test_no_hypotheses_are_no_probability(posterior: GaussianPosterior) -> None:
    with pytest.raises(InputError, match="hypotheses: expected at least 1, found 0"):
        posterior.probability(angle("trunk_flexion") > 0, 0)


def test_a_skeleton_that_does_not_determine_an_angle_is_named(
    posterior: GaussianPosterior,
) -> None:
    coco = get_skeleton("coco_17")
    event = (angle("trunk_flexion") > 10) | (angle("left_knee_flexion") > 10)
    with pytest.raises(InputError, match=r'event "\(trunk_flexion.*angle of coco_17'):
        event(torch.zeros(5, 17, 3), coco)
