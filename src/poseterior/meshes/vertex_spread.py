"""How uncertain each vertex of a body is, and colours that show it."""

from __future__ import annotations

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.meshes.body import Body
from poseterior.meshes.mesh_posterior import MeshPosterior
from poseterior.meshes.parameters import BodyParameters

__all__ = ["bodies_spread", "spread_colours", "vertex_spread"]

_COLOURS = "viridis"


@torch.no_grad()
def vertex_spread(
    posterior: MeshPosterior,
    hypotheses: int = 100,
    chunk: int = 64,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Root mean square distance of each vertex from its mean over hypotheses.

        s_v = sqrt( 1/H sum_h |x_hv - mean_h x_hv|² )

    where x is relative to the root joint of the body: how far away a person is does not count.
    The hypotheses' meshes are never all there at a time (Chan et al. 1979: moments of parts).

    Args:
        posterior: over bodies of batch shape (B,).
        hypotheses: H, how many are drawn.
        chunk: meshes at a time, which bounds the memory and does not change the result.
        generator: of the draws.

    Returns:
        (B, V) metres; zero for one hypothesis.

    Raises:
        InputError: no hypotheses, or no mesh at a time.
    """
    for name, value in (("hypotheses", hypotheses), ("chunk", chunk)):
        require(value > 0, "vertex_spread", name, expected="1 or more", found=value)
    bodies = posterior.sample_parameters((hypotheses,), generator)
    return bodies_spread(posterior.body, bodies, chunk=chunk)


@torch.no_grad()
def bodies_spread(
    body: Body, bodies: BodyParameters, weights: Tensor | None = None, chunk: int = 64
) -> Tensor:
    """The same (B, V) of given bodies (H, B), weighed by (H, B) if not alike, any positive sum."""
    mass = torch.ones_like(bodies.betas[..., 0]) if weights is None else weights.to(bodies.betas)
    people = bodies.batch_shape[1]
    at_once = max(1, chunk // max(people, 1))
    parts = [
        _spread(body, bodies[:, part], mass[:, part, None, None], at_once)
        for start in range(0, max(people, 1), chunk)
        for part in [slice(start, start + chunk)]
    ]
    return torch.cat(parts)


def _spread(body: Body, bodies: BodyParameters, weights: Tensor, at_once: int) -> Tensor:
    """(b, V) of bodies (H, b) that weigh (H, b, 1, 1), so many hypotheses at a time."""
    mass = mean = squares = torch.zeros((), device=bodies.betas.device)
    nothing = torch.finfo(weights.dtype).tiny
    for start in range(0, len(bodies), at_once):
        part, own_weights = bodies[start : start + at_once], weights[start : start + at_once]
        points = body.vertices(part) - body.joints(part)[..., :1, :]
        added = own_weights.sum(0)
        own = (own_weights * points).sum(0) / added.clamp_min(nothing)
        share = added / (mass + added).clamp_min(nothing)
        within = (own_weights * (points - own).square()).sum((0, -1))
        squares = squares + within + ((own - mean).square() * mass * share).sum(-1)
        mean, mass = mean + (own - mean) * share, mass + added
    return (squares / mass[..., 0]).sqrt()


def spread_colours(
    spread: Tensor, limits: tuple[float, float] | None = None
) -> tuple[Tensor, tuple[float, float]]:
    """Colours of spreads, dark where a body is certain and light where it is not.

    The map is viridis, even to the eye (equal steps of the spread look equally large) and in
    grey; what lies beyond the limits has the colour of the nearer one.

    Args:
        spread: (..., V) metres.
        limits: metres, of the darkest and of the lightest colour; 0 and the largest spread if
            None. Figures that are to be compared must have the same.

    Returns:
        sRGB colours (..., V, 3), 0 to 1, of the spread's dtype, and the limits for a legend.

    Raises:
        InputError: spreads that are negative or not finite; limits that are not in order.
    """
    good = bool((spread.isfinite() & (spread >= 0)).all())
    require(good, "spread", "", expected="finite metres, 0 or more", found="others")
    low, high = limits or (0.0, float(spread.max()) if spread.numel() else 1.0)
    require(low < high or limits is None, "limits", "", expected="low < high", found=(low, high))
    from matplotlib import colormaps

    table = torch.tensor(colormaps[_COLOURS].colors).to(spread)  # type: ignore[attr-defined]
    place = ((spread - low) / max(high - low, 1e-9)).clamp(0, 1) * (len(table) - 1)
    below = place.long().clamp_max(len(table) - 2)
    colours = torch.lerp(table[below], table[below + 1], (place - below)[..., None])
    return colours, (low, high)
