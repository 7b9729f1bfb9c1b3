"""The verdict: silent on right posteriors, and the right word for each fault."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from poseterior.errors import InputError
from poseterior.geometry.skeleton import COCO_17, H36M_17
from poseterior.metrics.diagnosis import Diagnosis
from poseterior.metrics.evidence import Evidence
from poseterior.metrics.strata import STRATA
from poseterior.metrics.verdict import FAULTS, VERDICTS, Limits, decide
from poseterior.studies.faults import verdict_alone
from poseterior.studies.known_faults import KNOWN_FAULTS, known_posterior

POSES, HYPOTHESES = 600, 60


def diagnosed(hypotheses: Tensor, target: Tensor, **fields: Any) -> dict[str, Any]:
    options = {name: fields.pop(name) for name in ("by", "limits") if name in fields}
    diagnosis = Diagnosis(H36M_17, replicates=100, **options)
    diagnosis.update(hypotheses, target, **fields)
    return diagnosis.compute()


@pytest.fixture(scope="module")
def results() -> dict[str, dict[str, Any]]:
    return {
        name: diagnosed(*known_posterior(name, POSES, HYPOTHESES, seed=3), by="row")
        for name in KNOWN_FAULTS
    }


@pytest.mark.parametrize("name", KNOWN_FAULTS)
def test_each_fault_is_named(results: dict[str, dict[str, Any]], name: str) -> None:
    assert results[name]["verdict"] == KNOWN_FAULTS[name], results[name]["words"]


@pytest.mark.parametrize("seed", range(12))
def test_a_right_posterior_is_called_so(seed: int) -> None:
    assert verdict_alone("right", 400, 50, seed) in ("calibrated", "undecided")


@pytest.mark.parametrize("name", [n for n, v in KNOWN_FAULTS.items() if v in FAULTS])
def test_faults_are_named_at_other_seeds_with_blocks(name: str) -> None:
    found = [verdict_alone(name, POSES, HYPOTHESES, seed) for seed in (11, 12)]
    assert found == [KNOWN_FAULTS[name]] * 2


def test_what_each_part_says_of_the_faults(results: dict[str, dict[str, Any]]) -> None:
    common = {name: found["factors"]["common"] for name, found in results.items()}
    assert common["spread x 0.5"]["factor"] == pytest.approx(2, rel=0.05)
    assert common["spread x 1.8"]["factor"] == pytest.approx(1 / 1.8, rel=0.05)
    low, high = common["right"]["interval"]
    assert low < 1 < high

    shift = results["shifted by one sigma"]["bias"]["left_wrist"]["z"]
    assert shift["sigma"] == pytest.approx(1, abs=0.25)
    assert shift["mm"] > 10
    assert shift["p_value"] < 1e-6

    joints = results["joints x 0.25 to 1.6"]["factors"]["per_joint"]
    names, shares = H36M_17.joints, torch.linspace(0.25, 1.6, 17)
    for joint in H36M_17.free:
        expected = 1 / shares[joint].item()
        assert joints[names[joint]]["factor"] == pytest.approx(expected, rel=0.15)

    sums = results["independent joints"]["whole_pose"]
    assert sums["together_z"]["score"] > 0.5
    assert abs(results["right"]["whole_pose"]["together_z"]["score"]) < 0.2


def test_an_axis_of_its_own_spread_is_found() -> None:
    hypotheses, target = known_posterior("right", POSES, HYPOTHESES)
    centre = hypotheses.mean(1, keepdim=True)
    squeezed = centre + (hypotheses - centre) * torch.tensor([1.0, 1.0, 0.6])
    found = diagnosed(squeezed, target, by="row")
    assert found["verdict"] == "wrong_by_joint"
    assert any("along z" in words for words in found["words"])


def test_only_skill_sees_that_the_input_is_ignored(results: dict[str, dict[str, Any]]) -> None:
    blind = results["ignores its input"]
    assert blind["verdict"] == "calibrated"
    assert blind["skill"] == pytest.approx(0, abs=0.03)
    assert any("ignores its input" in words for words in blind["words"])
    assert results["right"]["skill"] > 0.5
    assert any("uses its input" in words for words in results["right"]["words"])


def test_evidence_is_a_list_of_tests(results: dict[str, dict[str, Any]]) -> None:
    for found in results.values():
        assert found["verdict"] in VERDICTS
        for test in found["evidence"]:
            assert isinstance(test["statistic"], float)
            assert 0 <= test["p_value"] <= 1
        named = [t for t in found["evidence"] if t["named"]]
        assert bool(named) == (found["verdict"] in FAULTS)
        assert all(t["significant"] for t in named)


def test_a_skewed_right_posterior_is_right() -> None:
    draw = torch.Generator().manual_seed(0)
    values = torch.randn(POSES, HYPOTHESES + 1, 17, 3, generator=draw)
    poses = values.exp() * 0.05
    poses[:, :, 0] = 0
    assert diagnosed(poses[:, 1:], poses[:, 0], by="row")["verdict"] == "calibrated"


def test_frames_of_a_clip_do_not_count_as_poses() -> None:
    """Twelve clips of fifty frames alike: by clip nothing is shown, by row a fault is."""
    hypotheses, target = known_posterior("right", 12, HYPOTHESES, seed=1)
    copies = [value.repeat_interleave(50, 0) for value in (hypotheses, target)]
    clip = torch.arange(12).repeat_interleave(50).tolist()
    assert diagnosed(*copies, clip=clip)["verdict"] == "undecided"
    assert diagnosed(*copies, by="row")["verdict"] in FAULTS


def test_few_poses_are_undecided_and_say_how_many_are_needed() -> None:
    found = diagnosed(*known_posterior("right", 15, HYPOTHESES), by="row")
    assert found["verdict"] == "undecided"
    assert any("would be needed" in words for words in found["words"])


def test_one_clip_tells_nothing() -> None:
    hypotheses, target = known_posterior("spread x 0.5", 100, 20)
    found = diagnosed(hypotheses, target, clip=["a"] * 100)
    assert found["verdict"] == "undecided"
    assert "by row" in found["words"][1]
    assert "nan" not in str(found["words"]).lower()


def test_chunks_are_as_one() -> None:
    hypotheses, target = known_posterior("spread x 0.5", 120, 30)
    clip = [n // 10 for n in range(120)]
    whole = diagnosed(hypotheses, target, clip=clip)
    diagnosis = Diagnosis(H36M_17, replicates=100)
    for rows in (slice(0, 50), slice(50, 51), slice(51, 120)):
        diagnosis.update(hypotheses[rows], target[rows], clip=clip[rows])
    parts = diagnosis.compute()
    assert parts["factors"]["common"]["factor"] == pytest.approx(
        whole["factors"]["common"]["factor"], abs=1e-9
    )
    assert parts["skill_scores"]["energy_mm"] == pytest.approx(
        whole["skill_scores"]["energy_mm"], rel=1e-5
    )
    assert parts["groups"] == whole["groups"] == {"by": "clip", "count": 12, "effective": 12}


def test_joints_and_poses_that_are_not_valid_are_not_looked_at() -> None:
    hypotheses, target = known_posterior("right", 200, 30)
    valid = torch.ones(200, 17, dtype=torch.bool)
    valid[:, 5] = False
    valid[:20] = False
    valid[30:60, 7] = False
    found = diagnosed(hypotheses, target, valid_joints=valid, by="row")
    spoilt, moved = hypotheses.clone(), target.clone()
    spoilt[~valid[:, None].expand(-1, 30, -1)] = math.nan
    moved[~valid] = 1e3
    other = diagnosed(spoilt, moved, valid_joints=valid, by="row")
    assert found["factors"] == other["factors"]
    assert found["verdict"] == other["verdict"]
    assert found["factors"]["per_joint"]["left_knee"]["factor"] is None
    assert found["factors"]["per_joint"]["left_hip"]["factor"] is not None
    assert found["skill"] == pytest.approx(other["skill"])


def test_a_joint_that_no_pose_has_leaves_the_others_to_be_judged() -> None:
    hypotheses, target = known_posterior("right", POSES, HYPOTHESES)
    valid = torch.ones(POSES, 17, dtype=torch.bool)
    valid[:, 5] = False
    found = diagnosed(hypotheses, target, valid_joints=valid, by="row")
    assert found["verdict"] == "calibrated", found["words"]
    assert all(test["joint"] != "left_knee" for test in found["evidence"])


def test_weighted_hypotheses_are_resampled_ones() -> None:
    """A too wide posterior with the weights of the right one is right."""
    draw = torch.Generator().manual_seed(0)
    hypotheses = torch.randn(POSES, 120, 17, 3, generator=draw)
    target = torch.randn(POSES, 17, 3, generator=draw)
    hypotheses[:, :, 1, 2] *= 1.5
    drawn = hypotheses[:, :, 1, 2]
    weights = (-(drawn**2) / 2 + (drawn / 1.5) ** 2 / 2).exp()
    hypotheses[:, :, 0] = target[:, 0] = 0
    hypotheses, target = hypotheses * 0.05, target * 0.05
    unweighted = diagnosed(hypotheses, target, by="row")["factors"]["per_joint"]["right_hip"]
    weighted = diagnosed(hypotheses, target, weights=weights, by="row")
    assert unweighted["z"] == pytest.approx(1 / 1.5, rel=0.07)
    assert weighted["factors"]["per_joint"]["right_hip"]["z"] == pytest.approx(1, rel=0.12)
    assert weighted["perfect"] is None


def test_strata_find_where_the_fault_is() -> None:
    hypotheses, target = known_posterior("right", POSES, HYPOTHESES)
    observed = torch.ones(POSES, 17, dtype=torch.bool)
    observed[::2, 3:6] = False
    hidden = (~observed)[..., None]
    mean = hypotheses.mean(1)
    target = torch.where(hidden, mean + 2 * (target - mean), target)
    clip = [f"clip {n % 20}" for n in range(POSES)]
    strata = diagnosed(hypotheses, target, observed=observed, clip=clip)["strata"]
    factor = {(part["by"], part["name"]): part["factor"] for part in strata}
    assert factor["occlusion", "joint not seen"] == pytest.approx(2, rel=0.1)
    assert factor["occlusion", "joint seen"] == pytest.approx(1, rel=0.05)
    assert factor["occlusion", "all joints seen"] == pytest.approx(1, rel=0.05)
    assert factor["occlusion", "1 to 3 joints not seen"] > 1.1
    assert {part["by"] for part in strata} == {"occlusion", "depth", "joint", "clip"}
    assert sum(part["by"] == "clip" for part in strata) == 20
    joints = {("joint", H36M_17.joints[joint]) for joint in H36M_17.free}
    assert set(factor) - set(STRATA) == {("clip", f"clip {n}") for n in range(20)} | joints
    assert factor["joint", "left_knee"] > 1.15
    assert factor["joint", "right_wrist"] == pytest.approx(1, rel=0.1)


def test_depth_is_that_of_target_and_hypotheses_alike() -> None:
    strata = diagnosed(*known_posterior("right", POSES, HYPOTHESES), by="row")["strata"]
    found = [part for part in strata if part["by"] == "depth"]
    assert len(found) == 3
    assert all(part["factor"] == pytest.approx(1, abs=0.06) for part in found)
    assert all(part["coverage_90"] == pytest.approx(0.9, abs=0.02) for part in found)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda h, t: (h[:, :18], t), "19 or more"),
        (lambda h, t: (h[:, :1].expand_as(h), t), "hypotheses that differ"),
        (lambda h, t: (h[..., :2], t[..., :2]), "shape"),
        (lambda h, t: (h, t * math.nan), "finite"),
    ],
)
def test_what_cannot_be_judged_is_refused(change: Any, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        diagnosed(*change(*known_posterior("right", 10, 30)))


def test_other_skeletons() -> None:
    hypotheses, target = known_posterior("spread x 0.5", 300, 40, skeleton=COCO_17)
    diagnosis = Diagnosis(COCO_17, by="row", replicates=50)
    diagnosis.update(hypotheses, target)
    assert diagnosis.compute()["verdict"] == "overconfident"


def evidence(fault: str, effect: float, p_value: float = 1e-9, **changes: Any) -> Evidence:
    tests = {"biased": "bias", "wrong_by_joint": "joint", "miscorrelated": "dependence"}
    unit = {"biased": "sigma", "miscorrelated": "sigma"}.get(fault, "x")
    values = {
        "test": tests.get(fault, "spread"), "fault": fault, "joint": None, "axis": None,
        "statistic": 5.0, "p_value": p_value, "effect": effect, "unit": unit, "says": "it",
        "interval": (effect, effect),
    }  # fmt: skip
    return Evidence(**(values | changes))


def test_the_first_fault_in_order_is_the_verdict() -> None:
    order = [
        evidence("biased", 1.0), evidence("wrong_by_joint", 2.0),
        evidence("overconfident", 2.0), evidence("miscorrelated", 1.0),
    ]  # fmt: skip
    for first in range(len(order)):
        found = decide(order[first:], Limits(), 50).verdict
        assert found == order[first].fault


def test_small_effects_and_chance_are_not_named() -> None:
    right = evidence("overconfident", 1.01)
    assert decide([right], Limits(), 50).verdict == "calibrated"
    chance = evidence("overconfident", 1.2, p_value=0.2, interval=(0.9, 1.6))
    assert decide([chance], Limits(), 8).verdict == "undecided"


def test_whole_poses_alone_speak_of_dependence_unless_the_spread_is_off() -> None:
    whole = evidence("overconfident", 1.0, test="whole_pose", unit="sigma")
    right = evidence("overconfident", 1.0, p_value=0.9, interval=(0.99, 1.01))
    assert decide([right, whole], Limits(), 50).verdict == "miscorrelated"
    little = evidence("overconfident", 1.06)
    assert decide([little, whole], Limits(), 50).verdict == "overconfident"
