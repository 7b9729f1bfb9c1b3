"""Which frames of a file of bodies are meant: `0,10`, `0:100:10`, or some by default."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from poseterior.data.keypoint_source import KeypointSource
from poseterior.errors import InputError
from poseterior.meshes.body import Body
from poseterior.meshes.mesh_files import BodiesFile

__all__ = ["BodyFrames", "body_frames", "frames_in", "source_frames"]

FEW_FRAMES = 10


def frames_in(text: str) -> list[range]:
    """Numbers and ranges, the end of a range left out as Python does.

    `InputError` for anything else.

    >>> frames_in("3,0:100:10")
    [range(3, 4), range(0, 100, 10)]
    """
    ranges = []
    for part in text.split(","):
        try:
            numbers = [int(number) for number in part.split(":")]
            if len(numbers) > 3 or min(numbers) < 0:
                raise ValueError
            found = range(numbers[0], numbers[0] + 1) if len(numbers) == 1 else range(*numbers)
        except ValueError:
            found = range(0)
        if not found:
            expected = "numbers such as 0,10 or ranges such as 0:100:10"
            raise InputError("--frames", "", expected=expected, found=text)
        ranges.append(found)
    return ranges


@dataclass(frozen=True, eq=False)
class BodyFrames:
    """Rows that have bodies, and the frame of each.

    Attributes:
        name: of the file that they are in.
        rows: (N,) indices.
        frames: (N,) numbers: the labels `frame` where they are integers, the row where there are
            none, and their order where they are texts.
    """

    name: str
    rows: np.ndarray
    frames: np.ndarray

    def asked(self, ranges: list[range]) -> np.ndarray:
        """Rows of those frames; `InputError` where there is not one."""
        known = np.unique(self.frames)
        wanted = [f for f in known.tolist() if any(f in each for each in ranges)]
        if not wanted:
            expected = f"frames of {self.name}, which has {known[0]} to {known[-1]}"
            raise InputError("--frames", "", expected=expected, found="none of them")
        return self.rows[np.isin(self.frames, wanted)]

    def first(self) -> np.ndarray:
        """All rows where there are at most 10 frames, else those of the first."""
        if len(np.unique(self.frames)) <= FEW_FRAMES:
            return self.rows
        changes = np.flatnonzero(np.diff(self.frames))
        return self.rows[: changes[0] + 1]

    @staticmethod
    def spread(rows: np.ndarray, count: int) -> np.ndarray:
        """At most so many of some rows, evenly spread.

        >>> BodyFrames.spread(np.arange(10), 4).tolist()
        [0, 3, 6, 9]
        """
        places = np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)
        return rows[places]


def body_frames(path: str | os.PathLike[str], body: Body) -> BodyFrames:
    """The rows of a file that have bodies; errors as of `BodiesFile`."""
    with BodiesFile(path, body) as file:
        return _numbered(str(path), file.frames())


def source_frames(source: KeypointSource, chunk: int = 256) -> BodyFrames:
    """All rows of a source, to see before it is lifted whether it has the frames asked for."""
    return _numbered(
        source.name,
        ((c.start, np.ones(len(c), bool), c.labels.get("frame")) for c in source.chunks(chunk)),
    )


def _numbered(name: str, chunks: Iterable[tuple[int, np.ndarray, np.ndarray | None]]) -> BodyFrames:
    """Of chunks: their first row, which rows count, and the labels of frames."""
    rows, frames = [], []
    count, last = -1, None
    for start, valid, labels in chunks:
        places = start + np.arange(len(valid))
        numbers = places.copy() if labels is None or labels.dtype.kind not in "iu" else labels
        if labels is not None and numbers is not labels:
            for n, label in enumerate(labels.tolist()):
                count, last = count + (label != last), label
                numbers[n] = count
        rows.append(places[valid])
        frames.append(numbers[valid])
    return BodyFrames(name, np.concatenate(rows), np.concatenate(frames))
