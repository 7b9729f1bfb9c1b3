"""Priors of fitting: what is known of a body before its keypoints are fitted.

Every prior is a map from latents u ~ N(0, I) to bodies, so that -log p is |u|² / 2 for all of them,
one optimiser does for all, and a posterior without evidence is the prior, exactly.
`flow_prior.FlowPrior` is that of paper 002, `generic_prior.GenericPrior` SMPLify's.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from poseterior.keypoints import Keypoints
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.skinned_body import SkinnedBody

__all__ = ["BodyPrior", "GivenPrior", "expected_root", "place_latents", "placed"]

# Keypoints of a person spread about so far from their centre, metres.
_SPREAD = 0.45
# Standard deviations of the place: of the logarithm of the depth, and sideways, metres.
_DEPTH, _ASIDE = 0.3, 0.3


class GivenPrior(Protocol):
    """A prior given B observations.

    Attributes:
        like: (B, D) any tensor of the latents' shape, dtype and device.
    """

    like: Tensor

    def decode(self, latents: Tensor) -> BodyParameters:
        """Bodies (N, B), camera axes, of latents (N, B, D)."""
        ...

    def more(self, bodies: BodyParameters) -> Tensor:
        """(N, B, P) numbers whose squares add to those of the latents; P may be 0."""
        ...

    def encode(self, bodies: BodyParameters) -> Tensor:
        """(N, B, D) latents of bodies (N, B), or nearly so."""
        ...

    def starts(self) -> Tensor:
        """(N, B, D) where fitting begins if nothing else is said."""
        ...


class BodyPrior(Protocol):
    """A prior, before it knows what is observed."""

    @property
    def body(self) -> SkinnedBody:
        """Whose parameters it is over."""
        ...

    def given(self, keypoints: Keypoints) -> GivenPrior:
        """The prior of people observed by keypoints with batch shape (B,)."""
        ...


def expected_root(centre: Tensor, size: Tensor) -> Tensor:
    """(B, 3) metres, camera axes: where people of that centre and size in the image are."""
    return (_SPREAD / size)[:, None] * torch.cat([centre, torch.ones_like(centre[:, :1])], -1)


def placed(root: Tensor, latents: Tensor) -> Tensor:
    """Root joints (N, B, 3) about (..., B, 3): sideways, and nearer or farther along the ray."""
    aside = _ASIDE * latents[..., :2]
    moved = root + torch.cat([aside, torch.zeros_like(aside[..., :1])], -1)
    return (_DEPTH * latents[..., 2:]).clamp(-3, 3).exp() * moved


def place_latents(root: Tensor, moved: Tensor) -> Tensor:
    """The inverse of `placed`."""
    ratio = (moved[..., 2:] / root[..., 2:]).clamp_min(1e-3)
    aside = (moved / ratio - root)[..., :2] / _ASIDE
    return torch.cat([aside, ratio.log() / _DEPTH], -1)
