"""Conformal regions: their coverage by law and by simulation, the rules against plain loops."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import beta, kstest, norm
from torch import Tensor

from poseterior.data.prediction_fields import PredictionRows
from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_16, H36M_17, Skeleton
from poseterior.metrics.coverage import Coverage
from poseterior.recalibration.conformal import Conformal
from poseterior.recalibration.conformal_bounds import Bounds, ScoreHistograms
from poseterior.recalibration.conformal_levels import conformal_quantile, conformal_rank, fewest
from poseterior.recalibration.conformal_map import radial_factors
from poseterior.recalibration.conformal_regions import region_scores, score_names
from poseterior.recalibration.conformal_rules import RULES
from poseterior.recalibration.held_out import HeldOutArrays

BIN = 1.01  # a bin's upper edge over its lower one
FREE = list(H36M_17.free)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# The law of split conformal prediction


@pytest.mark.parametrize("level", [0.1, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999])
def test_fewest_is_the_first_number_whose_rank_exists(level: float) -> None:
    exact = Fraction(str(level))
    count = next(n for n in range(1, 2000) if math.ceil((n + 1) * exact) <= n)
    assert max(fewest(level), 1) == count
    assert conformal_rank(count, level) == math.ceil((count + 1) * exact)


def test_coverage_of_exchangeable_scores_follows_the_beta_law() -> None:
    count, level = 31, 0.8
    scores = torch.rand(count, 4000, generator=generator(), dtype=torch.float64)
    covered = conformal_quantile(scores, level)  # of uniform scores the bound is the coverage
    k = math.ceil((count + 1) * level)
    assert kstest(covered.numpy(), beta(k, count + 1 - k).cdf).pvalue > 0.01
    assert kstest(covered.numpy(), beta(k - 1, count + 2 - k).cdf).pvalue < 1e-6
    assert covered.mean().item() == pytest.approx(k / (count + 1), abs=0.004)


def test_the_binned_bound_is_the_exact_one_rounded_up_by_less_than_a_bin() -> None:
    scores = torch.randn(500, 7, generator=generator()).abs() + 0.05
    histograms = ScoreHistograms(7)
    for part in scores.split(60):
        histograms.add(part)
    bounds = Bounds.fit(histograms, "abcdefg", "frames", [0.3, 0.9])
    for level in (0.3, 0.9):
        exact = conformal_quantile(scores, level)
        found = bounds.at(level)
        assert bool(((found >= exact) & (found <= exact * BIN * (1 + 1e-9))).all())


def test_equal_weights_change_nothing() -> None:
    scores = torch.randn(57, 3, generator=generator())
    for level in (0.2, 0.5, 0.9, 0.98):
        weighted = conformal_quantile(scores, level, torch.full((57,), 0.25), new=0.25)
        torch.testing.assert_close(weighted, conformal_quantile(scores, level))


def test_weights_repair_a_known_covariate_shift() -> None:
    """X ~ N(0, 1) held out, x ~ N(1, 1) new, an error whose spread grows with x."""
    count, level, draws = 300, 0.9, np.random.default_rng(0)
    covered = {"weighted": [], "unweighted": []}
    for _ in range(150):
        x, y = draws.normal(0, 1, count), draws.normal(1, 1, 20)
        scores = torch.from_numpy(np.exp(x) * np.abs(draws.normal(size=count)))
        ratio = torch.from_numpy(norm.pdf(x, 1) / norm.pdf(x, 0))
        plain = conformal_quantile(scores, level).item()
        for point in y:
            own = norm.pdf(point, 1) / norm.pdf(point, 0)
            try:
                bound = conformal_quantile(scores, level, ratio, new=own).item()
            except InputError:  # no finite region: it covers
                bound = np.inf
            score = np.exp(point) * abs(draws.normal())
            covered["weighted"].append(score <= bound)
            covered["unweighted"].append(score <= plain)
    assert np.mean(covered["weighted"]) == pytest.approx(level, abs=0.025)
    assert np.mean(covered["unweighted"]) < 0.8


# The rules, on clips whose frames are alike


def clip_scores(clips: int, draws: np.random.Generator, scatter: float) -> list[np.ndarray]:
    """Scores of clips of 5 to 60 frames: |normal| times a factor of the clip's own."""
    sizes = draws.integers(5, 61, clips)
    factors = np.exp(scatter * draws.normal(size=clips))
    return [f * np.abs(draws.normal(size=n)) + 0.02 for f, n in zip(factors, sizes, strict=True)]


