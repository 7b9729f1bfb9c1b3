"""`graph_mdn`: its size, its outputs by hand, and that it learns how uncertain it is."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from poseterior.data.pose_source import PoseSource
from poseterior.geometry.skeleton import H36M_17, skeleton_from_tree
from poseterior.keypoints import Keypoints
from poseterior.lifters.conditioning import condition
from poseterior.lifters.graph_mdn import GraphMDN, GraphMDNConfig
from poseterior.lifters.semgcn import SemGCNConfig
from poseterior.posterior import drop_root, insert_root

TINY = skeleton_from_tree("tiny_3", [("tip", "root"), ("root", None), ("other", "root")])
STEPS = 200
SMALL = GraphMDNConfig(kernels=3, network=SemGCNConfig(width=16, blocks=1))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def observe(batch: int) -> Keypoints:
    positions = 0.3 * torch.randn((50, 17, 3), generator=rng())
    return PoseSource(positions, H36M_17, batch).batch(0)[0]


def observe_tiny(batch: int) -> Keypoints:
    """The first three joints of random people, as if they were all."""
    whole = observe(batch)
    return replace(
        whole,
        pixels=whole.pixels[:, :3], covariance=whole.covariance[:, :3],
        valid=whole.valid[:, :3], confidence=None, skeleton=TINY,
    )  # fmt: skip


def test_the_paper_preset_is_semgcn_with_a_wider_end() -> None:
    parameters = sum(p.numel() for p in GraphMDN(GraphMDN.PRESETS["paper"]).parameters())
    assert parameters == 434_477 + 2 * 128 * (25 - 3) + (25 - 3) == 440_131


def test_outputs_become_a_mixture_with_one_sigma_a_joint_and_one_weight_a_pose() -> None:
    torch.manual_seed(0)
    lifter = GraphMDN(SMALL).eval()
    keypoints, pose = observe(2), insert_root(0.3 * torch.randn((2, 48), generator=rng()), H36M_17)
    with torch.no_grad():
        mixture, conditions = lifter(keypoints), condition(keypoints, H36M_17)
        raw = lifter.last(lifter.network(conditions.joint_features))
    means, scales, logits = [], [], []
    for k in range(3):
        mean, sigma, logit = raw[..., 5 * k : 5 * k + 5].split([3, 1, 1], -1)
        # 2 tanh(x / 2) in another form; the root is the origin.
        mean = 2 * (mean.exp() - 1) / (mean.exp() + 1)
        mean[:, H36M_17.root] = 0
        means.append(conditions.to_camera(mean))
        scales.append(torch.where(sigma > 0, sigma + 1, sigma.exp()).expand(-1, -1, 3))
        logits.append(logit[..., 0].mean(1))
    free = Independent(
        Normal(
            drop_root(torch.stack(means, 1), H36M_17), drop_root(torch.stack(scales, 1), H36M_17)
        ),
        1,
    )
    reference = MixtureSameFamily(Categorical(logits=torch.stack(logits, 1)), free)
    wanted = reference.log_prob(drop_root(pose, H36M_17))
    assert torch.allclose(mixture.log_prob(pose), wanted, atol=1e-3)


def test_it_learns_that_one_joint_is_less_certain_than_another() -> None:
    torch.manual_seed(0)
    lifter, keypoints = GraphMDN(SMALL, TINY), observe_tiny(128)
    spread = torch.tensor([0.05, 0.05, 0.05, 0.3, 0.3, 0.3])  # of tip and other
    adam = torch.optim.Adam(lifter.parameters(), 1e-2)
    slower = torch.optim.lr_scheduler.LinearLR(adam, 1.0, 0.01, STEPS)
    for step in range(STEPS):
        pose = insert_root(spread * torch.randn((128, 6), generator=rng(step)), TINY)
        loss = lifter.losses(keypoints, pose, rng())["nll"]
        adam.zero_grad()
        loss.backward()
        adam.step()
        slower.step()
    pose = insert_root(spread * torch.randn((128, 6), generator=rng(999)), TINY)
    with torch.no_grad():
        posterior = lifter(keypoints)
        found = -posterior.log_prob(pose).mean().item()
    entropy = (0.5 * math.log(2 * math.pi * math.e) + spread.log()).sum().item()
    assert abs(found - entropy) < 0.3
    errors = (posterior.sample((200,), rng()) - posterior.mean).abs().flatten(0, 1)
    tip, other = (errors[:, j].median().item() for j in (0, 2))
    assert 5 < other / tip < 7
