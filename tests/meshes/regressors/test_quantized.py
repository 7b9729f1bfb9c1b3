"""Prior-weighted hypotheses and the n bodies that stand for M."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from meshes.made_bodies import random_arrays, random_parameters
from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_17
from poseterior.meshes import SkinnedBody
from poseterior.meshes.mesh_posterior import BodySet
from poseterior.meshes.regressors.pose_prior import PosePrior, PosePriorConfig
from poseterior.meshes.regressors.quantized import prior_weighted, prior_weights, quantized_bodies
from poseterior.quantization import quantized

BODY = SkinnedBody("made", random_arrays())


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _bodies(hypotheses: int = 12, batch: int = 3) -> BodySet:
    return BodySet(random_parameters(BODY, hypotheses, batch), BODY, H36M_17)


def _prior() -> PosePrior:
    """Wide enough for bodies whose points lie anywhere."""
    prior = PosePrior(PosePriorConfig(blocks=1, hidden=8)).double().eval()
    features = prior.flow.features
    prior.flow.affine.linear.bias.data[features:] = 1.0
    return prior


def test_weights_are_normalised_densities():
    log_prob = torch.randn(30, 4, generator=_generator(), dtype=torch.float64)
    weights = prior_weights(log_prob)
    assert torch.allclose(weights, log_prob.exp() / log_prob.exp().sum(0))
    # A constant as large as the density of a narrow prior changes nothing.
    assert torch.allclose(prior_weights(log_prob - 1e5), weights, atol=1e-9)
    assert torch.allclose(prior_weights(log_prob, 0.0), torch.full_like(weights, 1 / 30))
    half = prior_weights(log_prob, 0.5)
    assert torch.allclose(half, log_prob.exp().sqrt() / log_prob.exp().sqrt().sum(0))


def test_weights_of_impossible_hypotheses():
    inf, nan = torch.inf, torch.nan
    log_prob = torch.tensor([[-5.0, -inf, nan], [-inf, -inf, 3e4], [nan, nan, -4e4]])
    weights = prior_weights(log_prob)
    third = 1 / 3
    expected = torch.tensor([[1.0, third, 0.0], [0.0, third, 1.0], [0.0, third, 0.0]])
    assert torch.allclose(weights, expected)
    flat = prior_weights(log_prob, 0.0)
    assert torch.allclose(flat[:, 2], torch.tensor([0.0, 0.5, 0.5]))
    with pytest.raises(InputError, match="power"):
        prior_weights(log_prob, 2.0)


def test_prior_weighted_bodies_are_weighed_by_their_joints():
    bodies, prior = _bodies(), _prior()
    weighted = prior_weighted(bodies, prior)
    joints = BODY.landmarks_of(bodies.parameters, H36M_17)
    with torch.no_grad():
        log_prob = prior.log_prob(joints - joints[..., :1, :])
    assert torch.allclose(weighted.weights, prior_weights(log_prob))
    likely = weighted.weights.argmax(0)
    drawn = weighted.sample((400,), _generator())
    best = bodies.poses(bodies.parameters)[likely, torch.arange(3)]
    shares = ((drawn - best).abs().amax((-1, -2)) < 1e-9).double().mean(0)
    assert torch.allclose(shares, weighted.weights.amax(0), atol=0.12)


@pytest.mark.parametrize("count", [1, 5, 10, 12])
def test_each_representative_is_one_of_the_bodies(count: int):
    bodies = _bodies()
    chosen, clusters = quantized_bodies(bodies, count, _prior(), _generator())
    assert chosen.parameters.batch_shape == (count, 3)
    assert torch.allclose(chosen.weights.sum(0), torch.ones(3, dtype=torch.float64))
    for b in range(3):
        members = clusters.members[:, b]
        expected = bodies.parameters[members, torch.full_like(members, b)]
        assert torch.equal(chosen.parameters[:, b].rotations, expected.rotations)
        assert torch.equal(chosen.parameters[:, b].betas, expected.betas)
        assert len(set(members.tolist())) == count
    poses = bodies.poses(bodies.parameters)
    weights = prior_weighted(bodies, _prior()).weights
    plain = quantized(poses, count, weights, _generator())
    assert torch.equal(plain.centres, clusters.centres)
    effective = 1 / weights.square().sum(0)
    assert torch.allclose(clusters.effective_number, effective)


def test_without_a_prior_their_own_weights_count():
    bodies = _bodies()
    weights = torch.zeros(12, 3, dtype=torch.float64)
    weights[7] = 1.0
    own = BodySet(bodies.parameters, BODY, H36M_17, weights)
    chosen, clusters = quantized_bodies(own, 3, generator=_generator())
    assert torch.allclose(clusters.effective_number, torch.ones(3, dtype=torch.float64))
    heaviest = clusters.members.gather(0, chosen.weights.argmax(0, keepdim=True))
    assert (heaviest == 7).all()
    # The others weigh nothing, and are other bodies all the same.
    assert (chosen.weights.sort(0).values[:2] == 0).all()
    assert all(len(set(column)) == 3 for column in clusters.members.T.tolist())


def test_the_same_seed_gives_the_same_bodies():
    def members(seed: int) -> Tensor:
        return quantized_bodies(_bodies(40), 5, _prior(), _generator(seed))[1].members

    assert torch.equal(members(1), members(1))
    assert not torch.equal(members(1), members(2))


def test_more_than_there_are_is_refused():
    with pytest.raises(InputError, match="1 to 12"):
        quantized_bodies(_bodies(), 13)
