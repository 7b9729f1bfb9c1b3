"""Human3.6M as VideoPose3D's archives: `data_3d_h36m.npz` and `data_2d_h36m_{name}.npz`.

`positions_3d` is {subject: {action: (T, 32, 3) metres, world axes}}, `positions_2d` is
{subject: {action: [(T, 17, 2) px] of the four cameras}}, beside which stands `metadata` with the
joints' layout. The archives hold no cameras: those are `human36m_cameras`. Keypoints are moved
to where a lens without distortion would have put them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from poseterior.data.human36m_cameras import CAMERAS, camera_of
from poseterior.data.human36m_clips import (
    Clip,
    Request,
    entry,
    numbers,
    same_frames,
    seventeen,
    straightened,
)
from poseterior.data.human36m_protocols import clip_name, takes_of
from poseterior.data.restricted_pickle import read_object_npz
from poseterior.errors import require
from poseterior.geometry.skeleton import H36M_17

__all__ = ["POSES", "read_npz"]

POSES = "data_3d_h36m.npz"
_POSITIONS = "positions_3d"
# VideoPose3D's own name of its detections.
_FILES = {"cpn": "cpn_ft_h36m_dbb"}


def read_npz(request: Request) -> Iterator[Clip]:
    """The clips of the subjects and actions asked for.

    Raises:
        InputError: naming file and key, for files, subjects, actions and cameras that are not
            there, wrong numbers of joints, numbers that are not finite, 2D positions shorter
            than the 3D ones (longer ones are cut, as VideoPose3D does), and archives that are
            truncated or hold more than plain data.
    """
    path = request.root / POSES
    name = _FILES.get(request.keypoints, request.keypoints)
    detections = request.root / f"data_2d_h36m_{name}.npz"
    poses = read_object_npz(path, _POSITIONS)
    pixels = _layout_checked(detections)
    for subject in request.subjects:
        recordings = _named(entry(poses, path, subject), path, subject)
        for recording, (action, take) in takes_of(recordings, path, subject).items():
            if action in request.actions:
                key = f"{subject}/{recording}"
                world = seventeen(recordings[recording], path, key, 3)
                views = _views(entry(pixels, detections, subject, recording), detections, key)
                for camera, view in zip(CAMERAS, views, strict=True):
                    if not request.skips(subject, action, take, camera):
                        seen = same_frames(view, len(world), detections, f"{key}/{camera}")
                        names = (subject, action, take, camera)
                        yield _clip(request, names, world, seen, detections)


def _named(recordings: Any, path: Path, subject: str) -> dict[str, Any]:
    named = isinstance(recordings, dict) and all(isinstance(name, str) for name in recordings)
    found = type(recordings).__name__
    require(named, path, subject, expected="a dict of named actions", found=found)
    return recordings


def _layout_checked(path: Path) -> Any:
    """`positions_2d`, if the metadata say that its joints are those of `h36m_17`."""
    pixels = read_object_npz(path, "positions_2d")
    metadata = read_object_npz(path, "metadata")
    joints = entry(metadata, path, "num_joints", under="metadata")
    layout = f"{metadata.get('layout_name', 'h36m')} with {joints} joints"
    expected = "h36m with 17 joints"
    require(layout == expected, path, "metadata", expected=expected, found=layout)
    return pixels


def _views(views: Any, path: Path, key: str) -> list[np.ndarray]:
    """The four cameras' keypoints (T, 17, 2)."""
    found = len(views) if isinstance(views, list | tuple | np.ndarray) else type(views).__name__
    require(found == len(CAMERAS), path, key, expected="four cameras", found=found)
    pairs = zip(views, CAMERAS, strict=True)
    return [numbers(view, path, f"{key}/{camera}", (None, 17, 2)) for view, camera in pairs]


def _clip(
    request: Request,
    names: tuple[str, str, int, str],
    world: np.ndarray,
    view: np.ndarray,
    path: Path,
) -> Clip:
    subject, action, take, name = names
    camera, part = camera_of(subject, name), request.frames
    true = request.keypoints == "gt"
    key = clip_name(*names)
    pixels = straightened(view[part], camera, path, key, as_videopose3d=true)
    return Clip(
        subject, action, take, name,
        frame=np.arange(len(world))[part],
        pixels=pixels,
        covariance=request.spread(pixels, true),
        valid=torch.ones(len(H36M_17), dtype=torch.bool),
        pose=camera.from_world(torch.from_numpy(world[part]).double()).float(),
        intrinsics=camera.intrinsics.float(),
        image_size=camera.image_size,
    )  # fmt: skip
