"""What `poseterior train` trains on and validates with: motion capture seen anew, or pairs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from poseterior.batch.observed import in_skeleton
from poseterior.data.cmu import load_cmu
from poseterior.data.datasets import DATA_SETS, DataSet
from poseterior.data.keypoint_source import KeypointSource, MemorySource, selected
from poseterior.data.observed_anew import observed_anew
from poseterior.data.paired_source import PairedSource
from poseterior.data.pose_source import PoseSource
from poseterior.errors import InputError, known, require
from poseterior.geometry.skeleton import Skeleton
from poseterior.training.updates import Source

__all__ = ["TrainingData", "evenly", "pairs", "training_data"]


@dataclass(frozen=True)
class TrainingData:
    """The data of a training.

    Attributes:
        source: from batch size and seed to the source of batches.
        held_out: from a number of poses to so many observations to validate with; None where
            `validation` is given.
        about: what it is, for each run's `config.json`.
        validation: numbers of what is trained, in the place of those of a posterior's scores.
    """

    source: Callable[[int, int], Source]
    held_out: Callable[[int], MemorySource] | None
    about: Mapping[str, Any]
    validation: Callable[[Any], dict[str, Any]] | None = None


def training_data(
    name: str, root: Path | None, skeleton: Skeleton, options: Mapping[str, object]
) -> TrainingData:
    """The data set of that name, for a lifter of that skeleton; `options` as `DataSet.open`.

    `InputError` for an unknown data set, one that cannot be trained on, and all that opening
    it finds.
    """
    data = DATA_SETS[known("--data", name, DATA_SETS)]
    if data.train is None or data.held_out is None:
        trained = ", ".join(other for other, each in DATA_SETS.items() if each.train)
        expected = f"data whose targets tell every joint ({trained})"
        raise InputError("--data", "", expected=expected, found=name)
    if name == "cmu" and not any(options.values()):
        return _motion_capture(root)
    return _observed(data, root, skeleton, options)


def pairs(source: KeypointSource, skeleton: Skeleton) -> MemorySource:
    """All observations of a source with their targets, in another skeleton.

    `InputError` where there are no targets, or not of every joint.
    """
    rows = next(source.chunks(source.rows))
    keypoints, target, told = in_skeleton(rows.keypoints, rows.target, skeleton)
    if target is None:
        raise InputError(source.name, "target", expected="targets to learn from", found="none")
    lacking = [j for j, each in zip(skeleton.joints, told.all(0), strict=True) if not each]
    require(
        not lacking, source.name, "target",
        expected=f"every joint of {skeleton.name}", found=f"nothing of {', '.join(lacking)}",
    )  # fmt: skip
    return MemorySource(keypoints, target, rows.labels, source.name, source.notes)


def _motion_capture(root: Path | None) -> TrainingData:
    clips, held_out = load_cmu(root, "train"), load_cmu(root, "val")
    return TrainingData(
        source=lambda size, seed: PoseSource(clips.positions, clips.skeleton, size, seed),
        held_out=lambda poses: observed_anew(held_out, poses=poses),
        about={"clips": {"frames": len(clips), "fingerprint": clips.fingerprint}},
    )


def _observed(
    data: DataSet, root: Path | None, skeleton: Skeleton, options: Mapping[str, object]
) -> TrainingData:
    folder = data.folder(root)
    train, held_out = (
        pairs(data.open(folder, str(split), options), skeleton)
        for split in (data.train, data.held_out)
    )
    pose = train.target
    assert pose is not None  # `pairs` sees to it
    about = {"poses": train.rows, "fingerprint": train.fingerprint(), "notes": train.notes}
    return TrainingData(
        source=lambda size, seed: PairedSource(train.keypoints, pose, size, seed),
        held_out=lambda poses: evenly(held_out, poses),
        about={"pairs": about},
    )


def evenly(source: MemorySource, poses: int) -> MemorySource:
    """So many rows, evenly from first to last; all if there are fewer."""
    rows = torch.linspace(0, source.rows - 1, min(poses, source.rows)).round().long()
    return selected(source, rows)
