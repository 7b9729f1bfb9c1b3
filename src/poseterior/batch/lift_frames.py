"""`lift_frames`: a photo, a folder of them or a video in, a predictions file out.

Detecting is slow and lifting is fast. So the people of each frame are first logged in the folder
OUT.parts, frame by frame; the whole log is then lifted, which draws noise by block of rows and not
by frame. A kill leaves that folder: the same call goes on at the next frame and ends in the same
file, byte for byte. The folder is removed when the file is there.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from poseterior.batch.confident_detector import ConfidentDetector
from poseterior.batch.detect_frames import detect_frames
from poseterior.batch.detected_people import DetectedPeople, Survey, check_choice
from poseterior.batch.lift import Lifted, lift
from poseterior.data.detection_log import DetectionLog
from poseterior.data.frames import FrameSource
from poseterior.data.npz_writer import check_writable, make_folder
from poseterior.errors import InputError, require
from poseterior.keypoints import Detector, PersonFinder
from poseterior.posterior import Lifter

__all__ = ["LiftedFrames", "lift_frames", "parts_folder"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class LiftedFrames:
    """The file, what was in the frames, and what had to be assumed."""

    lifted: Lifted
    survey: Survey
    notes: Mapping[str, str]


def parts_folder(out: str | os.PathLike[str]) -> Path:
    """Where the log of a lift lies until it has ended."""
    path = Path(out)
    return path.with_name(f"{path.name}.parts")


def lift_frames(
    frames: FrameSource,
    finder: PersonFinder,
    detector: Detector,
    lifter: Lifter,
    out: str | os.PathLike[str],
    person: str | int = "largest",
    focal: float | None = None,
    hypotheses: int = 200,
    seed: int = 0,
    made: Mapping[str, Any] | None = None,
    detecting: Progress | None = None,
    lifting: Progress | None = None,
) -> LiftedFrames:
    """Detect, track and lift the people of frames, and write a predictions `.npz`.

    Rows are in the order of the frames, labelled `clip`, `frame` and `person`. Broken frames and
    those without the person keep their place, with `valid` False and zeros; where nobody is
    found at all, every row is so. Memory does not grow with the number of frames.

    Args:
        frames: `open_images` or `open_video`.
        finder: where people are, or `FixedBox`.
        detector: their keypoints; with a `ConfidentDetector` their expected OKS are stored too.
        lifter: gives the posterior of keypoints.
        out: where the file appears when all is done.
        person: see `DetectedPeople`.
        focal: in px; else the frames' own by EXIF, else assumed.
        hypotheses: how many to draw of each posterior.
        seed: of all draws.
        made: what tells finder and detector from others, JSON values: a log of others is not
            gone on with. Part of the `provenance`.
        detecting: called with the frames done and the frames in all.
        lifting: called with the rows done and the rows in all.

    Raises:
        InputError: an image that cannot be read (one that stands alone) or no frame that can,
            a box outside the image, `person` that is nobody's, a log of another work in
            OUT.parts, a place that cannot be written.
    """
    check_choice(person, focal)
    path = check_writable(out)
    same = path.exists() and Path(frames.name).exists() and path.samefile(frames.name)
    require(not same, path, "out", expected="another file than the input", found="the same")
    about = {"input": frames.fingerprint(), "frames": frames.frames, **(made or {})}
    scored = isinstance(detector, ConfidentDetector)
    with (
        _parts(out, frames) as folder,
        DetectionLog(folder, detector.skeleton, about, scored) as log,
    ):
        with torch.autocast("cpu", enabled=False):  # a caller's is for the lifter
            detect_frames(frames, finder, detector, log, detecting)
        source = DetectedPeople(log, person, focal, frames.name, frames.label)
        _require_readable(source, log)
        told = {"frames": {**frames.facts, **about, **_seen(source.survey)}}
        lifted = lift(
            source, lifter, folder / path.name, hypotheses, seed, progress=lifting, made=told,
            allow_none=True,
        )  # fmt: skip
        os.replace(lifted.path, path)
    return LiftedFrames(replace(lifted, path=path), source.survey, source.notes)


def _require_readable(source: DetectedPeople, log: DetectionLog) -> None:
    """`InputError` where every frame is broken: that is not the same as nobody in any."""
    frames = source.survey.frames
    if source.survey.broken == frames:
        log.clear()  # or it would be gone on with when the input is mended
        raise InputError(
            source.name, "", expected="a frame that can be read", found=f"none of {frames}"
        )


def _seen(survey: Survey) -> dict[str, Any]:
    """What the `provenance` says of the frames' content."""
    seen: dict[str, Any] = {"broken_frames": survey.broken, "people": survey.people}
    seen |= {"joints": survey.joints, "doubtful_joints": survey.doubtful}
    return seen | ({"focal_by_exif_px": list(survey.focal)} if survey.told else {})


@contextmanager
def _parts(out: str | os.PathLike[str], frames: FrameSource) -> Iterator[Path]:
    """The log's folder, for this process alone; of a single picture not worth keeping."""
    if frames.frames == 1:
        path = Path(out)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as temporary:
            yield Path(temporary)
        return
    folder = make_folder(parts_folder(out))
    try:
        with FileLock(folder / "lock", timeout=0):
            try:
                yield folder
            except BaseException:
                if not DetectionLog.begun(folder):
                    shutil.rmtree(folder, ignore_errors=True)
                raise
            shutil.rmtree(folder, ignore_errors=True)
    except Timeout as error:
        found = "another process that does so now"
        raise InputError(folder, "", expected="nobody else to write it", found=found) from error
