"""ASF/AMC motion capture: the format of the CMU archive (subjects/NN/NN.asf, NN_MM.amc).

Forward kinematics, for bone b with parent p, rest vector v_b, angle axes C_b and the motion's
rotation M_b (about the fixed axes in the order listed; the identity without degrees of
freedom):

    G_b = G_p C_b M_b C_b',    end_b = end_p + G_b v_b
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from poseterior.data.asf import AsfSkeleton, read_asf
from poseterior.data.motion_tracks import (
    JointTracks,
    number,
    read_lines,
    require_subsampling,
    require_tokens,
    y_up_to_z_up,
)
from poseterior.errors import InputError, require
from poseterior.geometry.kinematics import forward_kinematics, positions_from_bones
from poseterior.geometry.rotations import from_euler
from poseterior.geometry.skeleton import H36M_17

__all__ = [
    "ASF_TO_H36M",
    "asf_to_h36m",
    "load_asfamc",
    "read_amc",
    "read_asfamc",
    "read_orientations",
]

# The end of which bone each joint is; the pelvis is the middle of the hips, because the root
# of an ASF lies about 0.10 m above them. `nose` is the base of the head.
ASF_TO_H36M: dict[str, str | tuple[str, ...]] = {
    "pelvis": ("lhipjoint", "rhipjoint"),
    "right_hip": "rhipjoint", "right_knee": "rfemur", "right_ankle": "rtibia",
    "left_hip": "lhipjoint", "left_knee": "lfemur", "left_ankle": "ltibia",
    "spine": "lowerback", "thorax": "thorax", "nose": "upperneck", "head_top": "head",
    "left_shoulder": "lclavicle", "left_elbow": "lhumerus", "left_wrist": "lwrist",
    "right_shoulder": "rclavicle", "right_elbow": "rhumerus", "right_wrist": "rwrist",
}  # fmt: skip


@dataclass(frozen=True)
class _Layout:
    """What stands in every frame of a motion: bones in order, and how many numbers each."""

    bones: tuple[str, ...]
    counts: tuple[int, ...]

    @property
    def words(self) -> int:
        """Words of a frame: its number, then each bone's name and numbers."""
        return 1 + sum(1 + count for count in self.counts)


def load_asfamc(
    asf: str | os.PathLike[str],
    amc: str | os.PathLike[str],
    *,
    every: int = 4,
    fps: float = 120.0,
) -> Tensor:
    """(T, 17, 3) metres, world axes with z up, skeleton `h36m_17`: one motion of the archive.

    `every` = 4 takes frames 0, 4, 8, ...: 30 Hz of the archive's usual 120. For the ends of
    all bones use `read_asfamc`. `InputError` names file, line, what was expected and found.
    """
    return asf_to_h36m(read_asfamc(read_asf(asf), amc, every=every, fps=fps))


def asf_to_h36m(tracks: JointTracks) -> Tensor:
    """(T, 17, 3): the ends of an ASF's bones as the joints of `h36m_17`, by `ASF_TO_H36M`."""
    return tracks.to_skeleton(ASF_TO_H36M, H36M_17)


def read_asfamc(
    skeleton: AsfSkeleton, amc: str | os.PathLike[str], *, every: int = 1, fps: float = 120.0
) -> JointTracks:
    """The ends of all bones over time, metres (float64), world axes with z up.

    The first joint is the root. `fps` is the file's rate (an AMC does not tell it; the CMU
    archive's is 120 unless its index says otherwise); that of the tracks is `fps / every`.
    """
    return read_orientations(skeleton, amc, every=every, fps=fps)[0]


def read_orientations(
    skeleton: AsfSkeleton, amc: str | os.PathLike[str], *, every: int = 1, fps: float = 120.0
) -> tuple[JointTracks, Tensor]:
    """What `read_asfamc` returns, and how each bone is turned: (T, N, 3, 3) float64.

    G_b takes vectors of the skeleton at rest, y up, to the world, z up: the end of bone b lies
    at G_b v_b from its start, v_b = `skeleton.offsets`. Bones that end in one point, such as a
    forearm and its wrist, differ by their twist.
    """
    require_subsampling(amc, every)
    ends, turned = _posed(skeleton, read_amc(skeleton, amc)[::every])
    tracks = JointTracks(y_up_to_z_up(ends), skeleton.tree, fps / every, str(amc))
    return tracks, y_up_to_z_up(turned.mT).mT


def read_amc(skeleton: AsfSkeleton, path: str | os.PathLike[str]) -> Tensor:
    """(T, C) float64: the numbers of a motion as the file has them, but angles in degrees.

    Columns are the channels of the skeleton's bones, in its order of bones. `InputError`
    names the line of a missing or unknown bone, a wrong count, a word that is no finite
    number, or a file cut off.
    """
    lines = read_lines(path, "AMC")
    start, degrees = _header(str(path), lines, skeleton)
    words = [word for line in lines[start:] for word in line.split()]
    layout = _layout(str(path), lines, start, skeleton)
    values = _regular(words, layout)
    if values is None:
        raise _first_fault(str(path), lines, start, layout)
    return _in_order_of(skeleton, layout, values, degrees)


def _header(source: str, lines: list[str], skeleton: AsfSkeleton) -> tuple[int, bool]:
    """Index of the first line after the header, and whether angles are in degrees."""
    degrees = skeleton.degrees
    for start, line in enumerate(lines):
        word = line.strip().upper()
        if word in (":DEGREES", ":RADIANS"):
            degrees = word == ":DEGREES"
        elif word and not word.startswith(("#", ":")):
            require(
                word.isdecimal(), source, f"line {start + 1}",
                expected="the number of the first frame", found=repr(line.strip()[:60]),
            )  # fmt: skip
            return start, degrees
    raise InputError(source, "frames", expected="at least one", found="none")


