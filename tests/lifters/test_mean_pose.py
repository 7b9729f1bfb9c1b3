"""`mean_pose` is the Gaussian of the sample moments, and training finds it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from poseterior.data.pose_source import PoseSource
from poseterior.geometry.kinematics import bone_vectors
from poseterior.geometry.skeleton import H36M_17, skeleton_from_tree
from poseterior.keypoints import Keypoints
from poseterior.lifters.mean_pose import BoneGaussian, MeanPose, MeanPoseConfig
from poseterior.posterior import drop_root, insert_root
from poseterior.training.recipes import recipe

CHAIN = skeleton_from_tree("chain_4", [("a", "b"), ("b", None), ("c", "b"), ("d", "c")])
SIZE = 9


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_poses(count: int = 100) -> Tensor:
    """Correlated poses of the chain, one coordinate exactly the opposite of another."""
    mixing = 0.2 * torch.eye(SIZE) + 0.05 * torch.randn((SIZE, SIZE), generator=rng(1))
    bones = torch.randn((count, SIZE), generator=rng(2)) @ mixing + 0.3
    bones[:, 3] = -bones[:, 0]
    a, c, d = bones.unflatten(1, (3, 3)).unbind(1)
    return torch.stack([a, torch.zeros_like(a), c, c + d], 1)


@pytest.fixture
def gaussian() -> BoneGaussian:
    regression = 0.5 * torch.randn((SIZE, SIZE), generator=rng(3)).tril(-1)
    intercept, log_scale = (torch.randn(SIZE, generator=rng(s)) - s for s in (0, 1))
    return BoneGaussian(regression, intercept, log_scale, 2, CHAIN)


def observe(count: int) -> Keypoints:
    """Keypoints of the chain that tell nothing."""
    return Keypoints(
        pixels=torch.rand((count, len(CHAIN), 2), generator=rng()),
        covariance=torch.eye(2).expand(count, len(CHAIN), 2, 2),
        valid=torch.ones(count, len(CHAIN), dtype=torch.bool),
        skeleton=CHAIN,
        image_size=torch.full((count, 2), 100.0),
    )


def trained(lifter: MeanPose, keypoints: Keypoints, poses: Tensor) -> MeanPose:
    """As the recipe trains, but on all poses at every step and for fewer of them."""
    config = replace(recipe("mean_pose", "small"), steps=1500)
    optimiser = torch.optim.Adam(lifter.parameters(), lr=config.learning_rate, fused=True)
    for step in range(config.steps):
        optimiser.param_groups[0]["lr"] = config.learning_rate * config.learning_rate_at(step)
        optimiser.zero_grad()
        sum(lifter.losses(keypoints, poses, rng()).values()).backward()
        optimiser.step()
    return lifter


def test_training_finds_the_sample_moments():
    poses, floor = some_poses(), 0.01
    keypoints = observe(len(poses))
    lifter = trained(MeanPose(MeanPoseConfig(floor_m=floor), CHAIN), keypoints, poses)
    bones = bone_vectors(poses, CHAIN).flatten(1)
    covariance = bones.T.cov(correction=0) + floor**2 * torch.eye(SIZE)
    wanted = MultivariateNormal(bones.mean(0), covariance)
    with torch.no_grad():
        found = lifter(keypoints)
        mean = bone_vectors(found.mean[0], CHAIN).flatten()
        log_prob = found.log_prob(poses)
    assert torch.allclose(mean, wanted.mean, atol=1e-3)
    # Equal at many poses, far ones too: mean and covariance are equal in every direction.
    assert torch.allclose(log_prob, wanted.log_prob(bones), atol=0.05)


def test_samples_have_the_covariance_of_the_density(gaussian):
    samples = drop_root(gaussian.sample((40_000,), rng(4)), CHAIN).flatten(0, 1)
    # The density's own covariance: the inverse Hessian of -log_prob at the mode.
    hessian = torch.autograd.functional.hessian(
        lambda free: -gaussian.log_prob(insert_root(free, CHAIN)),
        drop_root(gaussian.mode[:1], CHAIN)[0],
    )
    wanted = torch.linalg.inv(hessian)
    scale = wanted.diagonal().sqrt()
    assert torch.allclose(samples.T.cov() / scale / scale[:, None], wanted / scale / scale[:, None],
                          atol=0.03)  # fmt: skip
    gap = (samples.mean(0) - drop_root(gaussian.mode[0], CHAIN)) / scale
    assert gap.abs().max() < 0.02


def test_log_prob_is_the_multivariate_normal_of_the_joints(gaussian):
    unit = torch.linalg.inv(torch.eye(SIZE) - gaussian.regression)
    # Joints are linear in the bones: columns of the map are the poses of unit bones.
    a, c, d = torch.eye(SIZE).unflatten(1, (3, 3)).unbind(1)
    to_joints = torch.cat([a, c, c + d], 1).T
    factor = to_joints @ unit @ torch.diag(gaussian.log_scale.exp())
    wanted = MultivariateNormal(
        drop_root(gaussian.mean[0], CHAIN).double(), (factor @ factor.T).double()
    )
    poses = gaussian.sample((50,), rng(5))
    found = gaussian.log_prob(poses)
    assert torch.allclose(found.double(), wanted.log_prob(drop_root(poses, CHAIN).double()),
                          atol=1e-3)  # fmt: skip


def test_the_observation_does_not_matter():
    positions = 0.3 * torch.randn((50, 17, 3), generator=rng())
    one, other = (PoseSource(positions, H36M_17, 4, seed).batch(0)[0] for seed in (0, 1))
    lifter = MeanPose()
    assert torch.equal(lifter(one).mode, lifter(other).mode)
    assert torch.equal(lifter(one).mode[0], lifter(one).mode[3])
