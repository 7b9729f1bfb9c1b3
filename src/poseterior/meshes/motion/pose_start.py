"""Joint rotations from the directions of limbs: where inverse kinematics starts.

A limb of two bones, u and v, fixes the first one's orientation by u and by the axis about which
its hinge (knee, elbow) bends, u x v. Of a straight limb the axis is unknown and is the one that
the parent's orientation carries there by the shortest way. Rest axes are SMPL's: x to the
body's left, y up, z forward; knees bend about +x, elbows so that the forearm comes forward.
No leg is twisted by more than a quarter turn from that.
"""

from __future__ import annotations

from collections.abc import Mapping

import roma
import torch
from torch import Tensor
from torch.nn.functional import normalize

from poseterior.errors import require
from poseterior.geometry.rotations import from_axis_angle, to_axis_angle
from poseterior.geometry.skeleton import Skeleton

__all__ = [
    "hinge_axis",
    "orientations",
    "relative_rotations",
    "segment_of",
    "shortest_turn",
    "start_rotations",
]

PELVIS, CHEST, HEAD = "pelvis", "chest", "head"  # segments, beside those of limbs

# Sine of the bend at which the observed axis of a hinge counts as much as the carried one.
_BENT = 0.15
_HEADS = ("head_top", "nose", "left_ear", "right_ear")
_LIMBS = {
    **{f"{s}_thigh": (f"{s}_hip", f"{s}_knee", f"{s}_ankle") for s in ("left", "right")},
    **{f"{s}_arm": (f"{s}_shoulder", f"{s}_elbow", f"{s}_wrist") for s in ("left", "right")},
}
_SEGMENTS = {
    "hip": "thigh", "knee": "shin", "ankle": "shin", "foot": "shin",
    "shoulder": "arm", "elbow": "forearm", "wrist": "forearm", "hand": "forearm",
}  # fmt: skip
_LOWER = {"thigh": "shin", "arm": "forearm"}


def segment_of(joint: str) -> str | None:
    """The segment that a joint of a body turns, by SMPL's name of it; None if no segment's.

    >>> segment_of("left_knee"), segment_of("left_collar"), segment_of("spine2")
    ('left_shin', 'chest', None)
    """
    side, _, part = joint.partition("_")
    if part == "collar":
        return CHEST
    if side in ("left", "right") and part in _SEGMENTS:
        return f"{side}_{_SEGMENTS[part]}"
    return None


def orientations(pose: Tensor, rest: Tensor, skeleton: Skeleton) -> dict[str, Tensor]:
    """How each segment is turned from rest: (N, 3, 3) by its name.

    Args:
        pose: (N, J, 3) metres, any axes.
        rest: (J, 3) the same joints of the body at rest, in its rest axes.
        skeleton: with hips, knees, ankles, shoulders, elbows and wrists.

    Raises:
        InputError: a skeleton without one of those.
    """
    lacking = [joint for limb in _LIMBS.values() for joint in limb if joint not in skeleton.joints]
    require(
        not lacking, skeleton.name, "joints",
        expected="hips, knees, ankles, shoulders, elbows and wrists", found=f"no {lacking}",
    )  # fmt: skip
    posed, still = _places(pose, skeleton), _places(rest[None], skeleton)
    found = {
        name: _trunk(posed, joint) @ _trunk(still, joint).mT
        for name, joint in ((PELVIS, "hip"), (CHEST, "shoulder"))
    }
    found[HEAD] = _carried(found[CHEST], _head(still), _head(posed))
    for segment, joints in _LIMBS.items():
        side, _, part = segment.partition("_")
        parent = found[PELVIS if part == "thigh" else CHEST]
        lower = f"{side}_{_LOWER[part]}"
        found[segment], found[lower] = _limb(
            part, parent, *_bones(still, joints), *_bones(posed, joints)
        )
    return found


def start_rotations(tree: Skeleton, pose: Tensor, rest: Tensor, skeleton: Skeleton) -> Tensor:
    """(N, K, 3, 3) of a body's joints that point its limbs as those of poses (N, J, 3) point.

    The joints of the spine share the turn from pelvis to chest evenly, those of neck and head
    the turn from chest to head. `rest` and `skeleton` as `orientations` has them.
    """
    segments = orientations(pose, rest, skeleton)
    world = {tree.joints[tree.root]: segments[PELVIS]}
    chains = (
        ([j for j in _in_order(tree) if j.startswith("spine")], PELVIS, CHEST),
        ([j for j in _in_order(tree) if j in ("neck", "head")], CHEST, HEAD),
    )
    for chain, start, end in chains:
        for count, joint in enumerate(chain, 1):
            world[joint] = _share(segments[start], segments[end], count / len(chain))
    for joint in tree.joints:
        segment = segment_of(joint)
        if segment is not None:
            world[joint] = segments[segment]
    return relative_rotations(tree, world)


