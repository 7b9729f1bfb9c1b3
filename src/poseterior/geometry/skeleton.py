"""Named skeletons: joints, their tree, and left/right partners.

Joint orders are those of the tools and data sets themselves. One name can mean slightly
different points in two skeletons (`nose` of `h36m_17` is the base of the head): what each
means is in `conversion.py`, which is the way from one skeleton to another.

The root of a tree is the pelvis. Three skeletons have none; theirs is the only other joint on
the midline from which the body hangs, so that mirroring keeps the root: the nose of
`coco_17` and `coco_wholebody_133`, the neck of `lsp_14`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from poseterior.errors import InputError, require
from poseterior.geometry.wholebody import WHOLEBODY_WORDS

__all__ = [
    "COCO_17",
    "COCO_WHOLEBODY_133",
    "H36M_16",
    "H36M_17",
    "HALPE_26",
    "LSP_14",
    "MPII_16",
    "MPI_INF_3DHP_17",
    "OPENPOSE_25",
    "SKELETONS",
    "SMPL_24",
    "Skeleton",
    "get_skeleton",
    "skeleton_from_tree",
]


@dataclass(frozen=True)
class Skeleton:
    """An ordered set of joints and the tree that connects them.

    `parents[j]` is the parent's index, -1 for the root; `partners[j]` is the joint on the
    other side of the body (the joint itself if it lies on the midline). `InputError` if the
    parents are not one tree or the partners not pairs.

    >>> H36M_17.joints[H36M_17.partners[H36M_17.index("left_wrist")]]
    'right_wrist'
    """

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    partners: tuple[int, ...]

    def __post_init__(self) -> None:
        count = len(self.joints)
        distinct = len(set(self.joints))
        require(
            distinct == count, self.name, "joints", expected="distinct names", found=self.joints
        )
        tree = len(self.parents) == count == len(self.order)
        require(tree, self.name, "parents", expected="one tree", found=self.parents)
        paired = len(self.partners) == count and all(
            0 <= p < count and self.partners[p] == j for j, p in enumerate(self.partners)
        )
        require(paired, self.name, "partners", expected="pairs", found=self.partners)

    def __len__(self) -> int:
        return len(self.joints)

    @property
    def root(self) -> int:
        """Index of the root joint."""
        return self.parents.index(-1)

    @property
    def free(self) -> tuple[int, ...]:
        """Indices of all joints but the root, in order: the random part of a pose."""
        return tuple(j for j in range(len(self)) if j != self.root)

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """(parent, child) of each bone, one for each of `free`, in that order."""
        return tuple((self.parents[j], j) for j in self.free)

    @cached_property
    def order(self) -> tuple[int, ...]:
        """Joint indices with every parent before its children, the root first."""
        if self.parents.count(-1) != 1:
            return ()
        found = [self.root]
        for joint in found:  # grows while it is walked: breadth first
            found.extend(child for child, parent in enumerate(self.parents) if parent == joint)
        return tuple(found)

    def index(self, joint: str) -> int:
        """Index of a joint by name; `KeyError` if the skeleton has no such joint."""
        try:
            return self.joints.index(joint)
        except ValueError:
            raise KeyError(f"{self.name} has no joint {joint!r}; it has {self.joints}") from None


def skeleton_from_tree(name: str, parent_of: Iterable[tuple[str, str | None]]) -> Skeleton:
    """A skeleton from (joint, its parent's name or None) in order; sides by `left_`/`right_`.

    `InputError` if a parent is unknown or the joints are not one tree. A joint whose other
    side is absent is its own partner.

    >>> chain = [("pelvis", None), ("left_hip", "pelvis"), ("right_hip", "pelvis")]
    >>> skeleton_from_tree("hips", chain).partners
    (0, 2, 1)
    """
    pairs = tuple(parent_of)
    joints = tuple(joint for joint, _ in pairs)
    at = {joint: j for j, joint in enumerate(joints)}
    for joint, parent in pairs:
        known = parent is None or parent in at
        require(known, name, f"parent of {joint}", expected=f"one of {joints}", found=parent)
    parents = tuple(-1 if parent is None else at[parent] for _, parent in pairs)
    partners = tuple(at.get(_other_side(joint), j) for j, joint in enumerate(joints))
    return Skeleton(name, joints, parents, partners)


def _other_side(joint: str) -> str:
    for side, other in (("left_", "right_"), ("right_", "left_")):
        if joint.startswith(side):
            return other + joint.removeprefix(side)
    return joint


def _named(name: str, text: str) -> Skeleton:
    """A skeleton from words `joint<parent`; `L`/`R` in front stand for left_/right_."""
    long = text.replace("L:", "left_").replace("R:", "right_")
    words = (word.partition("<") for word in long.split())
    return skeleton_from_tree(name, ((joint, parent or None) for joint, _, parent in words))


_RIGHT_LEG_UP = "R:ankle<R:knee R:knee<R:hip R:hip<{root}"
_LEFT_LEG_DOWN = "L:hip<{root} L:knee<L:hip L:ankle<L:knee"
_RIGHT_LEG_DOWN = "R:hip<{root} R:knee<R:hip R:ankle<R:knee"
_RIGHT_ARM_UP = "R:wrist<R:elbow R:elbow<R:shoulder R:shoulder<{root}"
_LEFT_ARM_DOWN = "L:shoulder<{root} L:elbow<L:shoulder L:wrist<L:elbow"
_RIGHT_ARM_DOWN = "R:shoulder<{root} R:elbow<R:shoulder R:wrist<R:elbow"
_FACE_ARMS = (
    "L:eye<nose R:eye<nose L:ear<L:eye R:ear<R:eye L:shoulder<{root} R:shoulder<{root} "
    "L:elbow<L:shoulder R:elbow<R:shoulder L:wrist<L:elbow R:wrist<R:elbow"
)
_LEGS = "L:knee<L:hip R:knee<R:hip L:ankle<L:knee R:ankle<R:knee"

# Human3.6M in its usual 17 joints (Martinez et al. 2017); `nose` is the base of the head.
H36M_17 = _named(
    "h36m_17",
    f"pelvis {_RIGHT_LEG_DOWN} {_LEFT_LEG_DOWN}".format(root="pelvis")
    + " spine<pelvis thorax<spine nose<thorax head_top<nose "
    + f"{_LEFT_ARM_DOWN} {_RIGHT_ARM_DOWN}".format(root="thorax"),
)

# Human3.6M as paper 001 has its 2D keypoints and heatmaps: the 17 joints less `nose`, in the
# places of MPII (Wehrbein et al. 2021, `H36M17j_TO_MPII`).
H36M_16 = _named(
    "h36m_16",
    f"{_RIGHT_LEG_UP} {_LEFT_LEG_DOWN}".format(root="pelvis")
    + " pelvis spine<pelvis thorax<spine head_top<thorax "
    + f"{_RIGHT_ARM_UP} {_LEFT_ARM_DOWN}".format(root="thorax"),
)

# MPII Human Pose (Andriluka et al. 2014), `annolist` joint ids 0 to 15.
MPII_16 = _named(
    "mpii_16",
    f"{_RIGHT_LEG_UP} {_LEFT_LEG_DOWN}".format(root="pelvis")
    + " pelvis thorax<pelvis upper_neck<thorax head_top<upper_neck "
    + f"{_RIGHT_ARM_UP} {_LEFT_ARM_DOWN}".format(root="thorax"),
)

_COCO = f"nose {_FACE_ARMS}".format(root="nose") + f" L:hip<L:shoulder R:hip<R:shoulder {_LEGS}"

# COCO person keypoints (`categories[0]["keypoints"]`); root: the nose.
COCO_17 = _named("coco_17", _COCO)

# COCO-WholeBody: COCO's 17, then feet, face, left and right hand (Jin et al. 2020).
COCO_WHOLEBODY_133 = _named("coco_wholebody_133", f"{_COCO} {WHOLEBODY_WORDS}")

# OpenPose BODY_25; its MidHip is `pelvis`, its Neck the middle of the shoulders.
OPENPOSE_25 = _named(
    "openpose_25",
    "nose<neck neck<pelvis "
    + f"{_RIGHT_ARM_DOWN} {_LEFT_ARM_DOWN}".format(root="neck")
    + f" pelvis {_RIGHT_LEG_DOWN} {_LEFT_LEG_DOWN}".format(root="pelvis")
    + " R:eye<nose L:eye<nose R:ear<R:eye L:ear<L:eye"
    + " L:big_toe<L:ankle L:small_toe<L:ankle L:heel<L:ankle"
    + " R:big_toe<R:ankle R:small_toe<R:ankle R:heel<R:ankle",
)

# Halpe 26 (AlphaPose); its Head is `head_top`, its Hip `pelvis`.
HALPE_26 = _named(
    "halpe_26",
    f"nose<neck {_FACE_ARMS} L:hip<pelvis R:hip<pelvis {_LEGS}".format(root="neck")
    + " head_top<neck neck<pelvis pelvis L:big_toe<L:ankle R:big_toe<R:ankle"
    + " L:small_toe<L:ankle R:small_toe<R:ankle L:heel<L:ankle R:heel<R:ankle",
)

# SMPL's kinematic tree (Loper et al. 2015), joint names of its model files.
SMPL_24 = _named(
    "smpl_24",
    "pelvis L:hip<pelvis R:hip<pelvis spine1<pelvis L:knee<L:hip R:knee<R:hip spine2<spine1"
    " L:ankle<L:knee R:ankle<R:knee spine3<spine2 L:foot<L:ankle R:foot<R:ankle neck<spine3"
    " L:collar<spine3 R:collar<spine3 head<neck L:shoulder<L:collar R:shoulder<R:collar"
    " L:elbow<L:shoulder R:elbow<R:shoulder L:wrist<L:elbow R:wrist<R:elbow"
    " L:hand<L:wrist R:hand<R:wrist",
)

# Leeds Sports Pose (Johnson and Everingham 2010); root: the neck.
LSP_14 = _named(
    "lsp_14",
    f"{_RIGHT_LEG_UP} {_LEFT_LEG_DOWN} {_RIGHT_ARM_UP} {_LEFT_ARM_DOWN}".format(root="neck")
    + " neck head_top<neck",
)

# MPI-INF-3DHP's 17 test joints (`mpii_get_joint_set('relevant')`: the pelvis has index 14).
MPI_INF_3DHP_17 = _named(
    "mpi_inf_3dhp_17",
    "head_top<head neck<spine "
    + f"{_RIGHT_ARM_DOWN} {_LEFT_ARM_DOWN}".format(root="neck")
    + f" {_RIGHT_LEG_DOWN} {_LEFT_LEG_DOWN}".format(root="pelvis")
    + " pelvis spine<pelvis head<neck",
)

SKELETONS: dict[str, Skeleton] = {
    s.name: s
    for s in (
        H36M_17, MPII_16, COCO_17, OPENPOSE_25, HALPE_26, SMPL_24, LSP_14, MPI_INF_3DHP_17,
        H36M_16, COCO_WHOLEBODY_133,
    )
}  # fmt: skip


def get_skeleton(name: str, source: object = "skeleton") -> Skeleton:
    """The skeleton of that name; `InputError` names the nearest known one and all others.

    >>> get_skeleton("coco17")
    Traceback (most recent call last):
        ...
    poseterior.errors.InputError: skeleton: skeleton: expected 'coco_17' or another of ...
    """
    if name not in SKELETONS:
        near = difflib.get_close_matches(str(name), SKELETONS, n=1)
        known = ", ".join(sorted(SKELETONS))
        expected = f"{near[0]!r} or another of {known}" if near else f"one of {known}"
        raise InputError(source, "skeleton", expected=expected, found=repr(name))
    return SKELETONS[name]
