"""The probability that a detection is anybody's, which keypoints alone do not tell.

Detectors mostly give the product of a box's score and the keypoints' mean. Their logarithms, and
the repaired confidence, are what the chance is a logistic function of: the box's score is among
what it can find, whatever the detector made of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from poseterior.confidence.aggregation import mean_above
from poseterior.confidence.logistic import logistic
from poseterior.confidence.sample import Sample

__all__ = ["Anybody"]

_LEAST = 1e-3  # scores below it are as good as none


@dataclass(frozen=True, eq=False)
class Anybody:
    """A logistic function of a detection's scores; None where every detection was somebody's."""

    weights: NDArray[np.float64] | None

    @staticmethod
    def fit(sample: Sample, confidence: NDArray[np.float64]) -> Anybody:
        """Fit on detections that are counted, with their repaired confidences (N,)."""
        if sample.matched.all():
            return Anybody(None)
        target = sample.matched.astype(np.float64)
        inputs = _inputs(sample, confidence)
        return Anybody(logistic(inputs, target, (1.0, 0.0, 0.0, 0.0), rising=(0,)))

    def __call__(self, sample: Sample, confidence: NDArray[np.float64]) -> NDArray[np.float64]:
        """The probability (N,)."""
        if self.weights is None:
            return np.ones(len(sample))
        return expit(_inputs(sample, confidence) @ self.weights)


def _inputs(sample: Sample, confidence: NDArray[np.float64]) -> NDArray[np.float64]:
    """The detector's score, Eq. 5 of its keypoints' and the repaired confidence; 1."""
    mean = mean_above(sample.keypoint_score)
    logs = [np.log(of.clip(min=_LEAST)) for of in (sample.score, mean)]
    sure = logit(confidence.clip(_LEAST, 1 - _LEAST))
    return np.stack([*logs, sure, np.ones(len(sample))], axis=1)