def relative_rotations(tree: Skeleton, world: Mapping[str, Tensor]) -> Tensor:
    """(N, K, 3, 3) relative to the parents, from orientations (N, 3, 3) by joints' names.

    The root must be among them; any other joint that is not turns with its parent.
    """
    turned: dict[int, Tensor] = {}
    local: dict[int, Tensor] = {}
    for joint in tree.order:
        parent = turned.get(tree.parents[joint])
        own = world.get(tree.joints[joint], parent)
        assert own is not None  # only a root has no parent
        turned[joint] = own
        local[joint] = own if parent is None else parent.mT @ own
    return torch.stack([local[joint] for joint in range(len(tree))], 1)


def hinge_axis(upper: Tensor, part: str) -> Tensor:
    """Unit axes (..., 3), at rest, about which a limb's hinge bends: `part` thigh or arm.

    `upper` (..., 3) is the direction of the limb's first bone at rest.
    """
    upper = normalize(upper, dim=-1)
    if part == "thigh":
        left = torch.zeros_like(upper)
        left[..., 0] = 1
        return normalize(left - (left * upper).sum(-1, keepdim=True) * upper, dim=-1)
    forward = torch.zeros_like(upper)
    forward[..., 2] = 1
    return normalize(torch.linalg.cross(upper, forward), dim=-1)


def shortest_turn(start: Tensor, end: Tensor) -> Tensor:
    """Smallest rotations (N, 3, 3) from directions `start` to `end`, (N, 3)."""
    start, end = torch.broadcast_tensors(normalize(start, dim=-1), normalize(end, dim=-1))
    axis = torch.linalg.cross(start, end)
    sine, cosine = axis.norm(dim=-1, keepdim=True), (start * end).sum(-1, keepdim=True)
    aside = torch.linalg.cross(start, torch.roll(start, 1, -1) * start.new_tensor([1, -1, 1]))
    axis = torch.where(sine > 1e-6, axis / sine.clamp_min(1e-12), normalize(aside, dim=-1))
    return from_axis_angle(axis * torch.atan2(sine, cosine))


def _places(pose: Tensor, skeleton: Skeleton) -> dict[str, Tensor]:
    places = dict(zip(skeleton.joints, pose.unbind(1), strict=True))
    for joint in ("hip", "shoulder"):
        places[f"mid_{joint}"] = (places[f"left_{joint}"] + places[f"right_{joint}"]) / 2
    return places


def _trunk(places: dict[str, Tensor], joint: str) -> Tensor:
    """Frames (N, 3, 3), columns: left, up and forward of hips or shoulders."""
    across = places[f"left_{joint}"] - places[f"right_{joint}"]
    return _frame(across, places["mid_shoulder"] - places["mid_hip"])


def _frame(first: Tensor, second: Tensor) -> Tensor:
    """Orthonormal columns (N, 3, 3): along `first`, towards `second`, across both."""
    return roma.special_gramschmidt(torch.stack([first, second], -1))


def _head(places: dict[str, Tensor]) -> Tensor:
    tops = [places[joint] for joint in _HEADS if joint in places][:1]
    return tops[0] - places["mid_shoulder"]


def _bones(places: dict[str, Tensor], joints: tuple[str, str, str]) -> tuple[Tensor, Tensor]:
    start, hinge, end = (places[joint] for joint in joints)
    return hinge - start, end - hinge


def _carried(parent: Tensor, rest: Tensor, direction: Tensor) -> Tensor:
    """The parent's orientation turned by the shortest way so that `rest` points as it should."""
    return shortest_turn((parent @ rest[..., None])[..., 0], direction) @ parent


def _limb(
    part: str, parent: Tensor, upper_rest: Tensor, lower_rest: Tensor, upper: Tensor, lower: Tensor
) -> tuple[Tensor, Tensor]:
    """Orientations (N, 3, 3) of a limb's two bones, from their directions at rest and posed."""
    axis = hinge_axis(upper_rest, part)
    guess = _carried(parent, upper_rest, upper)
    seen = torch.linalg.cross(normalize(upper, dim=-1), normalize(lower, dim=-1))
    carried = (guess @ axis[..., None])[..., 0]
    bend = seen + _BENT * carried
    if part == "thigh":  # a knee bent the other way is overstretched: no hip turns by half a turn
        bend = bend - (seen * carried).sum(-1, keepdim=True).clamp_max(0) * carried
    first = _frame(upper, bend) @ _frame(upper_rest, axis).mT
    return first, _carried(first, lower_rest, lower)


def _in_order(tree: Skeleton) -> list[str]:
    return [tree.joints[joint] for joint in tree.order]


def _share(start: Tensor, end: Tensor, part: float) -> Tensor:
    return start @ from_axis_angle(part * to_axis_angle(start.mT @ end))
