"""BVH motion capture: any hierarchy, any order of channels, end sites included.

With p the parent of joint j, o_j its OFFSET and R_j its rotation channels applied about moving
axes in the order listed (Z X Y: R_z R_x R_y):

    G_j = G_p R_j,    position_j = position_p + G_p o_j

Position channels take the place of the OFFSET, axis by axis, as exporters write them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from poseterior.data.bvh_hierarchy import BvhHierarchy
from poseterior.data.motion_tracks import (
    JointTracks,
    file_tree,
    number,
    numbers,
    read_lines,
    require_subsampling,
    require_tokens,
    y_up_to_z_up,
)
from poseterior.errors import InputError, require
from poseterior.geometry.kinematics import forward_kinematics
from poseterior.geometry.rotations import from_euler
from poseterior.geometry.skeleton import H36M_17, Skeleton

__all__ = ["Bvh", "load_bvh", "read_bvh"]


@dataclass(frozen=True, eq=False)
class Bvh:
    """A BVH file as it stands.

    Attributes:
        tree: the N joints; the end site of a joint is called `<joint>_end`.
        offsets: (N, 3) the file's length unit and axes.
        channels: each joint's channels in order, as `xposition`, `zrotation`.
        motion: (T, C) the numbers of every frame: lengths and degrees.
        fps: frames a second.
    """

    tree: Skeleton
    offsets: Tensor
    channels: tuple[tuple[str, ...], ...]
    motion: Tensor
    fps: float

    @property
    def joints(self) -> tuple[str, ...]:
        """The names of the joints, in the order of `offsets`."""
        return self.tree.joints

    @property
    def source(self) -> str:
        """The file, for messages."""
        return self.tree.name

    def offset(self, joint: str) -> Tensor:
        """(3,) the OFFSET of a joint; `InputError` if there is no such joint."""
        return self.offsets[self._index(joint)]

    def with_offsets(self, offsets: Mapping[str, Tensor]) -> Bvh:
        """The same motion of a body with other bones."""
        changed = self.offsets.clone()
        for joint, offset in offsets.items():
            changed[self._index(joint)] = offset
        return replace(self, offsets=changed)

    def _index(self, joint: str) -> int:
        known = joint in self.joints
        require(
            known, self.source, "joint", expected=joint, found=f"joints {', '.join(self.joints)}"
        )
        return self.joints.index(joint)

    def tracks(
        self,
        scale: float = 1.0,
        *,
        up: str = "y",
        every: int = 1,
        drop_first: bool = False,
    ) -> JointTracks:
        """Positions of all joints times `scale`, z up (`up` is the file's own: "y" or "z").

        `drop_first` leaves out frame 0, which some converters make a T-pose; `every` takes
        each n-th frame of the rest.
        """
        require_subsampling(self.source, every)
        require(up in ("y", "z"), self.source, "up", expected="y or z", found=repr(up))
        motion = self.motion[int(drop_first) :: every]
        require(len(motion) > 0, self.source, "frames", expected="at least one", found="none left")
        positions = _positions(self, motion) * scale
        positions = y_up_to_z_up(positions) if up == "y" else positions
        return JointTracks(positions, self.tree, self.fps / every, self.source)


def load_bvh(
    path: str | os.PathLike[str],
    names: Mapping[str, str | Sequence[str]],
    *,
    scale: float,
    skeleton: Skeleton = H36M_17,
    up: str = "y",
    every: int = 1,
    drop_first: bool = False,
) -> Tensor:
    """(T, J, 3) positions of a BVH file as `skeleton`, z up, the file's unit times `scale`.

    `names` gives for each joint of the skeleton the file's joint, or several whose mean it
    is: `{"pelvis": "Hips", "thorax": ["LeftArm", "RightArm"], ...}`; `<joint>_end` is an end
    site. For the CMU conversions see `load_cmu_bvh`.
    """
    tracks = read_bvh(path).tracks(scale, up=up, every=every, drop_first=drop_first)
    return tracks.to_skeleton(names, skeleton)


def read_bvh(path: str | os.PathLike[str]) -> Bvh:
    """Read a BVH file; `InputError` names the line, what was expected and what was found."""
    source = str(path)
    lines = read_lines(path, "BVH")
    split = next((i for i, text in enumerate(lines) if text.split() == ["MOTION"]), None)
    if split is None:
        raise InputError(source, "MOTION", expected="a line MOTION", found="none (cut off?)")
    read = BvhHierarchy(source, lines[:split])
    channels = tuple(tuple(each) for each in read.channels)
    width = sum(map(len, channels))
    motion, fps = _motion(source, lines, split + 1, width)
    offsets = torch.tensor(read.offsets, dtype=torch.float64)
    tree = file_tree(source, read.joints, read.parents)
    return Bvh(tree, offsets, channels, motion, fps)


def _motion(source: str, lines: list[str], start: int, width: int) -> tuple[Tensor, float]:
    """(T, C) numbers and frames a second, from the lines after MOTION."""
    rows = [(at, line.split()) for at, line in enumerate(lines[start:], start + 1) if line.strip()]
    frames = _header(source, rows[:1], "Frames:")
    seconds = _header(source, rows[1:2], "Frame Time:")
    require(seconds > 0, source, "Frame Time", expected="above 0 s", found=seconds)
    require(frames >= 1, source, "Frames", expected="at least 1", found=f"{frames:g}")
    body = rows[2:]
    require(
        len(body) == frames, source, "MOTION",
        expected=f"{frames:g} frames, as the file says", found=f"{len(body)} lines of numbers",
    )  # fmt: skip
    words = [word for _, row in body for word in row]
    uneven = any(len(row) != width for _, row in body)
    values = None if uneven else _floats(words)
    if values is None:
        raise _first_fault(source, body, width)
    # Rounded, because 120 frames a second are written as 0.0083333 s.
    return torch.from_numpy(values.reshape(len(body), width)), round(1 / seconds, 2)


def _header(source: str, row: list[tuple[int, list[str]]], key: str) -> float:
    at, words = row[0] if row else (0, [])
    name = key.split()
    found = " ".join(words)[:60] or "the end of the file"
    require(words[: len(name)] == name, source, f"line {at}", expected=key, found=found)
    return numbers(words[len(name) :], 1, source, f"line {at}: {key}")[0]


def _floats(words: list[str]) -> np.ndarray | None:
    """The numbers of all words; None if one is no finite number."""
    try:
        values = np.fromiter(map(float, words), np.float64, len(words))
    except ValueError:
        return None
    return values if np.isfinite(values).all() else None


def _first_fault(source: str, body: list[tuple[int, list[str]]], width: int) -> InputError:
    try:
        for frame, (at, words) in enumerate(body, 1):
            where = f"line {at}: frame {frame}"
            require_tokens(words, width, source, where)
            for word in words:
                number(word, source, where)
    except InputError as error:
        return error
    raise AssertionError("called for a file without a fault")


def _positions(bvh: Bvh, motion: Tensor) -> Tensor:
    """(T, N, 3) in the file's unit and axes: the formula at the top of this file."""
    rotations, offsets = zip(*_local(bvh, motion), strict=True)
    return forward_kinematics(torch.stack(rotations, 1), torch.stack(offsets, 1), bvh.tree)[0]


def _local(bvh: Bvh, motion: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Of each joint: R_j (T, 3, 3) and o_j (T, 3), position channels put in."""
    start = 0
    for offset, channels in zip(bvh.offsets, bvh.channels, strict=True):
        values = motion[:, start : start + len(channels)]
        start += len(channels)
        moved = offset.expand(len(motion), 3).clone()
        for i, name in enumerate(channels):
            if name.endswith("position"):
                moved[:, "xyz".index(name[0])] = values[:, i]
        turns = [i for i, name in enumerate(channels) if name.endswith("rotation")]
        order = "".join(channels[i][0].upper() for i in turns)
        yield _rotation(order, values[:, turns]), moved


def _rotation(order: str, angles: Tensor) -> Tensor:
    if not order:
        return torch.eye(3, dtype=angles.dtype).expand(len(angles), 3, 3)
    return from_euler(order, angles)
