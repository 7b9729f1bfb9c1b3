"""The lifter that a command was asked for, repaired if it was asked to be."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from poseterior.data.frames import FrameSource
    from poseterior.data.keypoint_source import KeypointSource
    from poseterior.posterior import Lifter

__all__ = ["opened_lifter"]


def opened_lifter(
    name: str, recalibration: Path | None, hypotheses: int, source: KeypointSource | FrameSource
) -> Lifter:
    """The lifter of that name or folder, of which so many hypotheses will be drawn.

    Warns where the source is what the recalibration was fitted on.
    """
    from poseterior.training.shipped import open_lifter

    lifter = open_lifter(name)
    if recalibration is None:
        return lifter
    from poseterior.batch.recalibrate import recalibrated
    from poseterior.recalibration.file import load_recalibration

    fitted = load_recalibration(recalibration)
    repaired = recalibrated(lifter, fitted, hypotheses)
    if fitted.fitted_on.get("observations") == source.fingerprint():
        text = f"{recalibration} was fitted on these observations: its scores are too good"
        print(f"warning: {text}", file=sys.stderr)
    return repaired
