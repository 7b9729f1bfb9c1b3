"""`cgnf`: its three losses by formula, a prior that no observation changes, its sizes."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from poseterior.geometry.skeleton import H36M_17, Skeleton, skeleton_from_tree
from poseterior.keypoints import Keypoints
from poseterior.lifters.cgnf import CGNF, CGNFConfig
from poseterior.lifters.conditioning import JOINT_FEATURES
from poseterior.posterior import insert_root

SKELETON = skeleton_from_tree("tiny_4", [("a", "root"), ("b", "a"), ("root", None), ("c", "root")])
SMALL = CGNFConfig(layers=4, hidden=9, context=5, encoder_width=12)
BATCH = 6


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def lifter(config: CGNFConfig = SMALL, skeleton: Skeleton = SKELETON) -> CGNF:
    """With weights that are far from zero."""
    made, generator = CGNF(config, skeleton), rng()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return made.eval()


def observe(seed: int = 0) -> Keypoints:
    joints = len(SKELETON)
    return Keypoints(
        pixels=500 + 80 * torch.randn(BATCH, joints, 2, generator=rng(seed)),
        covariance=25 * torch.eye(2).expand(BATCH, joints, 2, 2),
        valid=torch.rand(BATCH, joints, generator=rng(seed)) < 0.8,
        skeleton=SKELETON,
        image_size=torch.full((BATCH, 2), 1000.0),
    )


def poses() -> Tensor:
    return insert_root(0.3 * torch.randn(BATCH, 9, generator=rng(5)), SKELETON)


def test_losses_are_likelihoods_per_joint_and_the_centre_s_error_in_mm():
    made, keypoints, pose = lifter(), observe(), poses()
    terms = made.losses(keypoints, pose, rng())
    posterior, prior = made(keypoints), made.prior(keypoints)
    error = 0.0
    for row in range(BATCH):
        for joint in SKELETON.free:
            error += torch.dist(posterior.latent_centre[row, joint], pose[row, joint]).item()
    wanted = {
        "prior": -0.5 * prior.log_prob(pose).sum() / (BATCH * 3),
        "posterior": -0.5 * posterior.log_prob(pose).sum() / (BATCH * 3),
        "mode": torch.tensor(0.1 * 1000 * error / (BATCH * 3)),
    }
    assert terms.keys() == wanted.keys()
    for name, value in wanted.items():
        assert torch.allclose(terms[name], value, rtol=1e-4), name


def test_a_share_of_the_batch_serves_prior_and_mode_and_all_of_it_the_posterior():
    keypoints, pose = observe(), poses()
    whole = lifter().losses(keypoints, pose, rng())
    some = lifter(replace(SMALL, auxiliary_share=0.5)).losses(keypoints, pose, rng())
    first = lifter().losses(keypoints[:3], pose[:3], rng())
    assert torch.allclose(some["posterior"], whole["posterior"])
    for name in ("prior", "mode"):
        assert torch.allclose(some[name], first[name], rtol=1e-4)


def test_the_prior_s_density_is_that_of_the_pose_in_the_person_s_frame_whatever_is_seen():
    made, pose = lifter(), poses()
    densities = []
    for seed in (0, 1):
        prior = made.prior(observe(seed))
        in_frame = pose @ prior.rotation  # so that in the person's frame it is the same pose
        densities.append(prior.log_prob(in_frame))
        assert not torch.allclose(made(observe(seed)).log_prob(in_frame), densities[-1])
    assert torch.allclose(*densities, atol=1e-4)


def test_the_prior_loss_trains_nothing_that_observations_pass_through():
    made = lifter()
    made.losses(observe(), poses(), rng())["prior"].backward()
    for name, parameter in made.named_parameters():
        touched = parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)
        seen = name.startswith(("encoder", "flow.contexts")) or name == "flow.root.first"
        assert touched is not seen, name


@pytest.mark.parametrize("encoder", ["graph", "residual"])
def test_every_loss_reaches_what_it_should_and_training_lowers_it(encoder):
    made, keypoints, pose = lifter(replace(SMALL, encoder=encoder)), observe(), poses()
    optimiser = torch.optim.Adam(made.parameters(), lr=3e-2)
    totals = []
    for _ in range(30):
        total = torch.stack(list(made.losses(keypoints, pose, rng()).values())).sum()
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        totals.append(total.item())
    assert all(p.grad is not None and p.grad.isfinite().all() for p in made.parameters())
    assert totals[-1] < 0.7 * totals[0]


def test_the_graph_encoder_hears_two_bones_far():
    chain = skeleton_from_tree("chain", [("a", None), ("b", "a"), ("c", "b"), ("d", "c")])
    encoder = lifter(skeleton=chain).encoder
    heard = torch.zeros(4, 4, dtype=torch.bool)
    inputs = torch.zeros(1, 4, JOINT_FEATURES, requires_grad=True)
    conditions = SimpleNamespace(joint_features=inputs + 0.5)
    for joint in range(4):
        (gradient,) = torch.autograd.grad(encoder(conditions)[joint].sum(), inputs)
        heard[joint] = gradient.abs().sum((0, 2)) > 0
    distance = (torch.arange(4)[:, None] - torch.arange(4)).abs()
    assert torch.equal(heard, distance <= 2)


def test_the_published_sizes():
    config = CGNF.PRESETS["paper"]
    assert (config.layers, config.hidden, config.context, config.encoder_width) == (
        10,
        100,
        10,
        128,
    )
    assert (config.prior, config.posterior, config.mode) == (0.5, 0.5, 0.1)
    made = CGNF(config, H36M_17)
    assert made.flow.neighbours.shape == (16, 16)
    # Bones between free joints, both ways: 16 bones less the root's three.
    assert made.flow.neighbours.sum() == 2 * (16 - 3)
