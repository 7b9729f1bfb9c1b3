"""`DetectionLog`: the people of frames, appended frame by frame; a kill loses the last at most.

A folder of two files: `about.json` says what was detected in what, by what; `people.bin` holds
records of equal size, one for each person of a frame and one for a frame with nobody. So the
log can be read in pieces, and what a kill left of a frame's records is found and cut off.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch

from poseterior.data.fingerprint import file_fingerprint
from poseterior.data.frames import Frame
from poseterior.data.npz_writer import make_folder, replacing
from poseterior.errors import InputError, require
from poseterior.geometry.skeleton import Skeleton
from poseterior.keypoints import Keypoints, PersonBoxes

__all__ = ["DetectionLog", "keypoints_of", "nobody", "record_layout"]

_ABOUT, _PEOPLE = "about.json", "people.bin"
_READ_ROWS = 256


def record_layout(joints: int, scored: bool = False) -> np.dtype:
    """One person of one frame: `person` 0, 1, ... of `people`, or -1 of a frame with nobody.

    `focal` is NaN where the frame does not tell it. `score` is there where people have any.
    """
    return np.dtype(
        [
            ("place", "<i8"), ("number", "<i8"), ("broken", "?"), ("people", "<i4"),
            ("person", "<i4"), ("box", "<f4", 4), ("pixels", "<f4", (joints, 2)),
            ("covariance", "<f4", (joints, 2, 2)), ("valid", "?", joints),
            ("doubtful", "?", joints), ("confidence", "<f4", joints),
            ("image_size", "<f4", 2), ("focal", "<f8"), *([("score", "<f4")] if scored else []),
        ]
    )  # fmt: skip


class DetectionLog:
    """The log of a folder, begun or gone on with.

    Args:
        folder: made where it is not there.
        skeleton: of the keypoints.
        about: what decides the content: input, detector, options. JSON values.
        scored: whether people have a `score`.

    Raises:
        InputError: the folder holds the log of something else, or cannot be written.
    """

    def __init__(
        self, folder: str | os.PathLike[str], skeleton: Skeleton, about: Mapping[str, Any],
        scored: bool = False,
    ) -> None:  # fmt: skip
        self.folder, self.skeleton = make_folder(folder), skeleton
        self.about = dict(about) | {"skeleton": skeleton.name}
        self._dtype = record_layout(len(skeleton), scored)
        self._path = self.folder / _PEOPLE
        self._begin()
        self._file = self._path.open("ab", buffering=0)
        self.frames = self._cut()

    @staticmethod
    def begun(folder: Path) -> bool:
        """Whether a folder holds the people of any frame."""
        path = folder / _PEOPLE
        return path.is_file() and path.stat().st_size > 0

    def _begin(self) -> None:
        path = self.folder / _ABOUT
        if not path.exists():
            with replacing(path) as temporary:
                temporary.write_text(json.dumps(self.about, indent=1), encoding="utf-8")
            self._path.unlink(missing_ok=True)
        advice = f"{self.folder} to be of this very work (remove it to begin anew)"
        try:
            there = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(path, "", expected=advice, found=f"{error}") from error
        wanted = json.loads(json.dumps(self.about))
        there = there if isinstance(there, dict) else {}
        for name in {**wanted, **there}:
            found = there.get(name)
            require(found == wanted.get(name), path, name, expected=advice, found=found)

    def _cut(self) -> int:
        """The number of whole frames, after whose records the file is cut."""
        size = self._dtype.itemsize
        rows = self._path.stat().st_size // size
        with self._path.open("rb") as file:
            while rows:
                file.seek((rows - 1) * size)
                last = np.frombuffer(file.read(size), self._dtype)[0]
                if last["person"] + 1 == last["people"]:
                    break
                rows -= 1
        self._file.truncate(rows * size)
        return int(last["place"]) + 1 if rows else 0

    def __enter__(self) -> DetectionLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._file.close()

    def append(self, frame: Frame, boxes: PersonBoxes, keypoints: Keypoints | None) -> None:
        """The next frame's people (P,), at once; no keypoints where P = 0."""
        if frame.place != self.frames:
            raise ValueError(f"frame {frame.place} after {self.frames} frames")
        rows = np.zeros(max(len(boxes), 1), self._dtype)
        rows["place"], rows["number"] = frame.place, frame.number
        rows["broken"] = frame.image is None
        rows["people"], rows["person"] = len(boxes), np.arange(len(boxes)) if len(boxes) else -1
        rows["focal"] = np.nan if frame.focal is None else frame.focal
        if frame.image is not None:
            rows["image_size"] = frame.image.shape[1::-1]
        if keypoints is not None and len(boxes):
            rows["box"] = boxes.corners.numpy()
            _put(rows, keypoints)
        self._file.write(rows.tobytes())
        self.frames += 1

    def clear(self) -> None:
        """Forget every frame."""
        self._file.truncate(0)
        self.frames = 0

    def by_frame(self) -> Iterator[np.ndarray]:
        """The records of each frame in order, at least one; memory holds some hundreds."""
        rest = np.zeros(0, self._dtype)
        with self._path.open("rb") as file:
            while block := file.read(_READ_ROWS * self._dtype.itemsize):
                rows = np.concatenate([rest, np.frombuffer(block, self._dtype)])
                ends = np.flatnonzero(rows["person"] + 1 == rows["people"]) + 1
                starts = [0, *ends[:-1]]
                yield from (rows[a:b] for a, b in zip(starts, ends, strict=False))
                rest = rows[ends[-1] if len(ends) else 0 :]

    def fingerprint(self) -> str:
        """16 hexadecimal digits of all records."""
        return file_fingerprint(self._path)


def _put(rows: np.ndarray, keypoints: Keypoints) -> None:
    """Keypoints (P,) into records; a joint with a number that is not finite is not valid."""
    pixels, covariance = keypoints.pixels.numpy(), keypoints.covariance.numpy()
    finite = np.isfinite(pixels).all(-1) & np.isfinite(covariance).all((-2, -1))
    rows["valid"] = valid = keypoints.valid.numpy() & finite
    rows["pixels"] = np.where(valid[..., None], pixels, 0)
    rows["covariance"] = np.where(valid[..., None, None], covariance, 0)
    if keypoints.doubtful is not None:
        rows["doubtful"] = keypoints.doubtful.numpy() & valid
    if keypoints.confidence is not None:
        rows["confidence"] = np.nan_to_num(keypoints.confidence.numpy())
    if "score" in (rows.dtype.names or ()) and keypoints.score is not None:
        rows["score"] = keypoints.score.numpy()


def nobody(rows: np.ndarray) -> np.ndarray:
    """One record of the same frame, with nobody in it."""
    empty = np.zeros_like(rows[:1])
    for name in ("place", "number", "broken", "image_size", "focal"):
        empty[name] = rows[name][0]
    empty["person"] = -1
    return empty


def keypoints_of(rows: np.ndarray, skeleton: Skeleton) -> Keypoints:
    """Records (m,) as keypoints, without intrinsics."""

    def tensor(name: str) -> torch.Tensor:
        return torch.from_numpy(rows[name].copy())

    return Keypoints(
        tensor("pixels"), tensor("covariance"), tensor("valid"), skeleton,
        image_size=tensor("image_size"), confidence=tensor("confidence"),
        doubtful=tensor("doubtful"),
        score=tensor("score") if "score" in (rows.dtype.names or ()) else None,
    )  # fmt: skip
