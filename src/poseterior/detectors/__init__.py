"""Detectors, one a file; `DETECTORS` maps the name of each to its class. Needs `[detect]`.

Images in, `Keypoints` with covariances out. The libraries that run the networks are imported
when a model is opened; weights come from the user's disk and are never downloaded here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from poseterior.detectors.rtdetr import RTDetr
from poseterior.detectors.rtmpose import RTMPose
from poseterior.detectors.vitpose import VitPose
from poseterior.errors import known
from poseterior.keypoints import Detector, PersonFinder

__all__ = ["DETECTORS", "FINDERS", "open_detector", "open_finder"]

DETECTORS: dict[str, type[VitPose] | type[RTMPose]] = {
    detector.name: detector for detector in (VitPose, RTMPose)
}
FINDERS: dict[str, type[RTDetr]] = {RTDetr.name: RTDetr}


def open_detector(
    name: str | os.PathLike[str] = "vitpose", device: str = "cpu", **options: Any
) -> Detector:
    """A detector by name, or of a model on disk.

    Args:
        name: one of `DETECTORS`, whose weights are taken from the user's cache; a folder in
            the format of transformers or its repository OWNER/NAME, for ViTPose; an ONNX file
            or a folder with one, for RTMPose.
        device: such as cpu or cuda.
        options: of the detector's class, such as `flip` and `batch_size`.

    Raises:
        InputError: none of these, with the command that fetches the weights; what the class
            cannot use.
    """
    given = str(name)
    if given in DETECTORS:
        return DETECTORS[given].load(None, device, **options)
    path = Path(name)
    if path.suffix == ".onnx" or (path.is_dir() and any(path.glob("*.onnx"))):
        return RTMPose.load(path, device, **options)
    if not path.is_dir() and given.count("/") != 1:
        known("detector", given, [*DETECTORS, "a model's folder, repository or ONNX file"])
    return VitPose.load(name, device, **options)


def open_finder(
    name: str | os.PathLike[str] = "rtdetr", device: str = "cpu", **options: Any
) -> PersonFinder:
    """A finder of people: one of `FINDERS`, or RT-DETR's folder or repository.

    `options` are of its class, such as `threshold`; `InputError` as of `open_detector`.
    """
    given = str(name)
    if given in FINDERS:
        return FINDERS[given].load(None, device, **options)
    if not Path(name).is_dir() and given.count("/") != 1:
        known("finder", given, [*FINDERS, "a model's folder or repository"])
    return RTDetr.load(name, device, **options)
