"""What fitting minimises: keypoints that a body should be seen at, and a prior (paper 002).

With latents u that are standard normal before anything is seen (`fitting_prior.py`),

    E(u) = |u|² / 2 + |c(u)|² / 2 + sum_views sum_j a_j rho(|W_j (pi(x_j(u)) - y_j)|) / 2,

where x_j are the body's landmarks, pi a camera, y_j keypoints, c what a prior adds, and rho Geman's
and McClure's error, rho(e) = e² / (1 + e² / s²), as SMPLify has it (Bogo et al., ECCV 2016): of a
keypoint s standard deviations away it counts half, of one far away no more than s².
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from poseterior.geometry.skeleton import Skeleton
from poseterior.meshes.fitting.fitting_evidence import Evidence
from poseterior.meshes.fitting.fitting_prior import GivenPrior
from poseterior.meshes.fitting.landmark_slopes import landmark_slopes
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.skinned_body import SkinnedBody

__all__ = ["FitEnergy", "Linear"]


class Linear(NamedTuple):
    """E (N, B); float64 gradient (N, B, D) and Gauss's and Newton's Hessian (N, B, D, D)."""

    value: Tensor
    gradient: Tensor
    hessian: Tensor


class FitEnergy:
    """E of latents (N, B, D): N bodies for each of B people.

    Args:
        body, skeleton: whose landmarks the keypoints are.
        prior: given the observation.
        views: evidence of each camera.
        scale: s of rho, standard deviations; None for least squares.
    """

    def __init__(
        self,
        body: SkinnedBody,
        skeleton: Skeleton,
        prior: GivenPrior,
        views: Sequence[Evidence],
        scale: float | None,
    ) -> None:
        self.body, self.skeleton, self.prior = body, skeleton, prior
        self.views, self.scale = views, scale

    def softened(self, times: float) -> FitEnergy:
        """The same with keypoints so many times as uncertain."""
        views = [replace(view, whiten=view.whiten / times) for view in self.views]
        return FitEnergy(self.body, self.skeleton, self.prior, views, self.scale)

    def landmarks(self, latents: Tensor) -> Tensor:
        """(N, B, J, 3) metres."""
        return self.body.landmarks_of(self.prior.decode(latents), self.skeleton)

    def __call__(self, latents: Tensor) -> Tensor:
        landmarks, more = self._outputs(latents)
        return self._value(latents, landmarks, more)

    def evidence(self, landmarks: Tensor) -> Tensor:
        """(V, N, B): what each view adds, of landmarks (N, B, J, 3)."""
        each = [
            0.5 * (view.share * self._robust(view.error(landmarks).square().sum(-1))[0]).sum(-1)
            for view in self.views
        ]
        return torch.stack(each)

    def linear(self, latents: Tensor) -> Linear:
        """E and its derivatives; far keypoints count in the Hessian what they pull."""
        if latents.shape[:2].numel() == 1:  # the flow's derivatives cannot be batched over one
            return Linear(*(value[:1] for value in self.linear(latents.repeat(2, 1, 1))))
        with torch.enable_grad():
            moving = latents.detach().requires_grad_()
            bodies = self.prior.decode(moving)
            more = self.prior.more(bodies)
            by_more = _pulled_back(moving, [(more, _units(more))])
        with torch.no_grad():
            landmarks = self.body.landmarks_of(bodies, self.skeleton)
        errors, slopes = zip(*(self._weighed(view, landmarks) for view in self.views), strict=True)
        # Of one camera, what it sees of the landmarks is less than they are.
        ways = slopes[0] if len(slopes) == 1 else _units(landmarks).movedim(0, -2)
        by_ways = self._along(ways, bodies, moving)
        rows = [by_ways] if len(slopes) == 1 else [slope @ by_ways for slope in slopes]
        return self._assembled(moving.detach(), landmarks, more.detach(), by_more, errors, rows)

    def _assembled(
        self,
        latents: Tensor,
        landmarks: Tensor,
        more: Tensor,
        by_more: Tensor,
        errors: Sequence[Tensor],
        rows: Sequence[Tensor],
    ) -> Linear:
        slopes = by_more.double()  # in single precision I + J' J may have no Cholesky factor
        gradient = latents.double() + (slopes.mT @ more.double()[..., None])[..., 0]
        hessian = torch.eye(latents.shape[-1]).to(slopes) + slopes.mT @ slopes
        for error, row in zip(errors, rows, strict=True):
            flat = row.flatten(-3, -2).double()  # (N, B, 2 J, D)
            gradient = gradient + (flat.mT @ error.flatten(-2)[..., None].double())[..., 0]
            hessian = hessian + flat.mT @ flat
        return Linear(self._value(latents, landmarks, more), gradient, hessian)

    def _weighed(self, view: Evidence, landmarks: Tensor) -> tuple[Tensor, Tensor]:
        """Errors (N, B, J, 2) and their derivatives (N, B, J, 2, 3), by what they pull."""
        error = view.error(landmarks)
        pull = (view.share * self._robust(error.square().sum(-1))[1]).sqrt()[..., None]
        return error * pull, view.slope(landmarks) * pull[..., None]

    def _along(self, ways: Tensor, bodies: BodyParameters, latents: Tensor) -> Tensor:
        """(N, B, J, Q, D): how far landmarks move along directions (N, B, J, Q, 3)."""
        if self.body.corrected:
            with torch.enable_grad():
                landmarks = self.body.landmarks_of(bodies, self.skeleton)
            one = torch.eye(ways.shape[2]).to(ways)
            each = torch.einsum("nbjqx,ji->jqnbix", ways, one).flatten(0, 1)
            found = _pulled_back(latents, [(landmarks, each)])
        else:
            slopes = landmark_slopes(self.body, bodies, self.skeleton, ways)
            by = {
                "global_orient": slopes.rotations[..., 0, :, :],
                "body_pose": slopes.rotations[..., 1:, :, :],
                "betas": slopes.betas,
                "transl": slopes.transl,
            }
            pairs = [
                (getattr(bodies, name), value.flatten(2, 3).movedim(2, 0))
                for name, value in by.items()
            ]
            found = _pulled_back(latents, pairs)
        return found.unflatten(2, ways.shape[2:4])

    def _outputs(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Landmarks, and what the prior adds to u, (N, B, P)."""
        bodies = self.prior.decode(latents)
        return self.body.landmarks_of(bodies, self.skeleton), self.prior.more(bodies)

    def _value(self, latents: Tensor, landmarks: Tensor, more: Tensor) -> Tensor:
        before = latents.square().sum(-1) + more.square().sum(-1)
        return 0.5 * before + self.evidence(landmarks).sum(0)

    def _robust(self, square: Tensor) -> tuple[Tensor, Tensor]:
        """Of e²: rho(e), and its derivative by e²."""
        if self.scale is None:
            return square, torch.ones_like(square)
        kept = 1 / (1 + square / self.scale**2)
        return square * kept, kept.square()


def _units(values: Tensor) -> Tensor:
    """(P, ..., P): of each number of values (..., P), which one it is."""
    rows = torch.eye(values.shape[-1]).to(values)
    return rows.reshape(len(rows), *[1] * (values.ndim - 1), len(rows)).expand(-1, *values.shape)


def _pulled_back(latents: Tensor, pairs: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """(N, B, Q, D): derivatives by latents, of Q numbers whose derivatives by others are given.

    Each pair is (...) of what depends on the latents, and (Q, ...).
    """
    count = len(pairs[0][1])
    used = [pair for pair in pairs if pair[0].requires_grad and count]
    if not used:
        return latents.new_zeros(*latents.shape[:-1], count, latents.shape[-1])
    (found,) = torch.autograd.grad(
        [pair[0] for pair in used], latents, [pair[1].contiguous() for pair in used],
        is_grads_batched=True, retain_graph=True,
    )  # fmt: skip
    return found.movedim(0, -2)
