"""Features depend on the person, not on where the camera happened to look."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from poseterior.data.demo_clip import demo_motion
from poseterior.data.pose_source import PoseSource
from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_17
from poseterior.keypoints import Keypoints
from poseterior.lifters.conditioning import condition, feature_count
from poseterior.training.shipped import open_lifter


@pytest.fixture
def keypoints() -> Keypoints:
    generator = torch.Generator().manual_seed(0)
    positions = 0.3 * torch.randn((50, 17, 3), generator=generator)
    return PoseSource(positions, H36M_17, 32, masked=1.0).batch(0)[0]


def _turned(keypoints: Keypoints, rotation: torch.Tensor) -> Keypoints:
    """The same rays and small covariances as a camera turned by `rotation` sees them."""
    k = keypoints.intrinsics
    homography = k @ rotation @ torch.linalg.inv(k)
    ones = torch.ones_like(keypoints.pixels[..., :1])
    seen = torch.cat([keypoints.pixels, ones], -1) @ homography.mT
    pixels = seen[..., :2] / seen[..., 2:]
    h = homography[:, None]
    jacobian = (h[..., :2, :2] - pixels[..., None] * h[..., 2:, :2]) / seen[..., 2:, None]
    return replace(
        keypoints, pixels=pixels, covariance=jacobian @ keypoints.covariance @ jacobian.mT
    )


def test_turning_the_camera_turns_the_frame_and_nothing_else(keypoints):
    from roma import rotvec_to_rotmat

    # A turn about the axis itself would be a roll, which features rightly show.
    rotation = rotvec_to_rotmat(torch.tensor([0.12, -0.15, 0.0])).expand(32, 3, 3)
    before, after = condition(keypoints, H36M_17), condition(_turned(keypoints, rotation), H36M_17)
    # The two frames may differ by a small roll about the person's ray: compare invariants.
    relative = after.rotation @ rotation @ before.rotation.mT
    assert torch.allclose(relative[:, 2, 2], torch.ones(32), atol=2e-3)
    assert torch.allclose(before.features[:, -1], after.features[:, -1], atol=2e-2)


def test_scaling_image_and_focal_length_together_changes_nothing(keypoints):
    k = keypoints.intrinsics.clone()
    k[:, :2] *= 2
    twice = replace(
        keypoints, pixels=2 * keypoints.pixels, covariance=4 * keypoints.covariance, intrinsics=k
    )
    assert torch.allclose(
        condition(keypoints, H36M_17).features, condition(twice, H36M_17).features, atol=1e-4
    )


def test_what_stands_where_a_joint_is_missing_does_not_matter(keypoints):
    missing = ~keypoints.valid
    garbage = replace(
        keypoints,
        pixels=torch.where(missing[..., None], torch.nan, keypoints.pixels),
        covariance=torch.where(missing[..., None, None], torch.inf, keypoints.covariance),
    )
    assert missing.any()
    assert torch.equal(condition(keypoints, H36M_17).features, condition(garbage, H36M_17).features)


def test_rotation_is_undone_exactly(keypoints):
    conditions = condition(keypoints, H36M_17)
    pose = torch.randn(5, 32, 17, 3, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(conditions.to_camera(conditions.to_person(pose)), pose, atol=1e-5)
    assert torch.allclose(torch.linalg.det(conditions.rotation), torch.ones(32), atol=1e-5)


def test_shapes_and_finiteness(keypoints):
    features = condition(keypoints, H36M_17).features
    assert features.shape == (32, feature_count(17))
    assert features.isfinite().all()
    assert (
        condition(keypoints.without(torch.ones(17, dtype=torch.bool)), H36M_17)
        .features.isfinite()
        .all()
    )


@pytest.mark.parametrize("joint", range(17))
def test_a_single_joint_gives_no_huge_features(keypoints, joint):
    others = torch.arange(17) != joint
    features = condition(keypoints.without(others), H36M_17).features
    assert features.abs().max() <= 8
    assert condition(keypoints, H36M_17).features.abs().max() < 8


def test_the_shipped_lifter_stays_a_person_when_one_joint_is_left():
    generator = torch.Generator().manual_seed(0)
    positions = demo_motion()[::8]
    keypoints, _ = PoseSource(positions, H36M_17, 64, masked=0.0).batch(0)
    kept = torch.randint(17, (64, 1), generator=generator)
    keypoints = keypoints.without(torch.arange(17) != kept)
    drawn = open_lifter("coupling_flow")(keypoints).sample((50,), generator)
    assert drawn.norm(dim=-1).max() < 2.5


def test_an_unknown_camera_is_assumed_from_the_image_size(keypoints):
    unknown = replace(keypoints, intrinsics=None)
    known = keypoints.intrinsics.clone()
    known[:, 0, 0] = known[:, 1, 1] = 1150.0
    expected = condition(replace(keypoints, intrinsics=known), H36M_17).features
    assert torch.allclose(condition(unknown, H36M_17).features, expected, atol=1e-4)
    with pytest.raises(InputError, match="intrinsics or image_size"):
        condition(replace(unknown, image_size=None), H36M_17)
