"""From keypoints to the person: paper 003, Eq. 5 and Eq. 6 and 7."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["THRESHOLD", "mean_above", "mean_by_visibility"]

THRESHOLD = 0.2  # the tau of Eq. 5, that detectors take


def mean_above(
    confidence: NDArray[np.float64], threshold: float = THRESHOLD
) -> NDArray[np.float64]:
    """Eq. 5: the mean (N,) of the keypoint confidences (N, K) above a threshold; 0 of none.

    >>> mean_above(np.array([[0.9, 0.5, 0.1], [0.1, 0.1, 0.2]]))
    array([0.7, 0. ])
    """
    above = confidence > threshold
    return np.where(above, confidence, 0.0).sum(1) / above.sum(1).clip(min=1)


def mean_by_visibility(
    confidence: NDArray[np.float64], visibility: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Eq. 6 and 7 with predictions: the mean (N,) of (N, K) weighted by visibility (N, K).

    OKS counts the keypoints that are labelled, whatever their accuracy; so a keypoint weighs by
    the probability that it is, and a confidence that is low does not silence itself. People of
    no visibility at all take the plain mean.

    >>> mean_by_visibility(np.array([[0.9, 0.1]]), np.array([[1.0, 0.5]]))
    array([0.63333333])
    """
    weight = np.where(visibility.sum(1, keepdims=True) > 0, visibility, 1.0)
    return (weight * confidence).sum(1) / weight.sum(1)
