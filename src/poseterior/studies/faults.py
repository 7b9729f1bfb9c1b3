"""`faults`: which diagnostic sees which fault, and how often one fires at a right posterior."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from poseterior.geometry.skeleton import H36M_17
from poseterior.metrics.bootstrap import ClipGroups
from poseterior.metrics.chunk import Chunk
from poseterior.metrics.cluster_test import effective_groups
from poseterior.metrics.diagnosis import Diagnosis
from poseterior.metrics.evidence import all_tests
from poseterior.metrics.rank_sums import RankSums
from poseterior.metrics.verdict import Limits, decide
from poseterior.studies.known_faults import KNOWN_FAULTS, known_posterior

__all__ = ["DIAGNOSTICS", "faults_study", "verdict_alone"]

Result = Mapping[str, Any]
_LEVEL = Limits().each


def _significant(*tests: str) -> Callable[[Result], bool]:
    return lambda result: any(
        test["p_value"] < _LEVEL for test in result["evidence"] if test["test"] in tests
    )


def _ranks(result: Result) -> bool:
    p_values = [p for axes in result["ranks"]["p_value"].values() for p in axes.values()]
    return min(p_values) * len(p_values) < _LEVEL


def _region(name: str) -> Callable[[Result], bool]:
    """Kolmogorov and Smirnov's test of the levels that reach the target, poses independent."""
    critical = (-math.log(_LEVEL / 2) / 2) ** 0.5

    def fires(result: Result) -> bool:
        curve = result["whole_pose"][name]
        rows = zip(curve["observed"], curve["expected"], strict=True)
        return max(abs(seen - level) for seen, level in rows) > critical / result["poses"] ** 0.5

    return fires


def _ece(result: Result) -> bool:
    perfect = result["score"]["reliability"]["perfect"]
    return result["score"]["ece_median"] > 2 * perfect["ece_interval"][1]


def _worst_joint(result: Result) -> bool:
    return result["score"]["ece_joint_max"] > 2 * result["perfect"]["ece_joint_max"]


def _slope(result: Result) -> bool:
    pose = result["spread_skill"]["joint"]
    ends = pose["slope_interval"]
    return ends is None or not ends[0] - 0.1 < 1 < ends[1] + 0.1


def _useless(result: Result) -> bool:
    interval = result["skill_scores"]["interval"]
    return interval is not None and interval[0] < 0.02


# Name -> whether it fires. Scores without a scale of their own only compare posteriors.
DIAGNOSTICS: dict[str, Callable[[Result], bool]] = {
    "rank histograms": _ranks,
    "bias by joint and axis": _significant("bias"),
    "spread factor by joint": _significant("joint"),
    "common spread factor": _significant("spread"),
    "coverage of coordinates": _significant("coverage"),
    "pairs of joints, joints together": _significant("dependence"),
    "whole pose, radius": _region("radius"),
    "whole pose, TARP": _region("tarp"),
    "published ECE": _ece,
    "ECE of the worst joint": _worst_joint,
    "error against spread": _slope,
    "skill": _useless,
}


def faults_study(
    seeds: int = 10,
    right_seeds: int = 200,
    poses: int = 1500,
    hypotheses: int = 200,
    seed: int = 0,
    told: Callable[[str, int], None] | None = None,
) -> dict[str, Any]:
    """Every diagnostic on posteriors with known faults.

    Args:
        seeds: of each posterior.
        right_seeds: of the right posterior, of which only the verdict is taken.
        poses: of each.
        hypotheses: of each pose.
        seed: the first.
        told: called with the posterior and how many seeds of it are done.

    Returns:
        `fires` {diagnostic: {posterior: share of seeds}}, `verdicts` {posterior: {verdict:
        count}}, `expected`, and `right`, the verdicts of the many seeds.
    """
    fires: dict[str, dict[str, float]] = {name: {} for name in DIAGNOSTICS}
    verdicts: dict[str, dict[str, int]] = {}
    for fault in KNOWN_FAULTS:
        found = []
        for number in range(seeds):
            found.append(_diagnosis(fault, poses, hypotheses, seed + number).compute())
            if told is not None:
                told(fault, number + 1)
        verdicts[fault] = dict(Counter(result["verdict"] for result in found))
        for name, fired in DIAGNOSTICS.items():
            fires[name][fault] = sum(map(fired, found)) / seeds
    right: Counter[str] = Counter()
    for number in range(right_seeds):
        right[verdict_alone("right", poses, hypotheses, seed + 1000 + number)] += 1
        if told is not None:
            told("right, verdict only", number + 1)
    return {
        "study": "faults", "poses": poses, "hypotheses": hypotheses, "seeds": seeds, "seed": seed,
        "alpha": Limits().alpha, "expected": dict(KNOWN_FAULTS), "fires": fires,
        "verdicts": verdicts, "right": {"seeds": right_seeds, "verdicts": dict(right)},
    }  # fmt: skip


def _diagnosis(fault: str, poses: int, hypotheses: int, seed: int) -> Diagnosis:
    diagnosis = Diagnosis(H36M_17, replicates=200)
    diagnosis.update(*known_posterior(fault, poses, hypotheses, seed))
    return diagnosis


def verdict_alone(fault: str, poses: int, hypotheses: int, seed: int) -> str:
    """The verdict without the other diagnostics, in a quarter of the time."""
    drawn, target = known_posterior(fault, poses, hypotheses, seed)
    group = ClipGroups()(None, poses)
    ranks = RankSums(H36M_17)
    for piece in Chunk(drawn, target, group).pieces():
        ranks.update(piece)
    groups = effective_groups(ranks.counts.sum(-1)).item()
    return decide(all_tests(ranks), Limits(), groups).verdict
