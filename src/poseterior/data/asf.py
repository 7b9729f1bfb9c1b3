"""ASF: the skeleton file of the Acclaim format, as the CMU archive has it.

A bone runs from the end of its parent to its own end. `direction` and `length` are in world
axes at rest; `axis` turns the world into the axes in which the motion's angles are given.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from poseterior.data.motion_tracks import file_tree, numbers, read_lines, require_tokens
from poseterior.errors import require
from poseterior.geometry.rotations import from_euler
from poseterior.geometry.skeleton import Skeleton
from poseterior.geometry.units import METRES_PER_INCH

__all__ = ["AsfSkeleton", "read_asf"]

ROOT = "root"
_TRANSLATIONS = ("tx", "ty", "tz")
_ROTATIONS = ("rx", "ry", "rz")

Line = tuple[int, list[str]]  # its number in the file and its words


@dataclass(frozen=True, eq=False)
class AsfSkeleton:
    """Bones of a body at rest; the first is the root, a point.

    Attributes:
        tree: the N bones; the end of a bone carries its name.
        offsets: (N, 3) metres, start to end of each bone at rest, axes of the file (y up).
        axes: (N, 3, 3) rotation of the axes in which each bone's angles are given.
        channels: names of the numbers that a motion has for each bone (`rx`, `tz`, ...).
        metres_per_unit: metres of one length unit of the motion.
        degrees: whether angles are in degrees.
    """

    tree: Skeleton
    offsets: Tensor
    axes: Tensor
    channels: tuple[tuple[str, ...], ...]
    metres_per_unit: float
    degrees: bool

    @property
    def bones(self) -> tuple[str, ...]:
        """The names of the bones, in the order of `offsets`."""
        return self.tree.joints

    @property
    def source(self) -> str:
        """The file, for messages."""
        return self.tree.name

    def offset(self, bone: str) -> Tensor:
        """(3,) metres, a bone at rest; `InputError` if there is no such bone."""
        require(
            bone in self.bones, self.source, "bone",
            expected=bone, found=f"bones {', '.join(self.bones)}",
        )  # fmt: skip
        return self.offsets[self.bones.index(bone)]


@dataclass
class _Bone:
    name: str
    offset: list[float]
    axis: list[float]
    axis_order: str
    channels: tuple[str, ...]


def read_asf(path: str | os.PathLike[str]) -> AsfSkeleton:
    """Read an ASF skeleton. Lengths: metres = value / (the file's length unit) * 0.0254.

    `InputError` names the file, the line and what is missing, not a number or unknown.
    """
    source = str(path)
    sections = _sections(source, read_lines(path, "ASF"))
    units = _units(source, sections["units"])
    root = _root(source, sections["root"])
    bones = [root, *(_bone(source, block) for block in _blocks(source, sections["bonedata"]))]
    names = tuple(bone.name for bone in bones)
    require(
        len(set(names)) == len(names), source, "bonedata",
        expected="each bone once, none named root", found=", ".join(names),
    )  # fmt: skip
    tree = file_tree(source, names, _parents(source, sections["hierarchy"], names))
    scale = METRES_PER_INCH / units.length
    offsets = torch.tensor([bone.offset for bone in bones], dtype=torch.float64) * scale
    axes = [_axes(bone, units.degrees) for bone in bones]
    channels = tuple(bone.channels for bone in bones)
    return AsfSkeleton(tree, offsets, torch.stack(axes), channels, scale, units.degrees)


def _sections(source: str, lines: list[str]) -> dict[str, list[Line]]:
    """Lines of words by the `:section` they stand in; comments and blank lines left out."""
    sections: dict[str, list[Line]] = {}
    current: list[Line] = []
    for at, text in enumerate(lines, 1):
        words = text.partition("#")[0].split()
        if words and words[0].startswith(":"):
            current = sections.setdefault(words[0][1:].lower(), [])
            words = words[1:]
        if words:
            current.append((at, words))
    needed = ("units", "root", "bonedata", "hierarchy")
    missing = [f":{name}" for name in needed if not sections.get(name)]
    require(
        not missing, source, "sections", expected=", ".join(f":{n}" for n in needed),
        found=f"no {', '.join(missing)} (a truncated or foreign file)",
    )  # fmt: skip
    return sections


def _where(at: int, key: str) -> str:
    return f"line {at}: {key}"


@dataclass
class _Units:
    length: float
    degrees: bool


def _units(source: str, lines: list[Line]) -> _Units:
    words = {key: (at, rest) for at, (key, *rest) in lines}
    at, length = words.get("length", (lines[0][0], []))
    value = numbers(length, 1, source, _where(at, "length"))[0]
    require(value > 0, source, _where(at, "length"), expected="above 0", found=value)
    at, angle = words.get("angle", (lines[0][0], ["deg"]))
    known = angle in (["deg"], ["rad"])
    require(known, source, _where(at, "angle"), expected="deg or rad", found=" ".join(angle))
    return _Units(value, angle == ["deg"])


def _root(source: str, lines: list[Line]) -> _Bone:
    words = {key: (at, rest) for at, (key, *rest) in lines}
    require("order" in words, source, "root", expected="order", found=", ".join(words))
    at, order = words["order"]
    channels = tuple(channel.lower() for channel in order)
    known = sorted(channels) == sorted((*_TRANSLATIONS, *_ROTATIONS))
    require(known, source, _where(at, "order"), expected="TX TY TZ RX RY RZ", found=" ".join(order))
    for key in ("position", "orientation"):
        at, rest = words.get(key, (0, ["0", "0", "0"]))
        rests = numbers(rest, 3, source, _where(at, f"root {key}"))
        require(
            not any(rests), source, _where(at, f"root {key}"),
            expected="0 0 0, as in the CMU archive", found=" ".join(rest),
        )  # fmt: skip
    return _Bone(ROOT, [0.0] * 3, [0.0] * 3, "xyz", channels)


def _blocks(source: str, lines: list[Line]) -> Iterator[list[Line]]:
    """The lines between each `begin` and its `end`."""
    block: list[Line] | None = None
    for at, words in lines:
        opens, closes = words == ["begin"], words == ["end"]
        expected = "begin" if block is None else "end"
        fits = opens == (block is None)
        require(fits, source, f"line {at}", expected=expected, found=" ".join(words))
        if opens:
            block = []
        elif closes:
            yield block or []
            block = None
        elif block is not None:
            block.append((at, words))
    at = lines[-1][0]
    require(block is None, source, f"line {at}", expected="end", found="the end of the section")


def _bone(source: str, block: list[Line]) -> _Bone:
    words = {key: (at, rest) for at, (key, *rest) in block}
    first = block[0][0] if block else 0
    needed = ("name", "direction", "length", "axis")
    missing = [key for key in needed if key not in words]
    require(
        not missing, source, f"bone at line {first}",
        expected=", ".join(needed), found=f"no {', '.join(missing)}",
    )  # fmt: skip

    def read(key: str, count: int) -> list[float]:
        at, rest = words[key]
        return numbers(rest[:3], count, source, _where(at, key))

    require_tokens(words["name"][1], 1, source, _where(words["name"][0], "name"), "name")
    length = read("length", 1)[0]
    direction = read("direction", 3)
    return _Bone(
        words["name"][1][0],
        [length * part for part in direction],
        read("axis", 3),
        _axis_order(source, *words["axis"]),
        _channels(source, *words.get("dof", (first, []))),
    )


def _axis_order(source: str, at: int, rest: list[str]) -> str:
    order = "".join(rest[3:]).lower()
    known = sorted(order) == ["x", "y", "z"]
    require(known, source, _where(at, "axis"), expected="3 angles and XYZ", found=" ".join(rest))
    return order


def _channels(source: str, at: int, rest: list[str]) -> tuple[str, ...]:
    channels = tuple(channel.lower() for channel in rest)
    known = set(channels) <= set(_ROTATIONS) and len(set(channels)) == len(channels)
    require(
        known, source, _where(at, "dof"),
        expected=f"some of {', '.join(_ROTATIONS)}, each once", found=" ".join(rest),
    )  # fmt: skip
    return channels


def _axes(bone: _Bone, degrees: bool) -> Tensor:
    angles = torch.tensor(bone.axis, dtype=torch.float64)
    if not degrees:
        angles = angles * (180 / math.pi)
    return from_euler(bone.axis_order, angles)


def _parents(source: str, lines: list[Line], names: tuple[str, ...]) -> tuple[int, ...]:
    parents = {ROOT: -1}
    for at, (parent, *children) in (line for block in _blocks(source, lines) for line in block):
        for name in (parent, *children):
            require(
                name in names, source, _where(at, "hierarchy"),
                expected=f"a bone of bonedata ({', '.join(names)})", found=name,
            )  # fmt: skip
        for child in children:
            once = child not in parents
            require(once, source, _where(at, "hierarchy"), expected="each bone once", found=child)
            parents[child] = names.index(parent)
    loose = [name for name in names if name not in parents]
    require(
        not loose, source, "hierarchy",
        expected="one tree of all bones", found=f"not below the root: {', '.join(loose)}",
    )  # fmt: skip
    return tuple(parents[name] for name in names)
