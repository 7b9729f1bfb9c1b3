"""Keypoint confidences by isotonic regression on OKS, for each joint, conditional on the size.

OKS rises with the score, so that is what the curve is held to; with the size it need not: a
detector that sees crops of one resolution errs in proportion to the person, and then a keypoint's
OKS does not know the size at all. So there is a curve at each of a few sizes, and between two
sizes the mean of theirs, as near as it is; each detection weighs in both when they are fitted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poseterior.confidence.monotone import Monotone
from poseterior.confidence.sample import Sample

__all__ = ["Isotonic"]

MOST_SIZES = 5
_EACH = 200  # matched detections for each size
_LEAST = 30  # labelled keypoints for a curve of a joint's own


@dataclass(frozen=True, eq=False)
class Isotonic:
    """Curves [joint][size] of OKS over the score, at the log roots of areas `sizes` (S,)."""

    sizes: NDArray[np.float64]
    curves: list[list[Monotone]]

    @staticmethod
    def fit(sample: Sample) -> Isotonic:
        """Curves of the labelled keypoints; a joint with fewer than 30 takes those of all."""
        some = sample.rows(sample.matched)
        count = int(np.clip(len(some) // _EACH, 1, MOST_SIZES))
        size = _log_size(some)
        sizes = np.unique(np.quantile(size, (np.arange(count) + 0.5) / count))
        share = _shares(size, sizes)
        everything = _curves(some, share, slice(None))
        joints = range(some.labelled.shape[1])
        enough = some.labelled.sum(0) >= _LEAST
        return Isotonic(sizes, [_curves(some, share, slice(j, j + 1)) if enough[j] else everything
                                for j in joints])  # fmt: skip

    def __call__(self, sample: Sample) -> NDArray[np.float64]:
        """Confidences (N, K)."""
        share = _shares(_log_size(sample), self.sizes)
        score = sample.keypoint_score
        return np.stack(
            [
                sum(share[:, s] * curve(score[:, j]) for s, curve in enumerate(curves))
                for j, curves in enumerate(self.curves)
            ],
            axis=1,
        )


def _log_size(sample: Sample) -> NDArray[np.float64]:
    return 0.5 * np.log(sample.box_area)


def _shares(size: NDArray[np.float64], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much (N, S) each of the ascending sizes counts: hats that sum to one."""
    return np.stack([np.interp(size, sizes, row) for row in np.eye(len(sizes))], axis=1)


def _curves(sample: Sample, share: NDArray[np.float64], joints: slice) -> list[Monotone]:
    labelled = sample.labelled[:, joints]
    score, oks = (
        sample.keypoint_score[:, joints][labelled],
        sample.keypoint_oks[:, joints][labelled],
    )
    place = labelled.nonzero()[0]
    whole = Monotone.fit(score, oks)
    weights = [share[place, s] for s in range(share.shape[1])]
    return [Monotone.fit(score, oks, w) if w.sum() > 0 else whole for w in weights]
