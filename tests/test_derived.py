"""Distributions of functions of a pose, against closed forms of a Gaussian posterior."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import norm, vonmises

from poseterior.derived import Derived
from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_17
from poseterior.posterior import Posterior
from poseterior.posteriors import GaussianPosterior
from poseterior.quantities import angle, azimuth, distance
from unsure_joints import SCALE, rng, unsure_joints

NOSE, MANY = H36M_17.index("nose"), 40_000


@pytest.fixture
def posterior() -> GaussianPosterior:
    return unsure_joints(0.3)


def around(centre: float, spread: float) -> Derived:
    """Normal angles in degrees, one for each of a batch of 2, from -180 to 180."""

    class Angles:
        def sample(self, sample_shape=(), generator=None) -> torch.Tensor:
            turned = centre + spread * torch.randn((*sample_shape, 2), generator=generator)
            return (turned + 180).remainder(360) - 180

    return Derived(Angles(), lambda degrees: degrees, circular=True)


def test_a_coordinate_is_normal(posterior: GaussianPosterior) -> None:
    depth = posterior.map(lambda pose: pose[..., NOSE, 2])
    mean = posterior.mean[:, NOSE, 2].double()
    assert depth.sample((5, 3), rng()).shape == (5, 3, 2)
    error = 5 * SCALE.double() / MANY**0.5
    assert ((depth.mean(MANY, rng()) - mean).abs() < error).all()
    assert ((depth.median(MANY, rng()) - mean).abs() < 1.3 * error).all()
    for level in (0.5, 0.9):
        ends = depth.interval(level, MANY, rng())
        for end, tail in zip(ends, ((1 - level) / 2, (1 + level) / 2), strict=True):
            wanted = mean + SCALE.double() * norm.ppf(tail)
            assert torch.allclose(end, wanted, atol=0.02 * SCALE.max().item())
    share = depth.probability(lambda z: z < posterior.mean[:, NOSE, 2] + SCALE, MANY, rng())
    assert share.tolist() == pytest.approx([norm.cdf(1)] * 2, abs=0.01)


def test_a_function_may_give_any_shape(posterior: GaussianPosterior) -> None:
    legs = posterior.map(lambda pose: pose[..., [2, 3, 5], :])
    assert legs.mean(50, rng()).shape == (2, 3, 3)
    low, high = legs.interval(0.5, 50, rng())
    assert low.shape == high.shape == (2, 3, 3)
    assert (low < high).all()


def test_with_a_skeleton_it_is_a_posterior(posterior: GaussianPosterior) -> None:
    assert isinstance(posterior.map(lambda pose: pose, H36M_17), Posterior)
    assert not isinstance(posterior.map(lambda pose: pose), Posterior)


def test_one_seed_is_one_set_of_hypotheses(posterior: GaussianPosterior) -> None:
    knee = posterior.measure(angle("left_knee_flexion"))
    drawn = knee.sample((30,), rng(3)).double()
    assert torch.allclose(knee.mean(30, rng(3)), drawn.mean(0))
    assert torch.allclose(knee.median(30, rng(3)), drawn.quantile(0.5, 0))
    low, high = knee.interval(0.8, 30, rng(3))
    assert torch.allclose(torch.stack([low, high]), drawn.quantile(drawn.new_tensor([0.1, 0.9]), 0))


def test_a_mapped_posterior_is_measured_like_any(posterior: GaussianPosterior) -> None:
    wrists = distance("left_wrist", "right_wrist")
    doubled = posterior.map(lambda pose: 2 * pose, H36M_17).measure(wrists)
    assert torch.allclose(doubled.mean(20, rng()), 2 * posterior.measure(wrists).mean(20, rng()))


@pytest.mark.parametrize("centre", [0.0, 90.0, 178.0, -179.5])
def test_intervals_of_angles_may_cross_half_a_turn(centre: float) -> None:
    angles = around(centre, 6.0)
    median = angles.median(MANY, rng())
    assert ((median >= -180) & (median < 180)).all()
    for found in (median, angles.mean(MANY, rng())):
        assert ((found - centre + 180).remainder(360) - 180).abs().max() < 0.2
    low, high = angles.interval(0.9, MANY, rng())
    assert torch.allclose(median - low, torch.full((2,), 6 * 1.645).double(), atol=0.3)
    assert torch.allclose(high - median, torch.full((2,), 6 * 1.645).double(), atol=0.3)


def test_angles_that_go_around_are_measured_as_such(posterior: GaussianPosterior) -> None:
    turned = posterior.measure(azimuth("pelvis", "nose"))
    assert turned.circular
    assert not posterior.measure(distance("nose", "pelvis")).circular
    # A wide von Mises spread keeps its mean direction, a plain mean would be pulled to 0.
    drawn = torch.from_numpy(vonmises.rvs(2, loc=math.pi, size=(MANY, 2), random_state=0))

    class Angles:
        def sample(self, sample_shape=(), generator=None) -> torch.Tensor:
            return drawn.rad2deg()

    mean = Derived(Angles(), lambda degrees: degrees, circular=True).mean()
    assert (180 - mean.abs()).max() < 1


def test_bad_input_is_refused(posterior: GaussianPosterior) -> None:
    depth = posterior.map(lambda pose: pose[..., NOSE, 2])
    for level in (0.0, 1.0, 90.0, math.nan):
        with pytest.raises(InputError, match="between 0 and 1"):
            depth.interval(level)
    with pytest.raises(InputError, match=r"at least 39 for a level of 0\.95, found 38"):
        depth.interval(0.95, 38)
    assert depth.interval(0.95, 39)[0].shape == (2,)
    with pytest.raises(InputError, match="hypotheses"):
        depth.mean(0)
    with pytest.raises(InputError, match="from 0 to 1"):
        depth.quantiles([0.5, 1.5])
