"""The lifter that a command was asked for, repaired if it was asked to be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from poseterior.posterior import Lifter

__all__ = ["opened_lifter"]


def opened_lifter(name: str, recalibration: Path | None, hypotheses: int) -> Lifter:
    """The lifter of that name or folder, of which so many hypotheses will be drawn."""
    from poseterior.training.shipped import open_lifter

    lifter = open_lifter(name)
    if recalibration is None:
        return lifter
    from poseterior.batch.recalibrate import recalibrated
    from poseterior.recalibration.file import load_recalibration

    return recalibrated(lifter, load_recalibration(recalibration), hypotheses)
