"""Expected OKS against quadrature, draws and its own limits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from poseterior.confidence.expected_oks import (
    expected_oks,
    expected_oks_at_mean,
    expected_oks_isotropic,
)
from poseterior.errors import InputError
from poseterior.metrics.oks import keypoint_oks, tolerance

MEAN = torch.tensor([3.0, -1.0], dtype=torch.float64)
COVARIANCES = {
    "round": [[4.0, 0.0], [0.0, 4.0]],
    "long": [[9.0, 4.0], [4.0, 2.0]],
    "leaning": [[2.0, -1.5], [-1.5, 6.0]],
    "a line": [[4.0, 2.0], [2.0, 1.0]],
}


def by_quadrature(prediction, mean, covariance, tolerance):
    """The expectation over 60 x 60 Gauss-Hermite nodes in the covariance's own axes."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    variances, vectors = np.linalg.eigh(covariance)
    grid = np.stack(np.meshgrid(nodes, nodes, indexing="ij"), -1).reshape(-1, 2)
    weight = np.outer(weights, weights).ravel() / weights.sum() ** 2
    places = mean + (grid * np.sqrt(variances.clip(0))) @ vectors.T
    apart = ((places - prediction) ** 2).sum(1)
    return float(weight @ np.exp(-apart / (2 * tolerance)))


@pytest.mark.parametrize("name", COVARIANCES)
@pytest.mark.parametrize("l2", [5.0, 40.0])
def test_the_closed_form_is_the_integral(name, l2):
    covariance = torch.tensor(COVARIANCES[name], dtype=torch.float64)
    prediction = torch.tensor([4.5, 1.0], dtype=torch.float64)
    found = expected_oks(prediction, MEAN, covariance, torch.tensor(l2))
    wanted = by_quadrature(prediction.numpy(), MEAN.numpy(), covariance.numpy(), l2)
    assert found.item() == pytest.approx(wanted, rel=1e-6)


def test_it_is_the_mean_oks_of_draws():
    generator = torch.Generator().manual_seed(0)
    covariance = torch.tensor(COVARIANCES["leaning"], dtype=torch.float64)
    factor = torch.linalg.cholesky(covariance)
    drawn = MEAN + torch.randn(200_000, 2, generator=generator, dtype=torch.float64) @ factor.T
    area, sigmas = torch.tensor(300.0, dtype=torch.float64), torch.tensor([0.079]).double()
    each = keypoint_oks(torch.zeros(1, 2).double(), drawn[:, None], area, sigmas)[:, 0]
    wanted = expected_oks(torch.zeros(2).double(), MEAN, covariance, tolerance(area, sigmas)[0])
    assert abs(each.mean() - wanted) < 4 * each.std() / len(each) ** 0.5


def test_isotropic_and_general_agree_and_keep_the_precision_of_what_came_in():
    prediction, variance = torch.randn(5, 1, 2), torch.rand(3) * 9
    l2 = torch.full((3,), 7.0)
    narrow = expected_oks_isotropic(prediction, torch.zeros(2), variance, l2)
    covariance = variance[:, None, None] * torch.eye(2)
    general = expected_oks(prediction, torch.zeros(2), covariance, l2)
    assert narrow.shape == general.shape == (5, 3)
    assert narrow.dtype == general.dtype == torch.float32
    assert torch.allclose(narrow, general, rtol=1e-5)
    at_mean = expected_oks_isotropic(torch.zeros(2), torch.zeros(2), variance, l2)
    assert torch.allclose(at_mean, expected_oks_at_mean(variance, l2))


def test_without_uncertainty_it_is_the_oks_itself():
    prediction, target = torch.randn(17, 2).double(), torch.randn(17, 2).double()
    area, sigmas = torch.tensor(900.0).double(), torch.full((17,), 0.05).double()
    found = expected_oks(prediction, target, torch.zeros(17, 2, 2).double(),
                         tolerance(area, sigmas))  # fmt: skip
    assert torch.allclose(found, keypoint_oks(prediction, target, area, sigmas))


def test_a_very_long_ellipse_does_not_cancel_in_single_precision():
    turn = torch.tensor([[1.0, 1.0], [1.0, 1.0]]) * 5e5  # sigma 1000 px along the diagonal
    found = expected_oks(torch.zeros(2), torch.zeros(2), turn, torch.tensor(1.0))
    assert found.item() == pytest.approx(1 / (1e6 + 1) ** 0.5, rel=1e-5)


def test_every_argument_has_a_gradient():
    torch.manual_seed(0)
    factor = torch.randn(3, 2, 2).double()
    inputs = [torch.randn(3, 2).double(), torch.randn(3, 2).double(),
              factor @ factor.mT, 5 + torch.rand(3).double()]  # fmt: skip
    for tensor in inputs:
        tensor.requires_grad_()
    assert torch.autograd.gradcheck(expected_oks, inputs)


def test_what_cannot_be_is_refused():
    zero, eye = torch.zeros(2), torch.eye(2)
    with pytest.raises(InputError, match="tolerance"):
        expected_oks(zero, zero, eye, torch.tensor(0.0))
    with pytest.raises(InputError, match="covariance"):
        expected_oks(zero, zero, torch.tensor([[1.0, 2.0], [2.0, 1.0]]), torch.tensor(1.0))
    with pytest.raises(InputError, match="variance"):
        expected_oks_at_mean(torch.tensor(-1.0), torch.tensor(1.0))
