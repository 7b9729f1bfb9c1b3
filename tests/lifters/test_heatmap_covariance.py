"""The fitted covariance: what the simulated detector drew, plus its target's width."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from poseterior.data.pose_source import PoseSource
from poseterior.geometry.skeleton import H36M_17
from poseterior.keypoints import Keypoints
from poseterior.lifters.conditioning import Conditions, condition
from poseterior.lifters.heatmap_covariance import MISSING_SIGMA_PX, fitted_covariance


def seen(points: torch.Tensor, covariance: torch.Tensor, valid: torch.Tensor) -> Conditions:
    """Conditions of one person with those joints; the rest does not matter here."""
    return Conditions(torch.zeros(1, 1), torch.eye(3)[None], points[None], covariance, valid[None])


def test_it_is_the_covariance_in_heatmap_pixels_plus_four() -> None:
    # A box of 0.4 by 1.0: a heatmap pixel is 1.25 / 64.
    points = torch.tensor([[-0.2, -0.5], [0.2, 0.5], [0.0, 0.0]])
    own = torch.tensor([[3e-4, 1e-4], [1e-4, 5e-4]])
    fitted = fitted_covariance(seen(points, own.expand(1, 3, 2, 2), torch.ones(3).bool()))
    scale = (64 / 1.25) ** 2
    wanted = torch.tensor([[3e-4 * scale + 4, 1e-4 * scale], [1e-4 * scale, 5e-4 * scale + 4]])
    torch.testing.assert_close(fitted, wanted.expand(1, 3, 2, 2))


def test_a_missing_joint_is_wide_and_does_not_stretch_the_box() -> None:
    # `condition` puts missing joints at the optical axis, here outside the others' box.
    points = torch.tensor([[0.3, 0.3], [0.4, 0.5], [0.0, 0.0]])
    own = 1e-4 * torch.eye(2)
    valid = torch.tensor([True, True, False])
    fitted = fitted_covariance(seen(points, own.expand(1, 3, 2, 2), valid))[0]
    torch.testing.assert_close(fitted[2], MISSING_SIGMA_PX**2 * torch.eye(2))
    wanted = (4 + 1e-4 * (64 / (1.25 * 0.2)) ** 2) * torch.eye(2)
    torch.testing.assert_close(fitted[:2], wanted.expand(2, 2, 2))


@pytest.fixture
def keypoints() -> Keypoints:
    generator = torch.Generator().manual_seed(0)
    positions = 0.3 * torch.randn((50, 17, 3), generator=generator)
    return PoseSource(positions, H36M_17, 32, masked=0.0, far=0.0, misjudged=0.0).batch(0)[0]


def test_sigmas_are_those_that_the_simulated_detector_drew(keypoints: Keypoints) -> None:
    fitted = fitted_covariance(condition(keypoints, H36M_17))
    sigma = (torch.linalg.eigvalsh(fitted) - 4).clamp_min(0).sqrt()
    # It draws 0.3 to 0.8 px of certain joints and 3 to 10 px along an axis of uncertain ones,
    # of a box around the joints where they truly are.
    assert (sigma[..., 1] < 13).all()
    assert ((sigma[..., 1] < 1.2) | (sigma[..., 1] > 2)).all()
    assert (sigma[..., 1] > 2).any()


def test_the_unit_of_the_image_does_not_matter(keypoints: Keypoints) -> None:
    scale = torch.diag(torch.tensor([2.0, 2.0, 1.0]))
    finer = replace(
        keypoints,
        pixels=2 * keypoints.pixels,
        covariance=4 * keypoints.covariance,
        intrinsics=scale @ keypoints.intrinsics,
    )
    before, after = (fitted_covariance(condition(k, H36M_17)) for k in (keypoints, finer))
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)


def test_two_joints_close_together_are_no_wider_than_a_missing_one() -> None:
    points = torch.tensor([[0.1, 0.1], [0.1001, 0.1], [0.0, 0.0]])
    own = torch.tensor([[3e-4, 1e-4], [1e-4, 5e-4]])
    valid = torch.tensor([True, True, False])
    fitted = fitted_covariance(seen(points, own.expand(1, 3, 2, 2), valid))[0, 0]
    # As long as 16² in each direction together, of the same shape, and the detector's own 2².
    torch.testing.assert_close(fitted, 2 * 256 / 8e-4 * own + 4 * torch.eye(2))
