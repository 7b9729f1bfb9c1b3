"""Predictions whose misfit is known, so that their repair is."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from poseterior.geometry.skeleton import H36M_17, Skeleton
from poseterior.keypoints import Keypoints
from poseterior.posterior import Posterior
from poseterior.recalibration.held_out import HeldOutArrays

FREE = list(H36M_17.free)
JOINTS = len(FREE)
SIGMA_M = 0.05


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def centres(poses: int, seed: int = 0) -> Tensor:
    """(M, 17, 3) metres, the root at the origin; joints at 0.1 to 1 m from it."""
    direction = torch.randn(poses, 17, 3, generator=rng(seed))
    reach = 0.1 + 0.9 * torch.rand(poses, 17, 1, generator=rng(seed + 1))
    pose = reach * direction / direction.norm(dim=-1, keepdim=True)
    pose[:, H36M_17.root] = 0
    return pose


def held_out(
    spread: Tensor | float = 1.0,
    poses: int = 1000,
    hypotheses: int = 50,
    seed: int = 0,
    target: Tensor | None = None,
    **known: object,
) -> HeldOutArrays:
    """Hypotheses N(centre, (spread sigma)²) and targets N(centre, sigma²), or centre + `target`.

    `spread` broadcasts to (M, 17, 3): what the hypotheses' spread is of the right one.
    """
    centre = centres(poses, seed)
    noise = torch.randn(poses, hypotheses + 1, 17, 3, generator=rng(seed + 2))
    spread = torch.as_tensor(spread).expand(poses, 17, 3)
    error = SIGMA_M * noise[:, 0] if target is None else target
    samples = centre[:, None] + SIGMA_M * spread[:, None] * noise[:, 1:]
    truth = centre + error
    samples[:, :, H36M_17.root] = truth[:, H36M_17.root] = 0
    return HeldOutArrays(H36M_17, samples, truth, **known)  # type: ignore[arg-type]


def laplace_radius(poses: int, seed: int = 5) -> Tensor:
    """(M, 17, 3): directions evenly spread, lengths exponential: heavier than a Gaussian's."""
    direction = torch.randn(poses, 17, 3, generator=rng(seed))
    length = -torch.rand(poses, 17, 1, generator=rng(seed + 1)).log()
    return SIGMA_M * length * direction / direction.norm(dim=-1, keepdim=True)


def observed(sigma_px: Tensor) -> dict[str, Tensor]:
    """What a file tells of detections with standard deviations (M, 17) px."""
    poses = len(sigma_px)
    covariance = sigma_px[..., None, None].square() * torch.eye(2)
    pixels = 500 + 200 * torch.randn(poses, 17, 2, generator=rng(7))
    return {
        "observed_covariance": covariance,
        "observed_keypoints": pixels,
        "observed_valid": torch.ones(poses, 17, dtype=torch.bool),
    }


def keypoints(sigma_px: Tensor) -> Keypoints:
    """The same as keypoints."""
    seen = observed(sigma_px)
    camera = torch.tensor([[1150.0, 0, 500], [0, 1150, 500], [0, 0, 1]])
    return Keypoints(
        seen["observed_keypoints"], seen["observed_covariance"], seen["observed_valid"], H36M_17,
        intrinsics=camera.repeat(len(sigma_px), 1, 1),
    )  # fmt: skip


class Exact(Posterior):
    """N(centre, (spread sigma)² I) of each joint: a posterior of known misfit."""

    has_latent_centre = True

    def __init__(self, centre: Tensor, spread: float, skeleton: Skeleton = H36M_17) -> None:
        super().__init__(skeleton, centre.shape[:-2])
        self.centre, self.spread = centre, spread

    def sample(
        self, sample_shape: Iterable[int] = (), generator: torch.Generator | None = None
    ) -> Tensor:
        shape = (*sample_shape, *self.centre.shape)
        noise = self.spread * SIGMA_M * torch.randn(shape, generator=generator)
        noise[..., self.skeleton.root, :] = 0
        return self.centre + noise

    @property
    def latent_centre(self) -> Tensor:
        return self.centre


def coverage_errors(samples: Tensor, target: Tensor, chosen: Tensor | None = None) -> Tensor:
    """(16,) ECE of each joint about the mean by `numpy.quantile`, of all poses or of those
    `chosen` (M, 16) for each joint.
    """
    levels = np.arange(1, 20) / 20
    own, truth = samples[:, :, FREE].numpy(), target[:, FREE].numpy()
    centre = own.mean(1, keepdims=True)
    lengths = np.linalg.norm(own - centre, axis=-1)
    inside = np.linalg.norm(truth - centre[:, 0], axis=-1) < np.quantile(lengths, levels, axis=1)
    counts = np.ones(truth.shape[:2]) if chosen is None else chosen.numpy()
    share = (inside * counts).sum(1) / counts.sum(0)
    return torch.from_numpy(np.abs(share - levels[:, None]).mean(0))


def noise_of(poses: int) -> float:
    """A calibration error that sampling alone hardly exceeds."""
    return 2.5 * math.sqrt(0.25 / poses)
