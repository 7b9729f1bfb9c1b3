"""The arrays of a predictions file, and rows of them as tensors."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from torch import Tensor

from poseterior.data.fields import Field

__all__ = ["JOINT_AXIS", "LABELS", "LABEL_FIELDS", "MASKS", "PREDICTION_FIELDS", "PredictionRows"]

LABELS = ("clip", "frame", "person")
MASKS = ("valid", "filled", "valid_joints", "observed_valid")
# Where the joints are in the arrays whose joints may be left out by `valid_joints`.
JOINT_AXIS = MappingProxyType({"hypotheses": 2, "target": 1, "mode": 1, "latent_centre": 1})

_POSE = Field((("M", "J", 3),))
LABEL_FIELDS = MappingProxyType(dict.fromkeys(LABELS, Field((("M",),), "label")))

PREDICTION_FIELDS = MappingProxyType(
    {
        "hypotheses": Field((("M", "H", "J", 3),)),
        "target": _POSE,
        "mode": _POSE,
        "latent_centre": _POSE,
        "weights": Field((("M", "H"),)),
        "log_prob": Field((("M", "H"),)),
        "target_log_prob": Field((("M",),)),
        "valid": Field((("M",),), "mask"),
        "filled": Field((("M",),), "mask"),
        "valid_joints": Field((("M", "J"),), "mask"),
        "observed_keypoints": Field((("M", "J", 2),)),
        "observed_covariance": Field((("M", "J", 2, 2),)),
        "observed_valid": Field((("M", "J"),), "mask"),
        "observed_intrinsics": Field((("M", 3, 3),)),
        "observed_confidence": Field((("M", "J"),)),
        "observed_score": Field((("M",),)),
        **LABEL_FIELDS,
    }
)


@dataclass(frozen=True, eq=False)
class PredictionRows:
    """Rows `start`, ... of a predictions file, m of them; what the file lacks is None.

    Attributes:
        start: index of the first row.
        hypotheses: (m, H, J, 3) metres; zero in rows and joints that are not valid.
        valid: (m,) bool, rows that count.
        labels: `clip`, `frame`, `person`, arrays (m,) of integers or text.
        filled: (m,) bool, rows that nothing was lifted for, filled from their neighbours in time.
        valid_joints: (m, J) bool, joints that count (have a prediction and a target).
        target: (m, J, 3) metres.
        mode: (m, J, 3) metres.
        latent_centre: (m, J, 3) metres.
        weights: (m, H), summing to one over the hypotheses in valid rows.
        log_prob: (m, H) nats, of the hypotheses.
        target_log_prob: (m,) nats, of the target.
        observed_keypoints: (m, J, 2) px, what was lifted.
        observed_covariance: (m, J, 2, 2) px².
        observed_valid: (m, J) bool, joints that were detected.
        observed_intrinsics: (m, 3, 3) pinhole matrices.
        observed_confidence: (m, J) expected OKS of each joint, where a network said so.
        observed_score: (m,) of the person.
    """

    start: int
    hypotheses: Tensor
    valid: Tensor
    labels: dict[str, np.ndarray]
    filled: Tensor | None = None
    valid_joints: Tensor | None = None
    target: Tensor | None = None
    mode: Tensor | None = None
    latent_centre: Tensor | None = None
    weights: Tensor | None = None
    log_prob: Tensor | None = None
    target_log_prob: Tensor | None = None
    observed_keypoints: Tensor | None = None
    observed_covariance: Tensor | None = None
    observed_valid: Tensor | None = None
    observed_intrinsics: Tensor | None = None
    observed_confidence: Tensor | None = None
    observed_score: Tensor | None = None

    def __len__(self) -> int:
        return len(self.valid)
