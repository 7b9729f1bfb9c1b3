"""A motion's own joint rotations (ASF/AMC) as those of a body, twists included.

Bone b, turned by G_b from its skeleton's rest pose, turns the body's joint k to G_b O_k. The
constant O_k brings each segment from the body's rest pose to the skeleton's: the trunk's line
from hips to shoulders, the head's from shoulders to its top, a limb's bone, and with it the axis
that knee or elbow bends about. Pelvis and feet are at rest alike in both.
"""

from __future__ import annotations

import os

import roma
import torch
from torch import Tensor

from poseterior.data.asf import AsfSkeleton, read_asf
from poseterior.data.asfamc import asf_to_h36m, read_orientations
from poseterior.data.motion_tracks import JointTracks
from poseterior.errors import require
from poseterior.geometry.kinematics import positions_from_bones
from poseterior.geometry.skeleton import H36M_17, Skeleton
from poseterior.meshes.motion.inverse_kinematics import landmarks_at_rest
from poseterior.meshes.motion.pose_start import hinge_axis, relative_rotations
from poseterior.meshes.skinned_body import SkinnedBody

__all__ = ["motion_rotations", "retarget"]

# The bone that turns each joint, by SMPL's names; those of a side without `left_` and `l`.
_MIDDLE = {"neck": "upperneck", "head": "head"}
_SIDE = {
    "collar": "clavicle", "shoulder": "humerus", "elbow": "radius", "wrist": "wrist",
    "hand": "hand", "hip": "femur", "knee": "tibia", "ankle": "foot", "foot": "toes",
}  # fmt: skip
# Bottom to top; a body with fewer joints in its spine has the upper ones.
_SPINE = ("lowerback", "upperback", "thorax")
# The two bones of a limb; which joints of the body they are, from where to where; its hinge.
_LIMBS = {
    "arm": (("humerus", "radius"), ("shoulder", "elbow", "wrist")),
    "thigh": (("femur", "tibia"), ("hip", "knee", "ankle")),
}


def motion_rotations(
    body: SkinnedBody,
    asf: str | os.PathLike[str],
    amc: str | os.PathLike[str],
    *,
    every: int = 4,
) -> Tensor:
    """(T, K, 3, 3) relative to the parents: a motion of the CMU archive on a body.

    The root's takes the body from its rest axes to the world, z up. `every` as
    `data.asfamc.load_asfamc`. `InputError` for damaged files or bones of other names.
    """
    skeleton = read_asf(asf)
    _, turned = read_orientations(skeleton, amc, every=every)
    return retarget(body, skeleton, turned)


def retarget(body: SkinnedBody, skeleton: AsfSkeleton, turned: Tensor) -> Tensor:
    """(T, K, 3, 3) relative to the parents, from orientations (T, N, 3, 3) of all bones."""
    rest = landmarks_at_rest(body, H36M_17).to(turned)
    offsets = _offsets(rest, skeleton)
    same = torch.eye(3).to(turned)
    world: dict[str, Tensor] = {}
    for joint, bone in _bones_of(body.tree).items():
        require(
            bone in skeleton.bones, skeleton.source, "bones",
            expected=f"{bone}, as in the CMU archive", found=", ".join(skeleton.bones),
        )  # fmt: skip
        world[joint] = turned[:, skeleton.bones.index(bone)] @ offsets.get(bone, same)
    return relative_rotations(body.tree, world).to(body.heads)


def _bones_of(tree: Skeleton) -> dict[str, str]:
    """The bone of each joint that has one."""
    found = {tree.joints[tree.root]: "root"}
    spine = [tree.joints[j] for j in tree.order if tree.joints[j].startswith("spine")]
    found |= dict(zip(spine[-3:], _SPINE[-len(spine) :], strict=True)) if spine else {}
    for joint in tree.joints:
        side, _, part = joint.partition("_")
        if side in ("left", "right") and part in _SIDE:
            found[joint] = side[0] + _SIDE[part]
        elif joint in _MIDDLE:
            found[joint] = _MIDDLE[joint]
    return found


def _offsets(rest: Tensor, skeleton: AsfSkeleton) -> dict[str, Tensor]:
    """O (3, 3) by bone, from landmarks (17, 3) of the body at rest."""
    still = _at_rest(skeleton)
    trunk = _turn(_between(rest, "hip", "shoulder"), _between(still, "hip", "shoulder"))
    found = dict.fromkeys((*_SPINE, "lclavicle", "rclavicle"), trunk)
    head = _turn(_between(rest, "shoulder", "head_top"), _between(still, "shoulder", "head_top"))
    found |= dict.fromkeys(("upperneck", "head"), head)
    for side in ("left", "right"):
        for part, (bones, joints) in _LIMBS.items():
            names = [side[0] + bone for bone in bones]
            own, other = (_bones(places, side, joints) for places in (rest, still))
            axes = hinge_axis(own[0], part), _hinge_of(skeleton, names[1], other[0], part)
            for bone, start, end in zip(names, own, other, strict=True):
                found[bone] = _frame(end, axes[1]) @ _frame(start, axes[0]).mT
        for bone in ("wrist", "hand"):  # the forearm's, but for its twist
            found[side[0] + bone] = found[f"{side[0]}radius"]
    return found


def _at_rest(skeleton: AsfSkeleton) -> Tensor:
    """(17, 3) metres, the file's axes: where the skeleton at rest has the joints of h36m_17."""
    free = skeleton.offsets[None, list(skeleton.tree.free)]
    ends = positions_from_bones(free, skeleton.tree)
    return asf_to_h36m(JointTracks(ends, skeleton.tree, 1.0, skeleton.source))[0]


def _place(places: Tensor, joint: str) -> Tensor:
    """A joint, or the middle of a pair."""
    names = [name for name in H36M_17.joints if name in (joint, f"left_{joint}", f"right_{joint}")]
    return places[[H36M_17.index(name) for name in names]].mean(0)


def _between(places: Tensor, start: str, end: str) -> Tensor:
    return _place(places, end) - _place(places, start)


def _bones(places: Tensor, side: str, joints: tuple[str, str, str]) -> tuple[Tensor, Tensor]:
    start, hinge, end = (places[H36M_17.index(f"{side}_{joint}")] for joint in joints)
    return hinge - start, end - hinge


def _turn(start: Tensor, end: Tensor) -> Tensor:
    """(3, 3): in the plane x = 0, of bodies whose sides are alike, but for what files round."""
    left = torch.eye(3).to(start)[0]
    return _frame(left, end) @ _frame(left, start).mT


def _hinge_of(skeleton: AsfSkeleton, lower: str, upper: Tensor, part: str) -> Tensor:
    """(3,) the axis at rest that a knee or elbow of the file bends about.

    That of its one angle, if it has one; else where anatomy has it.
    """
    expected = hinge_axis(upper, part)
    bone = skeleton.bones.index(lower)
    if skeleton.channels[bone] != ("rx",):
        return expected
    axis = skeleton.axes[bone, :, 0]
    return axis * (axis @ expected).sign()


def _frame(first: Tensor, second: Tensor) -> Tensor:
    return roma.special_gramschmidt(torch.stack([first, second], -1))
