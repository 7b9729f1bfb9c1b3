"""Poses of one person's proportions as a body of others would take them.

Inverse kinematics on joints of another person's lengths bends knees to shorten legs. So bones of
limbs get the body's lengths, in the poses' directions; the trunk is scaled. Joints of spine, neck
and head mean other points to other tools: where they lie in the frame of the shoulders on
average is put where the body at rest has them, and what is left is posture.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from poseterior.geometry.skeleton import Skeleton
from poseterior.meshes.motion.pose_start import CHEST, orientations

__all__ = ["with_lengths_of"]

_CHAINS = (("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist"))


def with_lengths_of(rest: Tensor, pose: Tensor, skeleton: Skeleton) -> Tensor:
    """Poses (N, J, 3) with the lengths of a body's landmarks at rest (J, 3), metres.

    The middle of the hips stays. Averages are over all poses given: a motion, or many, in which
    the trunk is upright on average. Skeletons and what raises as `pose_start.orientations`.
    """
    chest = orientations(pose, rest, skeleton)[CHEST]
    of, still = (dict(zip(skeleton.joints, p.unbind(-2), strict=True)) for p in (pose, rest))
    hips, shoulders, torso = _girdles(of)
    still_hips, still_shoulders, still_torso = _girdles(still)
    scale = still_torso.norm(dim=-1) / torso.norm(dim=-1).mean()
    ends = hips + scale * torso
    made = _limbs(of, still, {"hip": hips, "shoulder": ends})
    if "pelvis" in of:
        made["pelvis"] = hips + still["pelvis"] - still_hips
    for joint in skeleton.joints:
        if joint not in made:
            local = (chest.mT @ (of[joint] - shoulders)[..., None])[..., 0]
            local = scale * (local - local.mean(0)) + still[joint] - still_shoulders
            made[joint] = ends + (chest @ local[..., None])[..., 0]
    return torch.stack([made[joint] for joint in skeleton.joints], 1)


def _girdles(places: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Middles of hips and shoulders, and from the first to the second."""
    hips, shoulders = (
        (places[f"left_{joint}"] + places[f"right_{joint}"]) / 2 for joint in ("hip", "shoulder")
    )
    return hips, shoulders, shoulders - hips


def _limbs(
    of: dict[str, Tensor], still: dict[str, Tensor], middles: dict[str, Tensor]
) -> dict[str, Tensor]:
    """The joints of limbs: from the middle of each girdle outwards, bone by bone."""
    made: dict[str, Tensor] = {}
    for start, *rest in _CHAINS:
        across = of[f"left_{start}"] - of[f"right_{start}"]
        width = (still[f"left_{start}"] - still[f"right_{start}"]).norm(dim=-1)
        for side, half in (("left", width / 2), ("right", -width / 2)):
            at = f"{side}_{start}"
            made[at] = middles[start] + half * normalize(across, dim=-1)
            for part in rest:
                end = f"{side}_{part}"
                length = (still[end] - still[at]).norm(dim=-1)
                made[end] = made[at] + length * normalize(of[end] - of[at], dim=-1)
                at = end
    return made
