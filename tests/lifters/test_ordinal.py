"""Ordinal relations and scores against counting them by hand."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from poseterior.errors import InputError
from poseterior.lifters.ordinal import (
    EQUAL,
    FARTHER,
    NEARER,
    OrdinalNetwork,
    ordinal_relations,
    ordinal_scores,
    ordinal_weights,
)

JOINTS = 5


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def one_hot(relations: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(relations, 3).float()


@pytest.fixture
def hypotheses() -> Tensor:
    return torch.randn((7, 2, JOINTS, 3), generator=rng())


def test_relations_of_three_depths():
    pose = torch.zeros(3, 3)
    pose[:, 2] = torch.tensor([0.0, 0.004, 1.0])
    assert ordinal_relations(pose, 0.01).tolist() == [
        [EQUAL, EQUAL, NEARER],
        [EQUAL, EQUAL, NEARER],
        [FARTHER, FARTHER, EQUAL],
    ]
    assert ordinal_relations(pose, 0.001)[0].tolist() == [EQUAL, NEARER, NEARER]


def test_relations_see_depth_alone_and_neither_shift_nor_scale(hypotheses):
    changed = 2 * hypotheses + 3
    changed[..., :2] = 0
    assert torch.equal(ordinal_relations(changed, 0.2), ordinal_relations(hypotheses, 0.1))


def test_scores_of_certain_relations_count_those_that_agree(hypotheses):
    truth = hypotheses[0]
    found = ordinal_scores(hypotheses, one_hot(ordinal_relations(truth, 0.3)), 0.3)

    def relation(pose: Tensor, i: int, j: int) -> int:
        gap = float(pose[j, 2] - pose[i, 2])
        return NEARER if gap >= 0.3 else FARTHER if gap <= -0.3 else EQUAL

    pairs = list(itertools.permutations(range(JOINTS), 2))
    for h, b in itertools.product(range(7), range(2)):
        agree = sum(relation(hypotheses[h, b], *p) == relation(truth[b], *p) for p in pairs)
        assert found[h, b] == agree
    assert (found[0] == len(pairs)).all()


def test_scores_are_the_expected_count_over_uncertain_relations(hypotheses):
    chance = torch.rand((2, JOINTS, JOINTS, 3), generator=rng(1)) + 0.1
    chance = chance / chance.sum(-1, keepdim=True)
    flat = chance.flatten(0, 2)
    drawn = torch.multinomial(flat, 4000, replacement=True, generator=rng(2))
    counts = [
        ordinal_scores(hypotheses, one_hot(d.reshape(2, JOINTS, JOINTS))) for d in drawn.T[:400]
    ]
    counted = torch.stack(counts)
    error = counted.std(0) / len(counts) ** 0.5
    assert ((counted.mean(0) - ordinal_scores(hypotheses, chance)).abs() < 5 * error).all()


def test_probabilities_of_other_joints_are_refused(hypotheses):
    with pytest.raises(InputError, match="probabilities"):
        ordinal_scores(hypotheses, torch.ones(2, JOINTS + 1, JOINTS + 1, 3))


def test_weights_go_from_the_plain_mean_to_the_best():
    scores = torch.tensor([[1.0, 9.0], [5.0, 2.0], [4.0, 8.0]])
    assert torch.allclose(ordinal_weights(scores, 0.0), torch.full((3, 2), 1 / 3))
    assert ordinal_weights(scores, 100.0).argmax(0).tolist() == [1, 0]
    ratio = ordinal_weights(scores)[1, 0] / ordinal_weights(scores)[2, 0]
    assert ratio.log() == pytest.approx(0.9)


def test_predicted_relations_are_probabilities_and_antisymmetric():
    network = OrdinalNetwork(6, JOINTS, 8)
    chance = network(torch.randn((4, 6), generator=rng()))
    assert chance.shape == (4, JOINTS, JOINTS, 3)
    assert torch.allclose(chance.sum(-1), torch.ones(4, JOINTS, JOINTS))
    assert torch.equal(chance[..., NEARER], chance[..., FARTHER].mT)
    assert torch.equal(chance[..., EQUAL], chance[..., EQUAL].mT)


def test_loss_is_the_log_probability_of_the_true_relations(hypotheses):
    network = OrdinalNetwork(6, JOINTS, 8)
    features, pose = torch.randn((2, 6), generator=rng(3)), hypotheses[0]
    true = network(features).gather(-1, ordinal_relations(pose)[..., None])[..., 0]
    i, j = torch.triu_indices(JOINTS, JOINTS, 1)
    assert network.loss(features, pose).item() == pytest.approx(
        -true[:, i, j].log().mean().item(), rel=1e-5
    )
