"""Angles on the circle against SciPy's circular statistics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import circmean

from poseterior.geometry.circular import circular_mean, from_turn, unrolled, wrapped


def angles(seed: int = 0) -> torch.Tensor:
    """(500, 4) degrees around 170, over the whole range of the four columns' spreads."""
    spread = torch.tensor([1.0, 10.0, 40.0, 80.0])
    noise = torch.randn((500, 4), generator=torch.Generator().manual_seed(seed))
    return 170 + spread * noise


def test_the_mean_is_that_of_scipy_and_does_not_see_whole_turns() -> None:
    degrees = angles()
    wanted = circmean(degrees.double().numpy(), high=180, low=-180, axis=0)
    assert np.allclose(circular_mean(degrees).numpy(), wanted, atol=1e-4)
    assert torch.allclose(circular_mean(wrapped(degrees)), circular_mean(degrees), atol=1e-3)


def test_weights_are_repetitions() -> None:
    degrees, times = angles()[:5, 3], torch.tensor([3, 0, 1, 2, 5])
    repeated = circular_mean(degrees.repeat_interleave(times))
    assert circular_mean(degrees, times / 11).item() == pytest.approx(repeated.item())
    assert torch.equal(circular_mean(degrees[:, None].T, dim=1), circular_mean(degrees)[None])


def test_unrolled_angles_are_the_same_and_near_their_mean() -> None:
    degrees = wrapped(angles())
    flat = unrolled(degrees)
    assert torch.allclose(wrapped(flat - degrees.double()), torch.zeros(4, dtype=flat.dtype))
    assert ((flat - circular_mean(degrees)).abs() <= 180 + 1e-9).all()
    # A narrow spread around 170 lies in one piece, though it crosses 180.
    assert (flat[:, 1].amax() - flat[:, 1].amin()) < 100


def test_quantiles_come_back_with_their_median() -> None:
    ends = torch.tensor([[185.0, 180.0, 190.0], [20.0, 10.0, 30.0]], dtype=torch.float64)
    moved = from_turn(ends, ends[:, :1])
    assert moved.tolist() == [[-175.0, -180.0, -170.0], [20.0, 10.0, 30.0]]
