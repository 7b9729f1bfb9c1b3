"""Human3.6M for studies and trainings of meshes, for those who hold it.

It distributes joints and no bodies. Its training subjects' motion poses a body through inverse
kinematics, seen by a simulated detector; its test subjects are observed by its own cameras and
detections, and only their joints can be scored.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from poseterior.data.ambiguous_crops import ambiguous_source
from poseterior.data.datasets import DATA_SETS
from poseterior.data.human36m_cameras import camera_of
from poseterior.data.keypoint_source import MemorySource, selected
from poseterior.data.motion_clips import MotionClips
from poseterior.geometry.skeleton import H36M_17
from poseterior.meshes.motion.body_motion import fitted_motion
from poseterior.meshes.skinned_body import SkinnedBody
from poseterior.studies.body_data import BodyData, FixedJoints, Scored, seen_enough
from poseterior.studies.training_data import evenly, pairs

__all__ = ["human36m_bodies", "human36m_motion"]

# Poses of one recording are told apart by its four cameras only; frames 4, 8, ... of 50 a second.
_EVERY, _FPS = 4, 12.5
_PROTOCOL = "wehrbein"  # of `open_human36m`, where none is asked for


def human36m_bodies(
    body: SkinnedBody, root: Path | None, options: Mapping[str, object], cache: Path
) -> BodyData:
    """Bodies in its training motion, and observations of its test subjects.

    Args:
        body: any.
        root: folder of the data; if None, the one that its environment variable names.
        options: `protocol` and `keypoints`, as `open_human36m` takes them.
        cache: folder that keeps the fitted rotations.

    Raises:
        InputError: anything bad in the files or options.
    """
    data = DATA_SETS["human36m"]
    folder = data.folder(root)
    asked = {name: options.get(name) for name in ("protocol", "keypoints")}
    seen = pairs(data.open(folder, "test", asked), H36M_17)

    def train() -> torch.Tensor:
        clips = human36m_motion(pairs(data.open(folder, "train", asked), H36M_17))
        return fitted_motion(body, clips, "human36m_train", cache).rotations

    def test() -> tuple[Scored, Scored]:
        hidden = ambiguous_source(seen)
        keep = seen_enough(seen.keypoints, hidden.keypoints).nonzero()[:, 0]
        plain, ambiguous = (_joints(selected(source, keep)) for source in (seen, hidden))
        return plain, ambiguous

    return BodyData(
        name="human36m",
        body=body,
        train=train,
        held_out=lambda poses: evenly(seen, poses),
        test=test,
        unknown=~seen.keypoints.valid.any(0),
        about={
            "options": {name: value for name, value in asked.items() if value is not None},
            "notes": dict(seen.notes),
            "pairs": {"poses": seen.rows, "fingerprint": seen.fingerprint()},
        },
        protocol=str(asked["protocol"] or _PROTOCOL),
    )


def human36m_motion(source: MemorySource) -> MotionClips:
    """The motion of poses in `h36m_17` that cameras have seen: world axes, each recording once.

    `source` has targets, and labels as of `open_human36m`.
    """
    labels: Any = source.labels
    assert source.target is not None  # `pairs` sees to it
    kept, names = [], []
    for recording, rows in _recordings(labels).items():
        kept.append(rows)
        names.append(recording)
    rows = np.concatenate(kept)
    turn = torch.stack(
        [
            camera_of(subject, camera).rotation
            for subject, camera in zip(labels["subject"][rows], labels["camera"][rows], strict=True)
        ]
    )
    positions = (source.target[rows].double() @ turn).float()
    clip = np.repeat(np.arange(len(kept)), [len(each) for each in kept])
    return MotionClips(
        positions, torch.from_numpy(clip), tuple(names), _FPS, H36M_17, source.name
    )  # fmt: skip


def _recordings(labels: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """By a recording's name, every fourth frame's rows of the first camera that has it."""
    found: dict[str, np.ndarray] = {}
    clips = labels["clip"]
    for clip in dict.fromkeys(clips.tolist()):
        name = clip.rpartition("/")[0]
        rows = np.flatnonzero((clips == clip) & (labels["frame"] % _EVERY == _EVERY - 1))
        if len(rows):
            found.setdefault(name, rows)
    return found


def _joints(source: MemorySource) -> FixedJoints:
    labels = source.labels
    assert source.target is not None  # `pairs` sees to it
    return FixedJoints(source.keypoints, source.target, labels["clip"], labels["frame"])
