"""What a data set gives to studies and trainings of bodies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from poseterior.batch.blocks import MIN_JOINTS
from poseterior.data.keypoint_source import MemorySource
from poseterior.errors import require
from poseterior.keypoints import Keypoints
from poseterior.meshes.motion.fixed_bodies import FixedBodies
from poseterior.meshes.skinned_body import SkinnedBody

__all__ = [
    "BodyData", "FixedJoints", "Scored", "as_poses", "no_options", "seen_enough",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class FixedJoints:
    """Observations of people of whom joints are known, and no bodies: batch shape (M,).

    Attributes:
        keypoints, target, clip, frame: as of `FixedBodies`; the target in `h36m_17`.
    """

    keypoints: Keypoints
    target: Tensor
    clip: Any
    frame: Any


Scored = FixedBodies | FixedJoints


@dataclass(frozen=True, eq=False)
class BodyData:
    """Bodies to train on, and observations to validate with and to score.

    Attributes:
        name: the data set's.
        body: that training poses.
        train: from nothing to rotations (F, K, 3, 3) of its joints, the root's to the world, z up.
        held_out: from a number of poses to so many observations that nothing is trained on.
        test: from nothing to the plain and the ambiguous observations that are scored.
        unknown: (17,) bool, joints that the keypoints never have, or None.
        every: score every so many, if nothing else is asked for.
        about: what else made the result, for its provenance.
        protocol: what rows say of how they were scored, where a data set has several ways.
    """

    name: str
    body: SkinnedBody
    train: Callable[[], Tensor]
    held_out: Callable[[int], MemorySource]
    test: Callable[[], tuple[Scored, Scored]]
    unknown: Tensor | None = None
    every: int = 1
    about: Mapping[str, Any] = field(default_factory=dict)
    protocol: str | None = None


def as_poses(fixed: Scored) -> MemorySource:
    """The same observations with joints for targets."""
    labels = {"clip": fixed.clip, "frame": fixed.frame}
    return MemorySource(fixed.keypoints, fixed.target, labels, "bodies")


def seen_enough(*observed: Keypoints) -> Tensor:
    """(M,) bool: rows with as many valid joints as a lifter asks for, in each of some."""
    return torch.stack([k.valid.sum(-1) >= MIN_JOINTS for k in observed]).all(0)


def no_options(options: Mapping[str, object], *names: str) -> None:
    """`InputError` if one of these options is given, which a data set does not have."""
    for name in names:
        value = options.get(name)
        expected = "no such option where bodies are posed"
        require(value is None, f"--{name}", "", expected=expected, found=value)
