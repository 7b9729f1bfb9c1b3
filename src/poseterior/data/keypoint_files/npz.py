"""Our own observations file, whole, as a `KeypointTable`; `lift` streams it instead."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from poseterior.data.confidence_covariance import CovarianceRule
from poseterior.data.keypoint_files.table import KeypointTable
from poseterior.keypoints import Keypoints

__all__ = ["read_npz_table"]

_ROWS = 1 << 16


def read_npz_table(
    path: Path,
    image_size: tuple[float, float] | None = None,
    focal: float | None = None,
    rule: CovarianceRule | None = None,
) -> KeypointTable:
    """All rows of an observations `.npz`; `InputError` as `open_observations`.

    `frame` and `person` are the file's where it has them as numbers; else every row is a frame
    of its own with person 0. Clips and targets are left to `open_observations`.
    """
    # Here, because observations.py rests on the table of this package.
    from poseterior.data.observations import open_observations

    with open_observations(path, image_size, focal, rule) as file:
        parts = list(file.chunks(_ROWS))
        labels = {
            name: np.concatenate([part.labels[name] for part in parts]) for name in parts[0].labels
        }
        keypoints = _joined([part.keypoints for part in parts])
        notes = dict(file.notes)
    frame, person = _numbers(labels.get("frame")), _numbers(labels.get("person"))
    rows = torch.arange(len(keypoints.pixels))
    if frame is None or (person is None and bool((frame[1:] == frame[:-1]).any())):
        frame = rows
    return KeypointTable(
        keypoints, frame, torch.zeros_like(rows) if person is None else person, None, notes
    )


def _joined(parts: list[Keypoints]) -> Keypoints:
    first = parts[0]
    tensors = [f.name for f in fields(first) if isinstance(getattr(first, f.name), Tensor)]
    joined: dict[str, Any] = {
        name: torch.cat([getattr(part, name) for part in parts]) for name in tensors
    }
    return replace(first, **joined)


def _numbers(label: np.ndarray | None) -> Tensor | None:
    whole = label is not None and label.dtype.kind in "iu"
    return torch.from_numpy(np.asarray(label).astype(np.int64)) if whole else None
