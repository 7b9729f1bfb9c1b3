"""Keypoint confidences in closed form: the expected OKS of a Gaussian at its mean (Eq. 11, 12).

l² / sqrt(det(S + l² I)) with l² = (2 sigma_k)² area, COCO's tolerance. The annotation's area is
not known where people are only detected; Table 1 of paper 003 takes one of three.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from poseterior.confidence.expected_oks import expected_oks
from poseterior.confidence.sample import Sample
from poseterior.errors import known
from poseterior.metrics.oks import tolerance

__all__ = ["AREAS", "ClosedForm"]

_ROWS = 4096  # at a time, which bounds the memory
# Which area stands for the annotated one.
AREAS = ("mean", "predicted", "true")


@dataclass(frozen=True)
class ClosedForm:
    """Expected OKS under the detector's own covariances.

    Attributes:
        area: "mean", that of the people fitted on; "predicted", the box's area times
            `ratio`; "true", the matched person's, as predicted where nobody is matched.
        mean: px², of the people fitted on.
        ratio: mean of their area over their detection's box.
    """

    area: str
    mean: float
    ratio: float

    @staticmethod
    def fit(sample: Sample, area: str) -> ClosedForm:
        """Mean area and ratio of the matched detections."""
        some = sample.rows(sample.matched)
        ratio = float((some.area / some.box_area).mean())
        return ClosedForm(known("--area", area, AREAS), float(some.area.mean()), ratio)

    def __call__(self, sample: Sample) -> NDArray[np.float64]:
        """Confidences (N, K) of a sample that has covariances."""
        assert sample.covariance is not None
        covariance = torch.from_numpy(sample.covariance).split(_ROWS)
        area = torch.from_numpy(self._area(sample).clip(min=1.0)).split(_ROWS)
        sigmas = torch.from_numpy(sample.sigmas)
        out = []
        for s, a in zip(covariance, area, strict=True):
            mean = s.new_zeros(s.shape[:-1])
            out.append(expected_oks(mean, mean, s, tolerance(a, sigmas)))
        return torch.cat(out).numpy()

    def _area(self, sample: Sample) -> NDArray[np.float64]:
        if self.area == "mean":
            return np.full(len(sample), self.mean)
        predicted = sample.box_area * self.ratio
        if self.area == "predicted":
            return predicted
        return np.where(sample.matched, sample.area, predicted)
