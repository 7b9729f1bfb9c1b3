"""Representatives are the K-means of the hypotheses, and their weights the shares."""

from __future__ import annotations

import pytest
import torch
from scipy.cluster.vq import kmeans2

from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_17
from poseterior.posteriors import GaussianPosterior
from poseterior.quantization import quantize


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