def _layout(source: str, lines: list[str], start: int, skeleton: AsfSkeleton) -> _Layout:
    """The layout that the first frame has, checked against the skeleton."""
    expected = {
        bone: channels
        for bone, channels in zip(skeleton.bones, skeleton.channels, strict=True)
        if channels
    }
    found: dict[str, int] = {}
    for at, line in enumerate(lines[start + 1 :], start + 2):
        words = line.split()
        if len(words) == 1 and words[0].isdecimal():
            break
        if words:
            bone, where = words[0], f"line {at}: {words[0]}"
            known = bone in expected and bone not in found
            names = ", ".join(name for name in expected if name not in found)
            require(known, source, where, expected=f"a bone of {names}", found=bone)
            require_tokens(words[1:], len(expected[bone]), source, where)
            found[bone] = len(words) - 1
    missing = [bone for bone in expected if bone not in found]
    require(
        not missing, source, f"line {start + 1}: first frame",
        expected=f"all {len(expected)} moving bones of {skeleton.source}",
        found=f"no {', '.join(missing)}",
    )  # fmt: skip
    return _Layout(tuple(found), tuple(found.values()))


def _regular(words: list[str], layout: _Layout) -> np.ndarray | None:
    """(T, C) numbers of frames that all have the layout; None if any has not.

    All checks are on whole columns of words: a file of 4,000 frames takes about 0.2 s.
    """
    frames, rest = divmod(len(words), layout.words)
    first = int(words[0])
    if rest or words[:: layout.words] != [str(n) for n in range(first, first + frames)]:
        return None
    columns, at = [], 1
    for bone, count in zip(layout.bones, layout.counts, strict=True):
        if words[at :: layout.words].count(bone) != frames:
            return None
        columns += [words[at + 1 + i :: layout.words] for i in range(count)]
        at += 1 + count
    try:
        values = np.array([np.fromiter(map(float, c), np.float64, frames) for c in columns])
    except ValueError:
        return None
    return values.T if np.isfinite(values).all() else None


def _first_fault(source: str, lines: list[str], start: int, layout: _Layout) -> InputError:
    """The first line that breaks the layout, as the error to raise."""
    frame = int(lines[start]) - 1
    expected: Iterator[tuple[str, int]] = iter(())
    try:
        for at, line in enumerate(lines[start:], start + 1):
            words = line.split()
            if not words:
                continue
            wanted = next(expected, None)
            if wanted is None:
                frame += 1
                number_follows = words == [str(frame)]
                require(
                    number_follows, source, f"line {at}",
                    expected=f"frame number {frame}", found=repr(line.strip()[:60]),
                )  # fmt: skip
                expected = iter(zip(layout.bones, layout.counts, strict=True))
                continue
            bone, count = wanted
            where = f"line {at}: {bone} of frame {frame}"
            require(words[0] == bone, source, where, expected=bone, found=words[0])
            require_tokens(words[1:], count, source, where)
            for word in words[1:]:
                number(word, source, where)
    except InputError as error:
        return error
    left = next(expected, ("the end of a line", 0))[0]
    return InputError(
        source, f"frame {frame}", expected=f"{left} next", found="the end of a file cut off"
    )


def _in_order_of(
    skeleton: AsfSkeleton, layout: _Layout, values: np.ndarray, degrees: bool
) -> Tensor:
    starts = dict(zip(layout.bones, np.cumsum((0, *layout.counts)), strict=False))
    moving = [(b, c) for b, c in zip(skeleton.bones, skeleton.channels, strict=True) if c]
    order = [int(starts[bone]) + i for bone, channels in moving for i in range(len(channels))]
    motion = torch.from_numpy(values[:, order])
    if not degrees:
        angles = [name.startswith("r") for _, channels in moving for name in channels]
        motion[:, angles] *= 180 / math.pi
    return motion


def _posed(skeleton: AsfSkeleton, motion: Tensor) -> tuple[Tensor, Tensor]:
    """Ends (T, N, 3) metres and G (T, N, 3, 3), the file's axes: the formula at the top."""
    rotations, root = _rotations(skeleton, motion)
    no_offsets = torch.zeros_like(skeleton.offsets)
    _, turned = forward_kinematics(rotations, no_offsets, skeleton.tree)
    bones = (turned @ skeleton.offsets.unsqueeze(-1)).squeeze(-1)
    free = bones[:, list(skeleton.tree.free)]
    return positions_from_bones(free, skeleton.tree, root * skeleton.metres_per_unit), turned


def _rotations(skeleton: AsfSkeleton, motion: Tensor) -> tuple[Tensor, Tensor]:
    """C_b M_b C_b' of each bone (T, N, 3, 3), and the root's translation (T, 3)."""
    local, start = [], 0
    root = motion.new_empty(len(motion), 3)
    for axes, channels in zip(skeleton.axes, skeleton.channels, strict=True):
        values = motion[:, start : start + len(channels)]
        start += len(channels)
        angles = [i for i, name in enumerate(channels) if name[0] == "r"]
        if len(angles) < len(channels):
            root = values[:, [channels.index(name) for name in ("tx", "ty", "tz")]]
        order = "".join(channels[i][1] for i in angles)
        local.append(_in_axes(axes, order, values[:, angles]))
    return torch.stack(local, dim=1), root


def _in_axes(axes: Tensor, order: str, angles: Tensor) -> Tensor:
    if not order:
        return torch.eye(3, dtype=angles.dtype).expand(len(angles), 3, 3)
    return axes @ from_euler(order, angles) @ axes.mT
