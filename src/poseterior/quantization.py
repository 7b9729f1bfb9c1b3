"""A few weighted representatives of many hypotheses: weighted K-means (paper 004, section 3)."""

from __future__ import annotations

import torch
from torch import Tensor

from poseterior.errors import require

__all__ = ["quantize"]


def quantize(
    hypotheses: Tensor,
    count: int,
    weights: Tensor | None = None,
    generator: torch.Generator | None = None,
    iterations: int = 50,
) -> tuple[Tensor, Tensor]:
    """K-means of each batch element's hypotheses, by Lloyd's iterations from K-means++ seeds.

    Args:
        hypotheses: (H, B, J, 3) metres.
        count: representatives, at most H.
        weights: (H, B) of the hypotheses, not negative, any positive sum; equal if None.
        generator: of the seeds.
        iterations: at most so many.

    Returns:
        Representatives (count, B, J, 3) and their weights (count, B), summing to 1 over the
        first axis. A representative that loses all its hypotheses keeps its place, weight 0.

    Raises:
        InputError: a count outside 1 to H.
    """
    total = len(hypotheses)
    require(1 <= count <= total, "quantize", "count", expected=f"1 to {total}", found=count)
    points = hypotheses.flatten(-2).transpose(0, 1)  # (B, H, D)
    mass = torch.ones_like(points[..., 0]) if weights is None else weights.transpose(0, 1)
    mass = mass / mass.sum(-1, keepdim=True)
    centres = _seeds(points, mass, count, generator)
    for _ in range(iterations):
        owner = torch.cdist(points, centres).argmin(-1)
        moved = _means(points, mass, owner, centres)
        if torch.equal(moved, centres):
            break
        centres = moved
    owner = torch.cdist(points, centres).argmin(-1)
    shares = torch.zeros_like(centres[..., 0]).scatter_add_(1, owner, mass)
    shape = (*hypotheses.shape[1:-2], *hypotheses.shape[-2:])
    return centres.transpose(0, 1).reshape(count, *shape), shares.transpose(0, 1)


def _seeds(points: Tensor, mass: Tensor, count: int, generator: torch.Generator | None) -> Tensor:
    """K-means++: each seed drawn with its squared distance from the seeds so far."""
    batch = torch.arange(len(points), device=points.device)
    chosen = torch.multinomial(mass, 1, generator=generator)[:, 0]
    seeds = [points[batch, chosen]]
    nearest = (points - seeds[0][:, None]).square().sum(-1)
    for _ in range(count - 1):
        chance = mass * nearest
        # Where every point already is a seed, any of them will do.
        chance = torch.where(chance.sum(-1, keepdim=True) > 0, chance, mass)
        chosen = torch.multinomial(chance, 1, generator=generator)[:, 0]
        seeds.append(points[batch, chosen])
        nearest = torch.minimum(nearest, (points - seeds[-1][:, None]).square().sum(-1))
    return torch.stack(seeds, 1)


def _means(points: Tensor, mass: Tensor, owner: Tensor, centres: Tensor) -> Tensor:
    """Weighted means (B, count, D) of the points that each centre owns."""
    sums = torch.zeros_like(centres).scatter_add_(
        1, owner[..., None].expand_as(points), mass[..., None] * points
    )
    shares = torch.zeros_like(centres[..., 0]).scatter_add_(1, owner, mass)[..., None]
    return torch.where(shares > 0, sums / shares.clamp_min(1e-30), centres)
