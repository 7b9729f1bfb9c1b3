"""The graph layers against loops written from the formulas, and under relabelling of joints."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from poseterior.geometry.skeleton import COCO_17, H36M_17, SMPL_24, Skeleton
from poseterior.lifters.semantic_graph import (
    NonLocal,
    SemanticGraphConv,
    SemanticGraphNetwork,
    adjacent,
)

FEATURES, WIDTH, BATCH = 5, 8, 3
ORDER = torch.randperm(17, generator=torch.Generator().manual_seed(7))


def moved(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module with all parameters and running statistics off their initial values."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in [*module.parameters(), *module.buffers()]:
            if tensor.is_floating_point():
                tensor.add_(0.3 * torch.rand(tensor.shape, generator=generator))
    return module.eval()


def signals(features: int, joints: int = 17, seed: int = 1) -> Tensor:
    return torch.randn((BATCH, joints, features), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("skeleton", [H36M_17, COCO_17, SMPL_24], ids=lambda s: s.name)
def test_joints_are_adjacent_to_themselves_and_over_each_bone(skeleton: Skeleton) -> None:
    mask = adjacent(skeleton)
    for i in range(len(skeleton)):
        for j in range(len(skeleton)):
            related = i == j or skeleton.parents[i] == j or skeleton.parents[j] == i
            assert mask[i, j] == related
    assert mask.sum() == len(skeleton) + 2 * (len(skeleton) - 1)


def looped(layer: SemanticGraphConv, joints: Tensor, skeleton: Skeleton) -> Tensor:
    """The convolution joint by joint; edge parameters in the order of (joint, neighbour)."""
    edges, at, result = layer.edges.tolist(), 0, torch.zeros(BATCH, len(skeleton), WIDTH)
    for i in range(len(skeleton)):
        near = sorted(
            {i}
            | {skeleton.parents[i]} - {-1}
            | {j for j, parent in enumerate(skeleton.parents) if parent == i}
        )
        share = torch.tensor(edges[at : at + len(near)]).exp()
        at += len(near)
        for j, a in zip(near, share / share.sum(), strict=True):
            result[:, i] += a * (joints[:, j] @ layer.weight[0 if i == j else 1])
    assert at == len(edges)
    return result if layer.bias is None else result + layer.bias


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("skeleton", [H36M_17, SMPL_24], ids=lambda s: s.name)
def test_convolution_is_the_sum_over_neighbours(skeleton: Skeleton, bias: bool) -> None:
    layer = SemanticGraphConv(FEATURES, WIDTH, adjacent(skeleton), bias)
    moved(layer)
    joints = signals(FEATURES, len(skeleton))
    assert torch.allclose(layer.adjacency().sum(-1), torch.ones(len(skeleton)))
    assert torch.allclose(layer(joints), looped(layer, joints, skeleton), atol=1e-5)


def concatenated(block: NonLocal, joints: Tensor) -> Tensor:
    """The block by its definition: a score of each concatenated pair, pair by pair."""
    theta, phi, g = block.theta(joints), block.phi(joints), block.g(joints)
    score = torch.cat(tuple(block.score))
    seen = torch.zeros_like(g)
    for i in range(joints.shape[1]):
        for j in range(joints.shape[1]):
            pair = torch.cat([theta[:, i], phi[:, j]], -1)
            seen[:, i] += (pair @ score).relu()[:, None] * g[:, j] / joints.shape[1]
    norm = block.norm
    wide = functional.batch_norm(
        block.last(seen).transpose(1, 2),
        norm.running_mean,
        norm.running_var,
        norm.weight,
        norm.bias,
    )
    return joints + wide.transpose(1, 2)


def test_non_local_block_scores_concatenated_pairs() -> None:
    block, joints = NonLocal(WIDTH), signals(WIDTH)
    assert torch.equal(block(joints), joints)  # it starts as the identity
    moved(block)
    assert not torch.allclose(block(joints), joints, atol=0.1)
    assert torch.allclose(block(joints), concatenated(block, joints), atol=1e-5)


def test_non_local_block_carries_what_a_far_joint_does() -> None:
    """One convolution sees over one bone; with a non-local block every joint sees every other."""
    wrist, ankle = H36M_17.index("left_wrist"), H36M_17.index("right_ankle")
    for non_local in (False, True):
        network = moved(SemanticGraphNetwork(FEATURES, WIDTH, 0, non_local, 0.0, adjacent(H36M_17)))
        joints = signals(FEATURES).requires_grad_()
        (gradient,) = torch.autograd.grad(network(joints)[:, wrist].sum(), joints)
        assert gradient[:, ankle].any() == non_local
        assert gradient[:, wrist].any()


def relabelled_convolution(mask: Tensor) -> nn.Module:
    return SemanticGraphConv(FEATURES, WIDTH, mask)


def relabelled_network(mask: Tensor) -> nn.Module:
    return SemanticGraphNetwork(FEATURES, WIDTH, 2, True, 0.0, mask)


@pytest.mark.parametrize("build", [relabelled_convolution, relabelled_network])
def test_relabelling_joints_relabels_the_outputs(build: Callable[[Tensor], nn.Module]) -> None:
    mask = adjacent(H36M_17)
    layer, other = moved(build(mask)), build(mask[ORDER][:, ORDER]).eval()
    weights = layer.state_dict()
    for name, edges in weights.items():
        if name.endswith("edges"):
            square = torch.zeros(17, 17).masked_scatter(mask, edges)
            weights[name] = square[ORDER][:, ORDER][mask[ORDER][:, ORDER]]
    other.load_state_dict(weights)
    joints = signals(FEATURES)
    assert torch.allclose(other(joints[:, ORDER]), layer(joints)[:, ORDER], atol=1e-5)
    assert not torch.allclose(layer(joints[:, ORDER]), layer(joints)[:, ORDER], atol=1e-2)


def test_batch_norm_counts_joints_as_examples() -> None:
    network = SemanticGraphNetwork(FEATURES, WIDTH, 0, False, 0.0, adjacent(H36M_17)).train()
    joints = signals(FEATURES)
    convolved = network.first.convolution(joints).flatten(0, 1)
    wanted = (convolved - convolved.mean(0)) / (convolved.var(0, unbiased=False) + 1e-5).sqrt()
    assert torch.allclose(network(joints).flatten(0, 1), wanted.relu(), atol=1e-5)
