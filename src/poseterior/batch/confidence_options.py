"""How confidences are repaired."""

from __future__ import annotations

from dataclasses import dataclass

from poseterior.confidence.closed_form import AREAS
from poseterior.confidence.detector_scores import DETECTORS
from poseterior.confidence.repair import AGGREGATIONS, METHODS
from poseterior.errors import known, require

__all__ = ["ConfidenceOptions"]


@dataclass(frozen=True)
class ConfidenceOptions:
    """How confidences are repaired.

    Attributes:
        method: one of `METHODS`.
        area: of closed_form, one of `AREAS`.
        aggregate: from keypoints to the person, one of `AGGREGATIONS`.
        detector: one of `DETECTORS`, or None.
        folds: of images, each repaired by what the others tell; no more than images.
        precision: wanted, of the recommended threshold.
        seed: of the folds.
    """

    method: str
    area: str = "predicted"
    aggregate: str = "visibility"
    detector: str | None = None
    folds: int = 5
    precision: float = 0.9
    seed: int = 0

    def check(self) -> None:
        """`InputError` for an option that cannot be."""
        known("--method", self.method, METHODS)
        known("--area", self.area, AREAS)
        known("--aggregate", self.aggregate, AGGREGATIONS)
        if self.detector is not None:
            known("--detector", self.detector, DETECTORS)
        good = 0 < self.precision <= 1
        require(good, "--precision", "", expected="more than 0, at most 1", found=self.precision)
