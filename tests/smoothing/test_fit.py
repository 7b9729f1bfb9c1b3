"""The fit finds what tracks were simulated with."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from poseterior.errors import InputError
from poseterior.smoothing.fit import fit_model, fit_motion
from poseterior.smoothing.measurement import Measured

DT = 1 / 30


def walks(noise=(0.01, 0.2), windows=60, frames=64, seed=0):
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(windows, frames, len(noise), 3))
    return (steps * np.sqrt(np.array(noise) * DT)[:, None]).cumsum(1)


def swings(noise=(1.0, 3.0), time=0.2, windows=60, frames=64, seed=0, fine=20):
    """Velocities integrated by Euler's rule, 20 steps a frame."""
    rng = np.random.default_rng(seed)
    noise, dt = np.array(noise)[:, None], DT / fine
    velocity = np.sqrt(noise * time / 2) * rng.normal(size=(windows, len(noise), 3))
    place, path = np.zeros_like(velocity), []
    for step in range(frames * fine):
        if step % fine == 0:
            path.append(place.copy())
        place += velocity * dt
        kick = rng.normal(size=velocity.shape)
        velocity += -velocity * dt / time + np.sqrt(noise * dt) * kick
    return np.stack(path, 1)


def seen(truth, share, spread=0.04, seed=1):
    rng = np.random.default_rng(seed)
    half = spread * rng.uniform(0.5, 2, size=(*truth.shape[:3], 1))
    u = rng.normal(size=(len(truth), 1, *truth.shape[2:]))
    e = rng.normal(size=truth.shape)
    mean = truth + half * (np.sqrt(share) * u + np.sqrt(1 - share) * e)
    covariance = half[..., None] ** 2 * np.eye(3)
    parts = mean, covariance, np.ones(truth.shape[:3], bool)
    return Measured(*map(torch.from_numpy, parts))


def test_the_noise_of_a_walk():
    motion = fit_motion("walk", torch.from_numpy(walks()), DT)
    np.testing.assert_allclose(motion.noise, [0.01, 0.2], rtol=0.05)


def test_the_noise_and_time_of_a_velocity():
    motion = fit_motion("velocity", torch.from_numpy(swings()), DT)
    assert motion.seconds == pytest.approx(0.2, rel=0.1)
    np.testing.assert_allclose(motion.noise, [1.0, 3.0], rtol=0.1)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_the_share_of_the_errors_that_lasts(share):
    truth = walks((0.02,), windows=200, frames=48)
    fitted = fit_model("walk", torch.from_numpy(truth), seen(truth, share), DT)
    assert fitted.share == pytest.approx(share, abs=0.07)


def test_an_unknown_model_and_a_joint_that_stands_still():
    with pytest.raises(InputError, match="expected one of walk, velocity"):
        fit_motion("wlak", torch.zeros(1, 3, 2, 3), DT)
    for name in ("walk", "velocity"):
        with pytest.raises(InputError, match="every joint moves"):
            fit_motion(name, torch.zeros(1, 5, 2, 3), DT)
