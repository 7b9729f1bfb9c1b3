"""The heatmap covariance loss, written out in scalars for one joint (paper 001, Eq. 3 and 4)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from poseterior.losses.heatmap_covariance import covariance_of_hypotheses, heatmap_covariance_loss


def hypotheses_with(xx: float, xy: float, yy: float) -> torch.Tensor:
    """Hypotheses (H, 1, 1, 3) of one joint whose x and y have exactly that covariance, m²."""
    draws = np.random.default_rng(0).normal(size=(40, 2))
    draws -= draws.mean(0)
    white = draws @ np.linalg.inv(np.linalg.cholesky(np.cov(draws.T))).T
    points = white @ np.linalg.cholesky(np.array([[xx, xy], [xy, yy]])).T
    depth = np.linspace(-1, 1, 40)[:, None]
    return torch.tensor(np.concatenate([points, depth], 1))[:, None, None]


def loss(found: tuple, fitted: tuple, valid: bool = True) -> float:
    """Of a joint with covariances (xx, xy, yy): found in m², fitted in px²."""
    xx, xy, yy = fitted
    wanted = torch.tensor([[xx, xy], [xy, yy]], dtype=torch.float64)[None, None]
    return heatmap_covariance_loss(hypotheses_with(*found), wanted, torch.tensor([[valid]])).item()


def test_covariance_is_numpys() -> None:
    hypotheses = torch.randn(9, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    expected = np.cov(hypotheses[:, 1, 0].T.numpy())
    np.testing.assert_allclose(covariance_of_hypotheses(hypotheses)[1, 0], expected, rtol=1e-5)


def test_too_narrow_in_both_directions_is_the_root_of_the_squares() -> None:
    # 1 px is 10 mm, so 1 px² is 1e-4 m².
    gaps = (25e-4 - 10e-4, 30e-4 - 5e-4, 8e-4 - 2e-4)
    expected = (gaps[0] ** 2 + gaps[1] ** 2 + gaps[2] ** 2) ** 0.5
    assert loss((10e-4, 2e-4, 5e-4), (25.0, 8.0, 30.0)) == pytest.approx(expected, rel=1e-9)


def test_too_wide_costs_nothing_but_a_wrong_correlation_does() -> None:
    assert loss((40e-4, 8e-4, 50e-4), (25.0, 8.0, 30.0)) == pytest.approx(0, abs=1e-12)
    assert loss((40e-4, -2e-4, 50e-4), (25.0, 8.0, 30.0)) == pytest.approx(10e-4, rel=1e-9)
    assert loss((40e-4, 20e-4, 50e-4), (25.0, 8.0, 30.0)) == pytest.approx(12e-4, rel=1e-9)


@pytest.mark.parametrize(
    ("fitted", "counts"),
    [((4.4, 0.0, 4.4), False), ((4.42, 0.0, 4.0), True), ((4.0, 0.0, 4.42), True)],
)
def test_only_uncertain_joints_count(fitted: tuple, counts: bool) -> None:
    found = (1e-6, 0.0, 1e-6)
    assert (loss(found, fitted) > 0) == counts
    assert loss(found, fitted, valid=False) == 0


def test_masked_joints_are_part_of_the_mean_and_gradients_are_finite() -> None:
    hypotheses = hypotheses_with(1e-4, 0.0, 1e-4).repeat(1, 3, 2, 1).requires_grad_()
    fitted = torch.diag(torch.tensor([25.0, 1.0], dtype=torch.float64)).repeat(3, 2, 1, 1)
    valid = torch.tensor([[True, False], [False, False], [True, False]])
    value = heatmap_covariance_loss(hypotheses, fitted, valid)
    assert value.item() == pytest.approx(24e-4 * 2 / 6, rel=1e-9)
    value.backward()
    assert hypotheses.grad is not None
    assert hypotheses.grad.isfinite().all()
    reached = hypotheses.grad.any(-1).any(0)
    assert torch.equal(reached, valid)
    # The depth of a hypothesis is free.
    assert not hypotheses.grad[..., 2].any()


def test_gradients_are_finite_where_nothing_is_to_be_gained() -> None:
    # Wider than the heatmap and not correlated at all: the root of exactly zero.
    points = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]])[:, None, None]
    hypotheses = points.requires_grad_()
    fitted = 5 * torch.eye(2)[None, None]
    heatmap_covariance_loss(hypotheses, fitted, torch.ones(1, 1).bool()).backward()
    assert hypotheses.grad is not None
    assert hypotheses.grad.isfinite().all()
