"""What `poseterior lift` does with a photo, a folder of photos or a video."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poseterior.errors import InputError, require

if TYPE_CHECKING:
    from poseterior.batch.detected_people import Survey
    from poseterior.data.frames import FrameSource
    from poseterior.keypoints import Detector, PersonFinder

__all__ = ["check_no_images", "lift_images", "write_page"]

_LISTED = 6
_Lift = Any  # `poseterior.cli.lift.Lift`, whose file imports this one

# Options of keypoint files, which a detector makes needless.
_OF_FILES = ("format", "skeleton", "map", "image_size", "sigma_confident", "sigma_uncertain")


def check_no_images(path: Path) -> None:
    """`InputError` that asks for a detector, if a path holds images and no keypoints."""
    from poseterior.data.frames import media_kind

    kind = media_kind(path)
    if kind is None or (path.is_dir() and any(path.glob("*.json"))):
        return
    what = {"image": "an image", "images": "images", "video": "a video"}[kind]
    expected = f"vitpose, rtmpose or a model's folder, to find the people in {what}"
    raise InputError("--detector", "", expected=expected, found="none")


def lift_images(command: _Lift) -> None:
    """Detect, track, lift; say what was found."""
    for name in _OF_FILES:
        option, given = f"--{name.replace('_', '-')}", getattr(command, name)
        require(given is None, option, "", expected="none beside --detector", found=given)

    from poseterior.batch.lift_frames import lift_frames
    from poseterior.cli.console import bars, show_notes
    from poseterior.cli.lifters import opened_lifter
    from poseterior.data.open_frames import open_frames

    frames = open_frames(command.input)
    lifter = opened_lifter(command.lifter, command.recalibration, command.hypotheses, frames)
    finder, detector, made = _opened(command)
    with _saying_how_to_go_on(command.out), bars("detecting", "lifting") as (seen, lifted):
        done = lift_frames(
            frames, finder, detector, lifter, command.out, command.person or "largest",
            command.focal, command.hypotheses, command.seed, made, seen, lifted,
        )  # fmt: skip
    show_notes(dict(done.notes))
    if command.focal is None and done.survey.told:
        print(f"focal length by EXIF: {done.survey.exif_focal}", file=sys.stderr)
    warnings = list(_warnings(done.survey, frames))
    for text in warnings:
        print(f"warning: {text}", file=sys.stderr)
    print(
        f"{done.lifted.path}: {_found(done.survey, frames)}; "
        f"{done.lifted.poses} pose{_s(done.lifted.poses)}, {command.hypotheses} hypotheses each; "
        f"{done.lifted.invalid} could not be lifted (valid = False)"
    )
    doubtful = list(_doubtful(done.survey))
    print(*doubtful, sep="\n", end="\n" * len(doubtful))
    if command.report is not None:
        write_page(
            command.report, command.out, frames.label, done.notes, [*warnings, *doubtful], frames,
            done.survey.people,
        )  # fmt: skip


def write_page(
    page: Path,
    out: Path,
    name: str,
    notes: Mapping[str, str],
    warnings: Sequence[str] = (),
    frames: FrameSource | None = None,
    people: int | None = None,
) -> None:
    """The report on a lift."""
    from poseterior.cli.reporting import naming
    from poseterior.report.lift_page import write_lift_report
    from poseterior.report.lift_read import read_lift

    told = [*warnings, *(f"assumed {subject}: {text}" for subject, text in notes.items())]
    told = [text[:1].upper() + text[1:] for text in told]
    with naming(page):
        write_lift_report(page, read_lift(out, name, frames, people, told))


def _opened(command: _Lift) -> tuple[PersonFinder, Detector, dict[str, Any]]:
    """Who finds people and their keypoints, and what tells them from others."""
    from poseterior.batch.detect_frames import FixedBox
    from poseterior.detectors import open_finder
    from poseterior.training.detectors import open_any_detector

    made: dict[str, Any] = {"detector": command.detector, "device": command.device}
    detector: Any = open_any_detector(command.detector, command.device)
    made["detector_weights"] = detector.fingerprint()
    if command.ccnet is not None:
        detector, made["ccnet"] = _confident(detector, command.ccnet, command.device)
    if command.box is not None:
        return FixedBox(command.box), detector, {**made, "box": list(command.box)}
    finder: Any = open_finder(command.finder, command.device)
    weights = finder.fingerprint()
    return finder, detector, {**made, "finder": command.finder, "finder_weights": weights}


def _confident(detector: Detector, run: Path, device: str) -> tuple[Detector, dict[str, Any]]:
    """The detector with a confidence network on it, and what tells that from others."""
    from poseterior.batch.confident_detector import ConfidentDetector
    from poseterior.batch.provenance import weights_fingerprint
    from poseterior.detectors.feature_detector import as_feature_detector
    from poseterior.training.confidence_network import open_ccnet

    shows = as_feature_detector(detector, "--detector")
    network: Any = open_ccnet(run, shows)
    told = {"run": str(run), "weights": weights_fingerprint(network)}
    return ConfidentDetector(shows, network.to(device)), told


@contextmanager
def _saying_how_to_go_on(out: Path) -> Iterator[None]:
    from poseterior.batch.lift_frames import parts_folder
    from poseterior.data.detection_log import DetectionLog

    parts = parts_folder(out)
    try:
        yield
    except InputError as error:
        if not DetectionLog.begun(parts) or Path(error.source).is_relative_to(parts):
            raise
        found = f"{error.found} (what was detected is kept in {parts}, to go on with)"
        raise InputError(error.source, error.field, expected=error.expected, found=found) from error
    except KeyboardInterrupt as stopped:
        if not parts.exists():
            raise
        text = "stopped: the same command goes on where it was"
        raise KeyboardInterrupt(text) from stopped


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _found(survey: Survey, frames: FrameSource) -> str:
    """How many people in how many frames, and in how many each: the numbers to ask for."""
    rate = frames.facts.get("frames_per_second")
    found = {0: "nobody", 1: "1 person"}.get(survey.people, f"{survey.people} people")
    found += f" in {survey.frames} frame{_s(survey.frames)}"
    found += f", {rate:g} a second" if rate and survey.frames > 1 else ""
    if survey.people < 2 or survey.frames == 1:
        return found
    often = ", ".join(f"{n} in {count}" for n, count in enumerate(survey.seen[:_LISTED]))
    return f"{found} (number {often}{', ...' if survey.people > _LISTED else ''})"


def _doubtful(survey: Survey) -> Iterator[str]:
    if survey.doubtful:
        yield (
            f"{survey.doubtful} of {survey.joints} joints were seen in no single place: "
            "their covariance is widened"
        )


def _warnings(survey: Survey, frames: FrameSource) -> Iterator[str]:
    if not survey.people:
        yield "nobody was found: every row has valid = False"
    if survey.broken:
        listed = ", ".join(map(frames.title, survey.broken_numbers))
        more = ", ..." if survey.broken > len(survey.broken_numbers) else ""
        yield f"{survey.broken} of {survey.frames} frames cannot be read: {listed}{more}"
    steps: Any = frames.facts.get("steps_s")
    if steps is not None:
        yield (
            f"the frame rate varies, {steps[0]:.3g} to {steps[1]:.3g} s from frame to frame: "
            "`smooth` takes it as even"
        )
    if "missing_frames" in frames.facts:
        told = survey.frames + int(str(frames.facts["missing_frames"]))
        yield f"the file tells of {told} frames, {survey.frames} are there"
    if "damaged" in frames.facts:
        yield f"{frames.name}: {frames.facts['damaged']}"
