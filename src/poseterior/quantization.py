"""A few weighted representatives of many hypotheses: weighted K-means (paper 004, section 4.1)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from poseterior.errors import require

__all__ = ["Quantized", "quantize", "quantized"]

# The weight, of 1, of a hypothesis that has none, where nothing but such is left to choose.
_NOTHING = 1e-30


@dataclass(frozen=True, eq=False)
class Quantized:
    """n representatives of H weighted hypotheses, for each of a batch.

    Attributes:
        centres: (n, *batch, J, 3) metres, means of the hypotheses of each cluster.
        weights: (n, *batch) of the clusters, summing to 1 over the first axis; 0 for a centre
            whose hypotheses weigh nothing.
        members: (n, *batch) int64, for each centre the index of a hypothesis that stands for
            it where a mean will not do, for a mean of rotations is not a body: the nearest of
            those in its cluster that weigh something, else of those in its cluster, else of
            all. In each cluster it is the one hypothesis that Eq. 3 is least for.
        effective_number: (*batch) 1 / sum w² of the hypotheses' weights: H if they are equal,
            1 if they have collapsed onto one.
    """

    centres: Tensor
    weights: Tensor
    members: Tensor
    effective_number: Tensor


def quantize(
    hypotheses: Tensor,
    count: int,
    weights: Tensor | None = None,
    generator: torch.Generator | None = None,
    iterations: int = 50,
) -> tuple[Tensor, Tensor]:
    """Centres and weights of `quantized`, whose arguments it takes."""
    found = quantized(hypotheses, count, weights, generator, iterations)
    return found.centres, found.weights


@torch.no_grad()
def quantized(
    hypotheses: Tensor,
    count: int,
    weights: Tensor | None = None,
    generator: torch.Generator | None = None,
    iterations: int = 50,
) -> Quantized:
    """K-means of each batch element's hypotheses, by Lloyd's iterations from K-means++ seeds.

    It makes the quantisation energy (paper 004, Eq. 3) locally least,

        E = sum_i w_i min_j ||X_i - C_j||²

    All batch elements are done at once, in memory of a few times the hypotheses' own.

    Args:
        hypotheses: (H, *batch, J, 3) metres.
        count: representatives, at most H.
        weights: (H, *batch) of the hypotheses, not negative, any positive sum; equal if None.
        generator: of the seeds, on the hypotheses' device.
        iterations: at most so many.

    Raises:
        InputError: a count outside 1 to H, hypotheses that are not finite, weights that are
            negative, not finite or all 0.
    """
    total, batch = len(hypotheses), hypotheses.shape[1:-2]
    require(1 <= count <= total, "quantize", "count", expected=f"1 to {total}", found=count)
    flat = hypotheses.flatten(-2)
    points = flat.reshape(total, batch.numel(), flat.shape[-1]).transpose(0, 1)
    # About their mean, products of points lose fewer digits.
    middle = points.mean(1, keepdim=True)
    points = points - middle  # (B, H, D)
    squares = points.square().sum(-1)
    finite = bool(squares.isfinite().all())
    require(finite, "quantize", "hypotheses", expected="finite numbers", found="NaN or infinity")
    mass = _masses(weights, squares)
    centres = _seeds(points, squares, mass, count, generator)
    owner = _iterate(points, mass, centres, iterations)
    held = _held(owner, torch.ones_like(mass), count)
    members = _members(points, mass, centres, held)
    centres = (centres + middle).transpose(0, 1)
    return Quantized(
        centres=centres.reshape(count, *batch, *hypotheses.shape[-2:]),
        weights=(held @ mass[..., None])[..., 0].T.reshape(count, *batch),
        members=members.T.reshape(count, *batch),
        effective_number=1 / mass.square().sum(-1).reshape(batch),
    )


def _masses(weights: Tensor | None, like: Tensor) -> Tensor:
    """(B, H) weights that sum to 1 over the last axis."""
    if weights is None:
        return torch.full_like(like, 1 / like.shape[1])
    mass = weights.reshape(like.shape[1], like.shape[0]).T.to(like)
    total = mass.sum(-1, keepdim=True)
    good = bool((mass >= 0).all() & (total > 0).all() & total.isfinite().all())
    expected = "not negative, with a positive finite sum"
    require(good, "quantize", "weights", expected=expected, found="others")
    return mass / total


def _seeds(
    points: Tensor, squares: Tensor, mass: Tensor, count: int, generator: torch.Generator | None
) -> Tensor:
    """K-means++: each seed (B, count, D) drawn with its squared distance from those so far.

    Where every hypothesis that weighs anything already is a seed, the others are drawn from.
    """
    rows = torch.arange(len(points), device=points.device)
    # A little less than |x|²: distances that rounding cannot tell from 0 become 0.
    squares = squares * (1 - 8 * torch.finfo(points.dtype).eps)
    # |x - y|² = |x|² + [y, |y|²] . [-2 x, 1]; a vector times columns is what is fast.
    candidates = torch.cat([points, squares[..., None]], -1)
    columns = torch.cat([-2 * points, torch.ones_like(squares)[..., None]], -1).mT.contiguous()
    # The first of exponential arrivals at rates `chance`; at a rate of 0 nothing arrives.
    arrivals = squares.new_empty(count, *squares.shape).exponential_(generator=generator)
    mass, nearest, seeds = mass.clamp_min(_NOTHING), torch.full_like(squares, torch.inf), []
    chance = mass
    for arrival in arrivals:
        seed = candidates[rows, (chance / arrival).argmax(-1)]
        distance = torch.baddbmm(squares[:, None], seed[:, None], columns)[:, 0]
        nearest = torch.minimum(nearest, distance.clamp_min_(0))
        chance = mass * nearest
        seeds.append(seed)
    return torch.stack(seeds, 1)[..., :-1].contiguous()


def _iterate(points: Tensor, mass: Tensor, centres: Tensor, iterations: int) -> Tensor:
    """Move the centres, in place, to the means of what they own; the owners (B, H) in the end.

    Batch elements drop out when no hypothesis changes its owner any more.
    """
    rows = torch.arange(len(points), device=points.device)
    owners = rows.new_full(mass.shape, -1)
    for step in range(iterations + 1):
        owner = _distances(centres[rows], points).argmin(-1)
        changed = (owner != owners[rows]).any(-1)
        owners[rows] = owner
        if step == iterations or not bool(changed.any()):
            break
        rows, points, mass = rows[changed], points[changed], mass[changed]
        held = _held(owner[changed], mass, centres.shape[1])
        share = held.sum(-1, keepdim=True)
        # A centre that owns nothing of weight keeps its place.
        means = (held / share.clamp_min(torch.finfo(share.dtype).tiny)) @ points
        centres[rows] = torch.where(share > 0, means, centres[rows])
    return owners


def _distances(to: Tensor, points: Tensor) -> Tensor:
    """Squared distances (B, P, T) of points (B, P, D) to others (B, T, D), less |point|²."""
    return torch.baddbmm(to.square().sum(-1)[:, None], points, to.mT, alpha=-2)


def _held(owner: Tensor, mass: Tensor, count: int) -> Tensor:
    """(B, count, H): the mass of each hypothesis in its owner's row, else 0."""
    held = mass.new_zeros(len(mass), count, mass.shape[1])
    return held.scatter_(1, owner[:, None], mass[:, None])


def _members(points: Tensor, mass: Tensor, centres: Tensor, held: Tensor) -> Tensor:
    """(B, count): see `Quantized.members`."""
    distances = _distances(points, centres)
    # More than any two distances differ by.
    apart = 1 + distances.amax((1, 2), keepdim=True) - distances.amin((1, 2), keepdim=True)
    rank = 2 - held - held * (mass > 0)[:, None]
    return (distances + apart * rank).argmin(-1)
