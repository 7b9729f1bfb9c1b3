"""The clip of `poseterior demo`: a walk and a wave, made up of sines, seen by one camera.

No person was captured for it. `demo_motion` is the motion, `observe_demo` what the simulated
detector sees of it; the package carries the result as `demo_clip.npz`, which
`python -m poseterior.data.demo_clip` writes.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from poseterior.data.observations import Observations, open_observations
from poseterior.data.observations_writer import write_observations
from poseterior.data.simulated_detector import CameraRanges, DetectorNoise, observe, to_camera
from poseterior.geometry.kinematics import positions_from_bones
from poseterior.geometry.skeleton import H36M_17
from poseterior.keypoints import Keypoints

__all__ = ["demo_motion", "demo_observations", "observe_demo"]

_FILE = Path(__file__).with_name("demo_clip.npz")
_FPS, _SECONDS = 15, 6
# Bone lengths of an adult, metres.
_THIGH, _SHANK, _UPPER_ARM, _FOREARM = 0.41, 0.42, 0.29, 0.28
_TRUNK = (0.22, 0.235, 0.18, 0.1)


def _swing(angle: Tensor) -> Tensor:
    """Unit vectors (T, 3) that hang down at angle 0 and point forward (+y) at 90 degrees."""
    return torch.stack([torch.zeros_like(angle), angle.sin(), -angle.cos()], -1)


def _leg(phase: Tensor, side: float) -> list[Tensor]:
    """Bones from pelvis to hip, hip to knee and knee to ankle; side is -1 left, +1 right."""
    hip = 0.12 + 0.42 * phase.sin()
    knee = 0.12 + 0.85 * (phase + 0.9).sin().clamp_min(0.0) ** 2
    across = torch.tensor([0.091 * side, 0.0, 0.0]).expand(len(phase), 3)
    return [across, _THIGH * _swing(hip), _SHANK * _swing(hip - knee)]


def _arm(phase: Tensor, side: float, raised: Tensor) -> list[Tensor]:
    """Bones from thorax to shoulder, to elbow and to wrist; `raised` (T,) in [0, 1] waves."""
    shoulder, elbow = -0.05 - 0.35 * phase.sin(), 0.45 - 0.15 * phase.sin()
    hanging = [_swing(shoulder), _swing(shoulder + elbow)]
    wave = 0.5 * (2 * phase).sin()
    one = torch.ones_like(wave)
    up = [
        torch.stack([0.8 * side * one, 0.5 * one, -0.3 * one], -1),
        torch.stack([side * (0.1 + wave), 0.4 * one, one], -1),
    ]
    share = raised[:, None]
    bones = [
        torch.nn.functional.normalize((1 - share) * h + share * u, dim=-1)
        for h, u in zip(hanging, up, strict=True)
    ]
    across = torch.tensor([0.19 * side, 0.0, 0.05]).expand(len(phase), 3)
    return [across, _UPPER_ARM * bones[0], _FOREARM * bones[1]]


def demo_motion() -> Tensor:
    """Root-relative positions (T, 17, 3), metres, z up: walks round a bend and waves."""
    time = torch.arange(_FPS * _SECONDS) / _FPS
    phase = 2 * math.pi * 0.9 * time
    raised = ((time - 3.0) / 0.7).clamp(0, 1)
    lean = 0.06 + 0.02 * (2 * phase).sin()
    up, forward = -_swing(-lean), _swing(math.pi / 2 - lean)
    legs = [*_leg(phase, 1.0), *_leg(phase + math.pi, -1.0)]
    # The lumbar spine lies behind the line from pelvis to thorax, the head before it.
    bend = (-0.03, 0.03, 0.01, 0.02)
    trunk = [x * up + y * forward for x, y in zip(_TRUNK, bend, strict=True)]
    arms = [*_arm(phase + math.pi, -1.0, 0 * raised), *_arm(phase, 1.0, raised)]
    pose = positions_from_bones(torch.stack([*legs, *trunk, *arms], 1), H36M_17)
    heading = 0.5 + 1.2 * (time / _SECONDS)
    cos, sin, zero = heading.cos(), heading.sin(), torch.zeros_like(heading)
    turn = torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, zero + 1], -1)
    return pose @ turn.unflatten(-1, (3, 3)).mT


def observe_demo() -> tuple[Keypoints, Tensor]:
    """What one camera and the simulated detector see: keypoints (T,) and poses (T, 17, 3)."""
    generator = torch.Generator().manual_seed(7)
    pose = demo_motion()
    camera = CameraRanges(elevation_std_deg=0.0, roll_std_deg=0.0, offset_std_m=0.0)
    # One draw of the camera for all frames: the same rotation and place throughout.
    whole, root, intrinsics = to_camera(pose.reshape(1, -1, 3), camera, generator)
    frames = len(pose)
    pose, root = whole.reshape(pose.shape), root.expand(frames, 3)
    keypoints = observe(
        pose, root, intrinsics.expand(frames, 3, 3), H36M_17, DetectorNoise(missing=0.02), generator
    )
    return keypoints, pose


def demo_observations() -> Observations:
    """The bundled clip, as a source with a target."""
    return open_observations(_FILE)


if __name__ == "__main__":
    keypoints, pose = observe_demo()
    second = np.arange(len(pose)) // _FPS
    write_observations(_FILE, keypoints, pose, {"clip": second, "frame": np.arange(len(pose))})
