"""RealNVP is the density that it says: change of variables, samples, a Gaussian's entropy."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal

from poseterior.flows.prior import RealNVP


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _flow(features: int, weights: float = 0.3, **sizes: int) -> RealNVP:
    """A flow with weights at random, so that it is no identity."""
    flow = RealNVP(features, sizes.get("blocks", 3), sizes.get("hidden", 16))
    for k, parameter in enumerate(flow.parameters()):
        noise = torch.randn(parameter.shape, generator=_generator(k))
        parameter.data = weights * noise
    return flow


def test_untrained_it_is_a_gaussian_of_the_given_scale():
    flow, x = RealNVP(5, 2, 8, initial_scale=0.2), torch.randn(7, 5, generator=_generator())
    expected = Normal(0.0, 0.2).log_prob(x).sum(-1)
    assert torch.allclose(flow.log_prob(x), expected, atol=1e-4)


@pytest.mark.parametrize("features", [2, 5, 6])
def test_density_is_the_change_of_variables_by_autograd(features: int):
    flow, points = _flow(features), torch.randn(4, features, generator=_generator(1))

    def latent(x: Tensor) -> Tensor:
        return flow.transform()(x[None])[0]

    for x in points:
        jacobian = torch.autograd.functional.jacobian(latent, x)
        normal = Normal(0.0, 1.0).log_prob(latent(x)).sum()
        expected = normal + jacobian.slogdet()[1]
        assert torch.allclose(flow.log_prob(x), expected, atol=1e-4)


@torch.no_grad()
def test_density_integrates_to_one():
    flow = _flow(2)
    samples = flow.sample((20_000,), _generator())
    low, high = samples.amin(0) - 2.0, samples.amax(0) + 2.0
    axes = [torch.linspace(float(a), float(b), 700) for a, b in zip(low, high, strict=True)]
    grid = torch.cartesian_prod(*axes)
    cell = math.prod(float(axis[1] - axis[0]) for axis in axes)
    assert float(flow.log_prob(grid).exp().sum()) * cell == pytest.approx(1.0, abs=0.01)


@torch.no_grad()
def test_samples_and_density_agree():
    flow = _flow(2)
    samples = flow.sample((40_000,), _generator())
    # Shares of samples in a cell against the density's integral over it.
    middle, spread = samples.mean(0), samples.std(0)
    side = 0.3 * spread
    for k in range(5):
        corner = middle + spread * torch.randn(2, generator=_generator(k)) / 2
        inside = ((samples > corner) & (samples < corner + side)).all(-1).float().mean()
        steps = (torch.arange(30) + 0.5) / 30
        cell = corner + side * torch.cartesian_prod(steps, steps)
        share = flow.log_prob(cell).exp().mean() * side.prod()
        assert float(inside) == pytest.approx(float(share), abs=4 * math.sqrt(float(share) / 4e4))


@torch.no_grad()
def test_shapes_generators_and_double_precision():
    flow = _flow(5)
    samples = flow.sample((2, 3), _generator(4))
    assert samples.shape == (2, 3, 5)
    assert not samples.requires_grad
    assert torch.equal(samples, flow.sample((2, 3), _generator(4)))
    whole = flow.log_prob(samples)
    assert whole.shape == (2, 3)
    assert torch.allclose(whole[1], flow.log_prob(samples[1]), atol=1e-5)
    assert flow.log_prob(samples[0, 0]).shape == ()
    double = flow.double().log_prob(samples.double())
    assert double.dtype == torch.float64
    assert torch.allclose(double.float(), whole, atol=1e-3)


def test_learns_a_gaussian_to_its_entropy():
    """Of known covariance: no density has less cross entropy than its entropy; 0.1 nats above."""
    torch.manual_seed(0)
    mix = torch.eye(6) + 0.5 * torch.randn(6, 6, generator=_generator())
    truth = MultivariateNormal(torch.arange(6.0) / 6, mix @ mix.T)
    draw = _generator(1)

    def data(count: int) -> Tensor:
        return truth.mean + torch.randn(count, 6, generator=draw) @ mix.T

    flow = RealNVP(6, 4, 32)
    adam = torch.optim.Adam(flow.parameters(), 5e-3)
    steps = 300
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    for _ in range(steps):
        adam.zero_grad()
        (-flow.log_prob(data(256)).mean()).backward()
        adam.step()
        rate.step()
    with torch.no_grad():
        x = data(20_000)
        # Against the truth's own density of the same draws, the noise of the mean is gone.
        excess = float((truth.log_prob(x) - flow.log_prob(x)).mean())
    assert -0.01 < excess < 0.1
