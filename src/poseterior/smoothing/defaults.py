"""Models fitted on the CMU motion capture: what `smooth` takes where nothing is fitted.

`benchmarks/smoothing.py` prints them: fitted by `fit_model` on the split val, seen at 30 Hz by
cameras that stand still, with detection errors that last half a second, lifted by
`coupling_flow`. Both sides of the body are alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from types import MappingProxyType

import torch

from poseterior.errors import known
from poseterior.geometry.skeleton import Skeleton
from poseterior.smoothing.kalman import StateSpace
from poseterior.smoothing.motion import MODELS, Motion, Velocity, Walk

__all__ = ["NOISE", "SHARE", "VELOCITY_TIME", "default_model", "default_noise"]

SHARE: Mapping[str, float] = MappingProxyType({"walk": 0.89, "velocity": 0.94})
VELOCITY_TIME = 0.16
# m²/s for "walk", m²/s³ for "velocity".
NOISE: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "walk": {
            "hip": 6.7e-05, "knee": 0.0032, "ankle": 0.0065, "spine": 0.00012, "thorax": 0.0004,
            "nose": 0.00082, "head_top": 0.0010, "shoulder": 0.00095, "elbow": 0.0041,
            "wrist": 0.012,
        },
        "velocity": {
            "hip": 0.072, "knee": 1.2, "ankle": 1.6, "spine": 0.20, "thorax": 0.31,
            "nose": 0.50, "head_top": 0.47, "shoulder": 0.70, "elbow": 1.4, "wrist": 2.35,
        },
    }
)  # fmt: skip


def default_noise(model: str, joints: Sequence[str]) -> list[float]:
    """Of joints by name; one that is not known moves as the middle one of those that are.

    >>> default_noise("walk", ["left_wrist", "left_hand"])
    [0.012, 0.000975]
    """
    table = NOISE[known("--model", model, NOISE)]
    middle = median(table.values())
    return [table.get(j.removeprefix("left_").removeprefix("right_"), middle) for j in joints]


def default_model(
    skeleton: Skeleton, name: str = "velocity", share: float | None = None
) -> StateSpace:
    """The shipped model of the free joints of a skeleton, maybe with another share."""
    known("--model", name, MODELS)
    joints = [skeleton.joints[j] for j in skeleton.free]
    noise = torch.tensor(default_noise(name, joints), dtype=torch.float64)
    motion: Motion = Walk(noise) if name == "walk" else Velocity(noise, VELOCITY_TIME)
    return StateSpace(motion, SHARE[name] if share is None else share)
