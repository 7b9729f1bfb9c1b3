"""What is there, missing or damaged in a folder of CMU data: `poseterior data cmu`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from poseterior.data.asf import read_asf
from poseterior.data.asfamc import asf_to_h36m, read_asfamc
from poseterior.data.cmu import array_path, cmu_root, load_cmu, observations_path
from poseterior.data.cmu_archive import CMU_INFO, SPLITS, Subject, find_subjects, split_of
from poseterior.data.npz_stream import NpzReader
from poseterior.errors import InputError

__all__ = ["CMU_INFO", "Finding", "check_cmu"]

_OBSERVED = ("val", "test", "test_dance")


@dataclass(frozen=True)
class Finding:
    """One line about the data: `ok`, a `note` (works without it) or a `problem`."""

    kind: Literal["ok", "note", "problem"]
    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind:<8}{self.subject}: {self.text}"


def check_cmu(root: str | os.PathLike[str] | None = None) -> list[Finding]:
    """Findings about `root` (else POSETERIOR_CMU): arrays, or every file of an archive.

    Nothing is raised for data that is missing or damaged: it is a finding of kind `problem`.
    Where to get the data and its terms are in `CMU_INFO`.
    """
    try:
        folder = cmu_root(root)
    except InputError as error:
        return [_problem(error.source, error)]
    if any(array_path(folder, split).exists() for split in SPLITS):
        return [*_check_arrays(folder), *_check_observations(folder)]
    subjects = find_subjects(folder)
    if subjects:
        return list(_check_archive(subjects))
    expected = "neither cmu_<split>.npz nor subjects/NN/NN.asf and NN_MM.amc"
    return [Finding("problem", str(folder), f"{expected} found here")]


def _problem(subject: str, error: InputError) -> Finding:
    field = f"{error.field}: " if error.field else ""
    return Finding("problem", subject, f"{field}expected {error.expected}, found {error.found}")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _check_arrays(folder: Path) -> Iterator[Finding]:
    for split in SPLITS:
        name = array_path(folder, split).name
        try:
            clips = load_cmu(folder, split)
        except InputError as error:
            yield _problem(name, error)
            continue
        counts = f"{_count(len(clips.clip_names), 'clip')}, {_count(len(clips), 'frame')}"
        yield Finding("ok", name, f"{counts} ({clips.minutes:.1f} min at {clips.fps:g} Hz)")


def _check_observations(folder: Path) -> Iterator[Finding]:
    for split in _OBSERVED:
        path = observations_path(folder, split)
        if not path.is_file():
            yield Finding("note", path.name, "missing: `evaluate` observes the clips anew")
            continue
        try:
            with NpzReader(path) as reader:
                poses = reader["keypoints"].shape[0]
        except InputError as error:
            yield _problem(path.name, error)
        else:
            yield Finding("ok", path.name, _count(poses, "pose"))


def _check_archive(subjects: list[Subject]) -> Iterator[Finding]:
    """Every file is read; then what is good is counted, in all and by split."""
    clips: Counter[str] = Counter()
    frames: Counter[str] = Counter()
    for subject in subjects:
        good: dict[str, int] = {}
        yield from _check_subject(subject, good)
        for clip, length in good.items():
            clips[split_of(clip)] += 1
            frames[split_of(clip)] += length
    total = f"{_count(len(subjects), 'subject')}, {_count(clips.total(), 'clip')}"
    yield Finding("ok", "archive", f"{total}, {_count(frames.total(), 'frame')} that can be read")
    for split in SPLITS:
        kind: Literal["ok", "note"] = "ok" if clips[split] else "note"
        counts = f"{_count(clips[split], 'clip')}, {_count(frames[split], 'frame')}"
        yield Finding(kind, f"split {split}", counts if clips[split] else "no clips")
    yield Finding("note", "observations", "an archive has no fixed ones")


def _check_subject(subject: Subject, good: dict[str, int]) -> Iterator[Finding]:
    """Findings about one folder; frames of each readable clip go into `good`."""
    name = f"subject {subject.name}"
    if subject.asf is None:
        yield Finding("problem", name, f"{subject.name}.asf is missing")
        return
    if not subject.amcs:
        yield Finding("problem", name, "no motions NN_MM.amc")
    try:
        skeleton = read_asf(subject.asf)
    except InputError as error:
        yield _problem(f"{subject.name}/{subject.asf.name}", error)
        return
    for amc in subject.amcs:
        try:
            tracks = read_asfamc(skeleton, amc)
            asf_to_h36m(tracks)
        except InputError as error:
            yield _problem(f"{subject.name}/{amc.name}", error)
        else:
            good[amc.stem] = len(tracks)