def binned(scores: list[np.ndarray]) -> ScoreHistograms:
    histograms = ScoreHistograms(1)
    for clip, some in enumerate(scores):
        histograms.add(torch.from_numpy(some)[:, None], [clip] * len(some))
    return histograms


def test_frames_cover_too_little_of_a_new_clip_and_clips_do_not() -> None:
    level, clips, repeats, draws = 0.9, 9, 200, np.random.default_rng(1)
    covered: dict[str, list[float]] = {rule: [] for rule in RULES}
    for _ in range(repeats):
        histograms = binned(clip_scores(clips, draws, scatter=1.0))
        new = clip_scores(20, draws, scatter=1.0)
        for rule in RULES:
            bound = Bounds.fit(histograms, ["score"], rule, [level]).values.item()
            covered[rule].append(float(np.mean([(some <= bound).mean() for some in new])))
    mean = {rule: float(np.mean(values)) for rule, values in covered.items()}
    error = {rule: float(np.std(values)) / repeats**0.5 for rule, values in covered.items()}
    assert mean["frames"] < level - 2.5 * error["frames"]
    assert level < mean["clips"] < level + 2 / (clips + 1)
    for rule in ("held_out_frames", "held_out_clips"):
        assert mean[rule] == pytest.approx(level, abs=2.5 * error[rule])
        assert error[rule] < 0.01


def test_clips_is_the_weighted_quantile_with_a_clip_at_infinity() -> None:
    scores = clip_scores(14, np.random.default_rng(2), scatter=0.7)
    weights = torch.cat([torch.full((len(some),), 1 / len(some)) for some in scores])
    pooled = torch.from_numpy(np.concatenate(scores))
    for level in (0.25, 0.6, 0.9):
        exact = conformal_quantile(pooled, level, weights, new=1.0).item()
        found = Bounds.fit(binned(scores), ["score"], "clips", [level]).values.item()
        assert exact <= found <= exact * BIN * (1 + 1e-9)


@pytest.mark.parametrize("by_clip", [False, True])
@pytest.mark.parametrize("level", [0.5, 0.9])
def test_held_out_clips_were_covered_at_the_level(by_clip: bool, level: float) -> None:
    """By the definition: try all shares u, cover each clip by the others' u-quantile."""
    scores = clip_scores(9, np.random.default_rng(3), scatter=0.5)
    weights = [np.full(len(s), 1 / len(s) if by_clip else 1.0) for s in scores]

    def quantile(chosen: list[int], share: float) -> float:
        values = np.concatenate([scores[c] for c in chosen])
        mass = np.concatenate([weights[c] for c in chosen])[np.argsort(values)]
        return float(np.sort(values)[np.argmax(mass.cumsum() >= share * mass.sum() * (1 - 1e-9))])

    def left_out_coverage(share: float) -> float:
        inside = [
            weights[c][scores[c] <= quantile([o for o in range(9) if o != c], share)].sum()
            for c in range(9)
        ]
        return sum(inside) / sum(w.sum() for w in weights)

    shares = np.arange(level - 0.2, 1, 0.002)
    first = next(share for share in shares if left_out_coverage(share) >= level)
    rule = "held_out_clips" if by_clip else "held_out_frames"
    found = Bounds.fit(binned(scores), ["score"], rule, [level]).values.item()
    assert quantile(list(range(9)), first - 0.01) <= found
    assert found <= quantile(list(range(9)), min(first + 0.01, 1.0)) * BIN


@pytest.mark.parametrize("rule", ["held_out_frames", "held_out_clips", "clips"])
def test_with_clips_of_one_frame_every_rule_is_frames(rule: str) -> None:
    for count in (9, 40):
        scores = [row[None] for row in np.random.default_rng(count).exponential(size=count)]
        histograms, levels = binned(scores), [0.1, 0.5, 0.8, 0.9, 0.95, 0.99]
        found = Bounds.fit(histograms, ["score"], rule, levels).values
        torch.testing.assert_close(
            found, Bounds.fit(histograms, ["score"], "frames", levels).values
        )


# Scores and regions of poses


