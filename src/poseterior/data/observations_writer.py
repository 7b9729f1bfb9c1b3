"""Write observations files."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
from torch import Tensor

from poseterior.data.npz_stream import write_npz
from poseterior.data.observation_camera import SHARED_AXES
from poseterior.data.prediction_fields import LABELS
from poseterior.errors import require
from poseterior.keypoints import Keypoints

__all__ = ["write_observations"]


def write_observations(
    path: str | os.PathLike[str],
    keypoints: Keypoints,
    target: Tensor | None = None,
    labels: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write keypoints (M,) as an observations `.npz`, whole or not at all.

    Args:
        path: where to.
        keypoints: batch shape (M,).
        target: (M, J, 3) metres, camera axes, root at the origin, or None.
        labels: `clip`, `frame`, `person`, arrays (M,) of integers or text.

    Raises:
        InputError: no rows, or a path that cannot be written.
    """
    labels = labels or {}
    if not labels.keys() <= set(LABELS):
        raise ValueError(f"labels are {LABELS}, not {sorted(labels)}")
    rows = keypoints.batch_shape.numel()
    require(rows > 0, path, "keypoints", expected="at least one row", found=rows)
    tensors = {
        "keypoints": keypoints.pixels,
        "covariance": keypoints.covariance,
        "valid": keypoints.valid,
        "confidence": keypoints.confidence,
        "image_size": keypoints.image_size,
        "intrinsics": keypoints.intrinsics,
        "target": target,
    }
    arrays = {name: np.asarray(t.cpu()) for name, t in tensors.items() if t is not None}
    shared = {n for n in SHARED_AXES if n in arrays and (arrays[n] == arrays[n][:1]).all()}
    with write_npz(path, rows) as out:
        out.put(skeleton=keypoints.skeleton.name, **{n: arrays.pop(n)[0] for n in shared})
        out.write(0, **arrays, **labels)
