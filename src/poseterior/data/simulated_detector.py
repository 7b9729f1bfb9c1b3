"""A simulated 2D detector: motion capture seen by random cameras with known uncertainty.

Every stated range is a field of a frozen dataclass and every draw comes from one
`torch.Generator`, so an observation is a function of (poses, config, seed).

The defaults of `CameraRanges` and `DetectorNoise` are the distribution of the fixed
observations of the CMU splits; `docs/data.md` gives the formulas.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from poseterior.geometry.skeleton import Skeleton
from poseterior.keypoints import Keypoints

__all__ = [
    "CameraRanges",
    "DetectorNoise",
    "heatmap_pixel",
    "observe",
    "to_camera",
    "uniform",
]


def uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    """Uniform draws on [low, high)."""
    return low + (high - low) * torch.rand(shape, generator=generator)


@dataclass(frozen=True)
class CameraRanges:
    """Random pinhole cameras around a person; angles in degrees, lengths in metres.

    Azimuth is uniform; elevation (looking down positive) and roll are normal, elevation
    clipped; distance and focal length are uniform; the root lies off the optical axis by a
    normal offset in x and y.
    """

    elevation_mean_deg: float = 10.0
    elevation_std_deg: float = 10.0
    elevation_limits_deg: tuple[float, float] = (-30.0, 50.0)
    roll_std_deg: float = 3.0
    distance_m: tuple[float, float] = (2.5, 6.5)
    offset_std_m: float = 0.3
    focal_px: tuple[float, float] = (1150.0, 1150.0)
    image_size: tuple[int, int] = (1000, 1000)


@dataclass(frozen=True)
class DetectorNoise:
    """Per-joint 2D Gaussian error of a detector, in heatmap pixels.

    One heatmap pixel is 1/64 of 1.25 times the longer side of the keypoints' bounding box.
    With probability `uncertain` a joint's error has a standard deviation U(uncertain_px)
    along a random axis and U(anisotropy) of that across; otherwise U(certain_px) in every
    direction. With probability `missing` a joint is not detected at all.
    """

    uncertain: float = 0.12
    certain_px: tuple[float, float] = (0.3, 0.8)
    uncertain_px: tuple[float, float] = (3.0, 10.0)
    anisotropy: tuple[float, float] = (0.4, 1.0)
    missing: float = 0.0


def _rotation(axis: int, angle: Tensor) -> Tensor:
    """Rotations (B, 3, 3) about a coordinate axis by angles (B,) in radians."""
    cos, sin = angle.cos(), angle.sin()
    first, second = [(1, 2), (2, 0), (0, 1)][axis]
    matrix = torch.zeros(*angle.shape, 3, 3)
    matrix[..., axis, axis] = 1.0
    matrix[..., first, first] = matrix[..., second, second] = cos
    matrix[..., second, first], matrix[..., first, second] = sin, -sin
    return matrix


def to_camera(
    pose: Tensor, ranges: CameraRanges, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Poses in world axes seen by a random camera each.

    Args:
        pose: (B, J, 3) metres, z up, root at the origin.
        ranges: the cameras' distribution.
        generator: source of every draw.

    Returns:
        pose (B, J, 3) root-relative in camera axes (x right, y down, z forward);
        root (B, 3), its position in the camera's frame, metres;
        intrinsics (B, 3, 3).
    """
    batch = pose.shape[0]
    normal = torch.randn((batch, 4), generator=generator)
    azimuth = uniform((batch,), 0.0, 2 * math.pi, generator)
    elevation = (ranges.elevation_mean_deg + ranges.elevation_std_deg * normal[:, 0]).clamp(
        *ranges.elevation_limits_deg
    )
    roll = ranges.roll_std_deg * normal[:, 1]
    # World z up -> camera looking along +y of the turned world: x right, y down, z forward.
    base = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    turn = base @ _rotation(2, azimuth)
    # A camera above its subject sees the world tilted towards it.
    rotation = _rotation(2, torch.deg2rad(roll)) @ _rotation(0, torch.deg2rad(elevation)) @ turn
    distance = uniform((batch,), *ranges.distance_m, generator)
    root = torch.cat([ranges.offset_std_m * normal[:, 2:4], distance[:, None]], dim=-1)
    focal = uniform((batch,), *ranges.focal_px, generator)
    width, height = ranges.image_size
    intrinsics = torch.zeros(batch, 3, 3)
    intrinsics[:, 0, 0] = intrinsics[:, 1, 1] = focal
    intrinsics[:, 0, 2], intrinsics[:, 1, 2], intrinsics[:, 2, 2] = width / 2, height / 2, 1.0
    return pose @ rotation.mT, root, intrinsics


def heatmap_pixel(pixels: Tensor) -> Tensor:
    """Size in px of one heatmap pixel of the crops around keypoints (..., J, 2)."""
    box = pixels.amax(-2) - pixels.amin(-2)
    return 1.25 * box.amax(-1) / 64


def _covariance(pixels: Tensor, noise: DetectorNoise, generator: torch.Generator) -> Tensor:
    """Covariances (B, J, 2, 2) in px² drawn as `DetectorNoise` says."""
    shape = (pixels.shape[0], pixels.shape[1])
    certain = uniform(shape, *noise.certain_px, generator)
    major = uniform(shape, *noise.uncertain_px, generator)
    minor = major * uniform(shape, *noise.anisotropy, generator)
    angle = uniform(shape, 0.0, math.pi, generator)
    uncertain = torch.rand(shape, generator=generator) < noise.uncertain
    major = torch.where(uncertain, major, certain)
    minor = torch.where(uncertain, minor, certain)
    axis = torch.stack([angle.cos(), angle.sin()], -1)
    across = torch.stack([-angle.sin(), angle.cos()], -1)
    unit = heatmap_pixel(pixels)[:, None]
    major, minor = ((unit * s).square()[..., None, None] for s in (major, minor))
    return major * axis[..., :, None] * axis[..., None, :] + (
        minor * across[..., :, None] * across[..., None, :]
    )


def observe(
    pose: Tensor,
    root: Tensor,
    intrinsics: Tensor,
    skeleton: Skeleton,
    noise: DetectorNoise,
    generator: torch.Generator,
    image_size: tuple[int, int] = CameraRanges.image_size,
) -> Keypoints:
    """What the simulated detector reports of poses (B, J, 3) at root positions (B, 3).

    The detection is the projection plus one draw of its own Gaussian error.
    """
    points = pose + root[:, None]
    focal, centre = intrinsics[:, None, [0, 1], [0, 1]], intrinsics[:, None, :2, 2]
    pixels = points[..., :2] / points[..., 2:] * focal + centre
    covariance = _covariance(pixels, noise, generator)
    draw = torch.randn(pixels.shape, generator=generator)
    pixels = pixels + (torch.linalg.cholesky(covariance) @ draw[..., None])[..., 0]
    valid = torch.rand(pixels.shape[:2], generator=generator) >= noise.missing
    return Keypoints(
        pixels=torch.where(valid[..., None], pixels, 0.0),
        covariance=covariance,
        valid=valid,
        skeleton=skeleton,
        image_size=torch.tensor(image_size, dtype=torch.float32).expand(len(pose), 2),
        intrinsics=intrinsics,
    )
