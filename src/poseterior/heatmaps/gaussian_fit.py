"""What is known of a heatmap once a Gaussian has been fitted to it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from poseterior.heatmaps.ellipse import axes

__all__ = ["SECOND_MODE", "GaussianFit"]

# A share of the mass above this is a second mode: noise of 1 % of the height gives up to 0.05.
SECOND_MODE = 0.1


@dataclass(frozen=True, eq=False)
class GaussianFit:
    """Gaussians fitted to heatmaps (..., h, w); positions are (x, y), pixel i centred at i.

    `fit_gaussians` gives heatmap px; `to_image` turns them into px of the image.

    Attributes:
        mean: (..., 2) px.
        covariance: (..., 2, 2) px², positive definite.
        amplitude: (...) height of the Gaussian in the heatmap's own unit.
        residual: (...) from 0 to 1: root of the sum of (h - g)² over that of h², in the window
            that was fitted. 1 where not converged.
        second_mode: (...) from 0 to 1: what the heaviest box of the rest h - g weighs, as a
            share of that and the Gaussian's own mass. Near 0.5 two places are as likely.
        second_mean: (..., 2) px, the middle of that box.
        converged: (...) bool. Where False there is no fit: mean is the highest pixel (the
            middle of the map if that has none), and covariance the spread of the whole map
            about it, at least twice as wide as a sure joint's peak.
    """

    mean: Tensor
    covariance: Tensor
    amplitude: Tensor
    residual: Tensor
    second_mode: Tensor
    second_mean: Tensor
    converged: Tensor

    @property
    def sigma_x(self) -> Tensor:
        """(...) px: standard deviation along the axis of the ellipse nearest to x."""
        return axes(self.covariance)[0]

    @property
    def sigma_y(self) -> Tensor:
        """(...) px: standard deviation along the axis of the ellipse nearest to y."""
        return axes(self.covariance)[1]

    @property
    def angle(self) -> Tensor:
        """(...) radians in [-pi/4, pi/4], from x towards y: where the axis of sigma_x points."""
        return axes(self.covariance)[2]

    @property
    def two_peaked(self) -> Tensor:
        """(...) bool: `second_mode` is above 0.1, more than noise and a peak's own shape give."""
        return self.second_mode > SECOND_MODE

    @property
    def covering(self) -> Tensor:
        """(..., 2, 2) px²: `covariance` widened to cover the second mode of `two_peaked` ones.

        Covariance + w d dᵀ, w the second mode's share of the mass and d its distance: the
        second moment about `mean` of two modes of the same shape. The spread of the whole map,
        where not converged, covers it already.
        """
        gap = self.second_mean - self.mean
        share = torch.where(self.converged & self.two_peaked, self.second_mode, 0.0)
        return self.covariance + share[..., None, None] * gap[..., :, None] * gap[..., None, :]

    def __getitem__(self, index: Any) -> GaussianFit:
        """Fits by index over the first batch dimension."""
        return GaussianFit(*(getattr(self, field.name)[index] for field in fields(self)))
