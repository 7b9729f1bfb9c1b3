"""The smoother against dense Gaussian conditioning, and against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from dense_gaussian import condition, motion_covariance
from scipy.integrate import dblquad

from poseterior.errors import InputError
from poseterior.smoothing.fixed_lag import smooth_track
from poseterior.smoothing.kalman import StateSpace
from poseterior.smoothing.measurement import Measured
from poseterior.smoothing.motion import Velocity, Walk

TIMES = np.array([0.0, 0.1, 0.2, 0.35, 0.4, 0.9, 1.0, 1.1])


def motion(name, noise=(0.3, 2.0), seconds=0.25):
    noise = torch.tensor(noise, dtype=torch.float64)
    return Walk(noise) if name == "walk" else Velocity(noise, seconds)


def measured(frames, joints=2, seed=0, unseen=()):
    rng = np.random.default_rng(seed)
    mean = rng.normal(size=(frames, joints, 3))
    half = 0.3 * rng.normal(size=(frames, joints, 3, 5))
    seen = np.ones((frames, joints), bool)
    for frame, joint in unseen:
        seen[frame, joint] = False
    arrays = mean, half @ np.swapaxes(half, -1, -2), seen
    return Measured(*map(torch.from_numpy, arrays))


def smoothed(model, times, data, lag=1e6, block=128):
    def read(start, stop):
        return Measured(*(part[start:stop] for part in data))

    parts = [rest for _, *rest in smooth_track(model, times, read, lag, block)]
    return tuple(torch.cat(part).numpy() for part in zip(*parts, strict=True))


@pytest.mark.parametrize("share", [0.0, 0.6, 0.95])
@pytest.mark.parametrize("name", ["walk", "velocity"])
@pytest.mark.parametrize(
    "unseen",
    [(), ((2, 0), (3, 0), (4, 1)), ((0, 0), (1, 0), (0, 1), (7, 0))],
    ids=["all", "gaps", "ends"],
)
def test_the_smoother_is_the_dense_gaussian(name, share, unseen):
    """Also of a joint in frames before it is first seen."""
    data = measured(len(TIMES), unseen=unseen)
    model = motion(name)
    mean, covariance = smoothed(StateSpace(model, share), TIMES, data)
    for joint, noise in enumerate(model.noise.tolist()):
        prior = motion_covariance(name, TIMES, noise, getattr(model, "seconds", 0))
        seen = data.seen[:, joint].numpy()
        right = condition(prior, *(p[:, joint].numpy() for p in data[:2]), seen, share)
        begun = np.cumsum(seen) > 0
        for got, wanted in zip((mean, covariance), right, strict=True):
            np.testing.assert_allclose(got[begun, joint], wanted[begun], rtol=0, atol=1e-9)
            # "Anywhere" is within 100 m, which is wrong by what is unknown in (100 m)².
            np.testing.assert_allclose(got[:, joint], wanted, rtol=1e-3, atol=1e-3)


def test_the_oracle_s_double_integral():
    def velocity(a, b):
        return 0.3 * 0.25 / 2 * np.exp(-abs(a - b) / 0.25)

    times = np.array([0.0, 0.2, 0.7])
    for row, column in ((1, 1), (1, 2), (2, 2)):
        by_sum, _ = dblquad(velocity, 0, times[row], 0, times[column])
        found = motion_covariance("velocity", times, 0.3, 0.25)[row, column]
        assert found == pytest.approx(by_sum, rel=1e-4)


def test_the_steady_states_of_a_random_walk():
    """P = (q + sqrt(q² + 4 q r)) / 2 solves the scalar Riccati equation for what is predicted;

    far from both ends a frame hears as much from the past as from the future: smoothed it has
    the precision 1 / P + 1 / r + 1 / P.
    """
    q, r = 0.03 * 0.1, 0.2
    data = Measured(
        torch.zeros(200, 1, 3, dtype=torch.float64),
        r * torch.eye(3, dtype=torch.float64).expand(200, 1, 3, 3),
        torch.ones(200, 1, dtype=torch.bool),
    )
    model = StateSpace(motion("walk", [0.03]), 0.0)
    steps = model.forward(model.begin(), [0.0] + [0.1] * 199, data)
    predicted = (q + np.sqrt(q * q + 4 * q * r)) / 2
    right = predicted * r / (predicted + r)
    np.testing.assert_allclose(steps[-1].after.covariance[0], right * np.eye(3), rtol=1e-9)
    both = 1 / (2 / predicted + 1 / r)
    np.testing.assert_allclose(model.backward(steps)[1][100, 0], both * np.eye(3), rtol=1e-6)


def test_a_long_velocity_time_is_constant_velocity_and_a_short_one_a_walk():
    long = motion("velocity", [1.0], 900.0).transition(0.5)
    dt = 0.5
    textbook = [[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]]
    np.testing.assert_allclose(long[0][0], [[1, dt], [0, 1]], atol=1e-3)
    np.testing.assert_allclose(long[1][0], textbook, rtol=2e-3)
    short = motion("velocity", [1e6], 1e-3).transition(1.0)[1]
    np.testing.assert_allclose(short[0, 0, 0], 1e6 * 1e-6, rtol=2e-3)


def test_an_open_gap_widens_linearly_and_a_bridge_lies_between():
    times = np.arange(12) / 10
    data = measured(12, joints=1, unseen=[(t, 0) for t in range(3, 10)])
    mean, covariance = smoothed(StateSpace(motion("walk", [0.5]), 0.5), times, data)
    ends = mean[[2, 10], 0]
    assert (mean[3:10, 0] >= ends.min(0) - 1e-12).all()
    assert (mean[3:10, 0] <= ends.max(0) + 1e-12).all()
    middle, edge = covariance[6, 0].trace(), covariance[3, 0].trace()
    assert middle > edge > covariance[2, 0].trace()
    open_end = Measured(*(p[:10] for p in data))
    _, grows = smoothed(StateSpace(motion("walk", [0.5]), 0.5), times[:10], open_end)
    step = np.diff(grows[2:, 0], axis=0)
    np.testing.assert_allclose(step, np.broadcast_to(0.5 * 0.1 * np.eye(3), step.shape), atol=1e-12)


@pytest.mark.parametrize("name", ["walk", "velocity"])
def test_blocks_with_a_long_lag_are_the_whole_track_and_a_short_lag_nearly(name):
    times, data = np.arange(60) / 30, measured(60, unseen=((5, 0), (6, 0), (30, 1)))
    model = StateSpace(motion(name), 0.5)
    whole = smoothed(model, times, data)
    for got, right in zip(smoothed(model, times, data, lag=3.0, block=7), whole, strict=True):
        np.testing.assert_allclose(got, right, rtol=0, atol=1e-12)
    near = smoothed(model, times, data, lag=1.0, block=7)
    np.testing.assert_allclose(near[1], whole[1], rtol=0, atol=3e-3)
    filtered = smoothed(model, times, data, lag=0.0, block=1)
    assert np.abs(filtered[1] - whole[1]).max() > 1e-2


def test_a_single_frame_is_what_it_says():
    data = measured(1)
    mean, covariance = smoothed(StateSpace(motion("velocity"), 0.4), TIMES[:1], data)
    np.testing.assert_allclose(mean, data.mean, atol=1e-14)
    np.testing.assert_allclose(covariance, data.covariance, atol=1e-14)


def simulated(share, frames=40, people=400, seed=0):
    """Joints that walk, and measurements whose errors last in part; R differs by frame."""
    rng = np.random.default_rng(seed)
    q, dt = 0.02, 1 / 30
    steps = np.sqrt(q * dt) * rng.normal(size=(frames, people, 3))
    truth = steps.cumsum(0)
    half = 0.05 * rng.uniform(0.5, 2, size=(frames, people, 1, 1)) * np.eye(3)
    u = rng.normal(size=(1, people, 3, 1))
    e = rng.normal(size=(frames, people, 3, 1))
    error = half @ (np.sqrt(share) * u + np.sqrt(1 - share) * e)
    ones = np.ones((frames, people), bool)
    data = Measured(*map(torch.from_numpy, (truth + error[..., 0], half @ half, ones)))
    return truth, data, motion("walk", [q] * people), np.arange(frames) * dt


def surprise(truth, mean, covariance):
    wrong = (truth - mean)[..., None]
    return (np.swapaxes(wrong, -1, -2) @ np.linalg.solve(covariance, wrong)).mean() / 3


@pytest.mark.parametrize("share", [0.0, 0.7])
def test_a_right_posterior_stays_right(share):
    truth, data, model, times = simulated(share)
    mean, covariance = smoothed(StateSpace(model, share), times, data)
    assert surprise(truth, mean, covariance) == pytest.approx(1, abs=0.06)
    before = np.linalg.norm(truth - data.mean.numpy(), axis=-1).mean()
    assert np.linalg.norm(truth - mean, axis=-1).mean() < 0.95 * before


@pytest.mark.parametrize("share", [0.0, 0.7])
def test_a_right_posterior_is_right_in_every_frame_of_a_gap_and_after_it(share):
    """400 people tell the surprise of a frame to 0.04: at no time does it drift."""
    truth, data, model, times = simulated(share)
    data.seen[12:24] = False
    mean, covariance = smoothed(StateSpace(model, share), times, data, lag=1.0, block=7)
    by_frame = [surprise(*(part[t] for part in (truth, mean, covariance))) for t in range(40)]
    np.testing.assert_allclose(by_frame, 1, atol=0.2)
    assert np.mean(by_frame[12:24]) == pytest.approx(1, abs=0.1)


def test_a_naive_smoother_is_overconfident_where_errors_last():
    truth, data, model, times = simulated(0.7)
    assert surprise(truth, *smoothed(StateSpace(model, 0.0), times, data)) > 2.5


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_that_cannot_be(share):
    with pytest.raises(InputError, match="share: expected 0 or more and below 1"):
        StateSpace(motion("walk"), share)


def test_a_noise_that_cannot_be():
    with pytest.raises(InputError, match="noise: expected"):
        motion("walk", [0.1, 0.0])
    with pytest.raises(InputError, match="velocity time: expected"):
        motion("velocity", [0.1], 0.0)
