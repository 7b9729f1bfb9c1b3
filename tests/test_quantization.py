"""Representatives are the K-means of the hypotheses, and their weights the shares."""

from __future__ import annotations

import itertools

import pytest
import torch
from scipy.cluster.vq import kmeans2

from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_17
from poseterior.posteriors import GaussianPosterior
from poseterior.quantization import quantize, quantized


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _clusters(batch: int) -> torch.Tensor:
    """60 hypotheses around one pose and 30 around another, far apart."""
    centre = torch.zeros(90, batch, 17, 3)
    centre[60:] = 1.0
    return centre + 0.01 * torch.randn(centre.shape, generator=_generator())


def test_finds_the_clusters_and_their_shares():
    hypotheses = _clusters(4)
    poses, weights = quantize(hypotheses, 2, generator=_generator(1))
    order = weights.argsort(0, descending=True)
    assert poses.shape == (2, 4, 17, 3)
    assert torch.allclose(weights.gather(0, order)[:, 0], torch.tensor([2 / 3, 1 / 3]))
    first = poses.gather(0, order[:1, :, None, None].expand(1, 4, 17, 3))[0]
    assert torch.allclose(first, hypotheses[:60].mean(0), atol=1e-5)


def test_agrees_with_scipy_on_the_distortion():
    points = torch.randn(200, 1, 17, 3, generator=_generator())
    poses, _ = quantize(points, 5, generator=_generator(1))
    ours = torch.cdist(points[:, 0].flatten(1), poses[:, 0].flatten(1)).amin(1).square().mean()
    flat = points[:, 0].flatten(1).numpy()
    theirs = min(
        torch.cdist(
            torch.from_numpy(flat), torch.from_numpy(kmeans2(flat, 5, minit="++", seed=s)[0])
        ).amin(1).square().mean()
        for s in range(3)
    )  # fmt: skip
    assert ours < 1.03 * theirs


def test_weights_count():
    hypotheses = _clusters(1)
    weights = torch.ones(90, 1)
    weights[60:] = 0.0
    poses, shares = quantize(hypotheses, 1, weights, _generator())
    assert torch.allclose(poses[0], hypotheses[:60].mean(0), atol=1e-5)
    assert shares.sum() == pytest.approx(1.0)


def test_as_many_representatives_as_hypotheses_are_the_hypotheses():
    hypotheses = torch.randn(7, 2, 17, 3, generator=_generator())
    poses, weights = quantize(hypotheses, 7, generator=_generator(1))
    found = torch.cdist(poses[:, 0].flatten(1), hypotheses[:, 0].flatten(1)).amin(1)
    assert found.max() < 1e-4
    assert torch.allclose(weights, torch.full((7, 2), 1 / 7))


def test_equal_hypotheses_and_bad_counts():
    same = torch.ones(10, 1, 17, 3)
    poses, weights = quantize(same, 3, generator=_generator())
    assert torch.allclose(poses, torch.ones(3, 1, 17, 3))
    assert weights.sum() == pytest.approx(1.0)
    with pytest.raises(InputError, match="1 to 10"):
        quantize(same, 11)


def test_a_posterior_quantizes_itself():
    mean = torch.zeros(3, 17, 3)
    posterior = GaussianPosterior(mean, torch.full((3,), 0.1), H36M_17)
    poses, weights = posterior.quantize(4, 100, _generator())
    again, _ = posterior.quantize(4, 100, _generator())
    assert poses.shape == (4, 3, 17, 3)
    assert torch.equal(poses, again)
    assert (poses[:, :, 0] == 0).all()
    assert torch.allclose(weights.sum(0), torch.ones(3))


