"""Made-up results of every study, near what real ones look like."""

from __future__ import annotations

from typing import Any

import numpy as np

from poseterior.geometry.skeleton import H36M_17

LEVELS = np.linspace(0, 1, 21)
# method: min MPJPE, mean MPJPE, spread over its right size, energy score, NLL, parameters
METHODS: dict[str, tuple[float, float, float, float, float | None, int]] = {
    "coupling_flow": (36.2, 57.9, 1.0, 171.3, -88.4, 6_100_000),
    "gaussian_minmpjpe": (59.3, 83.0, 0.42, 262.0, -31.0, 4_300_000),
    "gaussian_nll": (86.1, 80.2, 1.65, 249.5, -44.8, 4_300_000),
    "glow": (52.9, 70.4, 1.25, 214.7, -61.2, 9_800_000),
    "cgnf": (51.0, 73.3, 0.84, 221.0, -58.3, 780_000),
    "cinn": (43.7, 66.0, 0.63, 204.1, None, 12_400_000),
    "cvae": (55.1, 69.2, 0.38, 233.8, None, 3_900_000),
    "mdn_means": (60.8, 71.5, 0.35, 246.0, None, 4_700_000),
    "mdn_samples": (54.4, 71.6, 0.97, 213.9, -66.0, 4_700_000),
    "graph_mdn": (57.7, 75.8, 0.9, 224.9, -60.1, 410_000),
    "heatmap_noise": (62.1, 72.0, 0.55, 236.4, None, 0),
    "mean_pose": (148.0, 251.0, 1.02, 702.0, 12.7, 0),
}
POINTS = {"semgcn": (78.0, 430_000), "simple_baseline": (69.8, 4_300_000)}


def observed(narrow: float) -> np.ndarray:
    """Coverage of regions of a Gaussian whose spread is `narrow` times the truth's."""
    distance = np.linalg.norm(np.random.default_rng(1).standard_normal((8000, 3)), axis=-1)
    return np.array([np.mean(distance <= q) for q in np.quantile(distance * narrow, LEVELS)])


def spans(numbers: dict[str, Any], width: float = 0.03) -> dict[str, list[float]]:
    return {
        key: [value - width * abs(value), value + width * abs(value)]
        for key, value in numbers.items()
        if isinstance(value, float)
    }


def posterior_row(method: str) -> dict[str, Any]:
    best, mean, narrow, energy, nll, parameters = METHODS[method]
    curve = observed(narrow)
    ece = float(np.abs(curve - LEVELS).mean()) + 0.004
    seen = float(curve[18])
    words = (
        "overconfident"
        if seen < 0.88
        else "underconfident"
        if seen > 0.92
        else "covers as it says at 90%"
    )
    numbers: dict[str, Any] = {
        "min_mpjpe_mm": best, "min_pa_mpjpe_mm": 0.74 * best, "mpjpe_mean_mm": mean,
        "mpjpe_latent_centre_mm": mean + 1.3 if "flow" in method or method == "glow" else None,
        "ece_median": ece, "ece_mean": ece + 0.002, "ece_latent_centre": None,
        "ece_joint_max": 1.6 * ece, "energy_score_mm": energy, "nll": nll, "coverage_90": seen,
    }  # fmt: skip
    return numbers | {
        "method": method, "hypotheses": 5 if method == "mdn_means" else 200,
        "intervals": spans(numbers),
        "verdict": words,
        "parameters": parameters or None, "train_s": 290.0 if parameters else None,
        "sample_s": 3.4, "reliability": {
            "levels": LEVELS.tolist(), "observed": curve.tolist(),
            "perfect": {"observed": LEVELS.tolist(), "ece": 0.004},
        },
    }  # fmt: skip


def point_row(method: str) -> dict[str, Any]:
    error, parameters = POINTS[method]
    numbers = {"min_mpjpe_mm": error, "min_pa_mpjpe_mm": 0.7 * error, "mpjpe_mean_mm": error}
    absent = dict.fromkeys(
        ("mpjpe_latent_centre_mm", "ece_median", "ece_mean", "ece_latent_centre", "ece_joint_max",
         "energy_score_mm", "nll", "coverage_90", "reliability")
    )  # fmt: skip
    return numbers | absent | {
        "method": method, "hypotheses": 1, "intervals": spans(numbers), "parameters": parameters,
        "verdict": "one pose, no spread", "train_s": 240.0, "sample_s": 0.1,
    }  # fmt: skip


