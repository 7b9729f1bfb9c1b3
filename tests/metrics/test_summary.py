"""All scores of a stream: keys, streaming, what is not computable, and intervals."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from oracles import metrics_loops
from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_17, Skeleton
from poseterior.metrics import weighted
from poseterior.metrics.bootstrap import LIMIT
from poseterior.metrics.scorecard import SCORE_KEYS
from poseterior.metrics.summary import ScoreAccumulator

CHAIN = Skeleton("chain", ("a", "root", "b", "c"), (1, -1, 1, 2), (0, 1, 2, 3))
ISSUE_KEYS = (
    "poses", "invalid", "hypotheses", "skeleton", "mpjpe_mean_mm", "mpjpe_mode_mm",
    "mpjpe_latent_centre_mm", "expected_mpjpe_mm", "min_mpjpe_mm", "min_pa_mpjpe_mm", "pck150",
    "auc", "cps_mm", "ece_median", "ece_mean", "ece_mode", "ece_latent_centre",
    "ece_joint_mean", "ece_joint_max", "energy_score_mm", "crps_mm", "sharpness_mm", "nll",
    "coverage",
)  # fmt: skip


def draw(poses: int, count: int, skeleton: Skeleton = CHAIN) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(poses + count)
    values = 0.1 * torch.randn(poses, count + 1, len(skeleton), 3, generator=generator)
    values[:, :, skeleton.root] = 0
    return {"hypotheses": values[:, 1:], "target": values[:, 0]}


def everything(poses: int, count: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return draw(poses, count) | {
        "mode": torch.zeros(poses, 4, 3),
        "latent_centre": torch.full((poses, 4, 3), 0.01),
        "target_log_prob": torch.randn(poses, generator=generator),
        "clip": np.arange(poses) // 7,
    }


def scored(rows: dict[str, torch.Tensor], *, pieces: int = 1, **settings) -> dict:
    accumulator = ScoreAccumulator(CHAIN, replicates=200, **settings)
    for index in np.array_split(np.arange(len(rows["target"])), pieces):
        accumulator.update(**{name: value[index] for name, value in rows.items()})
    return accumulator.compute()


def test_keys_are_the_issues_in_order_and_the_result_is_json() -> None:
    found = scored(everything(60, 10))
    assert tuple(found)[: len(ISSUE_KEYS)] == ISSUE_KEYS
    assert all(found[key] is not None for key in ISSUE_KEYS)
    assert all(low <= found[k] <= high for k, (low, high) in found["intervals"].items())
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["poses"], found["invalid"], found["hypotheses"]) == (60, 0, 10)


def test_any_cut_of_the_stream_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = everything(60, 10) | {"weights": torch.rand(60, 10)}
    whole = scored(rows)
    monkeypatch.setattr(weighted, "_POSITIONS", 200)
    cut = scored(rows, pieces=9)
    for key in SCORE_KEYS:
        assert cut[key] == pytest.approx(whole[key], rel=1e-6), key
        assert cut["intervals"][key] == pytest.approx(whole["intervals"][key], rel=1e-5), key
    assert cut["coverage"] == whole["coverage"]
    assert cut["reliability"] == whole["reliability"]


def test_numbers_are_the_means_of_the_definitions() -> None:
    rows = draw(30, 8)
    found = scored(rows)
    x, y = rows["hypotheses"].double().numpy(), rows["target"].double().numpy()
    loops = [metrics_loops.pose_errors(x[m], y[m], 1) for m in range(30)]
    for key in loops[0]:
        assert found[key] == pytest.approx(np.mean([row[key] for row in loops]), rel=1e-5)
    free = x[:, :, [0, 2, 3]]
    variance = [np.trace(np.cov(free[m, :, k].T)) for m in range(30) for k in range(3)]
    assert found["sharpness_mm"] == pytest.approx(1000 * np.mean(variance) ** 0.5, rel=1e-5)
    joint = [metrics_loops.mean_error(x[m].mean(0), y[m], [2]) for m in range(30)]
    assert found["per_joint"]["b"]["mpjpe_mm"] == pytest.approx(np.mean(joint), rel=1e-5)
    assert found["per_joint"]["root"] == {"ece": None, "mpjpe_mm": 0.0, "coverage": None}
    assert found["ece_joint_max"] == max(found["per_joint"][j]["ece"] for j in "abc")


def test_one_hypothesis_has_errors_and_no_calibration() -> None:
    found = scored(draw(20, 1))
    assert found["mpjpe_mean_mm"] == pytest.approx(found["min_mpjpe_mm"]) != 0
    calibration = [k for k in SCORE_KEYS if k.startswith("ece")]
    calibration += ["energy_score_mm", "crps_mm", "sharpness_mm", "coverage", "reliability"]
    assert all(found[key] is None for key in calibration)
    json.dumps(found, allow_nan=False)


def test_what_the_file_has_not_is_null() -> None:
    found = scored(draw(20, 5))
    absent = [key for key in SCORE_KEYS if found[key] is None]
    assert absent == ["mpjpe_mode_mm", "mpjpe_latent_centre_mm", "ece_mode", "ece_latent_centre",
                      "nll"]  # fmt: skip
    assert found["scored"]["nll"] == 0
    assert found["scored"]["crps_mm"] == 20


def test_no_pose_at_all_scores_nothing() -> None:
    found = ScoreAccumulator(CHAIN).compute()
    assert found["poses"] == 0
    assert all(found[key] is None for key in SCORE_KEYS)


def test_a_pose_without_valid_joints_is_invalid_and_its_values_are_not_read() -> None:
    rows = everything(20, 5)
    clean = scored({name: value[:15] for name, value in rows.items()})
    valid = torch.ones(20, 4, dtype=torch.bool)
    valid[15:] = False
    for name in ("hypotheses", "target", "mode", "latent_centre", "target_log_prob"):
        rows[name][15:] = torch.nan
    found = scored(rows | {"valid_joints": valid})
    assert (found["poses"], found["invalid"]) == (15, 5)
    for key in SCORE_KEYS:
        assert found[key] == pytest.approx(clean[key], rel=1e-6), key
    assert found["per_joint"]["c"]["coverage"] == clean["per_joint"]["c"]["coverage"]


def test_bad_input_is_named() -> None:
    rows = draw(6, 5)
    broken = rows["hypotheses"].clone()
    broken[2, 1, 0, 0] = torch.nan
    cases = {
        "hypotheses": {"hypotheses": broken},
        "target": {"target": rows["target"][:, :3]},
        "weights": {"weights": torch.ones(6, 4)},
        "mode": {"mode": torch.full((6, 4, 3), torch.inf)},
        "valid_joints": {"valid_joints": torch.ones(6, 3, dtype=torch.bool)},
        "target_log_prob": {"target_log_prob": torch.full((6,), torch.nan)},
        "group": {"clip": ["one"]},
    }
    for field, change in cases.items():
        with pytest.raises(InputError, match=field):
            ScoreAccumulator(CHAIN).update(**rows | change)
    accumulator = ScoreAccumulator(CHAIN)
    accumulator.update(**rows)
    with pytest.raises(InputError, match="5 per pose"):
        accumulator.update(**draw(6, 4))


def test_repeated_frames_of_a_clip_do_not_narrow_the_intervals() -> None:
    rows = draw(40, 6) | {"clip": np.arange(40)}
    each = scored(rows)
    index = np.arange(40).repeat(5)
    often = scored({name: value[index] for name, value in rows.items()})
    for key in ("mpjpe_mean_mm", "ece_median", "crps_mm"):
        assert often["intervals"][key] == pytest.approx(each["intervals"][key], rel=1e-6)


def test_memory_does_not_grow_with_clips_or_poses() -> None:
    accumulator = ScoreAccumulator(CHAIN)
    for first in (0, 1000, 2000):
        accumulator.update(**draw(1000, 2), clip=range(first, first + 1000))
    assert len(accumulator._means.sums) == LIMIT
    assert len(accumulator._coverage["median"]._sums.sums) == LIMIT
    assert len(accumulator._groups._groups) == LIMIT


def test_weights_lean_every_number_towards_the_heavy_hypotheses() -> None:
    """Half the hypotheses right and half far off: weight on the right half restores the scores."""
    right, wrong = draw(300, 20), draw(300, 20)
    both = torch.cat([right["hypotheses"], wrong["hypotheses"] + 1.0], dim=1)
    weights = torch.cat([torch.ones(300, 20), torch.zeros(300, 20)], dim=1)
    restored = scored({"hypotheses": both, "target": right["target"], "weights": weights})
    alone = scored(right)
    for key in SCORE_KEYS:
        assert restored[key] == (alone[key] and pytest.approx(alone[key], rel=1e-5)), key


def test_silent_on_a_right_posterior_and_fires_on_wrong_ones() -> None:
    rows = draw(600, 50, H36M_17)

    def found(hypotheses: torch.Tensor) -> dict:
        accumulator = ScoreAccumulator(H36M_17, replicates=100)
        accumulator.update(hypotheses, rows["target"])
        return accumulator.compute()

    right = found(rows["hypotheses"])
    low, high = right["reliability"]["perfect"]["ece_interval"]
    assert low <= right["ece_median"] <= high
    assert 0.01 < right["ece_median"] < 0.03
    inside = zip(right["reliability"]["observed"], *right["reliability"]["band"], strict=True)
    assert all(lowest <= observed <= highest for observed, lowest, highest in inside)
    for change in (0.5, 2.0):
        wrong = found(change * rows["hypotheses"])
        assert wrong["ece_median"] > 0.2 > high
        assert wrong["ece_joint_mean"] > 0.2
        assert wrong["energy_score_mm"] > right["energy_score_mm"]
        assert wrong["crps_mm"] > right["crps_mm"]
        assert wrong["sharpness_mm"] == pytest.approx(change * right["sharpness_mm"], rel=1e-5)
    shifted = found(rows["hypotheses"] + 0.1)
    assert shifted["ece_median"] > 0.15
    assert shifted["energy_score_mm"] > right["energy_score_mm"]
