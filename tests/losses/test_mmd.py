"""The discrepancy against a double loop over pairs, and the two cases it must tell apart."""

from __future__ import annotations

import math

import pytest
import torch

from poseterior.errors import InputError
from poseterior.losses.mmd import BANDWIDTHS, inverse_multiquadratic, mmd


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def kernel(v: list[float], w: list[float]) -> float:
    square = math.dist(v, w) ** 2
    return sum(b / (b + square) for b in (0.0025, 0.04, 0.81))


def test_it_is_the_sum_over_pairs() -> None:
    first, second = 0.3 * draw(7, 4), 0.3 * draw(5, 4, seed=1) + 0.1
    v, w = first.tolist(), second.tolist()
    own = sum(kernel(v[i], v[j]) for i in range(7) for j in range(7) if i != j) / (7 * 6)
    other = sum(kernel(w[i], w[j]) for i in range(5) for j in range(5) if i != j) / (5 * 4)
    across = sum(kernel(a, b) for a in v for b in w) / 35
    assert mmd(first, second).item() == pytest.approx(own + other - 2 * across, abs=1e-12)


def test_a_vector_is_as_near_to_itself_as_can_be() -> None:
    same = draw(3, 4)
    torch.testing.assert_close(
        inverse_multiquadratic(same, same).diagonal(),
        torch.full((3,), float(len(BANDWIDTHS))).double(),
    )


def test_it_is_zero_on_average_for_one_distribution_and_positive_for_two() -> None:
    same = torch.stack([mmd(draw(40, 2, seed=s), draw(40, 2, seed=1000 + s)) for s in range(200)])
    moved = torch.stack(
        [mmd(draw(40, 2, seed=s), draw(40, 2, seed=1000 + s) + 1) for s in range(200)]
    )
    error = same.std() / 200**0.5
    assert abs(same.mean()) < 4 * error
    assert same.min() < 0  # unbiased, so of both signs
    assert moved.mean() > 20 * error


def test_its_gradient_pulls_a_sample_towards_the_other() -> None:
    first = draw(50, 2).requires_grad_()
    mmd(first, draw(50, 2, seed=1) + 2).backward()
    assert first.grad is not None
    assert (first.grad.sum(0) < 0).all()


def test_one_vector_is_no_sample() -> None:
    with pytest.raises(InputError, match="2 or more"):
        mmd(draw(1, 2), draw(5, 2))
