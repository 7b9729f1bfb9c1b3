"""`cvae`: its terms by other formulas, its samples, and what ranking gains."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from poseterior.data.pose_source import PoseSource
from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_17
from poseterior.lifters import cvae
from poseterior.lifters.conditioning import condition
from poseterior.lifters.cvae import CVAE, CVAEConfig, DecodedPosterior
from poseterior.lifters.ordinal import EQUAL, FARTHER, NEARER, ordinal_weights
from poseterior.posterior import drop_root, insert_root

SMALL = CVAEConfig(latent=3, condition=29, dropout=0.0, hypotheses=2, ordinal_width=32)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def source(batch: int = 16) -> PoseSource:
    return PoseSource(0.3 * torch.randn((60, 17, 3), generator=rng()), H36M_17, batch)


def make(config: CVAEConfig = SMALL) -> CVAE:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return CVAE(config)


def linear(rows: int = 10) -> DecodedPosterior:
    """The image of N(0, I) under a linear map of its own for each row."""
    maps = torch.randn((rows, 48, 2), generator=rng(1))
    rotation = torch.linalg.qr(torch.randn((rows, 3, 3), generator=rng(2)))[0]
    return DecodedPosterior(
        lambda z, some: torch.einsum("bdl,hbl->hbd", maps[some], z) + 1, 2, rotation, H36M_17
    )


def test_samples_are_the_decoded_prior():
    posterior = linear(2)
    samples = drop_root(posterior.sample((20_000,), rng()) @ posterior.rotation.mT, H36M_17)
    units = torch.stack([
        drop_root(
            insert_root(posterior.decode(z.expand(1, 2, 2), slice(None)), H36M_17), H36M_17
        )[0] - 1
        for z in torch.eye(2)
    ], -1)  # fmt: skip
    wanted = units @ units.mT
    for row in range(2):
        assert torch.allclose(samples[:, row].T.cov(), wanted[row], atol=0.1)
        assert torch.allclose(samples[:, row].mean(0), torch.ones(48), atol=0.06)


def test_latent_centre_is_the_decoded_zero():
    posterior = linear()
    wanted = insert_root(torch.ones(10, 48), H36M_17) @ posterior.rotation
    assert torch.allclose(posterior.latent_centre, wanted, atol=1e-6)


@pytest.mark.parametrize("rows", [1, 7, 64])
def test_chunks_decode_every_row_with_its_own_context(monkeypatch, rows):
    calls = []

    def decode(latents: Tensor, some: slice) -> Tensor:
        calls.append(latents.shape[0] * latents.shape[1])
        own = torch.arange(10.0)[some, None].expand(*latents.shape[:2], 48)
        return own.clone()

    posterior = DecodedPosterior(decode, 2, torch.eye(3).expand(10, 3, 3), H36M_17)
    monkeypatch.setattr(cvae, "_ROWS", rows)
    samples = posterior.sample((5, 3), rng())
    assert max(calls) <= rows
    assert sum(calls) == 150
    assert (samples[..., 1:, :] == torch.arange(10.0)[:, None, None]).all()


def test_terms_are_the_published_ones():
    lifter, (keypoints, pose) = make().eval(), source().batch(0)
    terms = lifter.losses(keypoints, pose, rng(4))
    conditions = condition(keypoints, H36M_17)
    target = 4 * drop_root(conditions.to_person(pose), H36M_17)
    with torch.no_grad():
        encoded = lifter.encoder(torch.cat([conditions.features, target], -1))
        q = Normal(encoded[:, :3], (encoded[:, 3:] / 2).exp())
        kl = kl_divergence(q, Normal(0.0, 1.0)).mean()
        noise = torch.randn((2, 2, 16, 3), generator=rng(4))
        posterior = lifter(keypoints)
        errors = []
        for latents in (q.mean + q.stddev * noise[0], noise[1]):
            mean = 4 * posterior.decode(latents, slice(None)).mean(0)
            errors.append((mean - target).square().mean())
    assert terms["kl"].item() == pytest.approx(10 * kl.item(), rel=1e-4)
    assert terms["reconstruction"].item() == pytest.approx(50 * errors[0].item(), rel=1e-4)
    assert terms["generation"].item() == pytest.approx(50 * errors[1].item(), rel=1e-4)


def test_ordinal_is_trained_with_the_rest_where_it_is_on():
    keypoints, pose = source().batch(0)
    assert "ordinal" not in make().losses(keypoints, pose, rng())
    lifter = make(replace(SMALL, ordinal=True)).train()
    sum(lifter.losses(keypoints, pose, rng()).values()).backward()
    assert all(p.grad is not None and p.grad.any() for p in lifter.parameters())


def test_rank_without_relations_is_refused():
    keypoints, pose = source().batch(0)
    with pytest.raises(InputError, match="ordinal"):
        make().rank(keypoints, pose[None])


class Known(torch.nn.Module):
    """Relations known to be those of given poses in the person's frame."""

    def __init__(self, pose: Tensor) -> None:
        super().__init__()
        self.depth = pose[..., 2]

    def forward(self, features: Tensor) -> Tensor:
        gap = self.depth[:, None, :] - self.depth[:, :, None]
        chance = torch.zeros(*gap.shape, 3)
        chance[..., NEARER], chance[..., FARTHER] = (gap > 0).float(), (gap < 0).float()
        chance[..., EQUAL] = (gap == 0).float()
        return chance


def test_ranking_by_true_relations_finds_the_true_depths():
    keypoints, pose = source().batch(0)
    lifter = make(replace(SMALL, ordinal=True)).eval()
    lifter.relations = Known(condition(keypoints, H36M_17).to_person(pose))
    depth_noise = 0.3 * torch.randn((50, *pose.shape), generator=rng(5))
    depth_noise[..., H36M_17.root, :] = 0
    hypotheses = torch.cat([pose + depth_noise, pose[None]])
    scores = lifter.rank(keypoints, hypotheses)
    assert (scores.argmax(0) == 50).all()
    weights = ordinal_weights(scores[:50])[..., None, None]
    ranked = ((weights * hypotheses[:50]).sum(0) - pose).norm(dim=-1).mean()
    single = (hypotheses[:50] - pose).norm(dim=-1).mean()
    assert ranked < 0.9 * single
