"""Risk-coverage against exact sorting, closed forms, and spreads that tell all or nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from poseterior.geometry.skeleton import H36M_17
from poseterior.metrics.bootstrap import resamples
from poseterior.metrics.chunk import Chunk
from poseterior.metrics.risk_coverage import RiskCoverage, aurc, risk_at

FREE = list(H36M_17.free)


def poses(count: int = 400, hypotheses: int = 20, differ: float = 0.5) -> tuple[Tensor, Tensor]:
    """A right posterior whose width differs between poses."""
    generator = torch.Generator().manual_seed(0)
    width = 0.05 * (differ * torch.randn(count, 1, 1, 1, generator=generator)).exp()
    draw = width * torch.randn(count, hypotheses + 1, 17, 3, generator=generator)
    draw[:, :, 0] = 0
    return draw[:, 1:], draw[:, 0]


def computed(x: Tensor, y: Tensor, step: int = 150, **others: Tensor) -> dict | None:
    risk, group = RiskCoverage(H36M_17), torch.arange(len(y)) // 10
    for start in range(0, len(y), step):
        rows = slice(start, start + step)
        some = {name: value[rows] for name, value in others.items()}
        for piece in Chunk(x[rows], y[rows], group[rows], **some).pieces():
            risk.update(
                piece.hypotheses, piece.target, weights=piece.weights,
                valid_joints=piece.valid_joints, group=piece.group,
            )  # fmt: skip
    return risk.compute(resamples(len(y) // 10, 300))


def errors(x: Tensor, y: Tensor) -> np.ndarray:
    """Mean joint distance of the mean pose, mm."""
    offset = x[:, :, FREE].double().mean(1) - y[:, FREE]
    return 1000 * np.linalg.norm(offset.numpy(), axis=-1).mean(-1)


def running_means(values: np.ndarray, order: np.ndarray) -> np.ndarray:
    return np.cumsum(values[order]) / np.arange(1, len(values) + 1)


def shifted(offset: Tensor, width: Tensor, hypotheses: int = 10) -> tuple[Tensor, Tensor]:
    """Poses of an exact error `offset` (M,) and a spread that is a multiple of `width` (M,)."""
    shape = torch.randn(hypotheses, 17, 3, generator=torch.Generator().manual_seed(1))
    shape -= shape.mean(0)
    x = width[:, None, None, None] * shape
    y = torch.zeros(len(offset), 17, 3)
    y[:, :, 1] = offset[:, None]
    x[:, :, 0] = y[:, 0] = 0
    return x, y


def test_curves_and_areas_agree_with_sorting() -> None:
    x, y = poses()
    found = computed(x, y)
    error = errors(x, y)
    spread = x[:, :, FREE].double().numpy().var(1, ddof=1).sum(-1).mean(-1)
    at = np.round(np.array(found["coverage"]) * 400).astype(int) - 1
    for order, curve, area in (
        (np.argsort(spread), "risk_mm", "aurc_mm"),
        (np.argsort(error), "oracle_mm", "oracle_aurc_mm"),
    ):
        means = running_means(error, order)
        np.testing.assert_allclose(found[curve], means[at], rtol=0.01)
        assert found[area] == pytest.approx(means.mean(), rel=2e-3)
    assert found["random_mm"] == pytest.approx(error.mean(), rel=1e-5)
    assert found["risk_mm"][-1] == pytest.approx(error.mean(), rel=1e-5)


def test_area_with_ties_is_its_mean_over_random_orders() -> None:
    rng = np.random.default_rng(0)
    values, bins = rng.random(60), np.sort(rng.integers(0, 7, 60))
    counts, sums = np.bincount(bins), np.bincount(bins, values)
    areas = [running_means(values, np.lexsort((rng.random(60), bins))).mean() for _ in range(3000)]
    found = aurc(torch.from_numpy(counts), torch.from_numpy(sums)).item()
    assert found == pytest.approx(np.mean(areas), abs=4 * np.std(areas) / 3000**0.5)
    each = torch.from_numpy(np.sort(values))
    exact = running_means(values, np.argsort(values)).mean()
    assert aurc(torch.ones(60), each).item() == pytest.approx(exact, rel=1e-9)


def test_area_of_uniform_errors_in_closed_form() -> None:
    """The first share c of errors uniform on [0, 1] has the mean c / 2; its area is 1 / 4."""
    values = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    assert aurc(torch.ones(20_000), values).item() == pytest.approx(0.25, abs=1e-4)
    shares = (0.1, 0.33, 0.9)
    found = risk_at(torch.ones(20_000), values, shares)
    np.testing.assert_allclose(found, np.array(shares) / 2, atol=1e-4)


def test_a_share_within_a_bin_takes_part_of_it() -> None:
    counts, sums = torch.tensor([0.0, 4.0, 0.0, 2.0, 0.0]), torch.tensor([0.0, 4.0, 0.0, 6.0, 0.0])
    found = risk_at(counts, sums, (0.1, 2 / 3, 5 / 6, 1.0))
    torch.testing.assert_close(found, torch.tensor([1.0, 1.0, 7 / 5, 10 / 6]).double())


def test_spread_that_is_the_error_has_no_ause() -> None:
    size = torch.rand(500, generator=torch.Generator().manual_seed(3)) * 0.1 + 0.01
    found = computed(*shifted(size, 0.7 * size))
    assert abs(found["ause_share"]) < 0.002
    assert found["joints"]["left_wrist"]["ause_mm"] == pytest.approx(0, abs=0.1)
    reversed_order = computed(*shifted(size, 0.01 / size))
    assert reversed_order["ause_share"] > 1.5


def test_spread_that_has_nothing_to_do_with_the_error_is_as_good_as_chance() -> None:
    generator = torch.Generator().manual_seed(4)
    size, width = torch.rand(2, 3000, generator=generator) * 0.1 + 0.001
    found = computed(*shifted(size, width, hypotheses=3), step=3000)
    chance = found["random_mm"] - found["oracle_aurc_mm"]
    assert found["ause_mm"] == pytest.approx(chance, rel=0.05)
    low, high = found["intervals"]["ause_share"]
    assert low < 1 < high


def test_one_spread_for_all_is_chance_exactly() -> None:
    size = torch.rand(200, generator=torch.Generator().manual_seed(3)) * 0.1 + 0.01
    for width in (0.0, 0.05):
        found = computed(*shifted(size, torch.full_like(size, width)))
        assert found["ause_share"] == pytest.approx(1.0, abs=1e-9)
        np.testing.assert_allclose(found["risk_mm"], found["random_mm"], rtol=1e-9)


def test_errors_that_are_all_the_same_leave_no_share() -> None:
    size = torch.full((50,), 0.05)
    found = computed(*shifted(size, torch.linspace(0.01, 0.1, 50)))
    assert found["ause_mm"] == pytest.approx(0, abs=1e-6)
    assert found["ause_share"] is None


def test_a_right_posterior_has_the_perfect_area() -> None:
    x, y = poses(2000)
    found = computed(x, y, step=2000)
    low, high = found["intervals"]["ause_share"]
    assert low - 0.01 < found["perfect"]["ause_share"] < high + 0.01
    assert found["perfect"]["ause_mm"] > 0


def test_steps_change_nothing_and_invalid_joints_do_not_count() -> None:
    x, y = poses(120)
    whole, steps = computed(x, y, step=120), computed(x, y, step=17)
    assert steps["risk_mm"] == pytest.approx(whole["risk_mm"], rel=1e-6)
    assert steps["aurc_mm"] == pytest.approx(whole["aurc_mm"], rel=1e-6)
    valid = torch.ones(120, 17, dtype=torch.bool)
    valid[:, 5] = False
    valid[60:] = False
    found = computed(x, y, valid_joints=valid)
    kept = [joint for joint in FREE if joint != 5]
    offset = (x[:60, :, kept].double().mean(1) - y[:60, kept]).norm(dim=-1).mean() * 1000
    assert found["random_mm"] == pytest.approx(offset.item(), rel=1e-5)
    assert found["joints"][H36M_17.joints[5]]["aurc_mm"] is None


def test_weights_have_no_perfect_area_and_one_hypothesis_no_curve() -> None:
    x, y = poses(60, 8)
    weights = torch.rand(60, 8, generator=torch.Generator().manual_seed(4))
    found = computed(x, y, weights=weights)
    mean = torch.einsum("mh,mhjc->mjc", weights / weights.sum(1, keepdim=True), x)
    expected = 1000 * (mean - y)[:, FREE].norm(dim=-1).mean().item()
    assert found["random_mm"] == pytest.approx(expected, rel=1e-5)
    assert found["perfect"] is None
    assert computed(x[:, :1], y) is None
