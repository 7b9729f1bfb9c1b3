"""Every method against what it must find, as the misfit is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from poseterior.data.prediction_fields import PredictionRows
from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_17
from poseterior.metrics.scores import energy_score
from poseterior.recalibration import METHODS
from poseterior.recalibration.adaptive import Adaptive
from poseterior.recalibration.distances import LEVELS, ROWS, collect, log_ratios
from poseterior.recalibration.held_out import HeldOutArrays
from poseterior.recalibration.quantile import Quantile
from poseterior.recalibration.radial import stretched
from poseterior.recalibration.recalibration import Recalibration
from poseterior.recalibration.spread import Spread, SpreadAxis, SpreadJoint, median_factor
from recalibration.synthetic import (
    FREE,
    JOINTS,
    coverage_errors,
    held_out,
    laplace_radius,
    noise_of,
    observed,
    rng,
)

SAMPLES = [Spread, SpreadJoint, SpreadAxis, Quantile, Adaptive]


def rows_of(data: HeldOutArrays) -> PredictionRows:
    return next(replace(data, rows=len(data.samples)).chunks())


def repaired(method: Recalibration, data: HeldOutArrays) -> torch.Tensor:
    return method.apply(rows_of(data)).hypotheses


@pytest.fixture(params=SAMPLES, ids=lambda kind: kind.method)
def kind(request: pytest.FixtureRequest) -> type[Recalibration]:
    return request.param


# What a factor must be


@pytest.mark.parametrize("spread", [0.4, 1.0, 1.8])
def test_the_common_factor_undoes_the_spread(spread: float) -> None:
    found = Spread.fit(held_out(spread, poses=800))
    # 12,800 nearly independent joints: the median of a ratio to half a percent.
    assert found.factors.item() == pytest.approx(1 / spread, rel=0.02)


def test_factors_do_not_depend_on_the_number_of_hypotheses() -> None:
    """Of few hypotheses the truth is farther from the mean than they are: no overconfidence."""
    few, many = (Spread.fit(held_out(1.0, hypotheses=h, poses=1200)) for h in (20, 200))
    assert few.factors.item() == pytest.approx(1, abs=0.02)
    assert many.factors.item() == pytest.approx(1, abs=0.02)


def test_each_joint_gets_its_factor() -> None:
    spread = torch.linspace(0.3, 1.6, 17)[:, None]
    found = SpreadJoint.fit(held_out(spread))
    assert torch.allclose(found.factors[:, 0], 1 / spread[FREE, 0].double(), rtol=0.08)


def test_each_axis_gets_its_factor() -> None:
    spread = 0.4 + 1.2 * torch.rand(17, 3, generator=rng(3))
    found = SpreadAxis.fit(held_out(spread))
    assert torch.allclose(found.factors, 1 / spread[FREE].double(), rtol=0.12)


def test_a_calibrated_posterior_is_left_nearly_alone(kind: type[Recalibration]) -> None:
    data = held_out(1.0, **observed(torch.full((1000, 17), 4.0)))
    after = repaired(kind.fit(data), data)
    offset = data.samples - data.samples.mean(1, keepdim=True)
    change = (after - data.samples).norm(dim=-1).mean() / offset.norm(dim=-1).mean()
    assert change < 0.06
    assert coverage_errors(after, data.target).mean() < noise_of(1000)


def test_the_factor_is_the_median_ratio() -> None:
    found = collect(held_out(0.7, poses=301), 20)
    pooled = np.median(found.log_ratio.numpy().transpose(1, 0, 2).reshape(JOINTS, -1), axis=1)
    assert np.allclose(median_factor(found).log(), pooled, atol=1e-6)


def test_the_map_of_the_distance_by_loops() -> None:
    offset = torch.randn(3, 30, JOINTS, 3, generator=rng(1)).double()
    factors = 0.5 + torch.rand(JOINTS, 19, generator=rng(2)).double()
    moved = stretched(offset, factors).numpy()
    for row in range(3):
        for joint in range(JOINTS):
            lengths = offset[row, :, joint].norm(dim=-1).numpy()
            order = np.argsort(lengths)
            levels = np.arange(30) / 29
            logs = np.interp(levels, LEVELS.numpy(), factors[joint].log().numpy())
            wanted = np.maximum.accumulate(lengths[order] * np.exp(logs))
            found = moved[row, order, joint]
            assert np.allclose(np.linalg.norm(found, axis=-1), wanted)
            direction = offset.numpy()[row, order, joint] / lengths[order, None]
            assert np.allclose(found / wanted[:, None], direction)


# What a repair must do, on poses that it was not fitted on


def test_repair_lowers_the_error_and_the_energy_score(kind: type[Recalibration]) -> None:
    spread = torch.linspace(0.3, 0.9, 17)[:, None]
    fit, new = held_out(spread), held_out(spread, seed=100)
    after = repaired(kind.fit(fit), new)
    before = coverage_errors(new.samples, new.target)
    assert before.max() > 0.3
    found = coverage_errors(after, new.target)
    if kind is Spread:
        assert found.mean() < before.mean()
    else:
        assert found.max() < 1.6 * noise_of(1000)
    scores = [
        energy_score(x[::5, :, FREE], new.target[::5, FREE]).mean() for x in (new.samples, after)
    ]
    assert scores[1] < scores[0]


def test_quantile_repairs_a_wrong_shape_and_a_factor_does_not() -> None:
    fit, new = (held_out(1.0, target=laplace_radius(1000, s), seed=s) for s in (5, 50))
    errors = {k: coverage_errors(repaired(k.fit(fit), new), new.target).mean()
              for k in (SpreadJoint, Quantile)}  # fmt: skip
    assert errors[SpreadJoint] > 0.06
    assert errors[Quantile] < noise_of(1000)


def test_adaptive_repairs_what_depends_on_the_observation() -> None:
    """A detection of 20 px has three times the error of one of 2 px, the posterior one spread."""
    sigma = torch.where(torch.rand(1000, 17, generator=rng(8)) < 0.5, 2.0, 20.0)
    spread = torch.where(sigma > 10, 0.5, 1.5)[..., None]
    data = held_out(spread, **observed(sigma))
    fixed = {k: repaired(k.fit(data), data) for k in (SpreadJoint, Adaptive)}
    for chosen in (sigma[:, FREE] > 10, sigma[:, FREE] < 10):
        errors = {k: coverage_errors(x, data.target, chosen).mean() for k, x in fixed.items()}
        assert errors[SpreadJoint] > 0.15
        assert errors[Adaptive] < 0.05


def test_adaptive_finds_the_slope() -> None:
    """Spread sigma_px^-1/2 of the right one: the log factor has slope 1/2 in log sigma_px."""
    sigma = (1.5 * torch.randn(1000, 17, generator=rng(8))).exp()
    seen = observed(sigma)
    data = held_out(sigma.pow(-0.5)[..., None], **seen)
    found = Adaptive.fit(data)
    rows = rows_of(data)
    change = torch.log(found.pose_factor(rows)) - 0.5 * sigma[:, FREE].log()
    # The spread itself is a feature too, and tells the same: what counts is the factor.
    assert change.std(0).max() < 0.1


# What a repair must leave


def test_the_mean_pose_stays(kind: type[Recalibration]) -> None:
    spread = torch.linspace(0.3, 1.6, 17)[:, None]
    data = held_out(spread, poses=300, **observed(torch.full((300, 17), 4.0)))
    skewed = replace(data, samples=data.samples + data.samples.square())
    after = repaired(kind.fit(skewed), skewed)
    assert (after - skewed.samples).abs().max() > 0.01
    assert torch.allclose(after.mean(1), skewed.samples.mean(1), atol=1e-6)
    assert (after[:, :, H36M_17.root] == skewed.samples[:, :, H36M_17.root]).all()


def test_the_weighted_mean_stays(kind: type[Recalibration]) -> None:
    weights = torch.rand(300, 50, generator=rng(4)) ** 3
    weights /= weights.sum(1, keepdim=True)
    data = held_out(0.5, poses=300, weights=weights)
    after = repaired(kind.fit(data), data)
    mean = torch.einsum("mh,mhjc->mjc", weights, data.samples)
    assert torch.allclose(torch.einsum("mh,mhjc->mjc", weights, after), mean, atol=1e-5)


def test_weights_count_as_repetitions(kind: type[Recalibration]) -> None:
    """A hypothesis of weight zero is as good as absent."""
    data = held_out(0.5, poses=300, hypotheses=60)
    junk = torch.cat([data.samples, data.samples[:, :20] + 1.0], dim=1)
    junk[:, :, H36M_17.root] = 0
    weights = torch.cat([torch.full((300, 60), 1 / 60), torch.zeros(300, 20)], dim=1)
    wide = replace(data, samples=junk, weights=weights)
    first, second = repaired(kind.fit(data), data), repaired(kind.fit(wide), wide)
    assert torch.allclose(first, second[:, :60], atol=2e-3)


def test_the_order_of_a_row_stays() -> None:
    """The map of the distance is monotone, whatever was fitted."""
    data = held_out(1.0, target=laplace_radius(1000))
    steep = replace(Quantile.fit(data), factors=torch.linspace(3, 0.1, 19).repeat(16, 1).double())
    before = data.samples[:50, :, FREE]
    after = repaired(steep, replace(data, samples=data.samples[:50], target=data.target[:50]))
    lengths = [(x - data.samples[:50, :, FREE].mean(1, keepdim=True)).norm(dim=-1)
               for x in (before, after[:, :, FREE])]  # fmt: skip
    shift = (after[:, :, FREE].mean(1) - before.mean(1)).abs().max()
    order = lengths[0].argsort(1)
    assert (lengths[1].gather(1, order).diff(dim=1) > -0.1 - shift).all()


def test_rows_that_are_not_valid_stay() -> None:
    data = held_out(0.5, poses=200)
    rows = rows_of(data)
    rows = replace(rows, valid=torch.arange(200) != 3, log_prob=torch.zeros(200, 50),
                   target_log_prob=torch.zeros(200), mode=data.target)  # fmt: skip
    fixed = Spread.fit(data).apply(rows)
    assert torch.equal(fixed.hypotheses[3], rows.hypotheses[3])
    assert not torch.equal(fixed.hypotheses[4], rows.hypotheses[4])
    assert fixed.log_prob is None
    assert fixed.target_log_prob is None
    assert fixed.mode is None


# How it is fitted


def test_chunks_change_nothing(kind: type[Recalibration]) -> None:
    data = held_out(0.6, poses=300, clip=np.arange(300) // 40)
    ones = [kind.fit(replace(data, rows=rows)).parameters() for rows in (7, 300)]
    assert ones[0] == ones[1]


def test_no_more_than_so_many_poses_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poseterior.recalibration.distances.ROWS", 100)
    data = held_out(0.6, poses=1000)
    found = collect(data, 20)
    assert 50 < len(found.log_ratio) <= 100
    every = log_ratios(rows_of(data), H36M_17, per_axis=False)
    assert torch.equal(found.log_ratio.float(), every[::16])
    assert ROWS > 1000


def test_a_long_clip_does_not_outvote_the_others() -> None:
    """One clip of 700 poses twice too narrow, 15 of 20 that are right: nearly right in all."""
    long = torch.arange(1000) < 700
    clip = np.where(long.numpy(), 0, 1 + np.arange(1000) // 20)
    data = held_out(torch.where(long, 0.5, 1.0)[:, None, None], clip=clip)
    by_pose, by_clip = (Spread.fit(replace(data, clip=c)).factors.item() for c in (None, clip))
    assert by_pose > 1.4
    assert by_clip < 1.15


def test_a_joint_without_targets_takes_what_the_others_have() -> None:
    counts = torch.ones(600, 17, dtype=torch.bool)
    counts[:, 5] = False
    found = SpreadJoint.fit(held_out(0.5, poses=600, valid_joints=counts))
    assert found.factors[4, 0].item() == pytest.approx(2, rel=0.05)
    for other in (Quantile, Adaptive):
        fitted = other.fit(held_out(0.5, poses=600, valid_joints=counts))
        assert fitted.factors[4, 9].item() == pytest.approx(2, rel=0.1)


# Parameters


@pytest.mark.parametrize("name", sorted(METHODS.keys() - {"latent_temperature", "conformal"}))
def test_parameters_come_back_as_they_were(name: str) -> None:
    sigma = (0.5 * torch.randn(300, 17, generator=rng(8))).exp()
    data = held_out(0.5, poses=300, **observed(sigma))
    first = METHODS[name].fit(data)
    again = METHODS[name].from_parameters(first.parameters(), H36M_17, 50, "file")
    assert again.parameters() == first.parameters()
    assert torch.equal(repaired(again, data), repaired(first, data))


# What cannot be


def test_too_few_poses_are_told_how_many(kind: type[Recalibration]) -> None:
    with pytest.raises(InputError, match=r"at least \d+ poses, found 15"):
        kind.fit(held_out(poses=15))


def test_a_joint_in_too_few_poses_is_named() -> None:
    counts = torch.ones(300, 17, dtype=torch.bool)
    counts[7:, 2] = False
    with pytest.raises(InputError, match=f"50 poses with {H36M_17.joints[2]}, or none, found 7"):
        SpreadJoint.fit(held_out(poses=300, valid_joints=counts))


def test_too_few_hypotheses_are_told_how_many(kind: type[Recalibration]) -> None:
    with pytest.raises(InputError, match=r"hypotheses: expected at least 20 .*found 19"):
        kind.fit(held_out(poses=300, hypotheses=19))


def test_constant_hypotheses_are_refused(kind: type[Recalibration]) -> None:
    data = held_out(poses=300)
    flat = data.samples.clone()
    flat[17, :, 4] = flat[17, :1, 4]
    constant = replace(data, samples=flat)
    message = f"all equal at {H36M_17.joints[4]} in row 17"
    with pytest.raises(InputError, match=message):
        kind.fit(constant)
    with pytest.raises(InputError, match=message):
        repaired(kind.fit(data), constant)


def test_no_target_no_fit() -> None:
    class NoTarget(HeldOutArrays):
        def chunks(self) -> Iterator[PredictionRows]:
            for rows in super().chunks():
                yield replace(rows, target=None)

    data = held_out(poses=300)
    with pytest.raises(InputError, match="target: expected targets to fit on, found none"):
        Spread.fit(NoTarget(H36M_17, data.samples, data.target))


def test_another_number_of_hypotheses_is_refused(kind: type[Recalibration]) -> None:
    fitted = kind.fit(held_out(poses=300, hypotheses=40))
    with pytest.raises(InputError, match=r"40 of each pose.*found 39"):
        repaired(fitted, held_out(poses=4, hypotheses=39))


def test_other_joints_are_refused() -> None:
    fitted = Spread.fit(held_out(poses=300))
    rows = rows_of(held_out(poses=3))
    with pytest.raises(InputError, match="joints: expected 17 of h36m_17"):
        fitted.apply(replace(rows, hypotheses=rows.hypotheses[:, :, :16]))


def test_adaptive_asks_for_what_it_was_fitted_with() -> None:
    sigma = (0.5 * torch.randn(300, 17, generator=rng(8))).exp()
    fitted = Adaptive.fit(held_out(0.5, poses=300, **observed(sigma)))
    with pytest.raises(InputError, match="observed_covariance: expected the array, as in"):
        repaired(fitted, held_out(0.5, poses=5))
    assert Adaptive.fit(held_out(0.5, poses=300)).needs() == ()


def test_what_is_stored_where_a_joint_is_missing_does_not_matter() -> None:
    sigma = (0.5 * torch.randn(300, 17, generator=rng(8))).exp()
    seen = observed(sigma)
    valid = torch.rand(300, 17, generator=rng(9)) < 0.8
    seen["observed_valid"] = valid
    fitted = Adaptive.fit(held_out(0.5, poses=300, **seen))
    assert fitted.slopes[:, 3].any()
    spoiled = {
        "observed_valid": valid,
        "observed_covariance": seen["observed_covariance"].where(valid[..., None, None], torch.nan),
        "observed_keypoints": seen["observed_keypoints"].where(valid[..., None], torch.inf),
    }
    data, dirty = (held_out(0.5, poses=300, **some) for some in (seen, spoiled))
    assert torch.equal(repaired(fitted, data), repaired(fitted, dirty))


@pytest.mark.parametrize("shape", [(4, 30, 16, 3), (4, 30, 17)])
def test_arrays_of_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="samples: expected shape"):
        HeldOutArrays(H36M_17, torch.zeros(shape), torch.zeros(4, 17, 3))


def test_arrays_that_are_not_finite_are_refused() -> None:
    data = held_out(poses=4)
    data.target[1, 1] = torch.nan
    with pytest.raises(InputError, match="target: expected finite"):
        HeldOutArrays(H36M_17, data.samples, data.target)
