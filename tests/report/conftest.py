"""A made-up result: a Gaussian posterior, a little too narrow, scored by plain numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from poseterior.geometry.skeleton import H36M_17
from poseterior.report import Examples

LEVELS = np.linspace(0, 1, 21)
CAMERA = np.array([[1150.0, 0.0, 500.0], [0.0, 1150.0, 500.0], [0.0, 0.0, 1.0]])
# A person who faces the camera (its left on the image's right), one arm raised, one leg forward.
STANDING = np.array([
    [0, 0, 0], [-.12, .02, 0], [-.13, .45, -.10], [-.13, .86, .02], [.12, .02, 0], [.14, .44, -.02],
    [.15, .86, .10], [0, -.24, .01], [0, -.49, .03], [0, -.60, -.02], [0, -.74, 0],
    [.17, -.46, .03], [.30, -.24, .05], [.25, -.06, -.14], [-.17, -.46, .03], [-.38, -.60, -.02],
    [-.34, -.84, -.12],
])  # fmt: skip


def make_examples(poses: int = 8, hypotheses: int = 40, narrow: float = 0.8) -> Examples:
    random = np.random.default_rng(0)
    spread = 0.012 + 0.05 * np.linalg.norm(STANDING, axis=-1, keepdims=True) ** 1.5
    spread = spread * np.array([0.6, 0.6, 1.7]) * (np.arange(17) != 0)[:, None]
    angle = np.linspace(0, 2, poses)
    turn = np.zeros((poses, 3, 3))
    turn[:, 0, 0] = turn[:, 2, 2] = np.cos(angle)
    turn[:, 0, 2], turn[:, 2, 0], turn[:, 1, 1] = np.sin(angle), -np.sin(angle), 1
    target = np.einsum("nab,jb->nja", turn, STANDING)
    centre = target + spread * random.standard_normal(target.shape)
    noise = random.standard_normal((poses, hypotheses, 17, 3))
    seen = (target + np.array([0.1, -0.1, 4.0])) @ CAMERA.T
    factor = random.normal(0, 4, (poses, 17, 2, 2))
    valid = np.ones((poses, 17), bool)
    valid[2, [13, 16]] = False
    return Examples(
        H36M_17, centre[:, None] + narrow * spread * noise, target,
        seen[..., :2] / seen[..., 2:] + random.normal(0, 2, (poses, 17, 2)),
        factor @ factor.swapaxes(-1, -2) + 4 * np.eye(2), valid, CAMERA,
        [f"clip 03_{n // 2 + 1:02d}, frame {37 * n + 12}" for n in range(poses)],
    )  # fmt: skip


def _observed(narrow: float) -> np.ndarray:
    """Coverage of the regions of a Gaussian whose spread is `narrow` times the truth's."""
    random = np.random.default_rng(1)
    distance = np.linalg.norm(random.standard_normal((20_000, 3)), axis=-1)
    return np.array([np.mean(distance < q) for q in np.quantile(distance * narrow, LEVELS)])


def make_result() -> dict[str, Any]:
    random = np.random.default_rng(2)
    narrowness = dict(zip(H36M_17.joints[1:], random.uniform(0.7, 1.15, 16), strict=True))
    curves = {joint: _observed(n) for joint, n in narrowness.items()}
    observed = np.median(list(curves.values()), axis=0)
    width = 1.96 * np.sqrt(LEVELS * (1 - LEVELS) / 4000)
    errors = random.gamma(9, 5.2, 4000)
    histograms = {
        key: {
            "edges": [*range(0, 155, 5)],
            "counts": np.histogram(e, [*range(0, 155, 5), np.inf])[0].tolist(),
        }
        for key, e in {"mpjpe_mean_mm": errors, "min_mpjpe_mm": errors * 0.73}.items()
    }
    numbers = {
        "poses": 4000, "invalid": 37, "hypotheses": 200, "skeleton": "h36m_17",
        "mpjpe_mean_mm": 46.9, "mpjpe_mode_mm": None, "mpjpe_latent_centre_mm": 48.2,
        "expected_mpjpe_mm": 63.1, "min_mpjpe_mm": 35.4, "min_pa_mpjpe_mm": 26.0,
        "n_mpjpe_mm": 45.1, "pck150": 0.982, "auc": 0.713, "cps_mm": 198.4, "ece_median": 0.031,
        "ece_mean": 0.033, "ece_mode": None, "ece_latent_centre": 0.038, "ece_joint_mean": 0.047,
        "ece_joint_max": 0.094, "energy_score_mm": 142.7, "crps_mm": 17.9, "sharpness_mm": 41.3,
        "nll": -88.31, "coverage": {f"{q:.2f}": o for q, o in zip(LEVELS, observed, strict=True)},
    }  # fmt: skip
    return numbers | {
        "intervals": {
            key: [value - 0.04 * abs(value), value + 0.04 * abs(value)]
            for key, value in numbers.items()
            if isinstance(value, float)
        },
        "per_joint": {
            joint: {
                "ece": float(np.abs(curve - LEVELS).mean()),
                "mpjpe_mm": float(random.uniform(15, 95)),
                "coverage": curve.tolist(),
            }
            for joint, curve in curves.items()
        },
        "reliability": {
            "levels": LEVELS.tolist(),
            "observed": observed.tolist(),
            "band": [(LEVELS - width).tolist(), (LEVELS + width).tolist()],
            "perfect": {"observed": (0.005 + 0.99 * LEVELS).tolist(), "ece": 0.004},
        },
        "histograms": histograms,
        "provenance": {
            "lifter": "coupling_flow", "source": "test_observations.npz", "seed": 0,
            "command": "poseterior evaluate coupling_flow --observations test_observations.npz",
            "config": {"blocks": 8, "width": 1024, "clamp": 2.0},
            "versions": {"poseterior": "0.1.0", "torch": "2.13.0", "numpy": "2.3.4"},
            "data": {"fingerprint": "sha256:" + "9f3a" * 16, "poses": 4037}, "device": "cpu",
        },
    }  # fmt: skip


@pytest.fixture
def examples() -> Examples:
    return make_examples()


@pytest.fixture
def result() -> dict[str, Any]:
    return make_result()
