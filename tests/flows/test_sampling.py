"""The fast inverse equals the plain one, and samples drawn with it follow the density."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from zuko.transforms import PermutationTransform

from poseterior import posteriors
from poseterior.flows.coupling import (
    Chain,
    ConditionalAffine,
    SoftClampedCoupling,
    compile_sampling,
)
from poseterior.geometry.rotations import from_axis_angle
from poseterior.geometry.skeleton import skeleton_from_tree
from poseterior.posterior import drop_root
from poseterior.posteriors import FlowPosterior, GaussianPosterior, MixturePosterior, _chunks

# Neither is the root the first joint nor are the features halved evenly.
SKELETON = skeleton_from_tree("tiny_4", [("a", "root"), ("b", "a"), ("root", None), ("c", "b")])
FEATURES, CONTEXT, BATCH = 9, 5, 4
ALL = slice(0, BATCH)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def couplings(depth: int = 2) -> torch.nn.ModuleList:
    """An affine transform and four couplings with weights that are far from zero."""
    made = torch.nn.ModuleList(
        [ConditionalAffine(FEATURES, CONTEXT)]
        + [
            SoftClampedCoupling(FEATURES, CONTEXT, 16, depth, 2.0, first)
            for first in (True, False, True, False)
        ]
    )
    generator = rng(depth)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return made


def chain(made: torch.nn.ModuleList, batch: int = BATCH, seed: int = 0) -> Chain:
    """Of contexts that differ; two of its permutations follow each other."""
    context = torch.randn(batch, CONTEXT, generator=rng(seed)).to(made[0].linear.weight)
    affine, a, b, c, d = (lazy(context) for lazy in made)
    first, second, third = (
        PermutationTransform(torch.randperm(FEATURES, generator=rng(k))) for k in range(3)
    )
    return Chain(affine, first, a, b, second, third, c, first, d)


def posterior(scale: float = 1.0, seed: int = 0, batch: int = BATCH) -> FlowPosterior:
    rotation = from_axis_angle(torch.randn(batch, 3, generator=rng(seed + 1)))
    with torch.no_grad():
        transform = chain(couplings(), batch, seed)
    return FlowPosterior(transform, rotation, torch.full((batch,), scale), SKELETON)


def fast_inverse(transform: Chain, latents: Tensor, rows: slice = ALL) -> Tensor:
    return transform.inverter(latents)(latents.clone(), rows)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("samples", [1, 2, 201])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_fast_inverse_equals_the_plain_one(depth, samples, dtype):
    transform = chain(couplings(depth).to(dtype))
    latents = torch.randn(samples, BATCH, FEATURES, generator=rng(), dtype=dtype)
    fast = fast_inverse(transform, latents)
    assert fast.dtype == dtype
    torch.testing.assert_close(fast, transform.inv(latents), atol=1e-5, rtol=1e-5)


def test_buffers_serve_slices_of_any_size_in_turn():
    transform, latents = chain(couplings()), torch.randn(7, BATCH, FEATURES, generator=rng())
    expected, invert = transform.inv(latents), transform.inverter(latents)
    for rows in (slice(0, 2), slice(2, 4), slice(3, 9), slice(0, 4), slice(1, 2)):
        fast = invert(latents[:, rows].clone(), rows)
        torch.testing.assert_close(fast, expected[:, rows], atol=1e-5, rtol=1e-5)


def test_gradients_flow_through_the_plain_inverse_and_not_through_samples():
    made = couplings()
    transform = chain(made)
    transform.inv(torch.ones(2, BATCH, FEATURES)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in made.parameters())
    assert not fast_inverse(transform, torch.ones(2, BATCH, FEATURES)).requires_grad
    flow = FlowPosterior(transform, torch.eye(3).expand(4, 3, 3), torch.ones(4), SKELETON)
    assert flow.latent_centre.requires_grad
    assert not flow.sample((2,), rng()).requires_grad


@pytest.mark.parametrize("rows", [5, 40, 1600])
def test_the_latents_of_samples_are_standard_normal(rows, monkeypatch):
    """So every hypothesis came from noise of its own, by the contexts of its own pose."""
    monkeypatch.setattr(posteriors, "_ROWS", rows)
    flow, count = posterior(scale=0.7), 4000 if rows > 5 else 500
    poses = flow.sample((count,), rng())
    assert (poses[..., 2, :] == 0).all()
    latents = flow.transform(drop_root(poses @ flow.rotation.mT, SKELETON)) / 0.7
    flat = latents.flatten(1)  # all features of all poses: independent of each other
    assert flat.mean(0).abs().max() < 4.5 / count**0.5
    covariance = flat.T @ flat / count
    assert (covariance - torch.eye(len(covariance))).abs().max() < 7 / count**0.5
    assert len(latents.flatten(0, 1).unique(dim=0)) == count * BATCH


def test_samples_of_no_spread_are_the_latent_centre():
    flow = posterior(scale=0.0)
    samples, centre = flow.sample((3,), rng()), flow.latent_centre
    torch.testing.assert_close(samples, centre.expand(3, -1, -1, -1), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 3)])
def test_shapes_seeds_and_the_global_generator(shape):
    for some in (posterior(), MixturePosterior([posterior(), posterior(seed=5)])):
        before = torch.get_rng_state()
        samples = some.sample(shape, rng(3))
        assert samples.shape == (*shape, BATCH, 4, 3)
        assert torch.equal(samples, some.sample(shape, rng(3)))
        assert torch.equal(before, torch.get_rng_state())


def test_a_batch_of_none():
    assert posterior(batch=0).sample((3,)).shape == (3, 0, 4, 3)


def test_components_of_a_mixture_take_turns():
    flows = [posterior(0.0, seed) for seed in (0, 3)]
    gaussian = GaussianPosterior(torch.full((BATCH, 4, 3), 9.0), torch.zeros(BATCH), SKELETON)
    mixture = MixturePosterior([*flows, gaussian])
    centres = [flow.latent_centre for flow in flows]
    samples = mixture.sample((8,), rng(1))
    which = [
        [(s - c).abs().max() < 1e-5 for c in centres] + [bool((s[:, 0] == 9).all())]
        for s in samples
    ]
    turns = [hits.index(True) for hits in which]
    assert turns == [(turns[0] + k) % 3 for k in range(8)]


def test_bfloat16_products_keep_a_float32_state():
    flow = posterior()
    exact = flow.sample((50,), rng())
    with torch.autocast("cpu", torch.bfloat16):
        rough = flow.sample((50,), rng())
    assert rough.dtype == torch.float32
    error = (rough - exact).norm(dim=-1).mean() / exact.norm(dim=-1).mean()
    assert 1e-4 < error < 0.03  # bfloat16 rounds to 1 in 256
    assert torch.equal(flow.sample((50,), rng()), exact)


def test_compiled_couplings_draw_the_same():
    made = couplings()
    latents = torch.randn(6, BATCH, FEATURES, generator=rng())
    expected = fast_inverse(chain(made), latents)
    compile_sampling(made, backend="eager")
    assert torch.allclose(fast_inverse(chain(made), latents), expected, atol=1e-5)
    assert list(made.state_dict()) == list(couplings().state_dict())


@pytest.mark.parametrize("hypotheses", [7, 350, 900, 2000, 4000])
def test_chunks_of_several_threads_are_made_of_those_of_one(hypotheses):
    alone = list(_cells(hypotheses, 11, 1))
    assert len(alone) == len(set(alone)) == hypotheses * 11
    for threads in (2, 3, 16):
        assert list(_cells(hypotheses, 11, threads)) == alone


def _cells(hypotheses: int, batch: int, threads: int):
    """Every (hypothesis, pose) in the order in which its noise is drawn."""
    for some, rows in _chunks(hypotheses, batch, threads):
        mine, ours = range(hypotheses)[some], range(batch)[rows]
        for inner, part in _chunks(len(mine), len(ours)):
            yield from ((h, b) for h in mine[inner] for b in ours[part])
