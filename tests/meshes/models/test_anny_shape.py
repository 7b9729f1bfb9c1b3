"""Phenotypes and their grid against scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.interpolate import RegularGridInterpolator
from scipy.stats import norm

from poseterior.meshes.models.anny_shape import PHENOTYPES, RANGES, PhenotypeShapes, corners


def scores(*shape: int) -> torch.Tensor:
    """Standard-normal, float64."""
    draw = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=draw, dtype=torch.float64)


def test_coefficients_are_scipys_interpolation_on_the_grid() -> None:
    grid = [np.unique(column) for column in corners().numpy().T]
    table = scores(len(corners()), 3)
    shapes, betas = PhenotypeShapes(table), scores(200, 6)
    values = table.numpy().reshape(*map(len, grid), 3)
    low, high = np.array([RANGES[name] for name in PHENOTYPES]).T
    phenotypes = low + (high - low) * norm.cdf(betas.numpy())
    np.testing.assert_allclose(shapes.phenotypes(betas).numpy(), phenotypes)
    expected = RegularGridInterpolator(grid, values)(phenotypes)
    np.testing.assert_allclose(shapes(betas).numpy(), expected, atol=1e-12)


def test_people_are_spread_evenly_over_the_ranges() -> None:
    phenotypes = PhenotypeShapes(scores(len(corners()), 1)).phenotypes(scores(20000, 6))
    low, high = torch.tensor([RANGES[name] for name in PHENOTYPES]).double().T
    quartiles = torch.tensor([0.25, 0.5, 0.75]).double()
    found = ((phenotypes - low) / (high - low)).quantile(quartiles, 0)
    torch.testing.assert_close(found, quartiles[:, None].expand(3, 6), atol=0.02, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("score", [0.0, 1e-3, -40.0, 40.0])
def test_finite_numbers_and_gradients_at_any_score(score: float, dtype: torch.dtype) -> None:
    shapes = PhenotypeShapes(scores(len(corners()), 4)).to(dtype)
    betas = torch.full((2, 6), score, dtype=dtype, requires_grad=True)
    out = shapes(betas)
    (gradient,) = torch.autograd.grad(out.sum(), betas)
    assert out.dtype == dtype
    assert out.isfinite().all()
    assert gradient.isfinite().all()
    torch.testing.assert_close(shapes.corner_weights(betas).sum(1), torch.ones(2, dtype=dtype))


def test_gradients_are_those_of_finite_differences() -> None:
    shapes = PhenotypeShapes(scores(len(corners()), 4))
    assert torch.autograd.gradcheck(shapes, scores(3, 6).requires_grad_())


def test_at_a_kink_the_gradient_is_one_sided() -> None:
    shapes = PhenotypeShapes(corners())  # of the phenotypes themselves: no kink is left
    muscle = PHENOTYPES.index("muscle")
    low, high = RANGES["muscle"]
    betas = torch.zeros(1, 6, dtype=torch.float64)
    betas[0, muscle] = float(norm.ppf((0.5 - low) / (high - low)))
    found = torch.autograd.functional.jacobian(lambda b: shapes(b)[0], betas)[muscle, 0, muscle]
    assert float(found) == pytest.approx((high - low) * norm.pdf(float(betas[0, muscle])))