@dataclass(frozen=True, eq=False)
class Stream:
    """Held-out rows in chunks of `size`, with whatever fields they have."""

    rows: PredictionRows
    size: int = 64
    skeleton: Skeleton = H36M_17
    path: object = "val.npz"

    @property
    def hypotheses(self) -> int:
        return self.rows.hypotheses.shape[1]

    def chunks(self) -> Iterator[PredictionRows]:
        for start in range(0, len(self.rows), self.size):
            part = slice(start, start + self.size)
            fields = {
                name: value[part]
                for name, value in vars(self.rows).items()
                if isinstance(value, Tensor)
            }
            labels = {name: array[part] for name, array in self.rows.labels.items()}
            yield PredictionRows(start, labels=labels, **fields)


def poses(count: int, hypotheses: int = 30, narrow: float = 1.0, seed: int = 0) -> PredictionRows:
    """Correlated normal joints of a spread that changes from pose to pose and by joint."""
    g = generator(seed)
    draw = torch.randn(count, hypotheses + 1, 17, 3, generator=g)
    draw = 0.6 * draw + 0.8 * torch.randn(count, hypotheses + 1, 1, 3, generator=g)
    scale = 0.1 * torch.rand(count, 1, 17, 1, generator=g) + 0.02
    draw = scale * draw * torch.tensor([0.5, 0.5, 2.0])
    draw[:, :, 0] = 0
    centre = torch.randn(count, 17, 3, generator=g) * (torch.arange(17)[:, None] > 0)
    clip = np.arange(count) // 20
    valid = torch.ones(count, dtype=torch.bool)
    samples = centre[:, None] + narrow * draw[:, 1:]
    return PredictionRows(0, samples, valid, {"clip": clip}, target=centre + draw[:, 0])


def masked(rows: PredictionRows, seed: int = 5) -> PredictionRows:
    g, shape = generator(seed), rows.hypotheses.shape
    weights = torch.rand(shape[:2], generator=g)
    joints = torch.rand(shape[0], 17, generator=g) > 0.2
    valid = torch.rand(shape[0], generator=g) > 0.1
    weights /= weights.sum(1, keepdim=True)
    return replace(rows, weights=weights, valid_joints=joints, valid=valid)


def test_scores_are_distances_in_spreads() -> None:
    rows = masked(poses(12))
    found = region_scores(rows, H36M_17).numpy()
    assert rows.weights is not None
    assert rows.valid_joints is not None
    assert rows.target is not None
    for m in range(12):
        w, x = rows.weights[m].double().numpy(), rows.hypotheses[m].double().numpy()
        mean = np.average(x, axis=0, weights=w)
        distance, spread = np.zeros(17), np.zeros(17)
        for j in FREE:
            covariance = np.atleast_2d(np.cov(x[:, j].T, aweights=w))
            distance[j] = np.linalg.norm(rows.target[m, j].double().numpy() - mean[j])
            spread[j] = np.trace(covariance) ** 0.5
        used = [j for j in FREE if rows.valid[m] and rows.valid_joints[m, j]]
        expected = [distance[j] / spread[j] if j in used else np.nan for j in FREE]
        np.testing.assert_allclose(found[m, :-2], expected, rtol=1e-5)
        whole = np.linalg.norm(distance[used]) / np.linalg.norm(spread[used]) if used else np.nan
        largest = max((distance[j] / spread[j] for j in used), default=np.nan)
        np.testing.assert_allclose(found[m, -2:], [largest, whole], rtol=1e-5)


def test_scores_do_not_change_when_the_world_is_turned_moved_or_scaled() -> None:
    rows = poses(20)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=generator(1), dtype=torch.float64)).Q

    def moved(x: Tensor) -> Tensor:
        return 2.5 * x.double() @ turn + torch.tensor([0.3, -1.0, 4.0])

    assert rows.target is not None
    other = replace(rows, hypotheses=moved(rows.hypotheses), target=moved(rows.target))
    torch.testing.assert_close(region_scores(other, H36M_17), region_scores(rows, H36M_17))


def test_regions_hold_the_targets_whose_scores_are_within_the_bounds() -> None:
    fitted = Conformal.fit(Stream(poses(400)), "frames")
    rows = masked(poses(60, seed=1))
    assert rows.target is not None
    joint, every, vector = fitted.regions(rows, 0.8).cover(rows.target, rows.valid_joints)
    scores, bounds = region_scores(rows, H36M_17), fitted.bounds.at(0.8)
    inside = torch.cat([joint[:, FREE], every[:, None], vector[:, None]], 1)
    counted = ~scores.isnan()
    assert torch.equal(inside[counted], (scores <= bounds)[counted])
    assert bool(counted.any() and (~counted).any() and inside.any() and (~inside).any())


