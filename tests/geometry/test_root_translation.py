"""`fit_root_translation` against known translations and scipy's optimiser."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares

from poseterior.errors import InputError
from poseterior.geometry.root_translation import fit_root_translation

CAMERA = torch.tensor(
    [[1150.0, 2.0, 480.0], [0.0, 1100.0, 510.0], [0.0, 0.0, 1.0]], dtype=torch.float64
)


def _pose(seed: int, *batch: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*batch, 17, 3, generator=generator, dtype=torch.float64) * 0.3


def _project(points: torch.Tensor) -> torch.Tensor:
    homogeneous = points @ CAMERA.mT
    return homogeneous[..., :2] / homogeneous[..., 2:]


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 10_000),
    st.floats(-2.0, 2.0),
    st.floats(-2.0, 2.0),
    st.floats(2.0, 50.0),
)
def test_recovers_a_known_translation(seed: int, x: float, y: float, z: float) -> None:
    pose, translation = _pose(seed), torch.tensor([x, y, z], dtype=torch.float64)
    found = fit_root_translation(pose, _project(pose + translation), CAMERA)
    torch.testing.assert_close(found, translation, atol=1e-7, rtol=1e-7)


def test_batches_and_ignores_invalid_joints() -> None:
    pose = _pose(1, 4)
    translation = torch.tensor([0.3, -0.2, 4.0], dtype=torch.float64) + _pose(2, 4)[:, 0] * 0.1
    pixels = _project(pose + translation[:, None])
    valid = torch.ones(4, 17, dtype=torch.bool)
    valid[:, 5:9] = False
    pixels[:, 5:9] = torch.nan
    covariance = torch.eye(2, dtype=torch.float64).expand(4, 17, 2, 2).clone()
    covariance[:, 5:9] = torch.nan
    found = fit_root_translation(pose, pixels, CAMERA.expand(4, 3, 3), covariance, valid)
    torch.testing.assert_close(found, translation, atol=1e-7, rtol=1e-7)


def test_agrees_with_scipy_on_noisy_keypoints() -> None:
    pose = _pose(3)
    generator = torch.Generator().manual_seed(4)
    factor = torch.randn(17, 2, 2, generator=generator, dtype=torch.float64) * 4
    covariance = factor @ factor.mT + torch.eye(2, dtype=torch.float64)
    noise = torch.randn(17, 2, generator=generator, dtype=torch.float64) * 5
    pixels = _project(pose + torch.tensor([0.1, 0.2, 4.0], dtype=torch.float64)) + noise
    whiten = np.linalg.inv(np.linalg.cholesky(covariance.numpy()))

    def residual(t: np.ndarray) -> np.ndarray:
        error = (pixels - _project(pose + torch.from_numpy(t))).numpy()
        return np.einsum("jab,jb->ja", whiten, error).ravel()

    oracle = least_squares(residual, np.array([0.0, 0.0, 5.0]), xtol=1e-12, ftol=1e-12)
    found = fit_root_translation(pose, pixels, CAMERA, covariance)
    np.testing.assert_allclose(found.numpy(), oracle.x, atol=1e-5)


def test_one_valid_joint_is_refused() -> None:
    pose = _pose(5)
    valid = torch.zeros(17, dtype=torch.bool)
    valid[0] = True
    with pytest.raises(InputError, match="at least 2 valid joints, found 1"):
        fit_root_translation(pose, _project(pose + 3.0), CAMERA, valid=valid)


def test_keypoints_of_a_mirrored_image_are_refused() -> None:
    pose = _pose(6)
    pixels = 2 * CAMERA[:2, 2] - _project(pose + torch.tensor([0.0, 0.0, 4.0]))
    with pytest.raises(InputError, match="in front of the camera"):
        fit_root_translation(pose, pixels, CAMERA)
