"""Diversity of hypotheses against numpy and against poses whose diversity is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from poseterior.data.demo_clip import demo_motion
from poseterior.geometry.skeleton import H36M_17
from poseterior.metrics.diversity import (
    asymmetry,
    bone_length_spread,
    image_covariance,
    sigma_agreement,
    spread,
)


def draws(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_spread_and_covariance_are_numpys() -> None:
    hypotheses = draws(50, 4, 17, 3)
    assert np.allclose(spread(hypotheses), hypotheses.numpy().std(0, ddof=1), atol=1e-5)
    found = image_covariance(hypotheses)
    assert np.allclose(found[2, 5], np.cov(hypotheses[:, 2, 5, :2].numpy().T), atol=1e-5)


def test_one_person_in_many_poses_has_one_length_of_each_bone() -> None:
    motion = demo_motion()
    assert bone_length_spread(motion, H36M_17).max() < 1e-3
    scaled = motion * torch.linspace(0.8, 1.2, len(motion))[:, None, None]
    wanted = torch.linspace(0.8, 1.2, len(motion)).std()
    assert bone_length_spread(scaled, H36M_17).mean() == pytest.approx(wanted.item(), rel=1e-2)


def test_asymmetry_is_zero_for_a_symmetric_body_and_sees_one_long_arm() -> None:
    motion = demo_motion()
    assert asymmetry(motion, H36M_17).max() < 1e-3
    elbow, wrist = (H36M_17.index(f"left_{joint}") for joint in ("elbow", "wrist"))
    longer = motion.clone()
    longer[:, wrist] += 0.5 * (motion[:, wrist] - motion[:, elbow])
    pairs = sum("left" in joint for joint in H36M_17.joints)
    wanted = 0.5 / 1.25 / pairs
    assert asymmetry(longer, H36M_17).mean() == pytest.approx(wanted, rel=1e-2)


def test_sigmas_agree_with_themselves_and_not_with_noise() -> None:
    root = draws(500, 2, 2)
    covariance = root @ root.mT
    assert sigma_agreement(4 * covariance, covariance) == pytest.approx((1.0, 2.0), abs=1e-4)
    correlation, _ = sigma_agreement(covariance, covariance[torch.randperm(500)])
    assert abs(correlation) < 0.2
