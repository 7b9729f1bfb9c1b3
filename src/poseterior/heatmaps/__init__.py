"""Heatmaps to keypoints with covariance: Gaussians in bulk, SimCC bins, and the usual decoders."""

from __future__ import annotations

from poseterior.heatmaps.ellipse import TARGET_SIGMA_PX, without_blur
from poseterior.heatmaps.fit import fit_gaussians
from poseterior.heatmaps.gaussian_fit import GaussianFit
from poseterior.heatmaps.image import box_affine, to_image
from poseterior.heatmaps.simcc import SimccFit, fit_simcc, peak_variance

__all__ = [
    "TARGET_SIGMA_PX",
    "GaussianFit",
    "SimccFit",
    "box_affine",
    "fit_gaussians",
    "fit_simcc",
    "peak_variance",
    "to_image",
    "without_blur",
]
