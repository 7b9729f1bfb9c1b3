"""The simulated detector follows its stated formulas."""

from __future__ import annotations

import math

import pytest
import torch

from poseterior.data.augmentation import Augmentation, augment, mirror, scale_limbs, swap_limbs
from poseterior.data.pose_source import PoseSource
from poseterior.data.simulated_detector import (
    CameraRanges,
    DetectorNoise,
    heatmap_pixel,
    observe,
    to_camera,
)
from poseterior.geometry.skeleton import H36M_17

# A standing figure, metres, z up, facing +y (its left is -x).
STANDING = torch.tensor([
    [0.0, 0, 0], [0.1, 0, 0], [0.12, 0, -0.4], [0.12, 0, -0.8],
    [-0.1, 0, 0], [-0.12, 0, -0.4], [-0.12, 0, -0.8],
    [0, 0, 0.2], [0, 0, 0.45], [0, 0.02, 0.52], [0, 0, 0.7],
    [-0.17, 0, 0.42], [-0.2, 0, 0.15], [-0.22, 0.05, -0.08],
    [0.17, 0, 0.42], [0.2, 0, 0.15], [0.22, 0.05, -0.08],
])  # fmt: skip


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _poses(count: int, seed: int = 0) -> torch.Tensor:
    noise = 0.03 * torch.randn((count, 17, 3), generator=_generator(seed))
    noise[:, 0] = 0
    return STANDING + noise


def test_an_upright_person_is_upright_in_the_image():
    pose, _, _ = to_camera(STANDING.expand(500, 17, 3), CameraRanges(), _generator())
    head, ankle = pose[:, 10, 1], pose[:, 3, 1]
    assert (head < ankle).all()


def test_a_camera_that_looks_down_sees_the_head_nearer():
    ranges = CameraRanges(elevation_mean_deg=40.0, elevation_std_deg=0.0, roll_std_deg=0.0)
    pose, _, _ = to_camera(STANDING.expand(50, 17, 3), ranges, _generator())
    angle = torch.atan2(-pose[:, 8, 2], -pose[:, 8, 1])  # of the spine against the image's up
    assert torch.rad2deg(angle) == pytest.approx(torch.full((50,), 40.0), abs=1e-3)


def test_cameras_are_drawn_from_their_ranges():
    pose, root, intrinsics = to_camera(
        STANDING.expand(20_000, 17, 3), CameraRanges(focal_px=(900.0, 1300.0)), _generator()
    )
    assert root[:, 2].min() >= 2.5
    assert root[:, 2].max() < 6.5
    assert root[:, 0].std() == pytest.approx(0.3, rel=0.03)
    assert intrinsics[:, 0, 0].mean() == pytest.approx(1100, rel=0.01)
    # Azimuth is uniform: the left-right axis points everywhere equally often.
    across = pose[:, 4] - pose[:, 1]
    heading = torch.atan2(across[:, 2], across[:, 0])
    counts = torch.histc(heading, 8, -math.pi, math.pi) / len(heading)
    assert counts == pytest.approx(torch.full((8,), 0.125), abs=0.01)


def test_detections_err_by_their_own_covariance():
    pose, root, intrinsics = to_camera(_poses(4000), CameraRanges(), _generator())
    seen = observe(pose, root, intrinsics, H36M_17, DetectorNoise(), _generator(1))
    points = pose + root[:, None]
    truth = points[..., :2] / points[..., 2:] * 1150 + 500
    error = (seen.pixels - truth).flatten(0, 1)
    covariance = seen.covariance.flatten(0, 1)
    squared = (error * torch.linalg.solve(covariance, error)).sum(-1)
    # Squared Mahalanobis distances are chi-square with 2 degrees of freedom.
    for level in (0.5, 0.9, 0.99):
        inside = (squared < -2 * math.log(1 - level)).float().mean()
        assert inside == pytest.approx(level, abs=0.006)


