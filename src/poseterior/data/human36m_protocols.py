"""Who is trained and tested on in Human3.6M, on which frames, and what clips are called.

An action was recorded twice. The official names of the two takes vary ("Eating" and "Eating 2",
"Sitting 1" and "Sitting 2"); here, as in paper 001's files, they are "Eating" and "Eating 1".
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from poseterior.errors import InputError, require

__all__ = [
    "ACTIONS",
    "PROTOCOLS",
    "SUBJECTS",
    "Protocol",
    "Split",
    "clip_name",
    "get_protocol",
    "image_of",
    "read_frame_list",
    "takes_of",
    "thinned",
]

Split = Literal["train", "test"]
SUBJECTS: dict[str, tuple[str, ...]] = {
    "train": ("S1", "S5", "S6", "S7", "S8"),
    "test": ("S9", "S11"),
}
ACTIONS = (
    "Directions", "Discussion", "Eating", "Greeting", "Phoning", "Photo", "Posing", "Purchases",
    "Sitting", "SittingDown", "Smoking", "Waiting", "WalkDog", "WalkTogether", "Walking",
)  # fmt: skip
_RENAMED = {"TakingPhoto": "Photo", "WalkingDog": "WalkDog"}
# `/S9/Directions 1.54138969/160.jpg`: the image's number counts from 1.
_IMAGE = re.compile(r"/?(S\d+)/([^/]+)\.(\d{8})/(\d+)\.\w+")


@dataclass(frozen=True)
class Protocol:
    """Which frames of which clips are used.

    Attributes:
        name: what it is asked for by.
        train: frames of each clip in training.
        test: frames of each clip in testing.
        thin: of what `test` leaves of one action, subjects, takes and cameras one after the
            other, every how manieth row counts (not in a subset).
        skipped: clips never used, as their names (`clip_name`).
    """

    name: str
    train: slice
    test: slice
    thin: int = 1
    skipped: frozenset[str] = frozenset()

    def frames(self, split: str) -> slice:
        """Frames of each clip."""
        return self.train if split == "train" else self.test


_EVERY = slice(0, None, 1)
_CORRUPT = frozenset(
    f"S11/Directions/{c}" for c in ("54138969", "55011271", "58860488", "60457274")
)
PROTOCOLS = {
    p.name: p
    for p in (
        # Papers 000 and 001: frames 4, 8, ... of each video, 64, 128, ... of each action in tests.
        Protocol(
            "wehrbein", slice(3, None, 4), slice(3, None, 4), 16,
            frozenset({"S5/Waiting 1/55011271", "S11/Directions/54138969"}),
        ),
        # Pavllo et al. 2019 and Martinez et al. 2017: every frame; S11's first Directions is bad.
        Protocol("videopose3d", _EVERY, _EVERY, 1, _CORRUPT),
        # Every 64th frame of each test video.
        Protocol("every_64", _EVERY, slice(0, None, 64), 1, _CORRUPT),
    )
}  # fmt: skip


def get_protocol(name: str) -> Protocol:
    """The protocol of that name; `InputError` names the nearest one and all others."""
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    near = difflib.get_close_matches(str(name), PROTOCOLS, n=1)
    known = ", ".join(PROTOCOLS)
    expected = f"{near[0]!r} or another of {known}" if near else f"one of {known}"
    raise InputError("Human3.6M", "protocol", expected=expected, found=repr(name))


def clip_name(subject: str, action: str, take: int, camera: str) -> str:
    """What a clip is called: "S9/Eating 1/54138969" for the second take of Eating."""
    return f"{subject}/{action}{' 1' * take}/{camera}"


def takes_of(names: Iterable[str], source: object, subject: str) -> dict[str, tuple[str, int]]:
    """Official names of one subject's recordings as (action, take 0 or 1).

    Where one of the two has no number it is take 0; else the one with the larger number is, as
    paper 001 has it. `InputError` for a third take. Names that are no action are left out.

    >>> takes_of(["Eating", "Eating 2", "TakingPhoto 1", "TakingPhoto 2", "_ALL"], "f", "S1")
    {'Eating': ('Eating', 0), 'Eating 2': ('Eating', 1),
     'TakingPhoto 2': ('Photo', 0), 'TakingPhoto 1': ('Photo', 1)}
    """
    groups: dict[str, list[tuple[int, str]]] = {}
    for name in names:
        word, _, number = name.partition(" ")
        action = _RENAMED.get(word, word)
        if action in ACTIONS and (number.isdecimal() or not number):
            groups.setdefault(action, []).append((int(number or 0), name))
    found: dict[str, tuple[str, int]] = {}
    for action, numbered in groups.items():
        require(
            len(numbered) <= 2, source, f"{subject}/{action}",
            expected="two takes", found=sorted(name for _, name in numbered),
        )  # fmt: skip
        first = min(numbered) if min(numbered)[0] == 0 else max(numbered)
        lone = len(numbered) == 1 and first[0] > 0
        ordered = [first, *(item for item in numbered if item != first)]
        found |= {name: (action, take + lone) for take, (_, name) in enumerate(ordered)}
    return found


def image_of(path: object) -> tuple[str, str, int] | None:
    """Subject, camera and frame (from 0) of an image's path; None if it is no such path."""
    match = _IMAGE.fullmatch(path.strip()) if isinstance(path, str) else None
    return None if match is None else (match[1], match[3], int(match[4]) - 1)


def read_frame_list(path: str | Path) -> list[tuple[str, int]]:
    """Clips and frames (from 0) that a text file lists, one image's path a line.

    The form is that of paper 001's `framelist_h36m_hard_subset.txt`:
    `/S9/Directions 1.54138969/160.jpg`, whose number counts from 1. `InputError` for a line
    of another form, a frame listed twice, and a file without any.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, "", expected="a list of frames", found=str(error)) from None
    found: dict[tuple[str, int], int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        match = _IMAGE.fullmatch(line.strip())
        known = takes_of([match[2]], path, match[1]) if match else {}
        if match is None or not known:
            expected = "a path like /S9/Directions 1.54138969/160.jpg"
            raise InputError(path, f"line {number}", expected=expected, found=repr(line[:80]))
        action, take = known[match[2]]
        frame = clip_name(match[1], action, take, match[3]), int(match[4]) - 1
        require(
            frame not in found, path, f"line {number}",
            expected="each frame once", found=f"that of line {found.get(frame)} again",
        )  # fmt: skip
        found[frame] = number
    require(bool(found), path, "", expected="a list of frames", found="no lines")
    return list(found)


def thinned(actions: Iterable[str], every: int) -> np.ndarray:
    """(M,) bool, True for rows 0, `every`, ... of each action, counted in the order given."""
    seen: dict[str, int] = {}
    keep = []
    for action in actions:
        seen[action] = seen.get(action, -1) + 1
        keep.append(seen[action] % every == 0)
    return np.array(keep, dtype=bool)
