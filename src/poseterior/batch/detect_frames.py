"""Frames in, their people in a `DetectionLog`: the slow part of lifting images, done once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from poseterior.data.detection_log import DetectionLog
from poseterior.data.frames import Frame, FrameSource
from poseterior.detectors.images import overlaps
from poseterior.errors import InputError, require
from poseterior.keypoints import Detector, Keypoints, PersonBoxes, PersonFinder

__all__ = ["FixedBox", "detect_frames"]

_NOBODY = PersonBoxes(torch.zeros(0, 4), torch.zeros(0))


class FixedBox:
    """A `PersonFinder` that is told where the one person is: the same box in every image.

    `InputError` for a box x1, y1, x2, y2 px without area or numbers that are not finite, and
    from `find` for one that lies outside an image.
    """

    def __init__(self, corners: tuple[float, float, float, float]) -> None:
        x1, y1, x2, y2 = corners
        good = bool(np.isfinite(corners).all()) and x1 < x2 and y1 < y2
        require(good, "box", "", expected="X1 Y1 X2 Y2 px, X1 < X2, Y1 < Y2", found=corners)
        self.corners = corners

    def find(self, images: Sequence[np.ndarray]) -> list[PersonBoxes]:
        """See `PersonFinder.find`; the score is 1."""
        for image in images:
            height, width = image.shape[:2]
            require(
                overlaps(self.corners, image), "box", "",
                expected=f"one that overlaps the image of {width} x {height} px",
                found=self.corners,
            )  # fmt: skip
        return [PersonBoxes(torch.tensor([self.corners]), torch.ones(1)) for _ in images]


def detect_frames(
    source: FrameSource,
    finder: PersonFinder,
    detector: Detector,
    log: DetectionLog,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Append to the log the people of every frame that it does not have yet.

    Frames are read and detected one by one: memory holds one, and as a detector says the same
    of an image whenever it is asked, a log that was gone on with is as one made in one go.

    Args:
        source: the frames.
        finder: where people are.
        detector: their keypoints.
        log: of the same source, finder and detector, at any frame.
        progress: called with the frames done and the frames in all.

    Raises:
        InputError: an image that cannot be read, or that the detector refuses; it names the
            frame.
    """
    for frame in source.read(log.frames):
        log.append(frame, *_people(frame, finder, detector, source.name))
        if progress is not None:
            progress(log.frames, source.frames)


def _people(
    frame: Frame, finder: PersonFinder, detector: Detector, name: str
) -> tuple[PersonBoxes, Keypoints | None]:
    if frame.image is None:
        return _NOBODY, None
    try:
        boxes = finder.find([frame.image])[0]
        if not len(boxes):
            return _NOBODY, None
        return boxes, detector.detect([frame.image], [boxes.corners])[0]
    except InputError as error:
        where = ": ".join(part for part in (error.source, error.field) if part)
        raise InputError(
            name, f"frame {frame.number}, {where}", expected=error.expected, found=error.found
        ) from error
