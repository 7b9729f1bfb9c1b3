"""A Gaussian posterior of which most things are known in closed form."""

from __future__ import annotations

import torch

from poseterior.geometry.skeleton import H36M_17
from poseterior.posteriors import GaussianPosterior

SCALE = torch.tensor([0.05, 0.2])


def rng(seed: int = 0) -> torch.Generator:
    """A generator of its own."""
    return torch.Generator().manual_seed(seed)


def unsure_joints(spread: float) -> GaussianPosterior:
    """Two poses, all joints independent and equally unsure in all directions: SCALE metres."""
    mean = spread * torch.randn((2, 17, 3), generator=rng(9))
    mean[:, H36M_17.root] = 0
    return GaussianPosterior(mean, SCALE, H36M_17)
