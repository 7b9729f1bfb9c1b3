"""The test set of MPI-INF-3DHP (Mehta et al., 3DV 2017) as observations with a target.

Six videos, TS1 to TS6, each a folder with `annot_data.mat`: `annot2` (N, 1, 17, 2) px, `annot3`
and `univ_annot3` (N, 1, 17, 3) mm in camera axes, `valid_frame` and `activity_annotation` (N, 1).
`univ_annot3` is the person scaled to one height for all, and what the data set's own evaluation
compares with; `annot3` is as captured.

The keypoints are the annotation's own true 2D positions, the covariances those of confident
joints. The lens's distortion of TS5 and TS6 is left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from poseterior.data.confidence_covariance import CovarianceRule
from poseterior.data.keypoint_source import MemorySource
from poseterior.data.matlab_file import read_matlab
from poseterior.errors import InputError, require
from poseterior.geometry.skeleton import MPI_INF_3DHP_17
from poseterior.geometry.units import metres
from poseterior.keypoints import Keypoints

__all__ = ["ACTIVITIES", "SETTINGS", "open_mpi_inf_3dhp"]

Annotation = Literal["univ_annot3", "annot3"]

ACTIVITIES = (
    "Stand/Walk", "Exercise", "Sit on Chair", "Reach/Crouch", "On Floor", "Sports", "Misc.",
)  # fmt: skip
SETTINGS = {
    "TS1": "studio_green_screen", "TS2": "studio_green_screen",
    "TS3": "studio", "TS4": "studio",
    "TS5": "outdoor", "TS6": "outdoor",
}  # fmt: skip


class _Camera(NamedTuple):
    """Size, focal lengths and principal point of the images, in px."""

    size: tuple[int, int]
    focal: tuple[float, float]
    centre: tuple[float, float]


# From the data set's `camera_calibration/*.calib`: focal length in mm over the sensor's width of
# 10 mm, times the image's width; the height's by the pixel's aspect (1.00044 and 0.993236423).
_STUDIO = _Camera((2048, 2048), (1500.1723, 1500.8324), (1017.3873, 1043.0320))
_OUTDOOR = _Camera((1920, 1080), (1683.9835, 1672.5937), (939.8575, 560.1407))


class _Sequence(NamedTuple):
    """The valid frames of one video: px, mm, their numbers from 0, activities from 1."""

    pixels: NDArray[np.float64]
    pose: NDArray[np.float64]
    frame: NDArray[np.int64]
    activity: NDArray[np.int64]


def open_mpi_inf_3dhp(
    root: str | Path, split: str = "test", annotation: Annotation = "univ_annot3"
) -> MemorySource:
    """The valid frames of all six videos, in order.

    Args:
        root: the folder of TS1 to TS6, or the one with `mpi_inf_3dhp_test_set` in it.
        split: "test", all there is.
        annotation: which of the 3D positions are the target.

    Returns:
        Keypoints and target in `mpi_inf_3dhp_17`; labels `clip` (TS1 to TS6), `frame` (from 0;
        the image's number less one), `setting` (of `SETTINGS`) and `action` (of `ACTIVITIES`).

    Raises:
        InputError: a video that is missing, a damaged file, an array that is missing, has
            another number of joints or another length, or values that cannot be.
    """
    require(split == "test", root, "split", expected="test", found=repr(split))
    folder = _folder(Path(root))
    videos = {name: _read(folder / name / "annot_data.mat", annotation) for name in SETTINGS}
    pose = np.concatenate([video.pose for video in videos.values()])
    counts = [len(video.frame) for video in videos.values()]
    activity = np.concatenate([video.activity for video in videos.values()])
    labels = {
        "clip": np.repeat(list(SETTINGS), counts),
        "frame": np.concatenate([video.frame for video in videos.values()]),
        "setting": np.repeat(list(SETTINGS.values()), counts),
        "action": np.array(ACTIVITIES)[activity - 1],
    }
    notes = {
        "keypoints": "the true 2D positions of the annotation, as if detected with confidence",
        "target": f"{annotation} of annot_data.mat",
    }
    root_joint = MPI_INF_3DHP_17.root
    target = metres(torch.from_numpy(pose - pose[:, [root_joint]])).float()
    return MemorySource(_keypoints(videos), target, labels, str(folder), notes)


def _folder(root: Path) -> Path:
    inner = root / "mpi_inf_3dhp_test_set"
    folder = inner if inner.is_dir() else root
    missing = [name for name in SETTINGS if not (folder / name / "annot_data.mat").is_file()]
    require(
        not missing, folder, "annot_data.mat",
        expected="one in each of TS1 to TS6", found=f"none in {', '.join(missing)}",
    )  # fmt: skip
    return folder


def _read(path: Path, annotation: str) -> _Sequence:
    require(
        annotation in ("univ_annot3", "annot3"), path, "annotation",
        expected="univ_annot3 or annot3", found=repr(annotation),
    )  # fmt: skip
    arrays = read_matlab(path, ("annot2", annotation, "valid_frame", "activity_annotation"))
    frames = arrays["valid_frame"].size
    joints = len(MPI_INF_3DHP_17)
    shapes = {
        "annot2": (frames, joints, 2), annotation: (frames, joints, 3),
        "activity_annotation": (frames,),
    }  # fmt: skip
    for name, shape in shapes.items():
        found = arrays[name].shape
        fits = tuple(n for n in found if n != 1) == tuple(n for n in shape if n != 1)
        expected = f"shape {shape}, {frames} frames as in valid_frame"
        require(fits, path, name, expected=expected, found=found)
        arrays[name] = arrays[name].reshape(shape)
    frame = np.flatnonzero(arrays["valid_frame"].ravel())
    require(len(frame) > 0, path, "valid_frame", expected="a valid frame", found="none")
    pixels, pose = arrays["annot2"][frame], arrays[annotation][frame]
    for name, values in (("annot2", pixels), (annotation, pose)):
        finite = bool(np.isfinite(values).all())
        require(finite, path, name, expected="finite in valid frames", found="others")
    return _Sequence(pixels, pose, frame, _activities(path, arrays["activity_annotation"][frame]))


def _activities(path: Path, values: NDArray[np.float64]) -> NDArray[np.int64]:
    bad = values[~np.isin(values, np.arange(1, len(ACTIVITIES) + 1))]
    if len(bad):
        expected = f"1 to {len(ACTIVITIES)} in valid frames"
        raise InputError(path, "activity_annotation", expected=expected, found=bad[0])
    return values.astype(np.int64)


def _keypoints(videos: dict[str, _Sequence]) -> Keypoints:
    pixels = torch.from_numpy(np.concatenate([v.pixels for v in videos.values()])).float()
    cameras = [_OUTDOOR if SETTINGS[name] == "outdoor" else _STUDIO for name in videos]
    counts = torch.tensor([len(video.frame) for video in videos.values()])
    valid = torch.ones(pixels.shape[:-1], dtype=torch.bool)
    sizes = torch.tensor([camera.size for camera in cameras], dtype=torch.float32)
    return Keypoints(
        pixels=pixels,
        covariance=CovarianceRule()(pixels, None, valid),
        valid=valid,
        skeleton=MPI_INF_3DHP_17,
        image_size=sizes.repeat_interleave(counts, 0),
        intrinsics=torch.stack([_matrix(camera) for camera in cameras]).repeat_interleave(
            counts, 0
        ),
    )


def _matrix(camera: _Camera) -> Tensor:
    (fx, fy), (cx, cy) = camera.focal, camera.centre
    return torch.tensor([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