def _energy(points: torch.Tensor, weights: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """Paper 004, Eq. 3, by its definition: points (H, D), weights (H,), centres (..., n, D)."""
    squares = (points[:, None] - centres[..., None, :, :]).square().sum(-1)
    return (weights / weights.sum() * squares.amin(-1)).sum(-1)


def test_the_best_of_many_starts_is_the_best_of_all_partitions():
    """Ten weighted points in two, in all 511 ways and from 100 draws of the seeds."""
    points = torch.randn(10, 5, 2, 3, generator=_generator())
    weights = torch.rand(10, 5, generator=_generator(1))
    starts = points.repeat(1, 100, 1, 1), 2, weights.repeat(1, 100), _generator(2)
    found = quantized(*starts).centres.unflatten(1, (100, 5)).flatten(-2)
    one = torch.tensor([[mask >> k & 1 for k in range(10)] for mask in range(1, 2**9)])
    halves = torch.stack([one, 1 - one], 1).float()  # (511, 2, 10)
    for b in range(5):
        flat, mass = points[:, b].flatten(1), halves * weights[:, b]
        least = _energy(flat, weights[:, b], (mass @ flat) / mass.sum(-1, keepdim=True)).amin()
        energies = _energy(flat, weights[:, b], found[:, :, b].transpose(0, 1))
        assert energies.amin() == pytest.approx(float(least), rel=1e-4)
        assert energies.median() < 1.3 * least


def test_centres_are_the_weighted_means_of_what_is_nearest_to_them():
    points = torch.randn(80, 3, 17, 3, generator=_generator(), dtype=torch.float64)
    weights = torch.rand(80, 3, generator=_generator(1), dtype=torch.float64)
    found = quantized(points, 6, weights, _generator(2))
    for b, k in itertools.product(range(3), range(6)):
        flat, centres = points[:, b].flatten(1), found.centres[:, b].flatten(1)
        own = torch.cdist(flat, centres).argmin(1) == k
        mass = weights[own, b]
        assert torch.allclose((mass @ flat[own]) / mass.sum(), centres[k])
        assert found.weights[k, b] == pytest.approx(float(mass.sum() / weights[:, b].sum()))
        nearest = torch.where(own, (flat - centres[k]).norm(dim=1), torch.inf).argmin()
        assert found.members[k, b] == nearest
    assert torch.allclose(found.effective_number, weights.sum(0) ** 2 / weights.square().sum(0))


def test_effective_number_of_equal_and_collapsed_weights():
    points = torch.randn(8, 2, 17, 3, generator=_generator())
    weights = torch.ones(8, 2)
    weights[1:, 1] = 0.0
    found = quantized(points, 3, weights, _generator())
    assert torch.allclose(found.effective_number, torch.tensor([8.0, 1.0]))


@pytest.mark.parametrize("tiny", [0.0, 1e-30, 1e-20])
def test_weight_on_one_hypothesis_leaves_the_others_apart(tiny: float):
    points = torch.randn(30, 4, 17, 3, generator=_generator())
    weights = torch.full((30, 4), tiny)
    weights[11] = 1.0
    found = quantized(points, 10, weights, _generator())
    assert found.centres.isfinite().all()
    assert torch.allclose(found.weights.sum(0), torch.ones(4))
    heaviest = found.members.gather(0, found.weights.argmax(0, keepdim=True))
    assert (heaviest == 11).all()
    assert torch.allclose(found.weights.amax(0), torch.ones(4))
    assert all(len(set(column)) == 10 for column in found.members.T.tolist())


def test_a_representative_weighs_something_where_its_cluster_does():
    # The centre of two at +-1 is nearest to one that weighs nothing.
    points = torch.zeros(4, 1, 1, 3)
    points[:, 0, 0, 0] = torch.tensor([-1.0, 0.1, 1.0, 30.0])
    weights = torch.tensor([[1.0], [0.0], [1.2], [0.0]])
    found = quantized(points, 1, weights, _generator())
    assert found.members.tolist() == [[2]]


def test_fewer_distinct_hypotheses_than_representatives():
    points = torch.randn(3, 2, 17, 3, generator=_generator()).repeat(5, 1, 1, 1)
    found = quantized(points, 7, generator=_generator(1))
    assert found.centres.isfinite().all()
    distances = torch.cdist(points[:3, 0].flatten(1), found.centres[:, 0].flatten(1))
    assert distances.amin(1).max() < 1e-5
    at = (distances < 1e-5).float()
    assert torch.allclose(at @ found.weights[:, 0], torch.full((3,), 1 / 3))


def test_ties_and_far_away_poses():
    """Millimetres apart, ten metres away: what is told apart is not lost in rounding."""
    corners = torch.tensor(list(itertools.product((0.0, 1e-3), repeat=3)))
    points = (10.0 + corners)[:, None, None].expand(8, 2, 17, 3)
    found = quantized(points, 8, generator=_generator())
    assert all(sorted(column) == list(range(8)) for column in found.members.T.tolist())
    assert torch.allclose(found.weights, torch.full((8, 2), 1 / 8))


def test_batch_elements_do_not_depend_on_one_another():
    """Nor does a batch of any shape: the means, if not the draws of the seeds, are its own."""
    points = torch.randn(20, 6, 17, 3, generator=_generator())
    points[10:] += 3.0
    whole = quantized(points, 2, generator=_generator(1))
    shaped = quantized(points.unflatten(1, (2, 3)), 2, generator=_generator(1))
    assert shaped.centres.shape == (2, 2, 3, 17, 3)
    assert shaped.members.shape == shaped.weights.shape == (2, 2, 3)
    assert shaped.effective_number.shape == (2, 3)
    assert torch.equal(shaped.centres.flatten(1, 2), whole.centres)
    for b in range(6):
        alone = quantized(points[:, b : b + 1], 2, generator=_generator(b))
        order, other = alone.centres[:, 0].mean((1, 2)).argsort(), whole.centres[:, b]
        ranked = other.mean((1, 2)).argsort()
        assert torch.allclose(alone.centres[order, 0], other[ranked], atol=1e-5)
    assert quantized(points[:, :0], 2).centres.shape == (2, 0, 17, 3)


def test_bad_hypotheses_and_weights():
    points = torch.randn(5, 2, 17, 3, generator=_generator())
    for bad in (torch.zeros(5, 2), torch.full((5, 2), -1.0), torch.full((5, 2), torch.nan)):
        with pytest.raises(InputError, match="weights"):
            quantized(points, 2, bad)
    points[3, 1, 2, 0] = torch.nan
    with pytest.raises(InputError, match="finite"):
        quantized(points, 2)
