"""Named skeletons: joints, their tree, and left/right partners."""

from __future__ import annotations

from dataclasses import dataclass

from poseterior.errors import InputError

__all__ = ["H36M_17", "SKELETONS", "Skeleton", "get_skeleton"]


@dataclass(frozen=True)
class Skeleton:
    """An ordered set of joints and the tree that connects them.

    `parents[j]` is the parent's index, -1 for the root; `partners[j]` is the joint on the
    other side of the body (the joint itself if it lies on the midline).
    """

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    partners: tuple[int, ...]

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

    def index(self, joint: str) -> int:
        """Index of a joint by name; `KeyError` if the skeleton has no such joint."""
        try:
            return self.joints.index(joint)
        except ValueError:
            raise KeyError(f"{self.name} has no joint {joint!r}; it has {self.joints}") from None


_H36M_17_JOINTS = (
    "pelvis", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
    "spine", "thorax", "nose", "head_top", "left_shoulder", "left_elbow", "left_wrist",
    "right_shoulder", "right_elbow", "right_wrist",
)  # fmt: skip

H36M_17 = Skeleton(
    "h36m_17",
    _H36M_17_JOINTS,
    (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15),
    (0, 4, 5, 6, 1, 2, 3, 7, 8, 9, 10, 14, 15, 16, 11, 12, 13),
)

SKELETONS: dict[str, Skeleton] = {s.name: s for s in (H36M_17,)}


def get_skeleton(name: str, source: object = "skeleton") -> Skeleton:
    """The skeleton of that name; `InputError` with the known names if there is none."""
    if name not in SKELETONS:
        raise InputError(source, "skeleton", expected=f"one of {sorted(SKELETONS)}", found=name)
    return SKELETONS[name]
