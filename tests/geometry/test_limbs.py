"""Orientation and distances of poses whose truth is known in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import vonmises_fisher

from poseterior.errors import InputError
from poseterior.geometry.limbs import (
    azimuth,
    direction_between,
    direction_cone,
    distance_between,
    distance_to_point,
    elevation,
    height_above_plane,
    joint_position,
    limb_directions,
    limb_names,
)
from poseterior.geometry.skeleton import H36M_17


def poses(*batch: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return 0.3 * torch.randn((*batch, 17, 3), generator=generator, dtype=torch.float64)


def rotation() -> torch.Tensor:
    matrix = torch.randn((3, 3), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    turn = torch.linalg.qr(matrix).Q
    return turn * torch.linalg.det(turn).sign()


def test_directions_are_unit_vectors_along_the_bones() -> None:
    pose = poses(4, 5)
    found = limb_directions(pose, H36M_17)
    assert found.shape == (4, 5, 16, 3)
    for k, (name, (parent, child)) in enumerate(
        zip(limb_names(H36M_17), H36M_17.edges, strict=True)
    ):
        start, end = name.split("-")
        assert (start, end) == (H36M_17.joints[parent], H36M_17.joints[child])
        bone = pose[..., child, :] - pose[..., parent, :]
        length = bone.square().sum(-1).sqrt()
        assert torch.allclose(length[..., None] * found[..., k, :], bone)
        assert torch.equal(direction_between(pose, H36M_17, start, end), found[..., k, :])


def test_a_limb_without_length_has_no_direction() -> None:
    assert limb_directions(torch.zeros(17, 3), H36M_17).isnan().all()


@pytest.mark.parametrize("up", [-90.0, -30.0, 0.0, 60.0, 90.0])
@pytest.mark.parametrize("turn", [-150.0, 0.0, 45.0, 120.0])
def test_elevation_and_azimuth_are_those_a_direction_was_made_of(up: float, turn: float) -> None:
    e, a = math.radians(up), math.radians(turn)
    # x right, y down, z away from the camera
    level = torch.tensor(
        [math.cos(e) * math.sin(a), -math.sin(e), math.cos(e) * math.cos(a)], dtype=torch.float64
    )
    for pitch in (0.0, 40.0, -70.0):  # of a camera turned about its x axis
        p = math.radians(pitch)
        tilt = torch.tensor(
            [[1, 0, 0], [0, math.cos(p), -math.sin(p)], [0, math.sin(p), math.cos(p)]],
            dtype=torch.float64,
        )
        down = tilt @ torch.tensor([0.0, 2.0, 0.0], dtype=torch.float64)
        seen = 0.4 * tilt @ level
        assert elevation(seen, down).item() == pytest.approx(up, abs=1e-5)
        if abs(up) < 90:
            assert azimuth(seen, down).item() == pytest.approx(turn, abs=1e-5)


def test_distances_do_not_see_rotations_and_heights_are_along_gravity() -> None:
    pose, turn = poses(6), rotation()
    point = torch.tensor([0.1, -0.2, 0.4], dtype=torch.float64)
    down = torch.tensor([0.0, 3.0, 0.0], dtype=torch.float64)
    moved, there = pose @ turn.T, turn @ point
    wrists = ("left_wrist", "right_wrist")
    a, b = (pose[:, H36M_17.index(wrist)].numpy() for wrist in wrists)
    apart = distance_between(pose, H36M_17, *wrists)
    assert np.allclose(apart.numpy(), [math.dist(x, y) for x, y in zip(a, b, strict=True)])
    assert torch.allclose(distance_between(moved, H36M_17, *wrists), apart)
    away = distance_to_point(pose, H36M_17, "left_wrist", point)
    assert np.allclose(away.numpy(), [math.dist(x, point) for x in a])
    assert torch.allclose(distance_to_point(moved, H36M_17, "left_wrist", there), away)
    height = height_above_plane(pose, H36M_17, "left_wrist", point, down)
    assert np.allclose(height.numpy(), -0.2 - a[:, 1])
    turned = height_above_plane(moved, H36M_17, "left_wrist", there, turn @ down)
    assert torch.allclose(turned, height)


def test_points_may_differ_from_pose_to_pose() -> None:
    pose, points = poses(7, 3), poses(3)[:, 0]
    together = distance_to_point(pose, H36M_17, "nose", points)
    for k in range(3):
        alone = distance_to_point(pose[:, k], H36M_17, "nose", points[k].tolist())
        assert torch.allclose(together[:, k], alone)


@pytest.mark.parametrize("kappa", [3.0, 40.0])
def test_the_cone_of_von_mises_fisher(kappa: float) -> None:
    """P(angle <= t) = (1 - exp(-k (1 - cos t))) / (1 - exp(-2 k)) in three dimensions."""
    axis = np.array([2.0, -1.0, 2.0]) / 3
    drawn = vonmises_fisher(axis, kappa).rvs(20_000, random_state=np.random.default_rng(0))
    for level in (0.5, 0.9):
        mean, angle = direction_cone(torch.from_numpy(drawn), level)
        cosine = 1 + math.log(1 - level * (1 - math.exp(-2 * kappa))) / kappa
        assert angle.item() == pytest.approx(math.degrees(math.acos(cosine)), rel=0.02)
        assert np.allclose(mean.numpy(), axis, atol=0.02)


def test_the_cone_holds_its_share_of_few_directions() -> None:
    degrees = torch.tensor([-40.0, -20.0, -10.0, 0.0, 10.0, 20.0, 40.0])
    fan = torch.stack([degrees.deg2rad().sin(), 0 * degrees, degrees.deg2rad().cos()], -1)
    for level, wanted in ((3 / 7, 10.0), (0.5, 20.0), (5 / 7, 20.0), (1.0, 40.0)):
        mean, angle = direction_cone(fan[:, None], level)
        assert angle.item() == pytest.approx(wanted, abs=1e-3)
        assert torch.allclose(mean, torch.tensor([[0.0, 0.0, 1.0]]), atol=1e-6)


def test_bad_input_is_refused() -> None:
    pose = poses(2)
    with pytest.raises(InputError, match="did you mean left_wrist"):
        joint_position(pose, H36M_17, "left_wirst")
    with pytest.raises(InputError, match=r"\(\.\.\., 17, 3\)"):
        limb_directions(pose[:, :16], H36M_17)
    for point in ((0.0, math.nan, 0.0), (0.0, 0.0)):
        with pytest.raises(InputError, match="three finite numbers"):
            distance_to_point(pose, H36M_17, "nose", point)
    with pytest.raises(InputError, match="a vector with a direction"):
        elevation(pose, (0.0, 0.0, 0.0))
    with pytest.raises(InputError, match="straight up or down"):
        azimuth(pose, (0.0, 0.0, 1.0))
    for level in (0.0, 1.1, math.nan):
        with pytest.raises(InputError, match="level"):
            direction_cone(pose, level)
