"""The BVH conversions of the CMU archive (B. Hahne, cgspeed) as `h36m_17`.

In them the thorax and wrist bones have length 0: everything above the thorax is about 0.12 m
too low and the forearms are 0.10 m too short. Their rotations are there, so the bones can be
put back: below `Spine1` (thorax) and below each `Hand` (wrist).
"""

from __future__ import annotations

import os

from torch import Tensor

from poseterior.data.asf import AsfSkeleton
from poseterior.data.bvh import Bvh, read_bvh
from poseterior.geometry.skeleton import H36M_17
from poseterior.geometry.units import METRES_PER_INCH

__all__ = ["CMU_BVH_TO_H36M", "METRES_PER_CMU_UNIT", "load_cmu_bvh", "restore_bones"]

METRES_PER_CMU_UNIT = METRES_PER_INCH / 0.45

CMU_BVH_TO_H36M: dict[str, str | tuple[str, ...]] = {
    "pelvis": ("LeftUpLeg", "RightUpLeg"),
    "right_hip": "RightUpLeg", "right_knee": "RightLeg", "right_ankle": "RightFoot",
    "left_hip": "LeftUpLeg", "left_knee": "LeftLeg", "left_ankle": "LeftFoot",
    "spine": "Spine", "thorax": "Neck", "nose": "Head", "head_top": "Head_end",
    "left_shoulder": "LeftArm", "left_elbow": "LeftForeArm", "left_wrist": "LeftFingerBase",
    "right_shoulder": "RightArm", "right_elbow": "RightForeArm", "right_wrist": "RightFingerBase",
}  # fmt: skip

_ABOVE_THORAX = ("Neck", "LeftShoulder", "RightShoulder")
_BEYOND_WRIST = {
    side: (f"{side}FingerBase", f"{side[0]}Thumb") for side in ("Left", "Right")
}  # fmt: skip


def load_cmu_bvh(
    path: str | os.PathLike[str],
    *,
    asf: AsfSkeleton | None = None,
    every: int = 4,
    drop_first: bool = True,
) -> Tensor:
    """(T, 17, 3) metres, z up: a CMU clip from its BVH conversion.

    The first frame, a T-pose that the conversion adds, is dropped unless told otherwise.
    `asf` is the skeleton from which the lost bones are taken: see `restore_bones`.
    """
    tracks = restore_bones(read_bvh(path), asf).tracks(
        METRES_PER_CMU_UNIT, every=every, drop_first=drop_first
    )
    return tracks.to_skeleton(CMU_BVH_TO_H36M, H36M_17)


def restore_bones(bvh: Bvh, asf: AsfSkeleton | None = None) -> Bvh:
    """The file with its thorax and wrist bones put back.

    From `asf`, scaled by the ratio of leg lengths: exact for the subject's own skeleton,
    another subject's is an approximation. Without it by the proportions that skeletons of the
    archive share: a wrist bone half as long as the radius and along it, a thorax bone that
    goes on from the two below it (t = b + (b - a) / 2), within 2.5 mm of three subjects' own.
    """
    thorax, wrists = _from_proportions(bvh) if asf is None else _from_asf(bvh, asf)
    offsets = dict.fromkeys(_ABOVE_THORAX, thorax)
    for side, joints in _BEYOND_WRIST.items():
        offsets |= dict.fromkeys(joints, wrists[side])
    moved = {joint: bvh.offset(joint) + bone for joint, bone in offsets.items()}
    return bvh.with_offsets(moved)


def _from_proportions(bvh: Bvh) -> tuple[Tensor, dict[str, Tensor]]:
    lower, upper = bvh.offset("Spine"), bvh.offset("Spine1")
    wrists = {side: bvh.offset(f"{side}Hand") / 2 for side in _BEYOND_WRIST}
    return upper + (upper - lower) / 2, wrists


def _from_asf(bvh: Bvh, asf: AsfSkeleton) -> tuple[Tensor, dict[str, Tensor]]:
    leg = sum(bvh.offset(joint).norm() for joint in ("LeftLeg", "LeftFoot"))
    scale = leg / sum(asf.offset(bone).norm() for bone in ("lfemur", "ltibia"))
    wrists = {side: asf.offset(f"{side[0].lower()}wrist") * scale for side in _BEYOND_WRIST}
    return asf.offset("thorax") * scale, wrists
