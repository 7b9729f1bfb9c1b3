"""Moments of hypotheses and the map between Gaussians, against other formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from poseterior.errors import InputError
from poseterior.smoothing.measurement import joint_moments, symmetric_root
from poseterior.smoothing.transport import transport


def hypotheses(count=300, seed=0):
    """(2, H, 3, 3), skewed, of very different spread along the axes."""
    rng = np.random.default_rng(seed)
    drawn = rng.gamma(2.0, size=(2, count, 3, 3)) * [0.01, 0.05, 0.3]
    return torch.from_numpy(drawn @ np.linalg.qr(rng.normal(size=(3, 3)))[0])


def test_moments_of_many_are_those_of_numpy():
    drawn = hypotheses(20000)
    mean, covariance = joint_moments(drawn)
    np.testing.assert_allclose(mean, drawn.numpy().mean(1), rtol=1e-12)
    for row in range(2):
        for joint in range(3):
            right = np.cov(drawn[row, :, joint].numpy().T)
            np.testing.assert_allclose(covariance[row, joint], right, atol=2e-4 * np.trace(right))


def test_the_trace_is_unbiased_whatever_is_shrunk():
    drawn = hypotheses(4)
    covariance = joint_moments(drawn)[1]
    right = np.cov(drawn[0, :, 0].numpy().T)
    assert float(covariance[0, 0].trace()) == pytest.approx(np.trace(right), rel=1e-12)
    # Four draws leave 3 x 3 numbers nearly unknown: the least axis is not believed.
    assert np.linalg.eigvalsh(covariance[0, 0])[0] > 2 * np.linalg.eigvalsh(right)[0]


def test_two_hypotheses_have_a_spread_in_every_direction():
    covariance = joint_moments(hypotheses(2))[1]
    assert bool((torch.linalg.eigvalsh(covariance) > 0).all())


def test_weights_count_hypotheses():
    """Twice the weight is as good as the hypothesis twice, but for what n - 1 takes."""
    drawn = hypotheses(50)
    weights = torch.ones(2, 50)
    weights[:, :10] = 2
    again = torch.cat([drawn, drawn[:, :10]], 1)
    ours, twice = joint_moments(drawn, weights), joint_moments(again)
    np.testing.assert_allclose(ours[0], twice[0], rtol=1e-12)
    np.testing.assert_allclose(ours[1], twice[1], rtol=0.04, atol=1e-3)


def test_one_hypothesis_tells_no_spread():
    with pytest.raises(InputError, match=r"hypotheses: expected 2 or more.*found 1"):
        joint_moments(hypotheses(1))


def test_the_root_is_scipy_s():
    covariance = joint_moments(hypotheses())[1]
    root, inverse = symmetric_root(covariance)
    np.testing.assert_allclose(root[0, 1], sqrtm(covariance[0, 1].numpy()), atol=1e-12)
    np.testing.assert_allclose(root @ inverse, np.eye(3).reshape(1, 1, 3, 3).repeat(3, 1).repeat(
        2, 0), atol=1e-9)  # fmt: skip


def moved():
    drawn = hypotheses(4000)
    mean = drawn.mean(1)
    offset = drawn - mean[:, None]
    old = mean, torch.einsum("mhja,mhjb->mjab", offset, offset) / 3999
    half = torch.from_numpy(np.random.default_rng(1).normal(size=(2, 3, 3, 3)))
    new = old[0] + 1.0, 0.01 * half @ half.mT
    return drawn, old, new, transport(drawn, old, new)


def test_hypotheses_get_the_new_mean_and_covariance():
    _, _, new, result = moved()
    np.testing.assert_allclose(result.mean(1), new[0], rtol=1e-9)
    for row in range(2):
        for joint in range(3):
            found = np.cov(result[row, :, joint].numpy().T)
            np.testing.assert_allclose(found, new[1][row, joint], atol=1e-12)


def test_the_map_moves_as_little_as_gaussians_can_be_moved():
    """The mean squared way is their Bures-Wasserstein distance, by another formula."""
    drawn, old, new, result = moved()
    way = (result - drawn)[0, :, 0].square().sum(-1).mean()
    a, b = old[1][0, 0].numpy(), new[1][0, 0].numpy()
    bures = np.trace(a) + np.trace(b) - 2 * np.trace(sqrtm(a @ b).real)
    shift = (new[0] - old[0])[0, 0].square().sum()
    assert float(way) == pytest.approx(float(shift) + bures, rel=2e-3)


def test_the_order_along_the_way_is_kept():
    """The gradient of a convex function is monotone: (h - k) . (T h - T k) >= 0."""
    drawn, _, _, result = moved()
    apart, then = drawn[:, :2000] - drawn[:, 2000:], result[:, :2000] - result[:, 2000:]
    assert bool(((apart * then).sum(-1) >= 0).all())
