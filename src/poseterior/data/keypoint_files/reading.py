"""`read_keypoints`: any known keypoint file as one labelled table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from poseterior.data.confidence_covariance import CovarianceRule
from poseterior.data.keypoint_files.alphapose import parse_alphapose
from poseterior.data.keypoint_files.assemble import tabulate
from poseterior.data.keypoint_files.coco import parse_coco
from poseterior.data.keypoint_files.deeplabcut import (
    parse_deeplabcut_csv,
    parse_deeplabcut_hdf5,
)
from poseterior.data.keypoint_files.detections import Detections, load_json
from poseterior.data.keypoint_files.folder import frame_files
from poseterior.data.keypoint_files.mmpose import parse_mmpose, parse_mmpose_folder
from poseterior.data.keypoint_files.npz import read_npz_table
from poseterior.data.keypoint_files.openpose import parse_openpose, parse_openpose_folder
from poseterior.data.keypoint_files.recognise import container, recognise_json
from poseterior.data.keypoint_files.table import KeypointTable
from poseterior.errors import InputError, require

__all__ = ["FORMATS", "read_keypoints"]

FORMATS = ("coco", "openpose", "mmpose", "alphapose", "deeplabcut", "npz")

_JSON: dict[str, Callable[[Any, object], Detections]] = {
    "coco": parse_coco,
    "openpose": parse_openpose,
    "mmpose": parse_mmpose,
    "alphapose": parse_alphapose,
}
_FOLDER: dict[str, Callable[[Path], Detections]] = {
    "openpose": parse_openpose_folder,
    "mmpose": parse_mmpose_folder,
}
_DEEPLABCUT: dict[str, Callable[[Path], Detections]] = {
    "csv": parse_deeplabcut_csv,
    "hdf5": parse_deeplabcut_hdf5,
}


def read_keypoints(
    path: str | Path,
    format: str | None = None,
    *,
    skeleton: str | None = None,
    joint_map: Mapping[str, str] | str | Path | None = None,
    image_size: tuple[float, float] | None = None,
    focal: float | None = None,
    rule: CovarianceRule | None = None,
) -> KeypointTable:
    """Every person of every frame of a 2D detector's output.

    Args:
        path: a file, or a folder with one file for each frame.
        format: one of `FORMATS`; recognised from the content if None.
        skeleton: the skeleton of the file's keypoints; told by their number if None.
        joint_map: {their name: our joint}, or a JSON file of it, for files whose points have
            names of their own (points without names are "0", "1", ...).
        image_size: (width, height) in px; else the file's, else assumed.
        focal: focal length in px; else assumed.
        rule: how confidences become covariances.

    Returns:
        The table, whose `assumptions` say what the file did not. A joint at (0, 0), with NaN
        coordinates or with a score of zero or less is not valid.

    `InputError` for files that are absent, truncated, foreign, empty, or contradict themselves
    or the arguments.
    """
    path = Path(path)
    require(path.exists(), path, "", expected="a file or folder", found="nothing there")
    known = format is None or format in FORMATS
    require(known, path, "format", expected=f"one of {', '.join(FORMATS)}", found=repr(format))
    if path.is_file() and container(path) == "npz" and format in (None, "npz"):
        table = read_npz_table(path, image_size, focal, rule)
        _check_own_skeleton(table.keypoints.skeleton.name, path, skeleton, joint_map)
        return table
    detections = _detections(path, format)
    return tabulate(detections, skeleton, joint_map, image_size, focal, rule)


def _check_own_skeleton(own: str, path: Path, skeleton: str | None, joint_map: object) -> None:
    same = skeleton in (None, own)
    require(same, path, "skeleton", expected=f"{own}, which the file names", found=repr(skeleton))
    expected = f"no map, for the file names its skeleton {own}"
    require(joint_map is None, path, "map", expected=expected, found="one")


def _detections(path: Path, format: str | None) -> Detections:
    if path.is_dir():
        format = format or recognise_json(load_json(frame_files(path)[0]), path)
        return _parser(_FOLDER, format, path, "a folder")(path)
    kind = container(path)
    if kind == "json":
        content = load_json(path)
        format = format or recognise_json(content, path)
        return _parser(_JSON, format, path, "a JSON file")(content, path)
    require(
        format in (None, "deeplabcut") and kind in _DEEPLABCUT,
        path, "format", expected=format or f"one of {', '.join(FORMATS)}", found=kind,
    )  # fmt: skip
    return _DEEPLABCUT[kind](path)


def _parser(parsers: Mapping[str, Any], format: str, path: Path, what: str) -> Any:
    if format not in parsers:
        expected = f"{what} of {', '.join(parsers)}"
        raise InputError(path, "format", expected=expected, found=format)
    return parsers[format]