def test_regions_of_the_whole_pose_cover_all_joints_at_once() -> None:
    level, found = 0.8, []
    for seed in range(20):
        fitted = Conformal.fit(Stream(poses(200, narrow=0.5, seed=seed)), "frames")
        rows = poses(200, narrow=0.5, seed=100 + seed)
        assert rows.target is not None
        joint, every, vector = fitted.regions(rows, level).cover(rows.target)
        found.append([
            x.double().mean().item() for x in (joint[:, FREE], joint.all(-1), every, vector)
        ])  # fmt: skip
    each, together, every, vector = np.mean(found, axis=0)
    assert each == pytest.approx(level, abs=0.015)
    assert every == pytest.approx(level, abs=0.02)
    assert vector == pytest.approx(level, abs=0.02)
    assert together < level - 0.1  # single joints' balls do not: what the other ones are for


def test_regions_at_a_level_between_two_are_those_of_the_upper_one() -> None:
    fitted = Conformal.fit(Stream(poses(400)))
    rows = poses(5, seed=1)
    torch.testing.assert_close(fitted.regions(rows, 0.893).joint, fitted.regions(rows, 0.9).joint)
    assert bool((fitted.regions(rows, 0.89).joint <= fitted.regions(rows, 0.9).joint).all())
    assert fitted.regions(rows, 0.9).joint[:, 0].tolist() == [0.0] * 5


# Fit and repair


@pytest.mark.parametrize("rule", RULES)
def test_a_stream_in_pieces_fits_what_one_batch_does(rule: str) -> None:
    rows = masked(poses(300))
    fits = [Conformal.fit(Stream(rows, size), rule).parameters() for size in (7, 64, 300)]
    assert fits[0] == fits[1] == fits[2]


def test_memory_does_not_grow_with_poses_or_clips() -> None:
    histograms, scores = ScoreHistograms(2), torch.rand(1000, 2, generator=generator())
    for start in range(0, 3000, 1000):
        histograms.add(scores, np.arange(start, start + 1000))
    assert len(histograms.counts) == 512
    assert int(histograms.counts.sum()) == 6000
    assert histograms.poses == 3000


def test_json_round_trip() -> None:
    fitted = Conformal.fit(Stream(poses(300)), "clips")
    text = json.dumps(fitted.parameters(), allow_nan=False)
    back = Conformal.from_parameters(json.loads(text), H36M_17, 30, "r.json")
    assert back.parameters() == fitted.parameters()
    assert bool(fitted.bounds.values.isinf().any())  # fifteen clips do not bound everything
    rows = poses(10, seed=1)
    assert torch.equal(back.repair(rows), fitted.repair(rows))


def test_hypotheses_repaired_to_the_quantiles_of_the_regions() -> None:
    """The r-th of 99 lies at the radius of the region at level r / 100, before re-centring."""
    fitted = Conformal.fit(Stream(poses(1200, 99, narrow=0.4)), "frames")
    rows = poses(4, 99, narrow=0.4, seed=1)
    regions = [fitted.regions(rows, r / 100).joint[:, FREE] for r in range(1, 100)]
    distances = (rows.hypotheses - rows.hypotheses.mean(1, keepdim=True)).norm(dim=-1)
    distances = distances[:, :, FREE].transpose(1, 2).double()
    spread = fitted.regions(rows, 0.5).joint[:, FREE] / fitted.bounds.at(0.5)[:-2]
    factors = radial_factors(distances, spread, fitted.bounds.levels, fitted.bounds.values[:-2])
    moved = (factors * distances).sort(-1).values
    torch.testing.assert_close(moved, torch.stack(regions, -1), rtol=1e-4, atol=0)
    repaired = fitted.repair(rows)
    around = (repaired - repaired.mean(1, keepdim=True))[:, :, FREE].norm(dim=-1)
    near = around.transpose(1, 2).sort(-1).values / moved
    assert near[..., 49].mean().item() == pytest.approx(1, abs=0.05)
    assert near[..., 89].mean().item() == pytest.approx(1, abs=0.05)


