"""`Examples`: the few poses that a report draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseterior.errors import require
from poseterior.geometry.skeleton import Skeleton

__all__ = ["Examples"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Examples:
    """Some poses (N of them, h hypotheses each) to look at, as numpy arrays.

    Attributes:
        skeleton: the joints' names and order.
        hypotheses: (N, h, J, 3) metres, camera axes, root at the origin; 8 to 12 poses and at
            most 50 hypotheses keep the page small.
        target: (N, J, 3) metres, or None where the truth is unknown.
        keypoints: (N, J, 2) px, or None.
        covariance: (N, J, 2, 2) px², or None.
        valid: (N, J) bool, False where a joint was not seen, or None for all seen.
        intrinsics: (3, 3) or (N, 3, 3), or None where the camera is unknown; without it nothing
            is projected back onto the image.
        labels: (N,) what to call each pose, such as clip and frame.
        mean: (N, J, 3) metres, of all hypotheses; None takes it over those given here.
    """

    skeleton: Skeleton
    hypotheses: Array
    target: Array | None = None
    keypoints: Array | None = None
    covariance: Array | None = None
    valid: Array | None = None
    intrinsics: Array | None = None
    labels: Sequence[object] | None = None
    mean: Array | None = None

    def __post_init__(self) -> None:
        joints, shape = len(self.skeleton), np.shape(self.hypotheses)
        require(
            len(shape) == 4 and shape[1] > 0 and shape[2:] == (joints, 3), "Examples", "hypotheses",
            expected=f"shape (N, h, {joints}, 3) with h >= 1", found=shape,
        )  # fmt: skip
        event = {
            "target": (joints, 3), "mean": (joints, 3), "keypoints": (joints, 2),
            "covariance": (joints, 2, 2), "valid": (joints,), "labels": (),
        }  # fmt: skip
        for name, tail in event.items():
            found = None if getattr(self, name) is None else np.shape(getattr(self, name))
            expected = (shape[0], *tail)
            require(
                found in (None, expected), "Examples", name, expected=f"shape {expected}",
                found=found,
            )  # fmt: skip

    def __len__(self) -> int:
        return len(self.hypotheses)

    @property
    def centre(self) -> Array:
        """(N, J, 3) metres: the mean pose."""
        return self.hypotheses.mean(axis=1) if self.mean is None else self.mean

    @property
    def seen(self) -> Array:
        """(N, J) bool: the joints whose keypoints mean something."""
        shape = (len(self), len(self.skeleton))
        return np.ones(shape, bool) if self.valid is None else np.asarray(self.valid, bool)

    @property
    def bones(self) -> list[tuple[int, int]]:
        """(parent, child) of every bone."""
        return [(p, j) for j, p in enumerate(self.skeleton.parents) if p >= 0]

    def label(self, n: int) -> str:
        """What to call pose n."""
        return f"pose {n + 1}" if self.labels is None else str(self.labels[n])
