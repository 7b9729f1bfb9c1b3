"""Motion capture observed by the simulated detector, as a source with a target."""

from __future__ import annotations

import numpy as np
import torch

from poseterior.data.augmentation import scale_limbs
from poseterior.data.keypoint_source import MemorySource
from poseterior.data.motion_clips import MotionClips
from poseterior.data.simulated_detector import CameraRanges, DetectorNoise, observe, to_camera
from poseterior.errors import require

__all__ = ["observed_anew"]


def observed_anew(
    clips: MotionClips, limb_scale: float = 0.0, seed: int = 0, poses: int = 4000
) -> MemorySource:
    """Poses of `clips`, drawn evenly in time, seen by random cameras and the detector.

    Cameras and noise are those of the fixed observations. The same seed gives the same
    cameras and noise for every `limb_scale`, so that two scales compare pose by pose.

    Args:
        clips: where poses are from.
        limb_scale: s; each bone's length, the same on both sides, times U(1 - s, 1 + s).
        seed: of all draws.
        poses: how many, or all frames if there are fewer.

    Raises:
        InputError: a scale outside [0, 1).
    """
    require(0 <= limb_scale < 1, "limb_scale", "", expected="in [0, 1)", found=limb_scale)
    frames = len(clips.positions)
    rows = torch.linspace(0, frames - 1, min(poses, frames)).round().long()
    limbs, draws = (torch.Generator().manual_seed(2 * seed + k) for k in range(2))
    pose = clips.positions[rows]
    pose = pose - pose[:, [clips.skeleton.root]]
    pose = scale_limbs(pose, clips.skeleton, limb_scale, limbs)
    pose, root, intrinsics = to_camera(pose, CameraRanges(), draws)
    keypoints = observe(pose, root, intrinsics, clips.skeleton, DetectorNoise(), draws)
    labels = {
        "clip": np.array(clips.clip_names)[clips.clip[rows].numpy()],
        "frame": rows.numpy(),
    }
    name = f"{clips.source}, observed anew with limb scale {limb_scale:g}, seed {seed}"
    return MemorySource(keypoints, pose, labels, name=name)
