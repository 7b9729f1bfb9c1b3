"""Made-up results of `diagnose`: a Gaussian posterior with known faults, judged by plain numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import norm

from poseterior.geometry.skeleton import get_skeleton
from report.conftest import make_result

AXES = "xyz"
BINS = 20
LEVELS = np.linspace(0, 1, 21)
POSES = 1500
VERDICTS = (
    "calibrated", "overconfident", "underconfident", "wrong_by_joint", "miscorrelated", "biased",
    "undecided",
)  # fmt: skip
# Spread over its right size, the shift in sigmas, and the correlation of joints left out.
FAULTS = {
    "overconfident": (0.48, 0.0, 0.0), "underconfident": (1.8, 0.0, 0.0),
    "biased": (1.0, 1.0, 0.0), "miscorrelated": (1.0, 0.0, 0.6), "undecided": (0.9, 0.1, 0.0),
}  # fmt: skip


def diagnosis(
    verdict: str = "overconfident", skeleton: str = "h36m_17", clips: int = 28, seed: int = 0
) -> dict[str, Any]:
    """A result of the schema, its parts consistent with the verdict."""
    random = np.random.default_rng(seed)
    of = get_skeleton(skeleton)
    joints = [of.joints[j] for j in of.free]
    narrow, shift, together = FAULTS.get(verdict, (1.0, 0.0, 0.0))
    width = narrow * np.exp(0.08 * random.standard_normal((len(joints), 1)))
    if verdict == "wrong_by_joint":
        width = np.linspace(0.25, 1.6, len(joints))[:, None]
    width = width * np.array([1.03, 1.0, 0.95])
    offset = shift * np.array([0.2, 0.4, 1.0]) + 0.03 * random.standard_normal((len(joints), 3))
    error = (random.standard_normal((POSES, len(joints), 3)) + offset) / width
    loose = 3.0 if verdict == "undecided" else 1.0
    ranks = _ranks(joints, norm.cdf(error), loose)
    return {
        "verdict": verdict,
        "words": ["What was found.", "How sure that is."],
        "evidence": _evidence(verdict, joints, 1 / width, ranks["p_value"]),
        "poses": POSES, "invalid": 3, "hypotheses": 200, "skeleton": skeleton, "alpha": 0.01,
        "groups": {"by": "clip", "count": clips, "effective": 0.61 * clips},
        "factors": _factors(joints, 1 / width, loose),
        "bias": _bias(joints, offset),
        "ranks": ranks,
        "whole_pose": _whole_pose(error, together),
        "scores": _scores(joints, random),
        "sharpness_mm": _score(joints, random, 41.3, 1) | {"x": 21.0, "y": 19.2, "z": 60.4},
        "spread_skill": {w: _spread_skill(1 / narrow, scale) for w, scale in
                         (("pose", 160.0), ("joint", 45.0))},
        "risk_coverage": _risk_coverage(),
        "skill": 0.4, "skill_scores": {
            "value": 0.62, "interval": [0.58, 0.66], "energy_mm": 142.7,
            "marginal_energy_mm": 375.5, "sharpness_mm": 165.2, "marginal_sharpness_mm": 601.0,
            "crps": {"x": 0.71, "y": 0.78, "z": 0.44},
        },
        "strata": _strata(1 / width, clips, random),
        "perfect": {
            "ece_median": 0.004, "coverage_90": 0.897, "error_over_spread": 1.0025,
            "at_independent_poses": {"poses": 412.3, "ece_median": 0.006},
        },
        "score": make_result(),
        "notes": {},
        "provenance": {"command": "poseterior diagnose test.npz", "predictions": "test.npz"},
    }  # fmt: skip


def _ranks(joints: list[str], ranks: np.ndarray, loose: float) -> dict[str, Any]:
    def shares(values: np.ndarray) -> list[float]:
        return (np.histogram(values, BINS, (0, 1))[0] / values.size).tolist()

    even = np.full(BINS, 1 / BINS)
    reach = 3.0 * loose * np.sqrt(even * (1 - even) / POSES)
    each = {
        j: {a: shares(ranks[:, n, k]) for k, a in enumerate(AXES)} for n, j in enumerate(joints)
    }
    off = {j: {a: float(np.abs(np.array(s) - even).max()) for a, s in by.items()}
           for j, by in each.items()}  # fmt: skip
    return {
        "bins": BINS, "independent_poses": 412.3, "expected": even.tolist(),
        "band": [(even - reach).clip(0).tolist(), (even + reach).tolist()],
        "joints": each, "pooled": {a: shares(ranks[..., k]) for k, a in enumerate(AXES)},
        "p_value": {j: {a: float(np.exp(-((o / reach[0]) ** 2) * 3)) for a, o in by.items()}
                    for j, by in off.items()},
    }  # fmt: skip


def _evidence(
    verdict: str, joints: list[str], factor: np.ndarray, p_value: dict[str, Any]
) -> list[dict[str, Any]]:
    common = float(np.median(factor))
    spread = "overconfident" if common > 1 else "underconfident"
    tests = [("bias", "biased", j, a, 0.02, "sigma") for j in joints[:2] for a in AXES]
    tests += [("joint", "wrong_by_joint", j, None, float(f.mean()) / common, "x")
              for j, f in zip(joints, factor, strict=True)]  # fmt: skip
    tests += [
        ("spread", spread, None, None, common, "x"),
        ("coverage", spread, None, None, 0.0521, "share"),
        ("dependence", "miscorrelated", f"{joints[0]}, {joints[1]}", "x", 0.31, "sigma"),
        ("dependence", "miscorrelated", None, "z", 0.4, "sigma"),
        ("whole_pose", spread, None, None, 0.7, "sigma"),
    ]  # fmt: skip
    rows = []
    for test, fault, joint, axis, effect, unit in tests:
        p = p_value[joint][axis] if test == "bias" else 1e-9 if fault == verdict else 0.4
        rows.append({
            "test": test, "fault": fault, "joint": joint, "axis": axis, "statistic": 12.3,
            "p_value": p, "effect": effect, "unit": unit, "significant": p < 0.002,
            "interval": None if test == "dependence" else [0.9 * effect, 1.1 * effect],
            "says": f"what {test} says about {joint or 'the pose'}",
        })  # fmt: skip
    return rows


def _factors(joints: list[str], factor: np.ndarray, loose: float) -> dict[str, Any]:
    def entry(value: float) -> dict[str, Any]:
        reach = np.exp(0.06 * loose)
        return {"factor": value, "interval": [value / reach, value * reach]}

    per_joint = {
        joint: entry(float(row.mean())) | dict(zip(AXES, row.tolist(), strict=True))
        for joint, row in zip(joints, factor, strict=True)
    }
    return {"common": entry(float(np.median(factor))), "per_joint": per_joint}


def _bias(joints: list[str], offset: np.ndarray) -> dict[str, Any]:
    return {
        joint: {
            a: {"sigma": float(s), "mm": float(40 * s), "p_value": float(np.exp(-90 * abs(s)))}
            for a, s in zip(AXES, row, strict=True)
        }
        for joint, row in zip(joints, offset, strict=True)
    }


def _whole_pose(error: np.ndarray, together: float) -> dict[str, Any]:
    random = np.random.default_rng(3)
    truth = np.linalg.norm(error[:, 0], axis=-1)
    drawn = np.linalg.norm(random.standard_normal((POSES, 3)), axis=-1)
    seen = np.array([(truth <= q).mean() for q in np.quantile(drawn, LEVELS)])
    reach = 0.01 + 0.1 * np.sqrt(LEVELS * (1 - LEVELS))

    def curve(observed: np.ndarray) -> dict[str, Any]:
        return {
            "levels": LEVELS.tolist(), "observed": observed.clip(0, 1).tolist(),
            "expected": LEVELS.tolist(), "says": "What this curve says.",
            "band": [(LEVELS - reach).clip(0).tolist(), (LEVELS + reach).clip(max=1).tolist()],
        }  # fmt: skip

    apart = LEVELS - together * LEVELS * (1 - LEVELS)
    return {
        "radius": curve(seen), "tarp": curve(0.5 * (LEVELS + seen)), "density": None,
        **{f"together_{axis}": curve(apart) for axis in AXES}, "bones": curve(2 * LEVELS - apart),
    }  # fmt: skip


def _score(
    joints: list[str], random: np.random.Generator, value: float, share: float
) -> dict[str, Any]:
    size = np.linspace(0.4, 1.7, len(joints)) * random.uniform(0.8, 1.2, len(joints))
    return {
        "value": value, "interval": [0.95 * value, 1.05 * value], "x": 0.4 * value,
        "y": 0.35 * value, "z": 0.8 * value,
        "joints": dict(zip(joints, (share * value * size).tolist(), strict=True)),
    }  # fmt: skip


def _scores(joints: list[str], random: np.random.Generator) -> dict[str, Any]:
    values = {"energy_mm": (142.7, 0.25), "crps_mm": (17.9, 1.0), "variogram": (2053.9, 0.06)}
    return {key: _score(joints, random, *value) for key, value in values.items()}


def _spread_skill(factor: float, scale: float) -> dict[str, Any]:
    spread = scale * np.linspace(0.4, 1.9, 10)
    error = factor * spread**0.9 * scale**0.1
    return {
        "spread_mm": spread.tolist(), "error_mm": error.tolist(), "poses": [POSES // 10] * 10,
        "slope": 0.9 * factor, "slope_interval": [0.8 * factor, factor], "correlation": 0.61,
        "correlation_interval": [0.55, 0.67], "perfect_correlation": 0.72,
    }  # fmt: skip


def _risk_coverage() -> dict[str, Any]:
    share = np.linspace(0.05, 1, 20)
    return {
        "coverage": share.tolist(), "risk_mm": (32 + 28 * share**1.4).tolist(),
        "oracle_mm": (12 + 48 * share**1.2).tolist(), "random_mm": 60.0, "aurc_mm": 43.7,
        "oracle_aurc_mm": 33.8, "ause_mm": 9.9, "ause_share": 0.38,
        "intervals": {"aurc_mm": [40.1, 47.0], "ause_mm": [9.1, 10.8]},
    }  # fmt: skip


def _strata(factor: np.ndarray, clips: int, random: np.random.Generator) -> list[dict[str, Any]]:
    names = {
        "occlusion": ["joint seen", "joint not seen"],
        "depth": ["0.1 m or more in front of the root", "within 0.1 m of the root's depth"],
        "clip": [f"{n // 9 + 1:02d}_{n % 9 + 1:02d}" for n in range(clips)],
    }
    rows = []
    for by, members in names.items():
        for name in members:
            value = float(np.median(factor)) * float(np.exp(0.15 * random.standard_normal()))
            rows.append({
                "by": by, "name": name, "poses": POSES // len(members), "factor": value,
                "interval": None if by == "clip" else [value / 1.12, value * 1.12],
                "bias_sigma": 0.1 * random.normal(),
                "coverage_50": 2 * norm.cdf(0.674 / value) - 1,
                "coverage_90": 2 * norm.cdf(1.645 / value) - 1,
            })  # fmt: skip
    return rows
