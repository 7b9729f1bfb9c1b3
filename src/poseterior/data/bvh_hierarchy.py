"""The HIERARCHY of a BVH file: joints, their tree, offsets and channels."""

from __future__ import annotations

import re

from poseterior.data.motion_tracks import numbers
from poseterior.errors import require

__all__ = ["BvhHierarchy"]

_CHANNELS = tuple(f"{axis}{kind}" for kind in ("position", "rotation") for axis in "xyz")


class BvhHierarchy:
    """Reads the lines before MOTION into `joints`, `parents`, `offsets` and `channels`.

    All in the order of the file. `InputError` names the line.
    """

    def __init__(self, source: str, lines: list[str]) -> None:
        self.source = source
        self.joints: list[str] = []
        self.parents: list[int] = []
        self.offsets: list[list[float]] = []
        self.channels: list[list[str]] = []
        self._at = 0
        self._words = (
            (at, words)
            for at, line in enumerate(lines, 1)
            for piece in re.split(r"([{}])", line)  # a brace may share its line
            if (words := piece.split())
        )
        self._expect(["HIERARCHY"])
        self._root()

    def _next(self, expected: str) -> list[str]:
        at, words = next(self._words, (0, []))
        require(
            bool(words), self.source, "HIERARCHY", expected=expected, found="its end (cut off?)"
        )
        self._at = at
        return words

    def _expect(self, words: list[str]) -> None:
        found = self._next(" ".join(words))
        self._require(found == words, " ".join(words), found)

    def _require(self, condition: bool, expected: str, found: list[str]) -> None:
        require(
            condition, self.source, f"line {self._at}", expected=expected, found=" ".join(found)
        )

    def _root(self) -> None:
        """Every joint, with a stack of those whose brace is open."""
        words = self._next("ROOT name")
        self._require(len(words) >= 2 and words[0] == "ROOT", "ROOT name", words)
        stack = [self._joint(" ".join(words[1:]), -1, end=False)]
        while stack:
            words = self._next("JOINT, End Site or }")
            if words == ["}"]:
                stack.pop()
            elif words[0].lower() == "end":
                parent = stack[-1]
                self._joint(self._end_name(parent), parent, end=True)
                self._expect(["}"])
            else:
                known = len(words) >= 2 and words[0] == "JOINT"
                self._require(known, "JOINT name, End Site or }", words)
                stack.append(self._joint(" ".join(words[1:]), stack[-1], end=False))
        self._at, words = next(self._words, (0, []))
        self._require(not words, "MOTION after the one ROOT", words)

    def _end_name(self, parent: int) -> str:
        """`<parent>_end`; a second one of the same joint gets an underscore more."""
        name = f"{self.joints[parent]}_end"
        while name in self.joints:
            name += "_"
        return name

    def _joint(self, name: str, parent: int, *, end: bool) -> int:
        """Read a joint from its brace to its channels; its index."""
        self._require(name not in self.joints, "each name once", [name])
        self._expect(["{"])
        keyword, *rest = self._next("OFFSET")
        self._require(keyword == "OFFSET", "OFFSET", [keyword])
        offset = numbers(rest, 3, self.source, f"line {self._at}: OFFSET of {name}")
        self.joints.append(name)
        self.parents.append(parent)
        self.offsets.append(offset)
        self.channels.append([] if end else self._read_channels(name))
        return len(self.joints) - 1

    def _read_channels(self, name: str) -> list[str]:
        words = self._next("CHANNELS")
        self._require(words[0] == "CHANNELS", "CHANNELS", words)
        channels = [word.lower() for word in words[2:]]
        counted = len(words) > 1 and words[1] == str(len(channels))
        distinct = len(set(channels)) == len(channels) and set(channels) <= set(_CHANNELS)
        expected = f"CHANNELS of {name}: their number, then each once of {', '.join(_CHANNELS)}"
        self._require(counted and distinct, expected, words)
        return channels
