"""One lifter's row of a table: accuracy beside calibration, and what they cost."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import torch

from poseterior.batch.score import evaluate
from poseterior.data.keypoint_source import MemorySource, selected
from poseterior.posterior import Lifter
from poseterior.posteriors import MixturePosterior, PointPosterior
from poseterior.studies.study import Scoring

__all__ = ["distinct_hypotheses", "parameters", "sample_seconds", "scored", "thinned", "verdict"]

_POSES, _REPEATS = 64, 5


def thinned(source: MemorySource, every: int) -> MemorySource:
    """Every `every`-th pose of a source."""
    return selected(source, torch.arange(0, source.rows, every))


def scored(lifter: Lifter, source: MemorySource, scoring: Scoring) -> dict[str, Any]:
    """All that `evaluate` says of the lifter, with `verdict`, `parameters` and `sample_s`."""
    distinct = distinct_hypotheses(lifter, source)
    count = min(scoring.hypotheses, distinct or scoring.hypotheses)
    result = evaluate(lifter, source, count, scoring.seed)
    if distinct is not None:
        _score_as_atoms(result, evaluate(lifter, source, scoring.hypotheses, scoring.seed))
    made = result.pop("provenance")
    return result | {
        "verdict": verdict(result),
        "parameters": parameters(lifter),
        "sample_s": sample_seconds(lifter, source, scoring.hypotheses),
        "weights": made["weights"],
        "config": made["config"],
    }


def _score_as_atoms(result: dict[str, Any], repeated: dict[str, Any]) -> None:
    """Take the proper scores of copies of all points: the points are the whole distribution.

    The scores of a few hypotheses are meant for draws from a density and leave out the pairs of
    one with itself, which would credit K points with K / (K - 1) times their spread.
    """
    for key in ("energy_score_mm", "crps_mm"):
        result[key] = repeated[key]
        result["intervals"][key] = repeated["intervals"][key]


@torch.no_grad()
def distinct_hypotheses(lifter: Lifter, source: MemorySource) -> int | None:
    """How many hypotheses differ: 1 of a point, K of K points; None where all do."""
    posterior = lifter(source.keypoints[:1])
    parts = posterior.components if isinstance(posterior, MixturePosterior) else (posterior,)
    return len(parts) if all(isinstance(part, PointPosterior) for part in parts) else None


def verdict(result: dict[str, Any]) -> str:
    """Whether the 90 % regions are too narrow or too wide beyond their bootstrap interval.

    They are compared with what a perfect posterior of as many hypotheses would cover, but
    with no more than 0.9 where they look too narrow and no less where too wide.
    """
    covered, interval = result.get("coverage_90"), result.get("coverage_90_interval")
    if covered is None:
        return "one pose, no spread"
    if interval is None and covered not in (0.0, 1.0):
        return "not known: too few clips"
    low, high = interval or (covered, covered)  # all or none: every resample says the same
    perfect = (result.get("reliability") or {}).get("perfect")
    wanted = 0.9
    if perfect:
        at = min(range(len(perfect["observed"])),
                 key=lambda k: abs(result["reliability"]["levels"][k] - 0.9))  # fmt: skip
        wanted = perfect["observed"][at]
    if high < min(wanted, 0.9):
        return "overconfident"
    if low > max(wanted, 0.9):
        return "underconfident"
    return "covers as it says at 90 %"


def parameters(lifter: Lifter) -> int:
    """Numbers that sampling needs: all but those of a critic."""
    critic = getattr(lifter, "critic_parameters", tuple)
    left_out = {id(p) for p in critic()}
    return sum(p.numel() for p in lifter.parameters() if id(p) not in left_out)


@torch.no_grad()
def sample_seconds(lifter: Lifter, source: MemorySource, hypotheses: int) -> float:
    """Seconds to lift 64 observations and draw their hypotheses, the median of five times."""
    keypoints = source.keypoints[:_POSES]
    generator = torch.Generator().manual_seed(0)

    def once() -> float:
        begun = time.perf_counter()
        lifter(keypoints).sample((hypotheses,), generator)
        return time.perf_counter() - begun

    return median(once() for _ in range(_REPEATS))
