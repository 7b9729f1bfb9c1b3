"""Every lifter against the contract of `Lifter` and `Posterior`.

The lifters are made small and their weights moved off their initial values, so that nothing
holds only because a last layer starts at zero. Most checks use a skeleton of three joints:
its densities have six dimensions and can be integrated.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_17, Skeleton, skeleton_from_tree
from poseterior.keypoints import Keypoints
from poseterior.lifters import LIFTERS
from poseterior.posterior import Lifter, Posterior, drop_root, insert_root
from poseterior.posteriors import GaussianPosterior, PointPosterior
from poseterior.quantities import distance

TINY = skeleton_from_tree("tiny_3", [("tip", "root"), ("root", None), ("other", "root")])
BATCH, SIZE = 3, 24
HIDDEN_JOINT = (0, 2)  # row, joint: not detected
IGNORES_INPUT = {"mean_pose"}  # the same posterior whatever is observed


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shrunk(config: Any) -> Any:
    """The config with every large integer made small, in nested configs too."""
    changed = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            changed[field.name] = shrunk(value)
        elif type(value) is int and value > SIZE:
            changed[field.name] = SIZE
    return replace(config, **changed)


def build(name: str, skeleton: Skeleton = TINY, seed: int = 0) -> Lifter:
    """A small lifter in evaluation mode with perturbed weights."""
    kind: Any = LIFTERS[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        lifter = kind(shrunk(kind.PRESETS["small"]), skeleton)
    with torch.no_grad():
        for parameter in lifter.parameters():
            noise = torch.randn(parameter.shape, generator=rng(seed))
            parameter += 0.1 * noise / max(1, parameter.ndim and parameter.shape[-1]) ** 0.5
    return lifter.eval()


def observe(skeleton: Skeleton = TINY, batch: int = BATCH, seed: int = 0) -> Keypoints:
    """Keypoints of random people, one joint of the first of them not detected."""
    joints, generator = len(skeleton), rng(seed)
    root = 0.1 * torch.randn((batch, joints, 2, 2), generator=generator)
    covariance = 100 * (root @ root.mT) + 4 * torch.eye(2)
    valid = torch.ones(batch, joints, dtype=torch.bool)
    valid[HIDDEN_JOINT] = False
    intrinsics = torch.tensor([[1150.0, 0, 500], [0, 1150, 500], [0, 0, 1]])
    pixels = 500 + 80 * torch.randn((batch, joints, 2), generator=generator)
    return Keypoints(
        pixels=torch.where(valid[..., None], pixels, 0.0),
        covariance=covariance,
        valid=valid,
        skeleton=skeleton,
        image_size=torch.full((batch, 2), 1000.0),
        intrinsics=intrinsics.repeat(batch, 1, 1),
        confidence=valid.float(),
    )


def poses(skeleton: Skeleton = TINY, batch: int = BATCH) -> Tensor:
    free = 0.5 * torch.randn((batch, 3 * (len(skeleton) - 1)), generator=rng(9))
    return insert_root(free, skeleton)


@pytest.fixture(params=sorted(LIFTERS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def lifter(name: str) -> Lifter:
    return build(name)


@pytest.fixture
def posterior(lifter: Lifter) -> Iterator[Posterior]:
    with torch.no_grad():
        yield lifter(observe())


# What a lifter is


def test_is_named_and_configured_by_a_frozen_dataclass(name: str) -> None:
    kind: Any = LIFTERS[name]
    assert kind.name == name
    assert dataclasses.is_dataclass(kind.Config)
    assert {"small", "paper"} <= set(kind.PRESETS)
    for config in (kind.Config(), *kind.PRESETS.values()):
        assert isinstance(config, kind.Config)
        assert json.loads(json.dumps(dataclasses.asdict(config)))
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(config, dataclasses.fields(config)[0].name, None)


def test_knows_its_skeleton_and_config(name: str) -> None:
    lifter = build(name, H36M_17)
    assert lifter.skeleton is H36M_17
    assert isinstance(lifter.config, LIFTERS[name].Config)


# What a posterior is


@pytest.mark.parametrize("sample_shape", [(), (5,), (2, 3)])
@pytest.mark.parametrize("skeleton", [TINY, H36M_17], ids=lambda s: s.name)
def test_samples_are_root_relative_float32_poses(
    name: str, skeleton: Skeleton, sample_shape: tuple[int, ...]
) -> None:
    posterior = build(name, skeleton)(observe(skeleton))
    samples = posterior.sample(sample_shape, rng())
    assert posterior.batch_shape == (BATCH,)
    assert posterior.event_shape == (len(skeleton), 3)
    assert samples.shape == (*sample_shape, BATCH, len(skeleton), 3)
    assert samples.dtype == torch.float32
    assert not samples.requires_grad
    assert samples.isfinite().all()
    assert (samples[..., skeleton.root, :] == 0).all()


def test_the_seed_decides_the_samples_and_nothing_else_does(posterior: Posterior) -> None:
    before = torch.get_rng_state()
    first = posterior.sample((50,), rng(1))
    torch.rand(3)  # the global generator is no source of these draws
    assert torch.equal(posterior.sample((50,), rng(1)), first)
    torch.set_rng_state(before)
    posterior.sample((50,), rng(1))
    assert torch.equal(torch.get_rng_state(), before)
    if isinstance(posterior, PointPosterior):
        assert torch.equal(first, first[:1].expand_as(first))
    else:
        assert not torch.equal(posterior.sample((50,), rng(2)), first)
        assert (first.std(0)[:, list(TINY.free)] > 0).all()


def test_without_a_generator_the_global_one_is_drawn_from(posterior: Posterior) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        first = posterior.sample((4,))
        torch.manual_seed(3)
        assert torch.equal(posterior.sample((4,)), first)


def test_flags_say_what_there_is(posterior: Posterior) -> None:
    pose = (BATCH, *posterior.event_shape)
    wanted: dict[str, tuple[bool, Callable[[], Tensor], tuple[int, ...]]] = {
        "log_prob": (posterior.has_log_prob, lambda: posterior.log_prob(poses()), (BATCH,)),
        "mode": (posterior.has_mode, lambda: posterior.mode, pose),
        "latent_centre": (posterior.has_latent_centre, lambda: posterior.latent_centre, pose),
    }
    for has, read, shape in wanted.values():
        if not has:
            with pytest.raises(NotImplementedError):
                read()
            continue
        value = read()
        assert value.shape == shape
        assert value.isfinite().all()
        if len(shape) == 3:
            assert (value[:, TINY.root] == 0).all()


def test_map_pushes_the_same_samples_forward(posterior: Posterior) -> None:
    doubled = posterior.map(lambda pose: 2 * pose, TINY)
    assert torch.equal(doubled.sample((7,), rng()), 2 * posterior.sample((7,), rng()))
    with pytest.raises(NotImplementedError):
        doubled.log_prob(poses())


def test_map_to_numbers_and_probabilities_are_of_the_same_samples(posterior: Posterior) -> None:
    drawn = posterior.sample((40,), rng())
    depth = posterior.map(lambda pose: pose[..., 0, 2])
    assert torch.equal(depth.sample((40,), rng()), drawn[..., 0, 2])
    low, high = depth.interval(0.5, 40, rng())
    assert low.shape == (BATCH,)
    assert ((low <= depth.median(40, rng())) & (depth.median(40, rng()) <= high)).all()
    apart = (drawn[:, :, 0] - drawn[:, :, 2]).norm(dim=-1)
    middle = apart.median().item()
    share = posterior.probability(distance("tip", "other") > middle, 40, rng())
    assert torch.allclose(share, (apart > middle).double().mean(0))


# Densities


def enclosing(samples: Tensor) -> MixtureSameFamily:
    """A distribution with the mean of samples (N, D), as wide and three times as wide."""
    covariance = samples.T.cov() + 1e-6 * torch.eye(samples.shape[1])
    wide = torch.stack([covariance, 9 * covariance])
    return MixtureSameFamily(
        Categorical(torch.ones(2)), MultivariateNormal(samples.mean(0).expand(2, -1), wide)
    )


def density_faults(posterior: Posterior, draws: int = 8000) -> list[str]:
    """How `log_prob` disagrees with one and with `sample`, by importance sampling.

    From a proposal r that encloses the samples, E_r[p / r] is the integral of p, and
    E_r[x p / r] the mean of the samples, if `log_prob` is their density. Both within five
    standard errors, which must be small.
    """
    faults = []
    samples = drop_root(posterior.sample((draws,), rng(4)), posterior.skeleton)
    for row in range(BATCH):
        proposal = enclosing(samples[:, row])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)
            x = proposal.sample((draws,))
        everywhere = insert_root(x, posterior.skeleton)[:, None].expand(-1, BATCH, -1, -1)
        weight = (posterior.log_prob(everywhere)[:, row] - proposal.log_prob(x)).exp()
        error = weight.std() / draws**0.5
        if not (error < 0.05 and abs(weight.mean() - 1) < 5 * error):
            faults.append(f"row {row}: integral {weight.mean():.3f} +- {error:.3f}")
        terms = weight[:, None] * x
        gap = (terms.mean(0) - samples[:, row].mean(0)).abs()
        error = (terms.var(0) / draws + samples[:, row].var(0) / draws).sqrt()
        if not (gap < 5 * error).all():
            faults.append(f"row {row}: mean off by {(gap / error).max():.1f} standard errors")
    return faults


def test_log_prob_is_the_density_of_the_samples(posterior: Posterior) -> None:
    if posterior.has_log_prob:
        assert density_faults(posterior) == []


def test_the_check_of_densities_finds_a_wrong_one() -> None:
    class Shifted(GaussianPosterior):
        def log_prob(self, value: Tensor) -> Tensor:
            return super().log_prob(value - 0.02)

    class Unnormalised(GaussianPosterior):
        def log_prob(self, value: Tensor) -> Tensor:
            return super().log_prob(value) + 0.2

    right, shifted, unnormalised = (
        kind(poses(), torch.full((BATCH,), 0.1), TINY)
        for kind in (GaussianPosterior, Shifted, Unnormalised)
    )
    assert density_faults(right) == []
    assert "mean off" in str(density_faults(shifted))
    assert "integral" in str(density_faults(unnormalised))


def test_log_prob_broadcasts_over_hypotheses(posterior: Posterior) -> None:
    if not posterior.has_log_prob:
        return
    samples = posterior.sample((2, 3), rng())
    together = posterior.log_prob(samples)
    assert together.shape == (2, 3, BATCH)
    assert torch.allclose(together[1, 2], posterior.log_prob(samples[1, 2]), atol=1e-3)


def test_log_prob_is_that_of_the_free_joints_alone(posterior: Posterior) -> None:
    if posterior.has_log_prob:
        moved = poses()
        moved[:, TINY.root] = 5.0
        assert torch.allclose(posterior.log_prob(moved), posterior.log_prob(poses()), atol=1e-4)


def test_mode_is_a_maximum(posterior: Posterior) -> None:
    if not (posterior.has_mode and posterior.has_log_prob):
        return
    best = posterior.log_prob(posterior.mode)
    assert (best > posterior.log_prob(posterior.sample((200,), rng()))).all()
    for seed in range(20):
        step = 1e-2 * insert_root(torch.randn((BATCH, 6), generator=rng(seed)), TINY)
        assert (best > posterior.log_prob(posterior.mode + step)).all()


# What a posterior depends on


def assert_changed(lifter: Lifter, before: Tensor, after: Tensor, atol: float = 1e-3) -> None:
    """The fingerprints differ, or are equal to the last bit if the lifter ignores its input."""
    if lifter.name in IGNORES_INPUT:
        assert torch.equal(before, after)
    else:
        assert not torch.allclose(before, after, atol=atol)


def fingerprint(lifter: Lifter, keypoints: Keypoints) -> Tensor:
    """Samples of each row, and the density of a pose where there is one: (B, ...)."""
    with torch.no_grad():
        posterior = lifter(keypoints)
        parts = [posterior.sample((6,), rng(3)).transpose(0, 1).flatten(1)]
        if posterior.has_log_prob:
            parts.append(posterior.log_prob(poses())[:, None])
    return torch.cat(parts, 1)


def test_a_row_does_not_depend_on_the_others(lifter: Lifter) -> None:
    ours, others = observe(seed=0), observe(seed=1)
    first = torch.tensor([True, *[False] * (BATCH - 1)])
    swapped = replace(
        ours,
        pixels=torch.where(first[:, None, None], ours.pixels, others.pixels),
        covariance=torch.where(first[:, None, None, None], ours.covariance, others.covariance),
    )
    before, after = fingerprint(lifter, ours), fingerprint(lifter, swapped)
    assert torch.allclose(before[0], after[0], atol=1e-5)
    assert_changed(lifter, before[1], after[1])


def test_one_row_alone_has_the_same_posterior(lifter: Lifter) -> None:
    with torch.no_grad():
        together, alone = lifter(observe()), lifter(observe()[:1])
    if together.has_log_prob:
        value = poses()
        assert torch.allclose(together.log_prob(value)[:1], alone.log_prob(value[:1]), atol=1e-4)
    assert alone.sample((4,), rng()).shape == (4, 1, *alone.event_shape)


def test_what_is_stored_where_a_joint_is_missing_does_not_matter(lifter: Lifter) -> None:
    clean = observe()
    wanted = fingerprint(lifter, clean)
    for garbage in (float("nan"), float("inf"), -1e9):
        dirty = replace(
            clean,
            pixels=torch.where(clean.valid[..., None], clean.pixels, garbage),
            covariance=torch.where(clean.valid[..., None, None], clean.covariance, garbage),
            confidence=torch.where(clean.valid, 1.0, garbage),
        )
        assert torch.equal(fingerprint(lifter, dirty), wanted)


def test_missing_is_not_the_same_as_seen(lifter: Lifter) -> None:
    seen = replace(observe(), valid=torch.ones(BATCH, len(TINY), dtype=torch.bool))
    before, after = fingerprint(lifter, observe()), fingerprint(lifter, seen)
    assert_changed(lifter, before[0], after[0], atol=1e-4)
    assert torch.allclose(before[1:], after[1:], atol=1e-5)


def test_the_origin_of_the_image_does_not_matter(lifter: Lifter) -> None:
    clean, shift = observe(), torch.tensor([37.0, -12.0])
    intrinsics = clean.intrinsics.clone()
    intrinsics[:, :2, 2] += shift
    pixels = torch.where(clean.valid[..., None], clean.pixels + shift, 0.0)
    moved = replace(clean, pixels=pixels, intrinsics=intrinsics)
    assert torch.allclose(fingerprint(lifter, moved), fingerprint(lifter, clean), atol=1e-3)


def test_the_size_of_a_pixel_does_not_matter(lifter: Lifter) -> None:
    clean = observe()
    scale = torch.diag(torch.tensor([2.0, 2.0, 1.0]))
    finer = replace(
        clean,
        pixels=2 * clean.pixels,
        covariance=4 * clean.covariance,
        intrinsics=scale @ clean.intrinsics,
        image_size=2 * clean.image_size,
    )
    assert torch.allclose(fingerprint(lifter, finer), fingerprint(lifter, clean), atol=1e-3)


def test_keypoints_of_another_skeleton_are_refused(lifter: Lifter) -> None:
    with pytest.raises(InputError, match="tiny_3"):
        lifter(replace(observe(), skeleton=replace(TINY, name="other_3")))


def test_the_covariance_of_a_detection_matters(lifter: Lifter) -> None:
    clean = observe()
    vague = replace(clean, covariance=400 * clean.covariance)
    assert_changed(lifter, fingerprint(lifter, clean), fingerprint(lifter, vague))


# Training, saving, placing


def of_critic(lifter: Any) -> dict[str, torch.nn.Parameter]:
    """What `critic_losses` trains, for an adversarial lifter."""
    own = {id(p) for p in getattr(lifter, "critic_parameters", list)()}
    return {n: p for n, p in lifter.named_parameters() if id(p) in own}


def trainable(lifter: Lifter) -> dict[str, torch.nn.Parameter]:
    """What `losses` trains."""
    critic = of_critic(lifter)
    return {n: p for n, p in lifter.named_parameters() if p.requires_grad and n not in critic}


def reached(lifter: Lifter) -> set[str]:
    """Names of the parameters whose gradient is not zero; all must be finite."""
    found = {n: p.grad for n, p in lifter.named_parameters() if p.grad is not None}
    assert all(gradient.isfinite().all() for gradient in found.values())
    return {n for n, gradient in found.items() if gradient.any()}


def losses(lifter: Lifter, keypoints: Keypoints, seed: int = 0) -> dict[str, Tensor]:
    with torch.random.fork_rng(devices=[]):  # dropout draws from the global generator
        torch.manual_seed(seed)
        return lifter.losses(keypoints, poses(), rng(seed))


@pytest.mark.parametrize("preset", ["small", "paper"])
def test_losses_are_finite_and_reach_every_parameter(name: str, preset: str) -> None:
    kind: Any = LIFTERS[name]
    lifter = build(name)
    lifter.config = shrunk(kind.PRESETS[preset])
    terms = losses(lifter.train(), observe())
    assert terms
    assert all(term.shape == () and term.isfinite() for term in terms.values())
    sum(terms.values()).backward()
    assert reached(lifter) == set(trainable(lifter))


def test_losses_of_a_critic_reach_it_and_nothing_else(name: str) -> None:
    lifter: Any = build(name).train()
    critic = of_critic(lifter)
    if not critic:
        return
    terms = lifter.critic_losses(observe(), poses(), rng())
    assert all(term.shape == () and term.isfinite() for term in terms.values())
    sum(terms.values()).backward()
    assert reached(lifter) == set(critic)


def test_losses_follow_their_seed_and_leave_the_input_alone(lifter: Lifter) -> None:
    keypoints, before = observe(), observe()
    first, again = (losses(lifter.train(), keypoints) for _ in range(2))
    assert {k: v.item() for k, v in first.items()} == {k: v.item() for k, v in again.items()}
    assert torch.equal(keypoints.pixels, before.pixels)
    assert torch.equal(keypoints.covariance, before.covariance)


def test_losses_ignore_what_is_stored_where_a_joint_is_missing(lifter: Lifter) -> None:
    clean = observe()
    dirty = replace(
        clean,
        pixels=torch.where(clean.valid[..., None], clean.pixels, torch.nan),
        covariance=torch.where(clean.valid[..., None, None], clean.covariance, torch.nan),
    )
    terms = losses(lifter.train(), dirty)
    sum(terms.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in trainable(lifter).values())


def test_a_step_down_the_gradient_lowers_the_loss(lifter: Lifter) -> None:
    lifter.eval()  # no dropout, no batch statistics
    before = sum(losses(lifter, observe()).values())
    before.backward()
    with torch.no_grad():
        norm = sum(p.grad.square().sum() for p in trainable(lifter).values()).sqrt()
        for parameter in trainable(lifter).values():
            parameter -= 1e-3 * parameter.grad / norm
    assert sum(losses(lifter, observe()).values()) < before


def test_weights_survive_a_file(name: str) -> None:
    lifter, other = build(name, seed=0), build(name, seed=1)
    assert not torch.equal(fingerprint(lifter, observe()), fingerprint(other, observe()))
    saved = safetensors.torch.save({k: v.clone() for k, v in lifter.state_dict().items()})
    other.load_state_dict(safetensors.torch.load(saved), strict=True)
    assert torch.equal(fingerprint(lifter, observe()), fingerprint(other, observe()))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_posterior_lives_where_lifter_and_keypoints_are(lifter: Lifter) -> None:
    posterior = lifter.to("cuda")(observe().to("cuda"))
    samples = posterior.sample((5,), torch.Generator("cuda").manual_seed(0))
    assert samples.device.type == "cuda"
    assert samples.dtype == torch.float32
    if posterior.has_log_prob:
        assert posterior.log_prob(poses().to("cuda")).device.type == "cuda"
