"""Held-out predictions given as arrays, for those who have no file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from poseterior.data.prediction_fields import PredictionRows
from poseterior.errors import require
from poseterior.geometry.skeleton import Skeleton

__all__ = ["HeldOutArrays"]

_ROWS = 64  # of a chunk if not said otherwise


@dataclass(frozen=True, eq=False)
class HeldOutArrays:
    """Hypotheses (M, H, J, 3) and targets (M, J, 3) in metres, in memory.

    Attributes:
        skeleton: of the poses.
        samples: (M, H, J, 3), pose first.
        target: (M, J, 3).
        weights: (M, H), summing to one over H.
        clip: (M,) labels; rows of a clip are not independent.
        valid_joints: (M, J) bool, joints whose target counts.
        observed_keypoints: (M, J, 2) px; with the next two what the adaptive method reads.
        observed_covariance: (M, J, 2, 2) px².
        observed_valid: (M, J) bool.
        path: what errors call it.
        rows: of a chunk; changes nothing that is fitted.
    """

    skeleton: Skeleton
    samples: Tensor
    target: Tensor
    weights: Tensor | None = None
    clip: np.ndarray | None = None
    valid_joints: Tensor | None = None
    observed_keypoints: Tensor | None = None
    observed_covariance: Tensor | None = None
    observed_valid: Tensor | None = None
    path: object = "held-out arrays"
    rows: int = _ROWS

    def __post_init__(self) -> None:
        poses, joints = len(self.samples), len(self.skeleton)
        shape = (poses, self.hypotheses, joints, 3)
        for name, expected in (("samples", shape), ("target", (poses, joints, 3))):
            value = getattr(self, name)
            found = tuple(value.shape)
            require(found == expected, self.path, name, expected=f"shape {expected}", found=found)
            require(
                bool(value.isfinite().all()), self.path, name, expected="finite", found="NaN or inf"
            )

    @property
    def hypotheses(self) -> int:
        """H, of each pose."""
        return self.samples.shape[1] if self.samples.ndim == 4 else 0

    def chunks(self) -> Iterator[PredictionRows]:
        """All rows, a few at a time."""
        names = (
            "target", "weights", "valid_joints", "observed_keypoints", "observed_covariance",
            "observed_valid",
        )  # fmt: skip
        for start in range(0, len(self.samples), self.rows):
            part = slice(start, start + self.rows)
            some = {n: None if (a := getattr(self, n)) is None else a[part] for n in names}
            samples = self.samples[part]
            labels = {} if self.clip is None else {"clip": self.clip[part]}
            valid = torch.ones(len(samples), dtype=torch.bool)
            yield PredictionRows(start, samples, valid, labels, **some)
