"""CCNet: its head and losses against formulas written out, and what it learns."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from poseterior.confidence.ccnet import CCNet, CCNetConfig, instance_confidence
from poseterior.confidence.ccnet_losses import (
    aleatoric_loss,
    cross_entropy_loss,
    ranking_loss,
    squared_loss,
    visibility_loss,
)
from poseterior.errors import InputError
from poseterior.geometry.skeleton import COCO_17, MPII_16
from poseterior.metrics.oks import oks, oks_sigmas
from poseterior.training.checkpoint import load_lifter, save_model

LOSSES = ("mse", "cross_entropy", "aleatoric", "ensemble", "soap")


def net(channels: int = 6, seed: int = 0, **options: Any) -> CCNet:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return CCNet(CCNetConfig(channels, **options)).eval()


def drawn(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def targets(count: int = 5) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(4)
    s = torch.rand(count, 17, generator=generator)
    v = (torch.rand(count, 17, generator=generator) < 0.7).float()
    return s, v


def test_convolution_then_pooling_is_pooling_then_a_linear_layer() -> None:
    features, network = drawn(3, 6, 8, 5), net()
    convolution = nn.Conv2d(6, 34, 1)
    with torch.no_grad():
        convolution.weight.copy_(network.layer.weight[..., None, None])
        convolution.bias.copy_(network.layer.bias)  # type: ignore[union-attr]
        published = convolution(features).mean((-2, -1)).sigmoid()
        found = network(features)
    torch.testing.assert_close(found.keypoints, published[:, :17])
    torch.testing.assert_close(found.visibility, published[:, 17:])
    other = net(head="pool_linear")
    torch.testing.assert_close(other(features).keypoints, found.keypoints)
    # A vector that is the mean of the map already.
    torch.testing.assert_close(network(features.mean((-2, -1))).keypoints, found.keypoints)


def test_the_sigmoid_at_each_pixel_is_another_function() -> None:
    features, network = 3 * drawn(3, 6, 8, 5), net(head="conv_sigmoid_pool")
    with torch.no_grad():
        maps = torch.einsum("bchw,kc->bkhw", features, network.layer.weight)
        maps = maps + network.layer.bias[:, None, None]  # type: ignore[index]
        expected = maps.sigmoid().mean((-2, -1))
        found = network(features)
    torch.testing.assert_close(found.keypoints, expected[:, :17])
    torch.testing.assert_close(found.visibility, expected[:, 17:])
    other = net()(features).keypoints.detach()
    assert float((found.keypoints - other).abs().max()) > 1e-3


def test_head_is_one_layer_of_the_published_size() -> None:
    assert sum(p.numel() for p in net(2048).parameters()) == 2048 * 34 + 34
    first = net(256).layer.weight
    assert float(first.abs().max()) <= 1 / 16 + 1e-6  # Kaiming's, as of nn.Linear and nn.Conv2d
    assert net(8, loss="aleatoric").layer.out_features == 51
    assert net(8, loss="ensemble", members=3).layer.out_features == 3 * 34


def test_losses_are_their_formulas() -> None:
    s, v = (value.double() for value in targets())
    logit, u = drawn(5, 17).double(), drawn(5, 17, seed=2).double()
    h = 1 / (1 + np.exp(-logit.numpy()))
    sn, vn, un = s.numpy(), v.numpy(), u.numpy()
    entropy = -(sn * np.log(h) + (1 - sn) * np.log(1 - h))
    expected = {
        "squared": (vn * (h - sn) ** 2).sum(1).mean(),
        "entropy": (vn * entropy).sum(1).mean(),
        "visible": -(vn * np.log(h) + (1 - vn) * np.log(1 - h)).sum(1).mean(),
        "aleatoric": 0.5 * (vn * ((h - sn) ** 2 / np.exp(un) + un)).sum(1).mean(),
    }
    found = {
        "squared": squared_loss(logit.sigmoid(), s, v),
        "entropy": cross_entropy_loss(logit, s, v),
        "visible": visibility_loss(logit, v),
        "aleatoric": aleatoric_loss(logit.sigmoid(), u, s, v),
    }
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(value, rel=1e-9), name


def test_ranking_loss_is_the_surrogate_written_out() -> None:
    score = torch.rand(9, generator=torch.Generator().manual_seed(0)).double()
    true = torch.rand(9, generator=torch.Generator().manual_seed(1)).double()
    expected = []
    for step in range(10):
        t = 0.5 + 0.05 * step
        positive = [i for i in range(9) if true[i] > t]
        terms = []
        for i in positive:
            pairs = [max(0.0, 1 - float(score[i] - score[j])) ** 2 for j in range(9)]
            terms.append(sum(pairs[j] for j in positive) / sum(pairs))
        expected.append(1 - sum(terms) / len(terms) if terms else 1.0)
    assert float(ranking_loss(score, true)) == pytest.approx(np.mean(expected), rel=1e-9)
    assert float(ranking_loss(true, true)) < float(ranking_loss(1 - true, true))


def test_total_is_the_weighted_sum_of_equation_21() -> None:
    s, v = targets()
    features, target = drawn(5, 6), torch.stack([s, v], -1)
    network = net()
    said = network(features)
    found = network.losses(features, target)
    assert float(found["confidence"].detach()) == pytest.approx(
        float((v * (said.keypoints - s) ** 2).sum(-1).mean()), rel=1e-5
    )
    other = net(visibility_weight=20.0).losses(features, target)
    assert float(other["visibility"] / found["visibility"]) == pytest.approx(100, rel=1e-5)
    assert CCNetConfig(1).visibility_weight == 0.2


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("head", ["conv_pool", "conv_sigmoid_pool"])
def test_oks_of_keypoints_that_are_not_labelled_is_not_looked_at(loss: str, head: str) -> None:
    s, v = targets()
    features = drawn(5, 6, 4, 3)
    values = []
    for unknown in (torch.nan, 0.5):
        network = net(loss=loss, head=head)
        target = torch.stack([torch.where(v > 0, s, unknown), v], -1)
        total = sum(network.losses(features, target).values(), torch.zeros(()))
        total.backward()
        gradient = network.layer.weight.grad
        assert gradient is not None
        assert bool(gradient.isfinite().all())
        values.append((float(total.detach()), gradient))
    assert values[0][0] == values[1][0]
    assert torch.equal(values[0][1], values[1][1])


@pytest.mark.parametrize("loss", ["mse", "cross_entropy", "aleatoric", "ensemble"])
def test_it_learns_the_expected_oks_and_the_visibility(loss: str) -> None:
    truth = net(seed=3)
    with torch.no_grad():
        truth.layer.weight.mul_(4)
    features = drawn(4000, 6)
    with torch.no_grad():
        expected = truth(features)
    generator = torch.Generator().manual_seed(0)
    v = (torch.rand(4000, 17, generator=generator) < expected.visibility).float()
    # What is seen is 0 or 1: only its mean is the confidence that is to be found.
    s = (torch.rand(4000, 17, generator=generator) < expected.keypoints).float()
    network = net(loss=loss, members=2)
    optimiser = torch.optim.Adam(network.parameters(), 2e-2)
    for _ in range(300):
        optimiser.zero_grad()
        sum(network.losses(features, torch.stack([s, v], -1)).values()).backward()
        optimiser.step()
    with torch.no_grad():
        found = network(features)
    assert float((found.keypoints - expected.keypoints).abs().mean()) < 0.03
    assert float((found.visibility - expected.visibility).abs().mean()) < 0.03


def test_soap_learns_to_rank_people() -> None:
    features = drawn(512, 6)
    s = (features[:, :1].sigmoid() * torch.ones(1, 17)).clamp(0, 1)
    target = torch.stack([s, torch.ones_like(s)], -1)
    network = net(loss="soap")
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(100):
        optimiser.zero_grad()
        sum(network.losses(features, target).values()).backward()
        optimiser.step()
    with torch.no_grad():
        score = network(features).instance
    ranks = torch.stack([score.argsort().argsort(), features[:, 0].argsort().argsort()]).double()
    assert float(torch.corrcoef(ranks)[0, 1]) > 0.95


def test_an_ensemble_is_the_mean_of_its_members() -> None:
    network = net(loss="ensemble", members=3)
    features = drawn(4, 6)
    logits = (features @ network.layer.weight.T + network.layer.bias).reshape(4, 3, 2, 17)
    torch.testing.assert_close(network(features).keypoints, logits[:, :, 0].sigmoid().mean(1))


def test_instance_confidence_is_weighted_as_oks_is() -> None:
    pixels, place = 5 * drawn(4, 17, 2), drawn(4, 17, 2, seed=2)
    v = torch.rand(4, 17, generator=torch.Generator().manual_seed(0)) < 0.6
    area, sigmas = torch.full((4,), 900.0), oks_sigmas(COCO_17)
    one = [[k] for k in range(17)]
    each = torch.stack([oks(pixels[:, k], place[:, k], area, sigmas[k]) for k in one], 1)
    expected = oks(pixels, place, area, sigmas, v)
    torch.testing.assert_close(instance_confidence(each, v.float()), expected)
    assert float(instance_confidence(torch.ones(3), torch.zeros(3))) == 0
    said = net()(drawn(4, 6))
    weights = said.visibility / said.visibility.sum(-1, keepdim=True)
    torch.testing.assert_close(said.instance, (weights * said.keypoints).sum(-1))


def test_other_features_are_refused() -> None:
    with pytest.raises(InputError, match=r"features: expected \(B, 6\) or \(B, 6, h, w\)"):
        net()(drawn(2, 7))
    with pytest.raises(InputError, match="features"):
        net()(drawn(2, 6, 3))
    for options in ({"channels": 0}, {"members": 0}, {"visibility_weight": -math.inf}):
        with pytest.raises(InputError):
            CCNetConfig(**{"channels": 1, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("loss", LOSSES)
def test_it_is_saved_and_loaded(tmp_path: Path, loss: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        network: Any = CCNet(CCNetConfig(6, loss=loss), MPII_16)  # type: ignore[arg-type]
    save_model(network, tmp_path)
    names: Any = {"ccnet": CCNet}
    again: Any = load_lifter(tmp_path, names)
    assert again.config == network.config
    features = drawn(2, 6, 3, 4)
    for mine, theirs in zip(network(features), again(features), strict=True):
        assert torch.equal(mine, theirs)
    assert tuple(again(features.half()).keypoints.shape) == (2, 16)
