"""`semgcn`: its size, its loss by hand, and that it fits people it has seen."""

from __future__ import annotations

import torch
from torch import Tensor

from poseterior.data.pose_source import PoseSource
from poseterior.geometry.skeleton import H36M_17
from poseterior.keypoints import Keypoints
from poseterior.lifters.semgcn import SemGCN, SemGCNConfig


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def people(batch: int) -> tuple[Keypoints, Tensor]:
    positions = 0.3 * torch.randn((50, 17, 3), generator=rng())
    keypoints, pose = PoseSource(positions, H36M_17, batch).batch(0)[:2]
    return keypoints, pose


def size(config: SemGCNConfig) -> int:
    return sum(p.numel() for p in SemGCN(config).parameters())


def test_the_paper_preset_has_the_published_size() -> None:
    """0.27 million, 0.43 million with non-local blocks; ours has 6 more inputs a joint."""
    paper = SemGCN.PRESETS["paper"]
    convolutions = 8 * 2 * 128 * 128 + 2 * 8 * 128 + 2 * 128 * 3 + 3
    plain = convolutions + 10 * 49 + 9 * 2 * 128
    assert size(SemGCNConfig(non_local=False)) == plain == 267_757
    non_local = 3 * 129 * 64 + 2 * 64 + 64 * 128 + 2 * 128
    assert size(paper) == plain + 5 * non_local == 434_477


def test_losses_are_the_squared_errors_of_joints_and_bones() -> None:
    torch.manual_seed(0)
    lifter = SemGCN(SemGCNConfig(width=16, blocks=1)).eval()
    keypoints, pose = people(4)
    with torch.no_grad():
        terms, predicted = lifter.losses(keypoints, pose, rng()), lifter.pose(keypoints)
    joints = bones = 0.0
    for j, parent in enumerate(H36M_17.parents):
        if parent >= 0:
            joints += (predicted[:, j] - pose[:, j]).square().sum().item()
            bone = predicted[:, j] - predicted[:, parent]
            bones += (bone - (pose[:, j] - pose[:, parent])).square().sum().item()
    count = 4 * 16 * 3
    assert abs(terms["joints"].item() - joints / count) < 1e-5
    assert abs(terms["bones"].item() - bones / count) < 1e-5


def test_it_learns_the_people_it_is_shown() -> None:
    torch.manual_seed(0)
    lifter = SemGCN(SemGCNConfig(width=32, blocks=2))
    keypoints, pose = people(32)
    adam = torch.optim.Adam(lifter.parameters(), 1e-2)
    for _ in range(80):
        loss = sum(lifter.losses(keypoints, pose, rng()).values())
        adam.zero_grad()
        loss.backward()
        adam.step()
    error = lifter.losses(keypoints, pose, rng())["joints"].item()
    assert error < 0.15 * pose[:, list(H36M_17.free)].square().mean().item()
