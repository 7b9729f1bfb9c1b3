"""The one rule that turns a detector's confidences into covariances.

Most detectors say where a joint is and how sure they are, not how far off they may be. A
lifter needs the latter, so it is guessed from the former:

    sigma_px = heatmap_px * sigma_confident * (sigma_uncertain / sigma_confident) ** (1 - u)
    u = clamp(confidence / full_score / confident_from, 0, 1)
    heatmap_px = 1.25 * (longer side of the box around the valid keypoints) / 64

in every direction alike. `heatmap_px` is what one heatmap pixel of a top-down detector covers
in the image, so sigma follows the person's size. A confident joint has the middle of the
simulated detector's certain joints (U(0.3, 0.8) heatmap px), a joint of confidence near 0 the
upper part of its uncertain ones (U(3, 10)). Between them log sigma falls linearly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from poseterior.data.simulated_detector import heatmap_pixel
from poseterior.errors import require

__all__ = ["CovarianceRule"]

# A few joints scored unusually high must not make all others look unsure.
_FULL_SCORE_QUANTILE = 0.95


@dataclass(frozen=True)
class CovarianceRule:
    """Covariances from confidences, as the module says; every number can be overridden.

    Attributes:
        sigma_confident: standard deviation of a confident joint, in heatmap px.
        sigma_uncertain: standard deviation as the confidence reaches 0, in heatmap px.
        confident_from: confidence, as a fraction of `full_score`, from which a joint is
            confident.
        full_score: the score that stands for certainty; higher ones count as it. `scaled_to`
            finds it for detectors whose scores go above 1.
        minimum_px: no standard deviation is smaller, in px (a single joint has no box).

    `InputError` unless 0 < sigma_confident <= sigma_uncertain and the others are positive.

    >>> pixels = torch.tensor([[100.0, 100.0], [200.0, 612.0]])
    >>> sure, unsure = torch.tensor([True, True]), torch.tensor([0.9, 0.1])
    >>> CovarianceRule()(pixels, unsure, sure)[:, 0, 0].sqrt()
    tensor([ 5.5000, 57.2465])
    """

    sigma_confident: float = 0.55
    sigma_uncertain: float = 8.0
    confident_from: float = 0.8
    full_score: float = 1.0
    minimum_px: float = 0.1

    def __post_init__(self) -> None:
        require(
            0 < self.sigma_confident <= self.sigma_uncertain < float("inf"),
            "CovarianceRule", "sigma_confident, sigma_uncertain",
            expected="0 < sigma_confident <= sigma_uncertain",
            found=(self.sigma_confident, self.sigma_uncertain),
        )  # fmt: skip
        for name in ("confident_from", "full_score", "minimum_px"):
            value = getattr(self, name)
            positive = 0 < value < float("inf")
            require(positive, "CovarianceRule", name, expected="a positive number", found=value)

    def sigma(self, confidence: Tensor) -> Tensor:
        """Standard deviation in heatmap px of joints with these confidences; NaN counts as 0."""
        certainty = confidence.nan_to_num(0.0) / (self.full_score * self.confident_from)
        ratio = self.sigma_uncertain / self.sigma_confident
        return self.sigma_confident * ratio ** (1 - certainty.clamp(0, 1))

    def confidence(self, pixels: Tensor, covariance: Tensor, valid: Tensor) -> Tensor:
        """Confidences (..., J) from which the rule would guess covariances (..., J, 2, 2).

        Of a simulated detector, which knows its covariances, the raw numbers that a real one
        gives in their place. They tell less: one number for both axes (sigma² is the root of the
        determinant), no more than `confident_from` of `full_score` and no less than 0.

        >>> pixels, valid = torch.tensor([[100.0, 100.0], [200.0, 612.0]]), torch.ones(2) > 0
        >>> rule, score = CovarianceRule(), torch.tensor([0.7, 0.1])
        >>> rule.confidence(pixels, rule(pixels, score, valid), valid)
        tensor([0.7000, 0.1000])
        """
        size = _heatmap_pixel(pixels, valid)[..., None].clamp_min(1e-6)
        sigma = torch.linalg.det(covariance).clamp_min(1e-12) ** 0.25 / size
        span = math.log(self.sigma_uncertain / self.sigma_confident)
        certainty = 1 - (sigma / self.sigma_confident).log() / span
        found = certainty.clamp(0, 1) * self.confident_from * self.full_score
        return torch.where(valid, found, 0.0)

    def __call__(self, pixels: Tensor, confidence: Tensor | None, valid: Tensor) -> Tensor:
        """Covariances (..., J, 2, 2) in px², isotropic and positive definite.

        Args:
            pixels: (..., J, 2) px.
            confidence: (..., J) the detector's raw numbers, or None: all joints confident.
            valid: (..., J) bool; the others are left out of the box and get the covariance
                of confidence 0.
        """
        certain = torch.full_like(pixels[..., 0], self.full_score)
        score = certain if confidence is None else confidence.to(pixels.dtype)
        spread = self.sigma(torch.where(valid, score, 0.0))
        sigma = (_heatmap_pixel(pixels, valid)[..., None] * spread).clamp_min(self.minimum_px)
        return sigma.square()[..., None, None] * torch.eye(2, dtype=pixels.dtype)

    def scaled_to(self, confidence: Tensor, valid: Tensor) -> CovarianceRule:
        """The rule with `full_score` fitted to all confidences (M, J) of one file.

        The larger of the rule's own `full_score` and the 95 % quantile of the valid joints'
        scores, so that scores in percent, or raw maxima above 1, spread over the same range.
        """
        scores = confidence[valid & confidence.isfinite()]
        if not len(scores):
            return self
        rank = max(1, round(_FULL_SCORE_QUANTILE * len(scores)))  # torch.quantile stops at 2**24
        robust = float(scores.kthvalue(rank).values)
        return replace(self, full_score=max(self.full_score, robust))

    def describe(self) -> str:
        """The rule in one sentence, for reports."""
        return (
            f"sigma from {self.sigma_confident:g} heatmap px at confidence "
            f">= {self.confident_from * self.full_score:.3g} to {self.sigma_uncertain:g} at 0 "
            "(one heatmap px = 1.25 * longer side of the keypoints' box / 64)"
        )


def _heatmap_pixel(pixels: Tensor, valid: Tensor) -> Tensor:
    """`heatmap_pixel` (...) of the box around the valid joints; 0 where there are none."""
    corner = torch.where(valid[..., None], pixels, torch.inf).amin(-2, keepdim=True)
    corner = torch.where(corner.isfinite(), corner, 0.0)
    return heatmap_pixel(torch.where(valid[..., None], pixels, corner))