def test_uncertain_joints_have_the_stated_share_size_and_shape():
    pose, root, intrinsics = to_camera(_poses(4000), CameraRanges(), _generator())
    noise = DetectorNoise(missing=0.25)
    seen = observe(pose, root, intrinsics, H36M_17, noise, _generator(1))
    points = pose + root[:, None]
    unit = heatmap_pixel(points[..., :2] / points[..., 2:] * 1150 + 500)
    sigma = torch.linalg.eigvalsh(seen.covariance).sqrt() / unit[:, None, None]
    uncertain = sigma[..., 1] > 1.5
    assert uncertain.float().mean() == pytest.approx(0.12, abs=0.005)
    assert sigma[~uncertain].max() < 0.8001
    assert sigma[..., 1][uncertain].mean() == pytest.approx(6.5, abs=0.1)
    ratio = sigma[..., 0][uncertain] / sigma[..., 1][uncertain]
    assert ratio.mean() == pytest.approx(0.7, abs=0.02)
    assert seen.valid.float().mean() == pytest.approx(0.75, abs=0.01)
    assert (seen.pixels[~seen.valid] == 0).all()


def test_mirroring_twice_is_nothing():
    pose = _poses(5)
    assert torch.equal(mirror(mirror(pose, H36M_17), H36M_17), pose)


def test_mirroring_keeps_left_on_the_left():
    across = mirror(STANDING[None], H36M_17)[0]
    assert across[H36M_17.index("left_hip"), 0] == STANDING[H36M_17.index("left_hip"), 0]


def test_scaled_limbs_are_equal_on_both_sides_and_in_range():
    lengths = _bone_lengths(STANDING.expand(500, 17, 3))
    scaled = _bone_lengths(scale_limbs(STANDING.expand(500, 17, 3), H36M_17, 0.15, _generator()))
    factor = (scaled / lengths)[:, 1:]
    assert factor.min() > 0.85
    assert factor.max() < 1.15
    assert factor.std() == pytest.approx(0.15 / math.sqrt(3), rel=0.05)
    partners = [p - 1 for p in H36M_17.partners[1:]]
    assert torch.allclose(factor, factor[:, partners])


def test_swapped_limbs_keep_their_lengths_and_the_trunk():
    pose = _poses(64)
    swapped = swap_limbs(pose, H36M_17, _generator())
    trunk = [H36M_17.index(j) for j in ("spine", "thorax", "nose", "head_top", "left_shoulder")]
    assert torch.allclose(swapped[:, trunk], pose[:, trunk], atol=1e-6)
    legs, own = _bone_lengths(swapped)[:, 1:7], _bone_lengths(pose)[:, 1:7]
    source = (legs[:, None] - own).abs().amax(-1)
    assert source.amin(1).max() < 1e-5, "each pair of legs is somebody's"
    assert (source.argmin(1) != torch.arange(64)).any()


def test_a_batch_is_a_function_of_seed_and_index():
    source = PoseSource(_poses(100) + 3.0, H36M_17, batch_size=32, seed=3)
    (first, pose), (again, pose_again) = source.batch(7), source.batch(7)
    assert torch.equal(first.pixels, again.pixels)
    assert torch.equal(pose, pose_again)
    assert not torch.equal(pose, source.batch(8)[1])
    other = PoseSource(_poses(100), H36M_17, batch_size=32, seed=4)
    assert not torch.equal(pose, other.batch(7)[1])
    assert (pose[:, 0] == 0).all()


def test_no_augmentation_changes_nothing():
    pose = _poses(10)
    none = Augmentation(mirror=0, scaled=0, swapped=0, tilted=0)
    assert torch.equal(augment(pose, H36M_17, none, _generator()), pose)


def _bone_lengths(pose: torch.Tensor) -> torch.Tensor:
    parents = [max(p, 0) for p in H36M_17.parents]
    return (pose - pose[:, parents]).norm(dim=-1)
