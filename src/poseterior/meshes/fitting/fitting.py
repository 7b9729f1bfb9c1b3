"""Bodies fitted to 2D keypoints, with a prior and with what uncertainty is left (paper 002).

The energy of `fitting_energy.py` is minimised over a prior's latents by Levenberg's and Marquardt's
method, for all people and all starts at once, each by its own damping, so that nobody's fit
depends on who is fitted beside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.keypoints import Keypoints
from poseterior.meshes.fitting.fitting_energy import FitEnergy, Linear
from poseterior.meshes.fitting.fitting_evidence import FEWEST, evidence_of
from poseterior.meshes.fitting.fitting_prior import BodyPrior, GivenPrior
from poseterior.meshes.fitting.laplace import LaplaceBodies, Reweighted, reweighted
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.skinned_body import SkinnedBody

__all__ = [
    "FitSettings",
    "FittedBodies",
    "Start",
    "fit_body",
    "fitted",
    "minimise",
    "require_same_body",
]

_FIRST_DAMPING = 1e-2
Start = int | Tensor | BodyParameters | None


@dataclass(frozen=True)
class FitSettings:
    """How bodies are fitted.

    Attributes:
        iterations: at most so many steps.
        tolerance: a fit is done when a step lowers its energy by less, nats.
        softened: before, keypoints are so many times as uncertain, one after the other: from far
            away certain keypoints lead into valleys that are narrow and long.
        softened_iterations: steps of each of these.
        scale: of the robust error, in standard deviations of a keypoint; None for least squares.
    """

    iterations: int = 8
    tolerance: float = 0.05
    scale: float | None = 10.0
    softened: tuple[float, ...] = (16.0, 4.0)
    softened_iterations: int = 2


@dataclass(frozen=True, eq=False)
class FittedBodies:
    """Bodies fitted to B people, in the camera's axes, or the world's of several views.

    Attributes:
        posterior: what is left to know: Laplace's approximation about `parameters`.
        parameters: (B,) the best of all starts.
        energy: (B,) theirs, nats.
        evidence: (V, B) what the keypoints of each view add to it, nats.
        residual_px: (V, B, J) px from each keypoint to its landmark, NaN where not valid.
        few: (B,) bool, fewer than four keypoints in all views: little but the prior is known.
        notes: one line for each of those.
        starts: (N, B) all bodies that fitting ended at, in the order of the starts.
        start_energy: (N, B) theirs.
        start_residual_px: (N, B) root mean square px before fitting; NaN without keypoints.
        end_residual_px: (N, B) the same after.
    """

    posterior: LaplaceBodies
    parameters: BodyParameters
    energy: Tensor
    evidence: Tensor
    residual_px: Tensor
    few: Tensor
    notes: tuple[str, ...]
    starts: BodyParameters
    start_energy: Tensor
    start_residual_px: Tensor
    end_residual_px: Tensor

    def reweighted(
        self, count: int, generator: torch.Generator | None = None, proposal: str = "laplace"
    ) -> Reweighted:
        """Importance weights in the place of the approximation; see `laplace.reweighted`."""
        return reweighted(self.posterior, count, generator, proposal)


def fit_body(
    body: SkinnedBody,
    keypoints: Keypoints,
    prior: BodyPrior,
    weights: str = "covariance",
    start: Start = None,
    *,
    settings: FitSettings | None = None,
    generator: torch.Generator | None = None,
) -> FittedBodies:
    """The body of each person that explains their keypoints and that the prior finds likely.

    Args:
        body: with landmarks of the keypoints' skeleton; the prior's.
        keypoints: batch shape (B,), with intrinsics; without, the focal length is assumed as
            everywhere (`data.assumptions`).
        prior: `FlowPrior` or `GenericPrior`.
        weights: 'covariance', 'confidence' or 'uniform', as of `evidence_of`.
        start: where fitting begins: None for the prior's own (of a flow, its mode); n, for its
            centre and n-1 draws; latents (N, B, D); or bodies (N, B), camera axes, such as the
            representatives of a mesh posterior.
        settings: see `FitSettings`.
        generator: of those draws.

    Raises:
        InputError: numbers that are not finite, weights by a confidence that is not there, a
            body that the prior is not of, or that has no such landmarks.
    """
    settings = settings or FitSettings()
    require_same_body(body, prior)
    keypoints = keypoints.to(body.heads)
    evidence = evidence_of(keypoints, weights)
    given = prior.given(keypoints)
    energy = FitEnergy(body, keypoints.skeleton, given, [evidence], settings.scale)
    return fitted(energy, start, settings, generator)


def fitted(
    energy: FitEnergy, start: Start, settings: FitSettings, generator: torch.Generator | None
) -> FittedBodies:
    """What minimising from everywhere finds, and what is left to know."""
    latents = _start_latents(energy.prior, start, generator)
    with torch.no_grad():
        before = energy.landmarks(latents)
    ends = minimise(energy, _approached(energy, latents, settings), settings)
    best = ends.linear.value.argmin(0)
    people = torch.arange(len(best), device=best.device)
    posterior = LaplaceBodies(energy, ends.latents[best, people], ends.linear.hessian[best, people])
    counts = torch.stack([view.valid.sum(-1) for view in energy.views]).sum(0)
    few = counts < FEWEST
    with torch.no_grad():
        every, after = energy.prior.decode(ends.latents), energy.landmarks(ends.latents)
        landmarks = after[best, people][None]
    return FittedBodies(
        posterior, every[best, people], ends.linear.value[best, people],
        energy.evidence(landmarks)[:, 0], _residual_px(energy, landmarks)[:, 0],
        few, _notes(counts), every, ends.linear.value,
        _root_mean_square(_residual_px(energy, before)),
        _root_mean_square(_residual_px(energy, after)),
    )  # fmt: skip


@torch.no_grad()
def _approached(energy: FitEnergy, latents: Tensor, settings: FitSettings) -> Tensor:
    """Latents after the first steps; whether a step was better, the next one need not know."""
    for times in settings.softened:
        soft = energy.softened(times)
        for _ in range(settings.softened_iterations):
            at = soft.linear(latents)
            latents = latents + _step(at, torch.full_like(at.value, _FIRST_DAMPING)).to(latents)
    return latents


class Ends(NamedTuple):
    """Latents (N, B, D) where fitting ended, E and its derivatives there, steps that it took."""

    latents: Tensor
    linear: Linear
    steps: int


@torch.no_grad()
def minimise(energy: FitEnergy, latents: Tensor, settings: FitSettings) -> Ends:
    """Levenberg's and Marquardt's method from latents (N, B, D), each for itself."""
    latents, now = latents.clone(), energy.linear(latents)
    damping = torch.full_like(now.value, _FIRST_DAMPING)
    done = torch.zeros_like(now.value, dtype=torch.bool)
    for step in range(settings.iterations):
        rows = (~done).any(1).nonzero()[:, 0]  # starts that are not done for everybody
        if not len(rows):
            return Ends(latents, now, step)
        at, strength = Linear(*(each[rows] for each in now)), damping[rows]
        moved = latents[rows] + _step(at, strength).to(latents)
        new = energy.linear(moved)
        better = (new.value < at.value) & ~done[rows]
        gain = torch.where(better, at.value - new.value, 0.0)
        stuck = (gain < settings.tolerance) & (better | (strength > 10))
        latents[rows] = _where(better, moved, latents[rows])
        for whole, then, before in zip(now, new, at, strict=True):
            whole[rows] = _where(better, then, before)
        damping[rows] = torch.where(better, strength / 5, strength * 5).clamp(1e-6, 1e6)
        done[rows] |= stuck
    return Ends(latents, now, settings.iterations)


def _where(condition: Tensor, first: Tensor, second: Tensor) -> Tensor:
    return torch.where(condition[(..., *[None] * (first.ndim - 2))], first, second)


def _step(at: Linear, damping: Tensor) -> Tensor:
    diagonal = at.hessian.diagonal(dim1=-2, dim2=-1)
    damped = at.hessian + torch.diag_embed(damping[..., None] * diagonal)
    factor = torch.linalg.cholesky_ex(damped)[0]
    return -torch.cholesky_solve(at.gradient[..., None], factor)[..., 0]


def _start_latents(prior: GivenPrior, start: Start, generator: torch.Generator | None) -> Tensor:
    like = prior.like
    if start is None:
        latents = prior.starts()
    elif isinstance(start, int):
        drawn = torch.randn(
            (start - 1, *like.shape), generator=generator, dtype=like.dtype, device=like.device
        )
        latents = torch.cat([torch.zeros_like(like)[None], drawn])
    elif isinstance(start, BodyParameters):
        found = tuple(start.batch_shape)
        require(
            len(found) == 2 and found[1] == len(like),
            "fit_body", "start", expected=f"bodies with batch shape (N, {len(like)})", found=found,
        )  # fmt: skip
        latents = prior.encode(start.to(like))
    else:
        latents = start.to(like)
    shape = (len(latents), *like.shape)
    good = tuple(latents.shape) == shape and len(latents) > 0 and bool(latents.isfinite().all())
    require(
        good, "fit_body", "start",
        expected=f"finite latents (N, {shape[1]}, {shape[2]}), N > 0", found=tuple(latents.shape),
    )  # fmt: skip
    return latents


def _residual_px(energy: FitEnergy, landmarks: Tensor) -> Tensor:
    """(V, N, B, J) px, NaN where not valid."""
    each = [
        torch.where(view.valid, view.error_px(landmarks).norm(dim=-1), torch.nan)
        for view in energy.views
    ]
    return torch.stack(each)


def _root_mean_square(residual: Tensor) -> Tensor:
    """(N, B) of (V, N, B, J), over all keypoints that there are."""
    return residual.square().nanmean((0, -1)).sqrt()


def _notes(counts: Tensor) -> tuple[str, ...]:
    """One line for each person of fewer than four keypoints."""
    return tuple(
        f"person {person}: {count} keypoints, fewer than {FEWEST}: the posterior is little else "
        "than the prior"
        for person, count in enumerate(counts.tolist())
        if count < FEWEST
    )


def require_same_body(body: SkinnedBody, prior: BodyPrior) -> None:
    """`InputError` unless the prior is over parameters of the body."""
    found = prior.body
    same = found.tree == body.tree and found.betas == body.betas
    require(
        same, "fit_body", "prior",
        expected=f"a prior of {body.name}: {len(body.tree)} joints and {body.betas} betas",
        found=f"of {found.name}: {len(found.tree)} and {found.betas}",
    )  # fmt: skip
