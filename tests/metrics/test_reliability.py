"""What a perfect posterior scores, against brute force, SciPy and the known figures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import binom, ncx2

from poseterior.geometry.skeleton import Skeleton
from poseterior.metrics.coverage import Coverage
from poseterior.metrics.reliability import (
    _normal_within,
    binomial_band,
    by_level,
    perfect_coverage,
    perfect_ece,
)

STAR = Skeleton("star", tuple(map(str, range(6))), (-1, *[0] * 5), tuple(range(6)))


def test_mass_within_a_sphere_is_scipys() -> None:
    radius = torch.tensor([0.0, 0.3, 1.0, 2.5, 9.0], dtype=torch.float64)
    for offset in (0.0, 0.2, 1.7):
        found = _normal_within(radius, torch.tensor([offset], dtype=torch.float64))
        expected = ncx2.cdf(radius.numpy() ** 2, 3, max(offset, 1e-12) ** 2)
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-8)


@pytest.mark.parametrize("rule", ["interpolated", "cdf"])
@pytest.mark.parametrize("centre", ["median", "mean", "mode"])
def test_perfect_coverage_is_what_is_observed(rule: str, centre: str) -> None:
    count, poses = 10, 8000
    draws = torch.randn(poses, count + 1, 6, 3, generator=torch.Generator().manual_seed(5))
    coverage = Coverage(STAR, centre, rule)
    coverage.update(
        draws[:, 1:], draws[:, 0], centre=torch.zeros(poses, 6, 3) if centre == "mode" else None
    )
    observed = coverage.compute().per_joint.mean(0)
    expected = perfect_coverage(count, centre=centre, rule=rule)
    np.testing.assert_allclose(observed, expected, atol=0.008)


def test_about_the_true_centre_only_the_number_of_gaps_matters() -> None:
    levels = torch.arange(21) / 20
    found = perfect_coverage(50, centre="latent_centre")
    torch.testing.assert_close(found, (49 * levels + 1).double() / 51, atol=0.003, rtol=0)


@pytest.mark.parametrize(("count", "known"), [(20, 0.042), (50, 0.017), (200, 0.004)])
def test_perfect_ece_is_the_known_figure(count: int, known: float) -> None:
    found = perfect_ece(perfect_coverage(count), poses=1500, joints=16)
    assert found.expected == pytest.approx(known, abs=0.002)
    assert found.low < found.expected < found.high
    few = perfect_ece(perfect_coverage(count), poses=50, joints=16)
    assert few.expected > found.expected


def test_band_holds_nineteen_of_twenty() -> None:
    low, high = binomial_band(200, torch.tensor([0.0, 0.05, 0.5, 1.0]))
    inside = [binom.cdf(h * 200, 200, p) - binom.cdf(l * 200 - 1, 200, p)
              for l, h, p in zip(low, high, (0.0, 0.05, 0.5, 1.0), strict=True)]  # noqa: E741  # fmt: skip
    assert min(inside) >= 0.95
    assert inside[2] < 0.97
    assert (low[0], high[0], low[3], high[3]) == (0, 0, 1, 1)


def test_levels_are_named_as_json_names_them() -> None:
    coverage = Coverage(STAR)
    draws = torch.randn(30, 11, 6, 3)
    coverage.update(draws[:, 1:], draws[:, 0])
    named = by_level(coverage.compute())
    assert list(named)[:4] == ["0.0", "0.05", "0.1", "0.15"]
    assert len(named) == 21
    assert named["1.0"] >= named["0.5"] >= named["0.0"] == pytest.approx(0, abs=0.2)
