"""`read_lift`: what a page shows of a predictions file and of the frames that it is from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from poseterior.batch.provenance import made_by
from poseterior.batch.shown_frames import ShownFrames, shown_frames
from poseterior.data.frames import FrameSource
from poseterior.data.predictions import open_predictions
from poseterior.report.examples import Examples
from poseterior.report.lift_page import LiftReport
from poseterior.report.pictures import Picture, picture

__all__ = ["read_lift"]


def read_lift(
    path: str | os.PathLike[str],
    name: str,
    frames: FrameSource | None = None,
    people: int | None = None,
    notes: Sequence[str] = (),
) -> LiftReport:
    """Up to 6 frames with all their people, read again for their pictures.

    Args:
        path: of the predictions.
        name: what the page calls the input.
        frames: of the predictions' rows; None for a lift of keypoints.
        people: how many were tracked, where that is known.
        notes: what to know before trusting it.
    """
    with open_predictions(path) as file:
        shown = shown_frames(file)
        made: Any = made_by(file.provenance)
        rows, hypotheses, skeleton = file.poses, file.hypotheses, file.skeleton
    examples = Examples(skeleton=skeleton, **shown.arrays) if shown.arrays else None
    pictures: list[Picture] = []
    shown_in: list[int | None] = [None] * len(shown.frame)
    if frames is not None and examples is not None:
        numbers = sorted(set(shown.frame))
        pictures = [_picture(frames, number) for number in numbers]
        shown_in = [numbers.index(number) for number in shown.frame]
    made = made if isinstance(made, dict) else {}
    facts = [f"{shown.valid} of {rows} rows lifted", f"{hypotheses} hypotheses each"]
    facts += [str(made[key]) for key in ("lifter", "source") if made.get(key)]
    if frames is not None:
        facts += _seen_by(made.get("frames", {}))
    title = _title(shown, name, people)
    return LiftReport(name, title, facts, notes, made, examples, pictures, shown_in)


def _picture(frames: FrameSource, number: int) -> Picture:
    frame = next(iter(frames.read(frames.place_of(number))))
    assert frame.image is not None  # its row is valid
    return picture(frame.image, frames.title(number))


def _seen_by(made: dict[str, Any]) -> list[str]:
    """What tells of the detector and the lens."""
    low, high = (f"{focal:.0f}" for focal in made.get("focal_by_exif_px", (0, 0)))
    told = f"focal length {low if low == high else f'{low} to {high}'} px by EXIF"
    known = [told] if "focal_by_exif_px" in made else []
    return [f"detector {made.get('detector', 'unknown')}", *known]


def _title(shown: ShownFrames, name: str, people: int | None) -> str:
    if not shown.valid:
        return f"Nobody was found in {name}"
    if people is None:
        return f"{shown.valid} pose{'s' * (shown.valid != 1)} of {name}"
    who = "1 person" if people == 1 else f"{people} people"
    return f"{who} in {name}"
