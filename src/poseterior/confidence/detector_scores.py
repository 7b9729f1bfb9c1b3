"""What each detector's keypoint score is: one sentence for each, and what a file's numbers show."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

__all__ = ["DETECTORS", "is_probability", "score_note"]

DETECTORS: Mapping[str, str] = MappingProxyType(
    {
        "vitpose": "ViTPose: the maximum of the keypoint's heatmap, trained by squared error on "
        "Gaussians of 2 heatmap px: target variance over total variance (Eq. 17), which knows "
        "neither the person's size nor the keypoint's tolerance; may exceed 1",
        "rtmpose": "RTMPose (SimCC): the smaller of the two axes' largest logits (or their mean), "
        "no probability: may exceed 1 and may be negative",
        "ultralytics": "Ultralytics pose: a sigmoid trained to tell whether the keypoint is "
        "labelled: the probability of that, which says nothing of how far off it may be",
        "openpose": "OpenPose: the part's peak in its confidence map, 0 where there is none; of "
        "keypoints that its part affinity fields put together",
        "deeplabcut": "DeepLabCut: the likelihood, the sigmoid of the location score map at its "
        "peak: the probability that the point lies within about 17 px of there",
        "sleap": "SLEAP: the peak of the node's confidence map, Gaussian targets trained by "
        "squared error: as of Eq. 17; may exceed 1",
    }
)


def is_probability(scores: NDArray[np.float64]) -> bool:
    """Whether all are from 0 to 1."""
    return bool(((scores >= 0) & (scores <= 1)).all())


def score_note(detector: str | None, scores: NDArray[np.float64]) -> str:
    """What the scores (N, K) are: what is known of the detector, and what they themselves show.

    >>> score_note(None, np.array([[0.5, 1.25]]))
    'detector not told (--detector); uncalibrated: 1 of 2 above 1, at most 1.25: no probabilities'
    """
    said = DETECTORS[detector] if detector else "detector not told (--detector)"
    above, below = int((scores > 1).sum()), int((scores < 0).sum())
    shown = []
    if above:
        shown.append(f"{above} of {scores.size} above 1, at most {scores.max():g}")
    if below:
        shown.append(f"{below} of {scores.size} below 0, at least {scores.min():g}")
    if not shown:
        return said
    return f"{said}; uncalibrated: {', '.join(shown)}: no probabilities"
