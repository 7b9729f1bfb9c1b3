"""The mode and its density, the losses by a plain formula, and initialisation in training."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from poseterior.data.pose_source import PoseSource
from poseterior.geometry.skeleton import H36M_17
from poseterior.keypoints import Keypoints
from poseterior.lifters.glow import Glow, GlowConfig
from poseterior.lifters.simple_baseline import SimpleBaselineConfig
from poseterior.posterior import drop_root
from poseterior.training.fit import fit
from poseterior.training.fit_config import FitConfig

BATCH = 5
SIZES = GlowConfig(
    hidden=16, dropout=0.0, batch_norm=False, network=SimpleBaselineConfig(width=24, dropout=0.0)
)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def source(batch: int = BATCH) -> PoseSource:
    return PoseSource(0.3 * torch.randn((200, 17, 3), generator=rng()), H36M_17, batch)


def observe(seed: int = 0) -> tuple[Keypoints, Tensor]:
    return source().batch(seed)


def build(config: GlowConfig = SIZES) -> Glow:
    """A small lifter in evaluation mode with weights moved off their initial values."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        lifter = Glow(config)
        with torch.no_grad():
            for parameter in lifter.parameters():
                parameter += 0.05 * torch.randn_like(parameter)
    return lifter.eval()


def buffers(lifter: Glow) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in lifter.state_dict().items()}


# The posterior


@torch.no_grad()
def test_the_density_at_the_mode_is_the_same_for_every_input() -> None:
    lifter = build()
    posterior, other = lifter(observe(0)[0]), lifter(observe(1)[0])
    assert not torch.allclose(posterior.mode, other.mode, atol=0.01)
    peaks = torch.cat([p.log_prob(p.mode) for p in (posterior, other)])
    steps = [part.log_scale.sum() + part.pivots().log().sum() for part in lifter.flow.linears]
    constant = sum(steps) - 24 * math.log(2 * math.pi)
    assert torch.allclose(peaks, constant.expand_as(peaks), atol=1e-2)


@torch.no_grad()
def test_the_mode_is_found_by_ascent_on_the_density() -> None:
    lifter = build()
    posterior = lifter(observe()[0])
    with torch.enable_grad():
        pose = posterior.mode.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(posterior.log_prob(pose).sum(), pose)
    off = posterior.sample((), rng()).requires_grad_()
    with torch.enable_grad():
        (elsewhere,) = torch.autograd.grad(posterior.log_prob(off).sum(), off)
    assert gradient.abs().max() < 1e-3 * elsewhere.abs().max()


@torch.no_grad()
def test_samples_are_the_plain_images_of_the_noise() -> None:
    posterior = build()(observe()[0])
    samples = posterior.sample((7,), rng(3))
    noise = torch.randn((7, BATCH, 48), generator=rng(3))
    wanted = posterior.transform.inv(noise).unflatten(-1, (16, 3)) @ posterior.rotation
    assert torch.allclose(samples[..., list(H36M_17.free), :], wanted, atol=1e-4)


# The losses


@torch.no_grad()
def test_losses_are_the_published_ones() -> None:
    lifter, (keypoints, pose) = build(), observe()
    terms = lifter.losses(keypoints, pose, rng())
    posterior = lifter(keypoints)
    absolute = (posterior.mode - pose)[:, list(H36M_17.free)].abs()
    assert terms["mode"].item() == pytest.approx(absolute.sum().item() / BATCH, rel=1e-5)
    latent, log_det = posterior.transform.call_and_ladj(
        drop_root(torch.einsum("bij,bkj->bki", posterior.rotation, pose), H36M_17)
    )
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(latent).sum(-1)
    nll = -(normal + log_det).sum().item() / BATCH
    assert terms["nll"].item() == pytest.approx(0.001 * nll, rel=1e-4)


def test_loss_weights_are_the_configured_ones() -> None:
    (keypoints, pose), plain = observe(), build()
    weighted = build(replace(SIZES, nll_weight=0.5, mode_weight=0.25))
    ours, theirs = (x.losses(keypoints, pose, rng()) for x in (weighted, plain))
    assert ours["nll"].item() == pytest.approx(500 * theirs["nll"].item(), rel=1e-5)
    assert ours["mode"].item() == pytest.approx(0.25 * theirs["mode"].item(), rel=1e-5)


# Initialisation by the first batch


def test_the_first_training_batch_standardises_the_latents() -> None:
    lifter, (keypoints, pose) = Glow(SIZES), source(64).batch(0)
    lifter.train().losses(keypoints, pose, rng())
    with torch.no_grad():
        posterior = lifter.eval()(keypoints)
        free = drop_root(pose @ posterior.rotation.mT, H36M_17)
        latent = posterior.transform.call_and_ladj(free)[0]
    assert torch.allclose(latent.mean(0), torch.zeros(48), atol=1e-3)
    assert torch.allclose(latent.std(0, correction=0), torch.ones(48), atol=1e-3)


def test_a_second_batch_does_not_initialise_again() -> None:
    lifter = Glow(SIZES).train()
    lifter.losses(*observe(0), rng())
    before = buffers(lifter)
    lifter.losses(*observe(1), rng())
    flow = {k: v for k, v in buffers(lifter).items() if k.startswith("flow.")}
    assert all(torch.equal(value, before[name]) for name, value in flow.items())


@torch.no_grad()
@pytest.mark.parametrize("batch_norm", [False, True])
def test_evaluation_changes_no_weight(batch_norm: bool) -> None:
    lifter = Glow(replace(SIZES, batch_norm=batch_norm)).eval()
    before, (keypoints, pose) = buffers(lifter), observe()
    posterior = lifter(keypoints)
    posterior.sample((3,), rng())
    posterior.log_prob(posterior.mode)
    lifter.losses(keypoints, pose, rng())
    assert all(torch.equal(value, before[name]) for name, value in buffers(lifter).items())


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_resumed_training_ends_at_the_same_weights(tmp_path: Path, ema: float) -> None:
    config = FitConfig(steps=6, batch_size=BATCH, schedule="constant", ema=ema)

    def train(out: str, *stops: int) -> dict[str, Tensor]:
        for stop in stops:
            torch.manual_seed(0)
            lifter = Glow(replace(SIZES, dropout=0.5))
            fit(
                lifter, source(), tmp_path / out, replace(config, steps=stop),
                resume=stop != stops[0],
            )  # fmt: skip
        return buffers(lifter)

    with torch.random.fork_rng(devices=[]):
        whole, halved = train("whole", 6), train("halved", 3, 6)
    assert whole["flow.initialised"]
    assert all(torch.equal(value, halved[name]) for name, value in whole.items())
    first = whole["flow.linears.0.log_scale"].exp().reciprocal()
    assert (first < 1).all()  # what the first batch, 0.3 m wide, made of the initial 1


def test_a_few_steps_learn() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        lifter = Glow(SIZES)
    keypoints, pose = source(32).batch(0)
    optimiser = torch.optim.Adam(lifter.train().parameters(), 1e-2)
    losses = []
    for _ in range(40):
        loss = torch.stack([*lifter.losses(keypoints, pose, rng()).values()]).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
