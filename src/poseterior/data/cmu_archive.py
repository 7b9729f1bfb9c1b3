"""The official CMU archive: ASF/AMC files in `subjects/NN/`, and its splits by subject."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from poseterior.data.asf import AsfSkeleton, read_asf
from poseterior.data.asfamc import asf_to_h36m, read_asfamc
from poseterior.data.motion_clips import MotionClips
from poseterior.errors import InputError, require
from poseterior.geometry.skeleton import H36M_17

__all__ = [
    "CMU_INFO",
    "SPLITS",
    "TEST_DANCE_SUBJECTS",
    "TEST_SUBJECTS",
    "VAL_CLIPS",
    "VAL_SUBJECTS",
    "Subject",
    "find_subjects",
    "read_archive",
    "split_of",
]

CMU_INFO = """\
CMU Graphics Lab Motion Capture Database, http://mocap.cs.cmu.edu
  Get the zip of all ASF and AMC files from its FAQ page (it asks not to be crawled), unpack it
  and give its folder: it holds subjects/NN/NN.asf and subjects/NN/NN_MM.amc.
  Terms: free for all uses; it may be part of products that are sold, but the data itself may
  not be resold, converted or not. Acknowledge it with these words:
    The data used in this project was obtained from mocap.cs.cmu.edu.
    The database was created with funding from NSF EIA-0196217."""

SPLITS = ("train", "val", "test", "test_dance")
TEST_DANCE_SUBJECTS = ("49",)
TEST_SUBJECTS = ("03", "35", "143")
VAL_SUBJECTS = ("56", "124")
VAL_CLIPS = ("01_05", "01_11", "02_03", "02_08", "07_02")

_CLIP = re.compile(r"(?:cmu_)?((\d{2,3})_\d{2,3})")
_UNTRACKED = {"03_02": 52}  # first frames of a file in which the arms were not tracked


@dataclass(frozen=True)
class Subject:
    """A folder of the archive: the number, its skeleton (None if missing), its motions."""

    name: str
    asf: Path | None
    amcs: tuple[Path, ...]


def split_of(name: str) -> str:
    """The split of an archive clip such as `02_01` (or `cmu_02_01`), by its subject.

    `test_dance`: subject 49. `test`: 03, 35 and 143. `val`: 56 and 124, and the five clips
    `VAL_CLIPS`. `train`: all others. No clip that the arrays keep for val or test and name
    by subject is in `train`.

    >>> [split_of(name) for name in ("05_01", "01_05", "cmu_03_02", "49_04")]
    ['train', 'val', 'test', 'test_dance']
    """
    match = _CLIP.fullmatch(name)
    if match is None:
        raise InputError("clip", "name", expected="subject_motion, such as 02_01", found=name)
    clip, subject = match[1], match[2]
    if subject in TEST_DANCE_SUBJECTS:
        return "test_dance"
    if subject in TEST_SUBJECTS:
        return "test"
    return "val" if subject in VAL_SUBJECTS or clip in VAL_CLIPS else "train"


def find_subjects(root: str | os.PathLike[str]) -> list[Subject]:
    """The subjects of an archive, by number; none if `root` is not one.

    `root` may be the archive (`subjects/NN`), the folder it was unpacked in
    (`all_asfamc/subjects/NN`), or the folder of the subjects itself (`NN`).
    """
    for below in ("subjects", "all_asfamc/subjects", "."):
        found = [subject for folder in sorted(Path(root, below).glob("[0-9]*"))
                 if (subject := _subject(folder))]  # fmt: skip
        if found:
            return sorted(found, key=lambda subject: int(subject.name))
    return []


def _subject(folder: Path) -> Subject | None:
    if not folder.name.isdecimal() or not folder.is_dir():
        return None
    asf = folder / f"{folder.name}.asf"
    amcs = tuple(sorted(p for p in folder.glob("*.amc") if _CLIP.fullmatch(p.stem)))
    skeleton = asf if asf.is_file() else None
    return Subject(folder.name, skeleton, amcs) if skeleton or amcs else None


def read_archive(
    root: str | os.PathLike[str],
    split: str | None = None,
    *,
    subjects: Sequence[str] | None = None,
    every: int = 4,
    fps: float = 120.0,
) -> MotionClips:
    """The clips of an archive as `h36m_17`, each from its own subject's skeleton.

    Args:
        root: see `find_subjects`.
        split: only the clips of that split, by `split_of`; all if None.
        subjects: only these subjects (`["02", "05"]`); all if None.
        every: takes frames 0, 4, 8, ... of each file: 30 a second of 120.
        fps: frames a second of the files; the few that were recorded at another rate are
            taken as if at this one, for the files do not tell it.

    The first 52 frames of 03_02 are left out (arms not tracked). Nothing is cached: a whole
    archive is a gigabyte of text. `InputError` at the first file that is damaged; `check_cmu`
    lists all.
    """
    clips: dict[str, torch.Tensor] = {}
    for subject in _chosen(root, subjects):
        wanted = [amc for amc in subject.amcs if split is None or split_of(amc.stem) == split]
        if wanted:
            skeleton = _skeleton(subject)
            clips |= {amc.stem: _clip(skeleton, amc, every, fps) for amc in wanted}
    require(bool(clips), root, "clips", expected=f"clips of split {split}", found="none")
    lengths = torch.tensor([len(clip) for clip in clips.values()])
    index = torch.repeat_interleave(torch.arange(len(clips)), lengths)
    positions = torch.cat(list(clips.values()))
    return MotionClips(positions, index, tuple(clips), fps / every, H36M_17, str(root))


def _chosen(root: str | os.PathLike[str], names: Sequence[str] | None) -> list[Subject]:
    found = find_subjects(root)
    require(
        bool(found), root, "", expected="subjects/NN/NN.asf and NN_MM.amc", found="no such files"
    )
    if names is None:
        return found
    by_name = {subject.name: subject for subject in found}
    missing = [name for name in names if name not in by_name]
    require(not missing, root, "subjects", expected=f"some of {', '.join(by_name)}", found=missing)
    return [by_name[name] for name in names]


def _skeleton(subject: Subject) -> AsfSkeleton:
    folder = subject.amcs[0].parent
    if subject.asf is None:
        missing = f"{subject.name}.asf"
        raise InputError(folder, missing, expected="the subject's skeleton", found="no such file")
    return read_asf(subject.asf)


def _clip(skeleton: AsfSkeleton, amc: Path, every: int, fps: float) -> torch.Tensor:
    untracked = -(-_UNTRACKED.get(amc.stem, 0) // every)
    pose = asf_to_h36m(read_asfamc(skeleton, amc, every=every, fps=fps))[untracked:]
    require(len(pose) > 0, amc, "frames", expected=f"more than {untracked}", found="none left")
    return pose.float()
