"""What a study trains on and what it scores: one training source, one fixed set of poses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from poseterior.data.cmu import load_cmu, load_observations
from poseterior.data.datasets import DATA_SETS
from poseterior.data.keypoint_source import KeypointSource, MemorySource
from poseterior.data.observations import open_observations
from poseterior.data.observed_anew import observed_anew
from poseterior.data.paired_source import PairedSource
from poseterior.data.pose_source import PoseSource
from poseterior.data.simulated_detector import CameraRanges
from poseterior.errors import known, require
from poseterior.geometry.skeleton import H36M_17, Skeleton
from poseterior.studies.training_data import pairs
from poseterior.training.updates import Source

__all__ = ["AS_FIXED", "STUDY_DATA", "StudyData", "study_data"]


@dataclass(frozen=True)
class StudyData:
    """The data of a study.

    Attributes:
        name: the data set's.
        source: from (batch size, seed) to a source of training batches.
        test: what is scored, all of it; studies take every so many poses.
        skeleton: of both.
        about: fingerprints, for the result's provenance.
        held_out: poses that are neither trained on nor scored; None where there are none.
        every: score every so many of the test poses, if nothing else is asked for.
        config: fields of lifters' configs that the data decide, for those that have them.
    """

    name: str
    source: Callable[[int, int], Source]
    test: MemorySource
    skeleton: Skeleton
    about: Mapping[str, Any]
    held_out: Callable[[], MemorySource] | None = None
    every: int = 1
    config: Mapping[str, Any] = field(default_factory=dict)


def in_memory(source: KeypointSource) -> MemorySource:
    """All rows of a source."""
    rows = next(source.chunks(source.rows))
    return MemorySource(rows.keypoints, rows.target, rows.labels, source.name, source.notes)


# Bones of adults differ by about 4.6 %, which is the standard deviation of U(-8 %, 8 %).
_ADULTS, _HELD_OUT = 0.08, 500
# Cameras and detector of the fixed observations. What `train` adds so that a lifter bears missing
# joints, far people and wrong focal lengths would make every method too wide for these.
AS_FIXED: dict[str, Any] = {
    "cameras": CameraRanges(), "masked": 0.0, "far": 0.0, "misjudged": 0.0,
}  # fmt: skip


def _cmu(root: Path | None, options: Mapping[str, object]) -> StudyData:
    """CMU motion capture: augmented and seen anew for training, the fixed test observations."""
    for name, value in options.items():
        expected = "no such option of cmu"
        require(value is None, f"--{name}", "", expected=expected, found=value)
    clips = load_cmu(root, "train")
    path = load_observations(root, "test")
    test = in_memory(open_observations(path))
    same = test.skeleton == clips.skeleton
    require(same, path, "skeleton", expected=clips.skeleton.name, found=test.skeleton.name)
    return StudyData(
        name="cmu",
        source=lambda size, seed: PoseSource(
            clips.positions, clips.skeleton, size, seed, **AS_FIXED
        ),
        test=test,
        skeleton=clips.skeleton,
        about={
            "train": {"frames": len(clips), "fingerprint": clips.fingerprint},
            "test": {"poses": test.rows, "fingerprint": test.fingerprint()},
        },
        held_out=lambda: observed_anew(load_cmu(root, "val"), _ADULTS, seed=1, poses=_HELD_OUT),
        every=4,
    )


def _human36m(root: Path | None, options: Mapping[str, object]) -> StudyData:
    """Human3.6M's pairs of keypoints and poses, subjects and frames by its protocol."""
    data = DATA_SETS["human36m"]
    folder = data.folder(root)
    train, test = (pairs(data.open(folder, s, options), H36M_17) for s in ("train", "test"))
    pose = train.target
    assert pose is not None  # `pairs` sees to it
    return StudyData(
        name="human36m",
        source=lambda size, seed: PairedSource(train.keypoints, pose, size, seed),
        test=test,
        skeleton=H36M_17,
        about={
            "options": {name: value for name, value in options.items() if value is not None},
            "notes": dict(test.notes),
            **{
                split: {"poses": source.rows, "fingerprint": source.fingerprint()}
                for split, source in (("train", train), ("test", test))
            },
        },
    )


STUDY_DATA: dict[str, Callable[[Path | None, Mapping[str, object]], StudyData]] = {
    "cmu": _cmu,
    "human36m": _human36m,
}


def study_data(
    name: str, root: Path | None, options: Mapping[str, object] | None = None
) -> StudyData:
    """The data of a study, by the data set's name.

    Args:
        name: "cmu", or "human36m" of those who hold it.
        root: its folder; if None, the one that its environment variable names.
        options: `protocol` and `keypoints`, as `open_human36m` takes them.

    Raises:
        InputError: an unknown name or option, or anything bad in the files.
    """
    return STUDY_DATA[known("--data", name, STUDY_DATA)](root, options or {})