def test_repair_keeps_the_mean_the_root_and_the_directions() -> None:
    fitted = Conformal.fit(Stream(poses(300, narrow=0.4)))
    rows = replace(masked(poses(8, seed=2)), valid=torch.ones(8, dtype=torch.bool))
    repaired = fitted.repair(rows)
    assert rows.weights is not None
    assert rows.valid_joints is not None
    mean = torch.einsum("mh,mhjc->mjc", rows.weights.double(), rows.hypotheses.double())
    after = torch.einsum("mh,mhjc->mjc", rows.weights.double(), repaired.double())
    torch.testing.assert_close(after, mean, rtol=0, atol=1e-6)
    assert not repaired[:, :, 0].any()
    lost = ~rows.valid_joints
    kept = repaired.transpose(1, 2)[lost], rows.hypotheses.transpose(1, 2)[lost]
    torch.testing.assert_close(*kept, rtol=0, atol=1e-7)


def test_spelt_out_equal_weights_repair_alike() -> None:
    fitted = Conformal.fit(Stream(poses(300, narrow=0.4)))
    rows = poses(6, seed=3)
    equal = replace(rows, weights=torch.full((6, 30), 1 / 30, dtype=torch.float64))
    torch.testing.assert_close(fitted.repair(equal), fitted.repair(rows))


def test_beyond_the_last_bound_the_factor_stays() -> None:
    distances = torch.rand(3, 2, 50, generator=generator(), dtype=torch.float64) + 0.1
    levels, spread = [0.25, 0.5, 0.75], torch.ones(3, 2, dtype=torch.float64)
    bounds = torch.tensor([[1.0, 2.0, 3.0], [0.5, 0.9, torch.inf]], dtype=torch.float64)
    factors = radial_factors(distances, spread, levels, bounds)
    ordered = factors.gather(-1, distances.argsort(-1))
    for joint, last in ((0, 38), (1, 25)):  # of 50: 38 / 51 <= 0.75 and 25 / 51 <= 0.5
        tail = ordered[:, joint, last - 1 :]
        torch.testing.assert_close(tail, tail[:, :1].expand_as(tail))
        assert bool((ordered[:, joint, last - 2] != ordered[:, joint, last - 1]).all())


@pytest.mark.parametrize("narrow", [0.4, 1.0, 2.0])
def test_repaired_hypotheses_are_calibrated(narrow: float) -> None:
    fitted = Conformal.fit(Stream(poses(1000, 100, narrow)))
    rows = poses(1000, 100, narrow, seed=9)
    assert rows.target is not None
    before, after = Coverage(H36M_17, "mean"), Coverage(H36M_17, "mean")
    before.update(rows.hypotheses, rows.target)
    after.update(fitted.apply(rows).hypotheses, rows.target)
    assert after.compute().ece < 0.02
    assert (before.compute().ece > 0.1) == (narrow != 1.0)


