"""Rotations against scipy, and units."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from poseterior.errors import InputError
from poseterior.geometry import rotations, units

RANDOM = Rotation.random(50, rng=np.random.default_rng(0))
MATRICES = torch.from_numpy(RANDOM.as_matrix())


@pytest.mark.parametrize("order", ["ZXY", "XYZ", "ZYX", "xyz", "zyx", "yxz", "X", "zy", "ZYZ"])
def test_euler_angles_are_scipys(order):
    angles = np.random.default_rng(1).uniform(-360, 360, (30, len(order)))
    expected = Rotation.from_euler(order, angles, degrees=True).as_matrix()
    found = rotations.from_euler(order, torch.from_numpy(angles)).numpy()
    np.testing.assert_allclose(found, expected.reshape(30, 3, 3), atol=1e-12)


def test_euler_order_of_bvh_and_asf_written_out():
    angles = {"X": 10.0, "Y": 20.0, "Z": 30.0}
    x, y, z = (rotations.from_euler(axis, torch.tensor([a])) for axis, a in angles.items())
    bvh = rotations.from_euler("ZXY", torch.tensor([30.0, 10.0, 20.0]))
    torch.testing.assert_close(bvh, z @ x @ y)
    asf = rotations.from_euler("xyz", torch.tensor([10.0, 20.0, 30.0]))
    torch.testing.assert_close(asf, z @ y @ x)


@pytest.mark.parametrize(("order", "count"), [("XyZ", 3), ("abc", 3), ("", 0), ("XYZ", 2)])
def test_unknown_orders_are_refused(order, count):
    with pytest.raises(InputError, match="from_euler"):
        rotations.from_euler(order, torch.zeros(count))


def test_axis_angle_is_scipys():
    vectors = rotations.to_axis_angle(MATRICES)
    np.testing.assert_allclose(vectors.numpy(), RANDOM.as_rotvec(), atol=1e-9)
    torch.testing.assert_close(rotations.from_axis_angle(vectors), MATRICES)


def test_6d_holds_the_first_two_columns():
    columns = rotations.to_6d(MATRICES)
    torch.testing.assert_close(columns[:, :3], MATRICES[:, :, 0])
    torch.testing.assert_close(columns[:, 3:], MATRICES[:, :, 1])
    torch.testing.assert_close(rotations.from_6d(columns), MATRICES)
    stretched = torch.cat([2 * columns[:, :3], 3 * columns[:, 3:] + columns[:, :3]], dim=-1)
    torch.testing.assert_close(rotations.from_6d(stretched), MATRICES)


def test_angle_is_the_rotation_vectors_length():
    other = MATRICES.roll(1, 0)
    difference = Rotation.from_matrix((MATRICES.mT @ other).numpy())
    expected = np.degrees(difference.magnitude())
    np.testing.assert_allclose(rotations.angle_deg(MATRICES, other).numpy(), expected, atol=1e-6)


def test_units_are_inverses():
    lengths = torch.tensor([0.0503, 1.7])
    torch.testing.assert_close(units.metres(units.mm(lengths)), lengths)
    assert units.mm(units.METRES_PER_INCH) == pytest.approx(25.4)
