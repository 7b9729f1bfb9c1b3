"""What rendered people do: motion capture by subject, or else the walk of the demo's clip."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from poseterior.data.demo_clip import demo_motion
from poseterior.geometry.skeleton import H36M_17
from poseterior.meshes.motion.body_motion import body_motion
from poseterior.meshes.motion.body_proportions import with_lengths_of
from poseterior.meshes.motion.inverse_kinematics import fit_to_joints, landmarks_at_rest
from poseterior.meshes.rendering.people import SPLITS
from poseterior.meshes.skinned_body import SkinnedBody

__all__ = ["Poses", "poses_for"]


@dataclass(frozen=True, eq=False)
class Poses:
    """Rotations (F, K, 3, 3) of each split, and the name of where they are from."""

    source: str
    rotations: dict[str, Tensor]


def poses_for(
    body: SkinnedBody, root: str | os.PathLike[str] | None, cache: Path | None = None
) -> Poses:
    """Poses of a body.

    Args:
        body: with landmarks of `h36m_17`.
        root: the folder of the CMU data, whose splits hold different subjects; None for thirds
            of the walk and wave of `poseterior demo`, which are one short clip.
        cache: a folder that keeps what `body_motion` computes, a minute or two of work.

    Raises:
        InputError: what `body_motion` raises.
    """
    if root is not None:
        splits = {split: body_motion(body, root, split, cache).rotations for split in SPLITS}
        return Poses("cmu", splits)
    rest = landmarks_at_rest(body, H36M_17)
    pose = with_lengths_of(rest, demo_motion().to(rest), H36M_17)
    mean = rest.new_zeros(body.betas)
    fitted = fit_to_joints(body, pose, H36M_17, betas=mean).parameters.rotations.float()
    third = len(fitted) // len(SPLITS)
    parts = fitted[: third * len(SPLITS)].split(third)
    return Poses("demo", dict(zip(SPLITS, parts, strict=True)))
