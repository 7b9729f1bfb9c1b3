"""Cameras against the formula written out for one point, and their own inverses."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from poseterior.errors import InputError
from poseterior.geometry.camera import (
    Distortion,
    back_project,
    camera_to_world,
    intrinsics_from_focal,
    project,
    translation_from_centre,
    world_to_camera,
)
from poseterior.geometry.rotations import from_axis_angle

# The lens of Human3.6M's camera 54138969.
RADIAL = (-0.207098910824901, 0.247775183068982, -0.00307515035078854)
TANGENTIAL = (-0.000975698859470499, -0.00142447157470321)
INTRINSICS = torch.tensor(
    [[1145.04940458804, 0, 512.541504956548], [0, 1143.78109572365, 515.4514869776], [0, 0, 1]],
    dtype=torch.float64,
)


def lens(dtype: torch.dtype = torch.float64) -> Distortion:
    return Distortion(torch.tensor(RADIAL, dtype=dtype), torch.tensor(TANGENTIAL, dtype=dtype))


def points(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    spread = torch.randn(*shape, 3, generator=generator, dtype=torch.float64)
    return spread * 0.8 + torch.tensor([0.0, 0.0, 6.0], dtype=torch.float64)


def one_pixel(x: float, y: float, z: float) -> tuple[float, float]:
    """Human3.6M's projection of a single point, term by term."""
    u, v = x / z, y / z
    r2 = u * u + v * v
    radial = 1 + RADIAL[0] * r2 + RADIAL[1] * r2**2 + RADIAL[2] * r2**3
    tangential = TANGENTIAL[0] * v + TANGENTIAL[1] * u
    u2 = u * (radial + tangential) + TANGENTIAL[1] * r2
    v2 = v * (radial + tangential) + TANGENTIAL[0] * r2
    k = INTRINSICS
    return float(k[0, 0] * u2 + k[0, 2]), float(k[1, 1] * v2 + k[1, 2])


def test_projection_with_distortion_is_human36ms():
    body = points(40)
    expected = torch.tensor([one_pixel(*p) for p in body.tolist()], dtype=torch.float64)
    torch.testing.assert_close(project(body, INTRINSICS, lens()), expected)
    plain = body @ INTRINSICS.mT
    torch.testing.assert_close(project(body, INTRINSICS), plain[:, :2] / plain[:, 2:])
    assert (project(body, INTRINSICS) - expected).abs().max() > 1.0  # the lens does something


@pytest.mark.parametrize("distortion", [None, lens()])
def test_back_projection_undoes_projection(distortion):
    body = points(5, 17)
    skewed = INTRINSICS.clone()
    skewed[0, 1] = 3.0
    pixels = project(body, skewed, distortion)
    found = back_project(pixels, body[..., 2], skewed, distortion)
    torch.testing.assert_close(found, body, rtol=0, atol=1e-10)


def test_cameras_of_a_batch_and_float32():
    body = points(6, 17).float()
    cameras = intrinsics_from_focal(
        torch.linspace(800, 1500, 6), torch.tensor([1000, 800]).expand(6, 2)
    )
    distortion = Distortion(
        torch.linspace(0, 1, 6)[:, None] * lens(torch.float32).radial,
        lens(torch.float32).tangential.expand(6, 2),
    )
    pixels = project(body, cameras, distortion)
    for k in range(6):
        alone = Distortion(distortion.radial[k], distortion.tangential[k])
        torch.testing.assert_close(project(body[k], cameras[k], alone), pixels[k])
    found = back_project(pixels, body[..., 2], cameras, distortion)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, body, rtol=0, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=6, max_size=6))
def test_extrinsics_and_their_inverse(numbers):
    vector, centre = torch.tensor(numbers, dtype=torch.float64).split(3)
    rotation = from_axis_angle(vector)
    translation = translation_from_centre(rotation, centre)
    world = points(17)
    camera = world_to_camera(world, rotation, translation)
    torch.testing.assert_close(camera, (world - centre) @ rotation.T)  # Human3.6M's form
    torch.testing.assert_close(camera_to_world(camera, rotation, translation), world)


@pytest.mark.parametrize("depth", [0.0, -1.0, float("nan")])
def test_points_not_in_front_of_the_camera_are_refused(depth):
    body = points(17)
    body[3, 2] = depth
    with pytest.raises(InputError, match="1 of 17"):
        project(body, INTRINSICS)


def test_pixels_beyond_the_lens_are_refused():
    folding = Distortion(torch.tensor([-0.5, 0.0, 0.0]), torch.zeros(2))  # at most r = 0.544
    camera = intrinsics_from_focal(1000.0, torch.tensor([1000, 1000]))
    inside = torch.tensor([[1000.0, 500.0]])
    assert back_project(inside, torch.ones(1), camera, folding).isfinite().all()
    with pytest.raises(InputError, match="1 of 1 that it cannot"):
        back_project(inside + torch.tensor([100.0, 0]), torch.ones(1), camera, folding)


@pytest.mark.parametrize(("focal", "size"), [(0.0, (10, 10)), (5.0, (0, 10)), (5.0, (10, -1))])
def test_impossible_cameras_are_refused(focal, size):
    with pytest.raises(InputError, match="camera"):
        intrinsics_from_focal(focal, torch.tensor(size))


def test_projection_has_the_right_gradient():
    body = points(3).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: project(p, INTRINSICS, lens()), body)
