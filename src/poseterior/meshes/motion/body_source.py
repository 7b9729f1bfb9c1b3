"""Endless training data of mesh regressors: bodies in motion, seen by a simulated detector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from poseterior.data.ambiguous_crops import ambiguous
from poseterior.data.pose_source import WIDER_CAMERAS, for_a_share, misjudge, miss
from poseterior.data.simulated_detector import (
    CameraRanges,
    DetectorNoise,
    observe,
    to_camera,
    uniform,
)
from poseterior.errors import require
from poseterior.geometry.skeleton import H36M_17, Skeleton
from poseterior.keypoints import Keypoints
from poseterior.meshes.motion.body_augmentation import BodyAugmentation, augment_rotations
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.skinned_body import SkinnedBody
from poseterior.seeding import generator_from

__all__ = ["BodySource", "PosePrior", "seen_bodies"]

# From how many poses and a generator to rotations (n, K-1, 3, 3) of all joints but the root.
PosePrior = Callable[[int, torch.Generator], Tensor]


@dataclass(frozen=True, eq=False)
class BodySource:
    """Batches of observations and bodies, each a function of (seed, index) alone.

    Cameras, detector and what else is done to an observation are those of
    `data.pose_source.PoseSource`, with its names and defaults.

    Attributes:
        body: with landmarks of `skeleton`; on any device, batches are on the CPU.
        rotations: (F, K, 3, 3) of a motion, as `BodyMotion.rotations`.
        batch_size: bodies in a batch.
        seed: of all draws.
        augmentation: what is done to rotations before they are seen.
        shape_std: betas are drawn from N(0, shape_std^2).
        prior, from_prior: a share `from_prior` of the bodies takes its pose, but for the root's
            rotation, from `prior`.
        ambiguous: this share of the observations misses a part of the body and is cropped to
            the rest, as paper 004's appendix B does to all (`data.ambiguous_crops`).
        skeleton: of the keypoints.
        unknown: (J,) bool, joints that the detector to be trained for does not have: never valid.
        cameras, noise, masked, missing, far, farther, misjudged, focal_std: see `PoseSource`.

    Raises:
        InputError: rotations that are not the body's, or a share of a prior that is not given.
    """

    body: SkinnedBody
    rotations: Tensor
    batch_size: int
    seed: int = 0
    augmentation: BodyAugmentation = field(default_factory=BodyAugmentation)
    shape_std: float = 1.0
    prior: PosePrior | None = None
    from_prior: float = 0.0
    ambiguous: float = 0.3
    skeleton: Skeleton = H36M_17
    unknown: Tensor | None = None
    cameras: CameraRanges = field(default_factory=lambda: WIDER_CAMERAS)
    noise: DetectorNoise = field(default_factory=DetectorNoise)
    masked: float = 0.15
    missing: tuple[float, float] = (0.0, 0.6)
    far: float = 0.1
    farther: tuple[float, float] = (1.0, 4.0)
    misjudged: float = 0.1
    focal_std: float = 0.2

    def __post_init__(self) -> None:
        shape, joints = tuple(self.rotations.shape), len(self.body.tree)
        fits = shape[1:] == (joints, 3, 3) and shape[0] > 0
        require(fits, "BodySource", "rotations", expected=f"shape (F, {joints}, 3, 3)", found=shape)
        given = self.prior is not None or self.from_prior == 0
        require(given, "BodySource", "prior", expected="one, to take a share from", found="none")

    def batch(self, index: int) -> tuple[Keypoints, BodyParameters]:
        """Keypoints with batch shape (B,) and the bodies (B,), camera axes, metres, on the CPU.

        `transl` puts the root landmark where the camera sees it. Where the keypoints' focal
        length is misjudged the bodies are still the true ones.
        """
        generator = generator_from(self.seed, index)
        rows = torch.randint(len(self.rotations), (self.batch_size,), generator=generator)
        rotations = self._of_prior(self.rotations[rows], generator)
        rotations = augment_rotations(rotations, self.body.tree, self.augmentation, generator)
        shape = (self.batch_size, self.body.betas)
        betas = self.shape_std * torch.randn(shape, generator=generator)
        distance = uniform((self.batch_size,), *self.farther, generator)
        factor = for_a_share(self.far, distance, generator)
        keypoints, parameters = seen_bodies(
            self.body, rotations, betas, generator,
            skeleton=self.skeleton, cameras=self.cameras, noise=self.noise, factor=factor,
        )  # fmt: skip
        keypoints = self._spoiled(keypoints, generator)
        if self.unknown is not None:
            keypoints = keypoints.without(self.unknown.expand_as(keypoints.valid))
        return ambiguous(keypoints, generator, share=self.ambiguous), parameters

    def _spoiled(self, keypoints: Keypoints, generator: torch.Generator) -> Keypoints:
        """Of a share the focal length is wrong, of a share joints are missing."""
        intrinsics = keypoints.intrinsics
        assert intrinsics is not None  # `seen_bodies` knows its cameras
        wrong = misjudge(intrinsics, self.misjudged, self.focal_std, generator)
        keypoints = replace(keypoints, intrinsics=wrong)
        return miss(keypoints, self.masked, self.missing, generator)

    def _of_prior(self, rotations: Tensor, generator: torch.Generator) -> Tensor:
        """Rotations of which a share has the pose of draws from the prior."""
        chosen = torch.rand(len(rotations), generator=generator) < self.from_prior
        count = int(chosen.sum())
        if self.prior is None or count == 0:
            return rotations
        drawn = self.prior(count, generator)
        shape, found = (count, *rotations.shape[1:]), tuple(drawn.shape)
        expected = (count, shape[1] - 1, 3, 3)
        require(found == expected, "prior", "", expected=f"shape {expected}", found=found)
        rotations = rotations.clone()
        rotations[chosen, 1:] = drawn.detach().to(rotations)
        return rotations


@torch.no_grad()
def seen_bodies(
    body: SkinnedBody,
    rotations: Tensor,
    betas: Tensor,
    generator: torch.Generator,
    *,
    skeleton: Skeleton = H36M_17,
    cameras: CameraRanges | None = None,
    noise: DetectorNoise | None = None,
    factor: Tensor | None = None,
) -> tuple[Keypoints, BodyParameters]:
    """Bodies in the world, seen by a random camera each; on the CPU.

    Args:
        body: with landmarks of `skeleton`.
        rotations: (B, K, 3, 3), the root's to the world, z up.
        betas: (B, S).
        generator: of all draws.
        skeleton: of the keypoints.
        cameras: those of the fixed observations if None.
        noise: the simulated detector's, that of the fixed observations if None.
        factor: (B,) times which the root is farther away than drawn.

    Returns:
        What the detector sees of the landmarks, and the bodies in camera axes.
    """
    cameras, noise = cameras or CameraRanges(), noise or DetectorNoise()
    axes = torch.eye(3).expand(len(rotations), 3, 3)
    turned, root, intrinsics = to_camera(axes, cameras, generator)
    if factor is not None:
        root = root * factor[:, None]
    turn = turned.mT.to(rotations)
    rotations = torch.cat([turn[:, None] @ rotations[:, :1], rotations[:, 1:]], 1)
    at_origin = BodyParameters.of(rotations.float(), betas.float())
    landmarks = body.landmarks_of(at_origin.to(body.heads), skeleton).float().cpu()
    middle = landmarks[:, skeleton.root]
    pose = landmarks - middle[:, None]
    keypoints = observe(pose, root, intrinsics, skeleton, noise, generator, cameras.image_size)
    return keypoints, replace(at_origin, transl=root - middle)
