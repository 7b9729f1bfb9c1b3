"""Keypoint confidences by temperature, for each joint, conditional on the size.

    sigmoid(s / T + b + c z),  z the log root of the box's area less its mean

fitted by cross-entropy to OKS, whose optimum is the expected OKS. s is the logit of scores that
are from 0 to 1, and the score itself, in standard deviations from its mean, where they are none.
Temperature alone would leave a score of a half at a half; a heatmap's peak of a half is no such
thing, hence b; and tolerances grow with people, hence c.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from poseterior.confidence.detector_scores import is_probability
from poseterior.confidence.logistic import logistic
from poseterior.confidence.sample import Sample

__all__ = ["Temperature"]

_EDGE = 1e-4  # scores nearer to 0 or 1 are taken to lie there


@dataclass(frozen=True, eq=False)
class Temperature:
    """Slope, offset and growth (K, 3): 1 / T, b and c of each joint.

    Attributes:
        parameters: (K, 3).
        size: mean log root of the area.
        scale: mean and standard deviation of scores that are no probabilities, or None.
    """

    parameters: NDArray[np.float64]
    size: float
    scale: tuple[float, float] | None

    @staticmethod
    def fit(sample: Sample) -> Temperature:
        """Parameters of the labelled keypoints of the matched detections."""
        some = sample.rows(sample.matched)
        scores = some.keypoint_score
        scale = None
        if not is_probability(scores):
            scale = float(scores.mean()), float(scores.std()) or 1.0
        size = float((0.5 * np.log(some.box_area)).mean())
        blank = Temperature(np.zeros((0, 3)), size, scale)
        x, z = blank._inputs(some)
        fitted = []
        for joint in range(scores.shape[1]):
            rows = some.labelled[:, joint]
            inputs = np.stack([x[rows, joint], np.ones(rows.sum()), z[rows]], axis=1)
            oks = some.keypoint_oks[rows, joint]
            fitted.append(logistic(inputs, oks, (1.0, 0.0, 0.0), rising=(0,)))
        return Temperature(np.stack(fitted), size, scale)

    def __call__(self, sample: Sample) -> NDArray[np.float64]:
        """Confidences (N, K)."""
        x, z = self._inputs(sample)
        slope, offset, growth = self.parameters.T
        return expit(slope * x + offset + growth * z[:, None])

    def _inputs(self, sample: Sample) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        scores = sample.keypoint_score
        if self.scale is None:
            x = logit(scores.clip(_EDGE, 1 - _EDGE))
        else:
            x = (scores - self.scale[0]) / self.scale[1]
        return x, 0.5 * np.log(sample.box_area) - self.size
