"""The mixture against torch's own distributions, its two readings, and what it learns."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.distributions import (
    Categorical,
    Dirichlet,
    Independent,
    MixtureSameFamily,
    Normal,
)

from poseterior.data.pose_source import PoseSource
from poseterior.geometry.skeleton import H36M_17, skeleton_from_tree
from poseterior.kernel_posterior import KernelPosterior
from poseterior.keypoints import Keypoints
from poseterior.lifters.mdn import MDN, MDNConfig, dirichlet_penalty, positive
from poseterior.lifters.simple_baseline import SimpleBaselineConfig
from poseterior.posterior import drop_root, insert_root

TINY = skeleton_from_tree("tiny_3", [("tip", "root"), ("root", None), ("other", "root")])
KERNELS, BATCH = 5, 4
NETWORK = SimpleBaselineConfig(width=16, dropout=0.0)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def observe(batch: int = BATCH, seed: int = 0) -> Keypoints:
    positions = 0.3 * torch.randn((200, 17, 3), generator=rng(seed))
    return PoseSource(positions, H36M_17, batch).batch(seed)[0]


def observe_tiny(batch: int) -> Keypoints:
    """The first three joints of random people, as if they were all."""
    whole = observe(batch)
    return replace(
        whole,
        pixels=whole.pixels[:, :3], covariance=whole.covariance[:, :3],
        valid=whole.valid[:, :3], confidence=None, skeleton=TINY,
    )  # fmt: skip


@pytest.fixture
def mixture() -> KernelPosterior:
    means = insert_root(0.3 * torch.randn((KERNELS, BATCH, 6), generator=rng(1)), TINY)
    scale = 0.05 + 0.2 * torch.rand((KERNELS, BATCH, 3), generator=rng(2))
    log_weights = torch.randn((KERNELS, BATCH), generator=rng(3)).log_softmax(0)
    return KernelPosterior(means, scale, log_weights, TINY)


def reference(mixture: KernelPosterior) -> MixtureSameFamily:
    """The mixture in torch over vectors (B, 6) of the free joints."""
    means = drop_root(mixture.means, TINY).transpose(0, 1)
    scale = mixture.scale[..., list(TINY.free)].repeat_interleave(3, -1).transpose(0, 1)
    weights = Categorical(logits=mixture.log_weights.T)
    return MixtureSameFamily(weights, Independent(Normal(means, scale), 1))


def test_density_and_mean_are_those_of_torchs_mixture(mixture: KernelPosterior) -> None:
    pose = torch.randn((7, BATCH, 3, 3), generator=rng(4))
    theirs = reference(mixture)
    wanted = theirs.log_prob(drop_root(pose, TINY))
    assert torch.allclose(mixture.log_prob(pose), wanted, rtol=1e-4, atol=1e-3)
    assert torch.allclose(drop_root(mixture.mean, TINY), theirs.mean, atol=1e-6)


def test_samples_have_the_moments_of_torchs_mixture(mixture: KernelPosterior) -> None:
    samples = drop_root(mixture.sample((40_000,), rng()), TINY)
    theirs = reference(mixture)
    assert torch.allclose(samples.mean(0), theirs.mean, atol=0.01)
    assert torch.allclose(samples.var(0), theirs.variance, rtol=0.05)


def test_kernels_are_drawn_by_their_weights() -> None:
    weights = torch.tensor([0.0, 0.6, 0.1, 0.3, 0.0])[:, None]
    means = torch.arange(5.0)[:, None, None, None] * torch.ones(1, 3, 3)
    narrow = KernelPosterior(means, torch.full((5, 1, 3), 1e-3), weights.log(), TINY)
    kernel = narrow.sample((20_000,), rng())[:, 0, 0, 0].round().long()
    share = torch.bincount(kernel, minlength=5) / len(kernel)
    assert (share[[0, 4]] == 0).all()
    assert torch.allclose(share, weights[:, 0], atol=0.015)


def test_no_hypotheses_can_be_asked_for(mixture: KernelPosterior) -> None:
    assert mixture.sample((0,)).shape == (0, BATCH, 3, 3)


@pytest.mark.parametrize("concentration", [1.0, 2.0, 3.5])
def test_penalty_is_minus_the_log_density_of_a_dirichlet(concentration: float) -> None:
    log_weights = torch.randn((KERNELS, 1), generator=rng()).log_softmax(0)
    uniform = torch.full((KERNELS, 1), 1 / KERNELS).log()
    prior = Dirichlet(torch.full((KERNELS,), concentration))
    wanted = prior.log_prob(uniform.exp()[:, 0]) - prior.log_prob(log_weights.exp()[:, 0])
    found = dirichlet_penalty(log_weights, concentration) - dirichlet_penalty(
        uniform, concentration
    )
    assert torch.allclose(found, wanted, atol=1e-4)


def test_modified_elu_is_smooth_and_positive() -> None:
    x = torch.linspace(-4, 4, 81, dtype=torch.float64)
    assert torch.allclose(positive(x), torch.where(x < 0, x.exp(), x + 1))


# The two readings


def test_the_means_are_read_in_turn_each_as_often_whatever_its_weight() -> None:
    lifter = MDN(MDNConfig(network=NETWORK)).eval()
    keypoints = observe()
    with torch.no_grad():
        wanted = lifter.mixture(keypoints).means
        lifter.config = replace(lifter.config, hypotheses="means")
        posterior = lifter(keypoints)
    assert not posterior.has_log_prob
    starts = set()
    for seed in range(20):
        samples = posterior.sample((12,), rng(seed))
        gap = (samples[:, None] - wanted).abs().amax((-1, -2))  # (H, K, B)
        assert (gap.amin(1) == 0).all()
        kernel = gap[..., 0].argmin(1).tolist()
        assert all(len(set(kernel[at : at + KERNELS])) == KERNELS for at in range(8))
        starts.add(kernel[0])
    assert starts == set(range(KERNELS))


def test_one_network_serves_both_readings() -> None:
    torch.manual_seed(0)
    sampled = MDN(MDNConfig(network=NETWORK)).eval()
    means = MDN(replace(sampled.config, hypotheses="means")).eval()
    means.load_state_dict(sampled.state_dict(), strict=True)
    pose = insert_root(torch.randn((BATCH, 48), generator=rng()), H36M_17)
    both = [x.losses(observe(), pose, rng()) for x in (sampled, means)]
    assert both[0] == both[1]
    assert set(MDN.PRESETS) == {"small", "paper", "small_means", "paper_means"}
    assert MDN.PRESETS["paper_means"] == replace(MDN.PRESETS["paper"], hypotheses="means")


# Size and learning


def test_the_paper_preset_is_the_published_network() -> None:
    features, width, size = 7 * 17 + 1, 1024, 48
    linear = (features + 1) * width + 4 * (width + 1) * width
    norms, heads = 5 * 2 * width, (width + 1) * KERNELS * (size + 2)
    lifter = MDN(MDN.PRESETS["paper"])
    assert sum(p.numel() for p in lifter.parameters()) == linear + norms + heads == 4_588_794


def two_sided(batch: int, generator: torch.Generator) -> tuple[Tensor, MixtureSameFamily]:
    """Poses at one of two places, 30 % and 70 %, 8 cm wide; and their distribution."""
    places = 0.3 * torch.tensor([[1.0], [-1.0]]).expand(2, 6)
    truth = MixtureSameFamily(
        Categorical(torch.tensor([0.3, 0.7])), Independent(Normal(places, 0.08), 1)
    )
    first = (torch.rand(batch, 1, generator=generator) < 0.3).float()
    centre = first * places[0] + (1 - first) * places[1]
    return centre + 0.08 * torch.randn((batch, 6), generator=generator), truth


def test_training_finds_both_sides_of_an_ambiguous_pose() -> None:
    torch.manual_seed(0)
    lifter = MDN(MDNConfig(kernels=3, network=replace(NETWORK, max_norm=10.0)), TINY)
    keypoints = observe_tiny(256)
    adam = torch.optim.Adam(lifter.parameters(), 1e-2)
    for step in range(150):
        free, _ = two_sided(256, rng(step))
        # The virtual camera turns each pose by its own rotation; here only the density matters.
        loss = sum(lifter.losses(keypoints, insert_root(free, TINY), rng()).values())
        adam.zero_grad()
        loss.backward()
        adam.step()
    free, truth = two_sided(256, rng(999))
    with torch.no_grad():
        found = lifter.mixture(keypoints).log_prob(insert_root(free, TINY)).mean()
    best = truth.log_prob(free).mean()
    one_sided = Normal(-0.12, 0.287).log_prob(free).sum(-1).mean()
    assert one_sided < best - 4
    assert best - 1.0 < found < best + 0.2
