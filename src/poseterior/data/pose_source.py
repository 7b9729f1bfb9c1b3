"""Endless training data: motion capture, augmented and seen by a simulated detector."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from poseterior.data.augmentation import Augmentation, augment
from poseterior.data.simulated_detector import (
    CameraRanges,
    DetectorNoise,
    observe,
    to_camera,
    uniform,
)
from poseterior.geometry.skeleton import Skeleton
from poseterior.keypoints import Keypoints
from poseterior.seeding import generator_from

__all__ = ["WIDER_CAMERAS", "PoseSource", "for_a_share", "misjudge", "miss"]

# A little wider than what the fixed observations were drawn from.
WIDER_CAMERAS = CameraRanges(
    elevation_std_deg=14.0,
    elevation_limits_deg=(-40.0, 60.0),
    roll_std_deg=4.0,
    distance_m=(2.2, 7.0),
)


@dataclass(frozen=True, eq=False)
class PoseSource:
    """Batches of observations and poses, each a function of (seed, index) alone.

    Attributes:
        positions: (F, J, 3) metres, world axes, z up.
        skeleton: their joints.
        batch_size: poses in a batch.
        seed: of all draws.
        augmentation, cameras, noise: what is done to poses before they are seen.
        masked, missing: a share `masked` of the poses misses each joint with a probability
            drawn from U(missing); in the others every joint is detected.
        far, farther: a share `far` of the people stands U(farther) times as far away.
        misjudged, focal_std: a share `misjudged` of the observations comes with a focal length
            that is wrong by a factor exp(N(0, focal_std)), as one that had to be assumed.
    """

    positions: Tensor
    skeleton: Skeleton
    batch_size: int
    seed: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)
    cameras: CameraRanges = field(default_factory=lambda: WIDER_CAMERAS)
    noise: DetectorNoise = field(default_factory=DetectorNoise)
    masked: float = 0.15
    missing: tuple[float, float] = (0.0, 0.6)
    far: float = 0.1
    farther: tuple[float, float] = (1.0, 4.0)
    misjudged: float = 0.1
    focal_std: float = 0.2

    def batch(self, index: int) -> tuple[Keypoints, Tensor]:
        """Keypoints with batch shape (B,) and poses (B, J, 3), metres, camera axes."""
        generator = generator_from(self.seed, index)
        rows = torch.randint(len(self.positions), (self.batch_size,), generator=generator)
        pose = self.positions[rows]
        pose = pose - pose[:, [self.skeleton.root]]
        pose = augment(pose, self.skeleton, self.augmentation, generator)
        pose, root, intrinsics = to_camera(pose, self.cameras, generator)
        distance = uniform((len(pose),), *self.farther, generator)
        root = root * for_a_share(self.far, distance, generator)[:, None]
        keypoints = observe(
            pose, root, intrinsics, self.skeleton, self.noise, generator, self.cameras.image_size
        )
        wrong = misjudge(intrinsics, self.misjudged, self.focal_std, generator)
        keypoints = replace(keypoints, intrinsics=wrong)
        return miss(keypoints, self.masked, self.missing, generator), pose


def for_a_share(share: float, factor: Tensor, generator: torch.Generator) -> Tensor:
    """Factors (B,) for a share of the batch, 1 for the others."""
    chosen = torch.rand(factor.shape, generator=generator) < share
    return torch.where(chosen, factor, 1.0)


def misjudge(
    intrinsics: Tensor, share: float, focal_std: float, generator: torch.Generator
) -> Tensor:
    """Intrinsics (B, 3, 3), of a share with a focal length wrong by exp(N(0, focal_std))."""
    wrong = (focal_std * torch.randn(len(intrinsics), generator=generator)).exp()
    intrinsics = intrinsics.clone()
    intrinsics[:, [0, 1], [0, 1]] *= for_a_share(share, wrong, generator)[:, None]
    return intrinsics


def miss(
    keypoints: Keypoints, share: float, missing: tuple[float, float], generator: torch.Generator
) -> Keypoints:
    """Observations (B,) of which a share misses each joint with a probability of U(missing)."""
    shape = keypoints.valid.shape
    probability = uniform((shape[0], 1), *missing, generator)
    masked = torch.rand((shape[0], 1), generator=generator) < share
    return keypoints.without(masked & (torch.rand(shape, generator=generator) < probability))
