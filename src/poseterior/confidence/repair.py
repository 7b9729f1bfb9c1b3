"""Repair of a detector's confidences: what is fitted, on whom, and what it makes of detections.

The confidence of a detection is its expected OKS with whoever it is:

    P(anybody's) * sum over keypoints of v_k s_k / sum of v_k

s_k is the repaired confidence of a keypoint, by one of `METHODS`, and v_k the probability that it
is labelled (Eq. 6 and 7 of paper 003). The first factor (`Anybody`) is one throughout where every
detection is somebody's, as on annotated boxes; elsewhere it tells spurious detections.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from poseterior.confidence.aggregation import mean_above, mean_by_visibility
from poseterior.confidence.anybody import Anybody
from poseterior.confidence.closed_form import ClosedForm
from poseterior.confidence.isotonic import Isotonic
from poseterior.confidence.monotone import Monotone
from poseterior.confidence.sample import Sample
from poseterior.confidence.temperature import Temperature
from poseterior.errors import known, require

__all__ = ["AGGREGATIONS", "METHODS", "Confidences", "Repair", "cross_fitted", "fold_of"]

AGGREGATIONS = ("visibility", "threshold")
METHODS = ("closed_form", "isotonic", "temperature")

Keypoints = Callable[[Sample], NDArray[np.float64]]
_FITS: Mapping[str, Callable[[Sample], Keypoints]] = MappingProxyType(
    {"isotonic": Isotonic.fit, "temperature": Temperature.fit}
)
_LEAST = 30  # labelled and unlabelled keypoints together, for a joint's own visibility


@dataclass(frozen=True, eq=False)
class Confidences:
    """What a repair says of detections (N).

    Attributes:
        keypoints: (N, K) expected OKS of each keypoint, if it is somebody's.
        visibility: (N, K) probability that the keypoint is labelled.
        anybody: (N,) probability that the detection is anybody's.
    """

    keypoints: NDArray[np.float64]
    visibility: NDArray[np.float64]
    anybody: NDArray[np.float64]

    def person(self, aggregation: str, columns: slice = slice(None)) -> NDArray[np.float64]:
        """Confidence (N,) of the person, or of the part that the columns are."""
        keypoints = self.keypoints[:, columns]
        if known("--aggregate", aggregation, AGGREGATIONS) == "threshold":
            return self.anybody * mean_above(keypoints)
        return self.anybody * mean_by_visibility(keypoints, self.visibility[:, columns])


@dataclass(frozen=True, eq=False)
class Repair:
    """A fitted method, with what it needs besides."""

    keypoints: Keypoints
    labelled: list[Monotone]
    anybody: Anybody | None = None

    @staticmethod
    def fit(sample: Sample, method: str, area: str = "predicted") -> Repair:
        """Fit one of `METHODS` on the detections that are counted.

        Raises:
            InputError: an unknown method, or no detection that is anybody's.
        """
        known("--method", method, METHODS)
        counted = sample.rows(sample.counted)
        some = bool((counted.matched & counted.labelled.any(1)).any())
        expected, found = "detections that are somebody's to fit on", "none"
        require(some, "confidence", "", expected=expected, found=found)
        fit = _FITS.get(method, partial(ClosedForm.fit, area=area))
        without = Repair(fit(counted), _labelled(counted))
        confidence = without(counted).person("visibility")
        return replace(without, anybody=Anybody.fit(counted, confidence))

    def __call__(self, sample: Sample) -> Confidences:
        """The confidences of any detections."""
        visibility = sample.visibility
        if visibility is None:
            columns = enumerate(self.labelled)
            visibility = np.stack([f(sample.keypoint_score[:, j]) for j, f in columns], axis=1)
        told = Confidences(self.keypoints(sample), visibility, np.ones(len(sample)))
        if self.anybody is None:
            return told
        return replace(told, anybody=self.anybody(sample, told.person("visibility")))


def _labelled(sample: Sample) -> list[Monotone]:
    """For each joint the chance that a keypoint of its score is labelled."""
    some = sample.rows(sample.matched)
    score, labelled = some.keypoint_score, some.labelled.astype(float)
    if len(some) < _LEAST:
        return [Monotone.fit(score.ravel(), labelled.ravel())] * score.shape[1]
    return [Monotone.fit(score[:, j], labelled[:, j]) for j in range(score.shape[1])]


def fold_of(image: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """The fold (N,) of each detection, by its image (N,): folds of equally many images.

    Raises:
        InputError: fewer than two folds, or more than images.
    """
    images, place = np.unique(image, return_inverse=True)
    fits = 2 <= folds <= len(images)
    expected = f"2 to {len(images)}, the number of images with detections"
    require(fits, "--folds", "", expected=expected, found=folds)
    order = np.random.default_rng(seed).permutation(len(images))
    return (order % folds)[place]


def cross_fitted(
    sample: Sample, fold: NDArray[np.int64], fit: Callable[[Sample], Repair]
) -> Confidences:
    """Confidences of each detection by a repair that has not seen its fold (N,)."""
    keypoints, visibility = (np.empty(sample.keypoint_score.shape) for _ in range(2))
    anybody = np.empty(len(sample))
    for each in np.unique(fold):
        mine = fold == each
        told = fit(sample.rows(~mine))(sample.rows(mine))
        keypoints[mine], visibility[mine] = told.keypoints, told.visibility
        anybody[mine] = told.anybody
    return Confidences(keypoints, visibility, anybody)
