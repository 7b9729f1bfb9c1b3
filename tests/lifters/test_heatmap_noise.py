"""`heatmap_noise`: the stated covariance sideways, the closed-form deviation in depth."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from poseterior.data.pose_source import PoseSource
from poseterior.geometry.skeleton import H36M_17
from poseterior.keypoints import Keypoints
from poseterior.lifters.cinn import CinnConfig
from poseterior.lifters.conditioning import condition
from poseterior.lifters.heatmap_covariance import MISSING_SIGMA_PX, fitted_covariance
from poseterior.lifters.heatmap_noise import HeatmapNoise, HeatmapNoiseConfig
from poseterior.posterior import drop_root

TINY = CinnConfig(blocks=2, hidden=16, condition_hidden=16, context=8, critic_chain_width=16)
FREE = list(H36M_17.free)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make() -> HeatmapNoise:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return HeatmapNoise(HeatmapNoiseConfig(centre=TINY))


@pytest.fixture
def observed() -> tuple[Keypoints, Tensor]:
    positions = 0.3 * torch.randn((60, 17, 3), generator=rng())
    return PoseSource(positions, H36M_17, 32, masked=0.5).batch(0)


def test_samples_have_the_heatmaps_covariance_sideways(observed):
    keypoints, _ = observed
    lifter, conditions = make(), condition(keypoints, H36M_17)
    posterior = lifter(keypoints)
    person = conditions.to_person(posterior.sample((4000,), rng(1)) - posterior.mode)[..., FREE, :]
    found = torch.einsum("hbji,hbjk->bjik", person, person) / 4000
    wanted = 1e-4 * fitted_covariance(conditions)[:, FREE]
    scale = wanted.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]
    assert (((found[..., :2, :2] - wanted) / scale).abs() < 0.1).all()
    assert torch.allclose(found[..., 2, 2], torch.tensor(0.1**2), rtol=0.15)
    assert ((found[..., 2, :2] / scale[..., 0].sqrt() / 0.1).abs() < 0.1).all()
    missing = ~conditions.valid[:, FREE]
    assert missing.any()
    sigma = found[missing][:, 0, 0].sqrt()
    assert torch.allclose(sigma, torch.tensor(0.01 * MISSING_SIGMA_PX), rtol=0.08)


def test_joints_are_independent(observed):
    samples = drop_root(make()(observed[0]).sample((4000,), rng(2)), H36M_17)[:, 0]
    blocks = samples.T.corrcoef().unflatten(0, (16, 3)).unflatten(-1, (16, 3)).abs().amax((1, 3))
    assert blocks.fill_diagonal_(0).max() < 0.1


def test_centre_is_the_bases_and_stays(observed):
    keypoints, _ = observed
    lifter, base = make(), make().centre
    with torch.no_grad():  # a new bijection is the identity
        for parameter in base.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=rng(5))
    before = lifter(keypoints).mode
    lifter.use_base(base)
    with torch.no_grad():
        wanted = base.eval()(keypoints).latent_centre
    posterior = lifter(keypoints)
    assert not torch.allclose(before, wanted, atol=1e-3)
    assert torch.allclose(posterior.mode, wanted, atol=1e-6)
    assert torch.equal(posterior.latent_centre, posterior.mode)
    trained = [name for name, p in lifter.named_parameters() if p.requires_grad]
    assert trained == ["log_depth_sigma"]
    assert lifter.base_config == base.config


def test_likelihood_is_least_at_the_root_mean_square_depth_error(observed):
    keypoints, pose = observed
    lifter = make()
    residual = condition(keypoints, H36M_17).to_person(pose - lifter(keypoints).mode)
    wanted = residual[:, FREE, 2].square().mean().sqrt()

    def slope(sigma: Tensor) -> float:
        with torch.no_grad():
            lifter.log_depth_sigma.copy_(sigma.log())
        loss = lifter.losses(keypoints, pose, rng())["nll"]
        return torch.autograd.grad(loss, lifter.log_depth_sigma)[0].item()

    assert slope(0.9 * wanted) < -1
    assert slope(wanted) == pytest.approx(0, abs=0.01)
    assert slope(1.1 * wanted) > 1