def result(study: str, title: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "study": study, "title": title, "rows": rows,
        "notes": ["One global sigma is a poor model of errors that vary from frame to frame."],
        "provenance": {
            "command": f"poseterior study {study} --data cmu", "preset": "small", "data": "cmu",
            "seed": 0, "versions": {"poseterior": "0.1.0", "torch": "2.13.0"}, "device": "cpu",
        },
    }  # fmt: skip


def table1() -> dict[str, Any]:
    rows = [*map(posterior_row, METHODS), *map(point_row, POINTS)]
    return result("table1", "Accuracy beside calibration, all methods on the same data", rows)


def ambiguous() -> dict[str, Any]:
    rows = []
    for n, method in enumerate(["coupling_flow", "cinn", "cvae", "glow", "heatmap_noise"]):
        for subset, harder in {"at least 4 uncertain joints": 1.2, "at least 5": 1.5}.items():
            numbers = {
                "min_mpjpe_mm": (40.0 + 4 * n) * harder, "pck_150": 0.97 - 0.02 * n * harder,
                "cps_mm": 190 - 15 * n * harder, "ece_median": 0.02 + 0.03 * n,
            }  # fmt: skip
            rows.append(numbers | {"method": method, "subset": subset, "intervals": spans(numbers)})
    return result("ambiguous", "Poses with uncertain joints", rows)


def ablation() -> dict[str, Any]:
    variants = [
        "full",
        "no condition",
        "no L_HM",
        "no L_gen",
        "no L_MB",
        "k = 1",
        "k = 10",
        "k = 50",
    ]
    rows = []
    for n, variant in enumerate(variants):
        numbers = {
            "min_mpjpe_mm": 43.0 + 2.5 * n, "mpjpe_mean_mm": 66.0 + 1.2 * (n % 4),
            "ece_median": 0.11 + 0.01 * n, "energy_score_mm": 204.0 + 3 * n,
        }  # fmt: skip
        rows.append(numbers | {"method": "cinn", "variant": variant, "intervals": spans(numbers)})
    return result("ablation", "What each part of cinn does", rows)


def samples() -> dict[str, Any]:
    floors = {
        "coupling_flow": 30.0, "cinn": 38.0, "cvae": 49.0, "glow": 41.0, "heatmap_noise": 52.0,
        "glow, K-means of 4096": 37.0, "training poses": 60.0, "prediction + 10 cm": 63.0,
    }  # fmt: skip
    rows = [
        {"method": method, "hypotheses": count, "min_mpjpe_mm": low + 60 / count**0.3,
         "min_pa_mpjpe_mm": 0.7 * (low + 50 / count**0.3)}
        for method, low in floors.items()
        for count in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 4096)
        if count <= 1000 or "glow" in method
    ]  # fmt: skip
    return result("samples", "Error against the number of hypotheses", rows)


def diversity() -> dict[str, Any]:
    rows = []
    for n, method in enumerate(["cinn", "cinn without L_HM", "cinn without condition"]):
        numbers = {
            "spread_x_mm": 21.0 + 4 * n, "spread_y_mm": 18.0 + 3 * n, "spread_z_mm": 55.0 - 9 * n,
            "worst_pa_mpjpe_mm": 110.0 + 20 * n, "bone_length_deviation": 9.0 + n,
        }  # fmt: skip
        joints = {j: 20 + 5.0 * (k % 4) + 3 * n for k, j in enumerate(H36M_17.joints[1:])}
        rows.append(
            numbers | {"method": method, "intervals": spans(numbers), "spread_by_joint_mm": joints}
        )
    return result("diversity", "Where the hypotheses differ", rows)


STUDIES = {
    "table1": table1, "ambiguous": ambiguous, "ablation": ablation, "samples": samples,
    "diversity": diversity,
}  # fmt: skip
