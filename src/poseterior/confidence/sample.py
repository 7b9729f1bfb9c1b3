"""Detections with what they came to, as arrays: what repairs are fitted on and applied to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Sample"]


@dataclass(frozen=True, eq=False)
class Sample:
    """Detections (N) with K keypoints.

    Attributes:
        score: (N,) the detector's, of the person.
        keypoint_score: (N, K) the detector's.
        box_area: (N,) px², positive.
        sigmas: (K,) OKS constants.
        covariance: (N, K, 2, 2) px², or None.
        visibility: (N, K) the detector's, or None.
        matched: (N,) bool, whether it is anybody's.
        counted: (N,) bool, False on crowds and the like.
        area: (N,) px² of the person; NaN where nobody is matched.
        labelled: (N, K) bool, False where nobody is matched.
        keypoint_oks: (N, K); means something where labelled.
    """

    score: NDArray[np.float64]
    keypoint_score: NDArray[np.float64]
    box_area: NDArray[np.float64]
    sigmas: NDArray[np.float64]
    covariance: NDArray[np.float64] | None
    visibility: NDArray[np.float64] | None
    matched: NDArray[np.bool_]
    counted: NDArray[np.bool_]
    area: NDArray[np.float64]
    labelled: NDArray[np.bool_]
    keypoint_oks: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.score)

    def rows(self, chosen: NDArray[np.bool_]) -> Sample:
        """Those of a mask (N,)."""

        def cut(of: NDArray | None) -> NDArray | None:
            return None if of is None else of[chosen]

        return Sample(
            score=self.score[chosen], keypoint_score=self.keypoint_score[chosen],
            box_area=self.box_area[chosen], sigmas=self.sigmas, covariance=cut(self.covariance),
            visibility=cut(self.visibility), matched=self.matched[chosen],
            counted=self.counted[chosen], area=self.area[chosen],
            labelled=self.labelled[chosen], keypoint_oks=self.keypoint_oks[chosen],
        )  # fmt: skip
