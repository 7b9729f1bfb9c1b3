"""What fitting minimises: keypoints that a body should be seen at, and a prior (paper 002).

With latents u that are standard normal before anything is seen (`fitting_prior.py`),

    E(u) = |u|² / 2 + |c(u)|² / 2 + sum_views sum_j a_j rho(|W_j (pi(x_j(u)) - y_j)|) / 2,

where x_j are the body's landmarks, pi a camera, y_j keypoints, c what a prior adds, and rho Geman's
and McClure's error, rho(e) = e² / (1 + e² / s²), as SMPLify has it (Bogo et al., ECCV 2016): of a
keypoint s standard deviations away it counts half, of one far away no more than s².
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from poseterior.geometry.skeleton import Skeleton
from poseterior.meshes.fitting_evidence import Evidence
from poseterior.meshes.fitting_prior import GivenPrior
from poseterior.meshes.skinned_body import SkinnedBody

__all__ = ["FitEnergy", "Linear"]


class Linear(NamedTuple):
    """E (N, B), its gradient (N, B, D) and Gauss's and Newton's Hessian (N, B, D, D)."""

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
        with torch.enable_grad():
            latents = latents.detach().requires_grad_()
            landmarks, more = self._outputs(latents)
            outputs = torch.cat([landmarks.flatten(-2), more], -1)
            unit = torch.eye(outputs.shape[-1]).to(outputs)
            unit = unit[:, None, None].expand(-1, *outputs.shape)
            (slopes,) = torch.autograd.grad(outputs, latents, unit, is_grads_batched=True)
        latents, landmarks, more = latents.detach(), landmarks.detach(), more.detach()
        slopes = slopes.movedim(0, -2)  # (N, B, 3 J + P, D)
        by_landmark, by_more = slopes.split([3 * landmarks.shape[-2], more.shape[-1]], -2)
        by_landmark = by_landmark.unflatten(-2, (-1, 3))
        unit = torch.eye(latents.shape[-1]).to(latents)
        gradient = latents + (by_more.mT @ more[..., None])[..., 0]
        hessian = unit + by_more.mT @ by_more
        for view in self.views:
            error = view.error(landmarks)
            pull = (view.share * self._robust(error.square().sum(-1))[1]).sqrt()[..., None]
            rows = ((view.slope(landmarks) @ by_landmark) * pull[..., None]).flatten(-3, -2)
            gradient = gradient + (rows.mT @ (error * pull).flatten(-2)[..., None])[..., 0]
            hessian = hessian + rows.mT @ rows
        return Linear(self._value(latents, landmarks, more), gradient, hessian)

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
