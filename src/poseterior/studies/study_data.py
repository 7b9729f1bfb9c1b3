"""What a study trains on and what it scores: one training source, one fixed set of poses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from poseterior.data.cmu import load_cmu, load_observations
from poseterior.data.keypoint_source import KeypointSource, MemorySource
from poseterior.data.observations import open_observations
from poseterior.data.pose_source import PoseSource
from poseterior.errors import require
from poseterior.geometry.skeleton import Skeleton
from poseterior.training.updates import Source

__all__ = ["StudyData", "cmu_study_data", "selected"]


@dataclass(frozen=True)
class StudyData:
    """The data of a study.

    Attributes:
        name: the data set's.
        source: from (batch size, seed) to a source of training batches.
        test: what is scored, all of it; studies take every so many poses.
        skeleton: of both.
        about: fingerprints, for the result's provenance.
    """

    name: str
    source: Callable[[int, int], Source]
    test: MemorySource
    skeleton: Skeleton
    about: Mapping[str, Any]


def selected(source: MemorySource, rows: torch.Tensor, name: str = "") -> MemorySource:
    """The rows (N,) of a source, by index, in that order."""
    index = rows.numpy()
    return MemorySource(
        source.keypoints[rows],
        None if source.target is None else source.target[rows],
        {key: labels[index] for key, labels in source.labels.items()},
        name=name or source.name,
        notes=source.notes,
    )


def in_memory(source: KeypointSource) -> MemorySource:
    """All rows of a source."""
    rows = next(source.chunks(source.rows))
    return MemorySource(rows.keypoints, rows.target, rows.labels, source.name, source.notes)


def cmu_study_data(root: str | Path | None) -> StudyData:
    """CMU motion capture: augmented and seen anew for training, the fixed test observations.

    `InputError` where the folder holds no such data.
    """
    clips = load_cmu(root, "train")
    path = load_observations(root, "test")
    test = in_memory(open_observations(path))
    same = test.skeleton == clips.skeleton
    require(same, path, "skeleton", expected=clips.skeleton.name, found=test.skeleton.name)
    return StudyData(
        name="cmu",
        source=lambda size, seed: PoseSource(clips.positions, clips.skeleton, size, seed),
        test=test,
        skeleton=clips.skeleton,
        about={
            "train": {"frames": len(clips), "fingerprint": clips.fingerprint},
            "test": {"poses": test.rows, "fingerprint": test.fingerprint()},
        },
    )
