"""Whole clips seen at 30 Hz by cameras that stand still: what a video gives, with a target.

The fixed observations will not do for smoothing: each of their poses has a camera of its own.
Here a clip has one camera (drawn as theirs) that moves along with the root, and the simulated
detector's error is either drawn anew in every frame, or `correlated`: its covariance is held for
half a second (as an occlusion lasts) and its error, divided by its own spread, is a first-order
autoregression of the same time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from poseterior.data.keypoint_source import MemorySource
from poseterior.data.motion_clips import MotionClips
from poseterior.data.simulated_detector import CameraRanges, DetectorNoise, observe, to_camera
from poseterior.geometry.camera import project
from poseterior.keypoints import Keypoints
from poseterior.seeding import generator_from

__all__ = ["HELD_S", "dense_tracks"]

HELD_S = 0.5


def dense_tracks(clips: MotionClips, correlated: bool, seed: int = 0) -> MemorySource:
    """Every frame of every clip, with labels `clip` and `frame`."""
    poses, points, covariances, cameras = zip(*_tracks(clips, correlated, seed), strict=True)
    pixels, intrinsics = torch.cat(points), torch.cat(cameras)
    keypoints = Keypoints(
        pixels, torch.cat(covariances), torch.ones(pixels.shape[:2], dtype=torch.bool),
        clips.skeleton, image_size=torch.tensor(CameraRanges.image_size).float().expand(
            len(pixels), 2
        ),
        intrinsics=intrinsics,
    )  # fmt: skip
    labels = {
        "clip": np.array(clips.clip_names)[clips.clip.numpy()],
        "frame": np.arange(len(pixels)),
    }
    how = "correlated" if correlated else "independent"
    name = f"{clips.source}, dense, {how} errors, seed {seed}"
    return MemorySource(keypoints, torch.cat(poses), labels, name)


def _tracks(
    clips: MotionClips, correlated: bool, seed: int
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Pose (T, J, 3), pixels (T, J, 2), covariance (T, J, 2, 2), intrinsics (T, 3, 3) of each."""
    for number, name in enumerate(clips.clip_names):
        draws = generator_from(seed, number)
        pose = clips.of_clip(name)
        pose = pose - pose[:, [clips.skeleton.root]]
        # One camera turns all points of the clip as if they were one pose.
        turned, root, intrinsics = to_camera(pose.reshape(1, -1, 3), CameraRanges(), draws)
        pose, intrinsics = turned.reshape(pose.shape), intrinsics.expand(len(pose), 3, 3)
        root = root.expand(len(pose), 3)
        covariance = observe(
            pose, root, intrinsics, clips.skeleton, DetectorNoise(), draws
        ).covariance
        unit = torch.randn((*pose.shape[:2], 2, 1), generator=draws)
        if correlated:
            held = round(HELD_S * clips.fps)
            covariance = covariance[torch.arange(len(pose)) // held * held]
            unit = _autoregression(unit, math.exp(-1 / held))
        error = (torch.linalg.cholesky(covariance) @ unit)[..., 0]
        yield pose, project(pose + root[:, None], intrinsics) + error, covariance, intrinsics


def _autoregression(unit: Tensor, keep: float) -> Tensor:
    """Independent standard normal draws (T, ...) made to depend on the frame before."""
    drawn = unit.clone()
    for t in range(1, len(drawn)):
        drawn[t] = keep * drawn[t - 1] + math.sqrt(1 - keep**2) * unit[t]
    return drawn
