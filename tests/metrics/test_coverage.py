"""Coverage counts against a loop of numpy.quantile, and what the ECE must notice."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from oracles import metrics_loops
from poseterior.errors import InputError
from poseterior.geometry.skeleton import Skeleton
from poseterior.metrics.coverage import LEVELS, Coverage, first_covered_level

LEVEL_ARRAY = np.array(LEVELS)
CHAIN = Skeleton("chain", ("a", "root", "b", "c"), (1, -1, 1, 2), (0, 1, 2, 3))


def draw(count: int, poses: int = 40, ties: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Hypotheses and targets of one distribution; on a coarse grid if `ties`."""
    values = torch.randn(poses, count + 1, 4, 3, generator=torch.Generator().manual_seed(count))
    values = values.round() if ties else values
    return values[:, 1:].contiguous(), values[:, 0].contiguous()


@pytest.mark.parametrize("rule", ["interpolated", "cdf"])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("count", [2, 3, 20, 21, 41, 200])
def test_counts_are_identical_to_a_loop_over_poses(rule: str, ties: bool, count: int) -> None:
    hypotheses, target = draw(count, ties=ties)
    exact = hypotheses.double().numpy()
    points = {"median": np.median(exact, axis=1), "mean": exact.mean(axis=1),
              "mode": target.double().numpy() + 0.25}  # fmt: skip
    for name, centre in points.items():
        coverage = Coverage(CHAIN, name, rule)
        given = torch.from_numpy(centre) if name != "median" else None
        coverage.update(hypotheses[:25], target[:25], centre=None if given is None else given[:25])
        coverage.update(hypotheses[25:], target[25:], centre=None if given is None else given[25:])
        found = coverage.compute()
        counts = metrics_loops.coverage_counts(
            hypotheses.numpy(), target.numpy(), centre, LEVEL_ARRAY, rule
        )
        expected = counts[[0, 2, 3]]
        np.testing.assert_array_equal(found.counts.numpy(), expected)
        ece = metrics_loops.expected_calibration_error(expected, 40, LEVEL_ARRAY)
        assert found.ece == pytest.approx(ece, abs=1e-12)


def test_mean_centre_is_the_mean() -> None:
    hypotheses, target = draw(20)
    own, given = Coverage(CHAIN, "mean"), Coverage(CHAIN, "mean")
    own.update(hypotheses, target)
    given.update(hypotheses, target, centre=hypotheses.mean(1, dtype=torch.float64))
    assert torch.equal(own.compute().counts, given.compute().counts)


def test_distances_as_ties_are_made() -> None:
    """Exact ties in the distances themselves: with the target, among each other, at the ends."""
    generator = np.random.default_rng(0)
    for count in (2, 5, 11, 21):
        distances = generator.integers(0, 4, size=(300, count)).astype(float)
        target = generator.integers(0, 4, size=300).astype(float)
        found = first_covered_level(torch.from_numpy(distances), torch.from_numpy(target))
        covered = target[:, None] < np.quantile(distances, LEVEL_ARRAY, axis=1).T
        np.testing.assert_array_equal(found.numpy(), (~covered).sum(axis=1))


def test_weights_by_the_rule_written_out() -> None:
    hypotheses, target = draw(9)
    weights = torch.rand(40, 9, generator=torch.Generator().manual_seed(1))
    weights[:, 4] = 0
    coverage = Coverage(CHAIN, "mode")
    centre = torch.zeros_like(target)
    coverage.update(hypotheses, target, centre=centre, weights=weights)
    expected = np.zeros((3, 21), dtype=int)
    for m in range(40):
        for k, j in enumerate((0, 2, 3)):
            distances = hypotheses[m, :, j].double().norm(dim=-1).numpy()
            own = target[m, j].double().norm().item()
            expected[k] += [
                own < metrics_loops.weighted_quantile(distances, q, weights[m].double().numpy())
                for q in LEVELS
            ]
    np.testing.assert_array_equal(coverage.compute().counts.numpy(), expected)


@pytest.mark.parametrize("rule", ["interpolated", "cdf"])
def test_equal_and_zero_weights_change_nothing(rule: str) -> None:
    hypotheses, target = draw(20)
    plain, equal, padded = (Coverage(CHAIN, "median", rule) for _ in range(3))
    plain.update(hypotheses, target)
    equal.update(hypotheses, target, weights=torch.full((40, 20), 0.3))
    more = torch.cat([hypotheses, torch.full((40, 3, 4, 3), 50.0)], dim=1)
    padded.update(more, target, weights=torch.cat([torch.ones(40, 20), torch.zeros(40, 3)], dim=1))
    assert torch.equal(plain.compute().counts, equal.compute().counts)
    assert torch.equal(plain.compute().counts, padded.compute().counts)


def test_joints_that_are_not_valid_are_not_counted() -> None:
    hypotheses, target = draw(20)
    valid = torch.ones(40, 4, dtype=torch.bool)
    valid[:10, 2] = valid[:, 3] = False
    coverage, rest = Coverage(CHAIN), Coverage(CHAIN)
    coverage.update(hypotheses, target, valid_joints=valid)
    rest.update(hypotheses[10:], target[10:])
    found = coverage.compute()
    assert found.poses.tolist() == [40, 30, 0]
    assert torch.equal(found.counts[1], rest.compute().counts[1])
    assert found.per_joint[2].isnan().all()
    assert 0 <= found.ece < 1


def test_one_hypothesis_or_no_centre_is_refused() -> None:
    hypotheses, target = draw(2)
    with pytest.raises(InputError, match="hypotheses"):
        Coverage(CHAIN).update(hypotheses[:, :1], target)
    with pytest.raises(InputError, match="mode"):
        Coverage(CHAIN, "mode").update(hypotheses, target)
    with pytest.raises(InputError, match="rule"):
        Coverage(CHAIN, rule="strict").update(hypotheses, target)  # type: ignore[arg-type]


@pytest.mark.parametrize(("count", "perfect"), [(20, 0.042), (50, 0.017), (200, 0.004)])
def test_silent_on_the_true_posterior_and_fires_on_wrong_ones(count: int, perfect: float) -> None:
    """The figures of a perfect posterior at 1,500 poses; wrong spreads and centres are far off."""
    body = Skeleton("star", tuple(map(str, range(9))), (-1, *[0] * 8), tuple(range(9)))
    generator = torch.Generator().manual_seed(0)
    draws = torch.randn(1500, count + 1, 9, 3, generator=generator)
    hypotheses, target = draws[:, 1:], draws[:, 0]

    def ece(hypotheses: torch.Tensor) -> tuple[float, torch.Tensor]:
        coverage = Coverage(body)
        coverage.update(hypotheses, target)
        result = coverage.compute()
        return result.ece, result.observed

    right, _ = ece(hypotheses)
    assert right == pytest.approx(perfect, abs=0.006)
    narrow, low = ece(0.5 * hypotheses)
    wide, high = ece(2.0 * hypotheses)
    shifted, off = ece(hypotheses + 0.8)
    assert narrow > right + 0.2
    assert low[10] < 0.25
    assert wide > right + 0.2
    assert high[10] > 0.75
    assert shifted > right + 0.15
    assert off[10] < 0.35
