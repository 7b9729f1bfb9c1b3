"""Options that several commands have, and types of options as their help shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import tyro

from poseterior.errors import InputError

__all__ = [
    "MOST",
    "BodyModel",
    "Box",
    "Count",
    "Data",
    "Detections",
    "DetectorName",
    "FeatureDetectorName",
    "Folder",
    "HeatmapPx",
    "Json",
    "LifterName",
    "Name",
    "Plots",
    "Protocol",
    "Px",
    "Recalibration",
    "Report",
    "Root",
    "SeenPath",
    "Share",
    "Size",
    "Weight",
    "Whole",
    "check_draws",
    "check_range",
]

MOST = 2**63 - 1
MOST_HYPOTHESES = 1_000_000  # a block of 64 observations then takes 13 GB


def _shown(metavar: str, help: str | None = None) -> Any:
    """An option without `{None}|` before its metavar and `(default: None)` behind its help."""
    return tyro.conf.arg(metavar=metavar, help=help, help_behavior_hint="")


Name = Annotated[str | None, _shown("NAME")]
SeenPath = Annotated[Path | None, _shown("PATH")]
Folder = Annotated[Path | None, _shown("DIR")]
Whole = Annotated[int | None, _shown("N")]
Share = Annotated[float | None, _shown("SHARE")]
Weight = Annotated[float | None, _shown("WEIGHT")]
Px = Annotated[float | None, _shown("PX")]
HeatmapPx = Annotated[float | None, _shown("HEATMAP_PX")]
Size = Annotated[tuple[float, float] | None, _shown("W H")]
Box = Annotated[tuple[float, float, float, float] | None, _shown("X1 Y1 X2 Y2")]
DetectorName = Annotated[str | None, _shown("vitpose|rtmpose|DIR")]
FeatureDetectorName = Annotated[str | None, _shown("RUN|DIR")]
Count = Annotated[int, tyro.conf.arg(metavar="N")]
LifterName = Annotated[str, tyro.conf.arg(metavar="NAME|PATH")]

Data = Annotated[str, tyro.conf.arg(metavar="NAME")]
Root = Annotated[
    Path | None,
    _shown("DIR", "The data's folder; else the one that POSETERIOR_CMU (or its own name) names."),
]
Protocol = Annotated[
    str | None,
    _shown("NAME", "Frames and clips of human36m: wehrbein, videopose3d or every_64."),
]
Detections = Annotated[
    str | None, _shown("NAME", "2D keypoints of human36m: gt, cpn, hrnet, or another file's name.")
]
BodyModel = Annotated[
    str | None,
    _shown("anny|anny_light|FILE", "Body of a mesh regressor; 3dpw needs a model file of SMPL's."),
]
Json = Annotated[Path | None, _shown("PATH", "Write every number to this JSON file.")]
Report = Annotated[Path | None, _shown("PATH", "Write one self-contained HTML page.")]
Recalibration = Annotated[
    Path | None, _shown("R.json", "Repair the posteriors by what `recalibrate` has fitted.")
]
Plots = Annotated[Path | None, _shown("DIR", "Write PNG plots into this folder.")]


def check_draws(hypotheses: int, seed: int) -> None:
    """`InputError` for a number of hypotheses or a seed that cannot be."""
    check_range(1, MOST_HYPOTHESES, hypotheses=hypotheses)
    check_range(0, MOST, seed=seed)


def check_range(least: int, most: int, **options: int | None) -> None:
    """`InputError` that names the first option, if given, that is not from least to most."""
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if value is not None and value < least:
            raise InputError(option, "", expected=f"{least} or more", found=value)
        if value is not None and value > most:
            raise InputError(option, "", expected=f"at most {most}", found=value)
