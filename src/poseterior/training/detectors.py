"""Detectors by name or folder: those of others, or a run of one's own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from poseterior import detectors
from poseterior.detectors.crop_detector import CropDetector
from poseterior.detectors.weights import as_device
from poseterior.errors import require
from poseterior.keypoints import Detector
from poseterior.training.checkpoint import CONFIG_FILE, load_lifter
from poseterior.training.known_lifters import CROP_DETECTORS

__all__ = ["open_any_detector", "open_crop_detector"]

_OPTIONS = ("flip", "batch_size")


def open_any_detector(
    name: str | os.PathLike[str] = "vitpose", device: str = "cpu", **options: Any
) -> Detector:
    """A detector by name, of a model on disk, or the folder of a run that `train` wrote.

    Args:
        name: as of `detectors.open_detector`, or the folder of a run.
        device: such as cpu or cuda.
        options: of the detector's class, such as `flip` and `batch_size`.

    Raises:
        InputError: none of these; what the class cannot use.
    """
    if _is_run(Path(name)):
        return open_crop_detector(name, device, **options)
    return detectors.open_detector(name, device, **options)


def open_crop_detector(
    folder: str | os.PathLike[str], device: str = "cpu", **options: Any
) -> CropDetector:
    """A detector trained here, in eval mode: it exposes its features and takes crops too.

    Args:
        folder: of a run that `poseterior train` wrote: safetensors and JSON, no pickle.
        device: such as cpu or cuda.
        options: `flip`, `batch_size`.

    Raises:
        InputError: a folder that is no whole checkpoint of one, another option.
    """
    detector: Any = load_lifter(Path(folder), CROP_DETECTORS)
    for option, value in options.items():
        known = option in _OPTIONS
        require(known, detector.name, "options", expected=f"some of {_OPTIONS}", found=option)
        setattr(detector, option, value)
    found: CropDetector = detector.requires_grad_(False).to(as_device(device))
    return found


def _is_run(folder: Path) -> bool:
    """Whether a folder holds what a training writes: transformers names its files the same."""
    try:
        told = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(told, dict) and "lifter" in told
