"""Bodies posed by the CMU motion capture, for studies and trainings of meshes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from poseterior.data.cmu import cmu_root
from poseterior.data.keypoint_source import MemorySource
from poseterior.meshes.motion.body_motion import BodyMotion, body_motion
from poseterior.meshes.motion.fixed_bodies import fixed_observations
from poseterior.meshes.skinned_body import SkinnedBody
from poseterior.studies.body_data import BodyData, Scored, as_poses, no_options

__all__ = ["cmu_bodies"]


def cmu_bodies(
    body: SkinnedBody, root: Path | None, options: Mapping[str, object], cache: Path
) -> BodyData:
    """Splits of the motion, fitted to any body; observations are simulated.

    Args:
        body: any.
        root: folder of the data; if None, the one that its environment variable names.
        options: none are known but `body`.
        cache: folder that keeps the fitted rotations.

    Raises:
        InputError: an option, or anything bad in the files.
    """
    no_options(options, "protocol", "keypoints")
    folder = cmu_root(root)

    def motion(split: str) -> BodyMotion:
        return body_motion(body, folder, split, cache)

    def test() -> tuple[Scored, Scored]:
        held_out = motion("test")
        plain, hidden = (fixed_observations(body, held_out, hidden=h) for h in (False, True))
        return plain, hidden

    def seen(poses: int) -> MemorySource:
        return as_poses(fixed_observations(body, motion("val"), poses=poses, seed=1))

    return BodyData(
        name="cmu", body=body, train=lambda: motion("train").rotations, held_out=seen, test=test,
        every=4,
    )  # fmt: skip