def test_rows_without_clips_are_blocks_of_fifty() -> None:
    rows = poses(700)
    block = replace(rows, labels={"clip": np.arange(700) // 50})
    arrays = HeldOutArrays(H36M_17, rows.hypotheses, rows.target)
    assert (
        Conformal.fit(arrays, "clips").parameters()
        == Conformal.fit(Stream(block), "clips").parameters()
    )


# Bad input


def error_of(call: Any, *arguments: Any, **named: Any) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments, **named)
    return str(caught.value)


def test_too_few_scores_says_how_many_are_needed() -> None:
    assert "19 or more scores for level 0.95, found 18" in error_of(
        conformal_quantile, torch.rand(18, generator=generator()), 0.95
    )
    for level in (0.0, 1.0, -1.0, math.nan):
        assert "above 0, below 1" in error_of(fewest, level)


def test_too_few_poses_or_clips_says_how_many_are_needed() -> None:
    few_clips = Stream(poses(160))  # eight clips of twenty
    text = error_of(Conformal.fit, few_clips, "clips")
    assert text.startswith("val.npz: level: expected 9 or more held-out clips")
    assert "found 8" in text
    text = error_of(Conformal.fit, Stream(poses(8)), "frames")
    assert "9 or more held-out poses" in text
    assert "found 8" in text
    fitted = Conformal.fit(Stream(poses(200)), "clips")
    assert "19 or more held-out clips" in error_of(fitted.regions, poses(3), 0.95)
    assert "at most 0.999" in error_of(fitted.regions, poses(3), 0.9995)


def test_one_clip_holds_out_nothing() -> None:
    one = replace(poses(500), labels={"clip": np.zeros(500)})
    for rule in ("held_out_frames", "held_out_clips"):
        assert "9 or more held-out clips" in error_of(Conformal.fit, Stream(one), rule)


@pytest.mark.parametrize(
    ("weights", "new"),
    [
        (torch.tensor([1.0, -1, 1]), 1.0),
        (torch.zeros(3), 1.0),
        (torch.ones(4), 1.0),
        (torch.tensor([1.0, math.nan, 1]), 1.0),
        (torch.ones(3), -1.0),
    ],
)
def test_weights_that_are_none(weights: Tensor, new: float) -> None:
    assert "weights" in error_of(conformal_quantile, torch.ones(3), 0.5, weights, new)


def test_weights_that_bound_nothing() -> None:
    scores = torch.rand(50, generator=generator())
    assert "found 0.3333" in error_of(conformal_quantile, scores, 0.5, torch.ones(50), 100.0)


def test_held_out_data_that_cannot_be_fitted() -> None:
    rows = poses(300)
    assert "did you mean clips" in error_of(Conformal.fit, Stream(rows), "clip")
    assert "target" in error_of(Conformal.fit, Stream(replace(rows, target=None)))
    assert "two or more" in error_of(Conformal.fit, Stream(poses(300, hypotheses=1)))
    constant = rows.hypotheses.clone()
    constant[70, :, 3] = constant[70, :1, 3]
    text = error_of(Conformal.fit, Stream(replace(rows, hypotheses=constant)))
    assert f"hypotheses of {H36M_17.joints[3]} that differ" in text
    assert "row 70" in text
    none = torch.zeros(300, dtype=torch.bool)
    assert "valid" in error_of(Conformal.fit, Stream(replace(rows, valid=none)))


def test_poses_of_another_skeleton_or_number_of_hypotheses() -> None:
    fitted = Conformal.fit(Stream(poses(300)))
    assert "hypotheses" in error_of(fitted.regions, poses(3, hypotheses=20))
    fewer = poses(3)
    fewer = replace(fewer, hypotheses=fewer.hypotheses[:, :, 1:])
    assert "17 of h36m_17" in error_of(fitted.regions, fewer)
    unseen = torch.ones(300, 17, dtype=torch.bool)
    unseen[:, 5] = False
    without = Conformal.fit(Stream(replace(poses(300), valid_joints=unseen)))
    assert H36M_17.joints[5] in error_of(without.apply, poses(3))
    without.apply(replace(poses(3), valid_joints=unseen[:3]))


@pytest.mark.parametrize(
    "change",
    [
        {"rule": "best"},
        {"levels": [0.5, 0.4]},
        {"levels": []},
        {"levels": [0.5]},
        {"levels": None},
        {"bounds": {}},
        {"bounds": None},
        {"poses": 0},
        {"clips": "many"},
        {"factor": 2.0},
    ],
)
def test_parameters_that_are_not_a_fit(change: dict[str, Any]) -> None:
    good = Conformal.fit(Stream(poses(300))).parameters()
    assert "r.json" in error_of(Conformal.from_parameters, good | change, H36M_17, 30, "r.json")


@pytest.mark.parametrize("bad", [[None, 1.0], [2.0, 1.0], [-1.0, 1.0], ["a", 1.0], 3])
def test_bounds_that_are_none(bad: Any) -> None:
    names = score_names(H36M_17)
    good = {"rule": "clips", "levels": [0.5, 0.9], "poses": 9, "clips": 9}
    bounds: dict[str, Any] = {name: [1.0, None] for name in names}
    Conformal.from_parameters(good | {"bounds": bounds}, H36M_17, 30, "r.json")
    bounds[names[2]] = bad
    text = error_of(Conformal.from_parameters, good | {"bounds": bounds}, H36M_17, 30, "r.json")
    assert text.startswith(f"r.json: bounds: {names[2]}")


def test_bounds_of_another_skeleton() -> None:
    good = Conformal.fit(Stream(poses(300))).parameters()
    assert "bounds" in error_of(Conformal.from_parameters, good, H36M_16, 30, "r.json")
