"""A few poses of a stream, kept to be looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from poseterior.data.prediction_fields import LABELS, PredictionRows

__all__ = ["ExampleRows"]

_OBSERVED = {
    "target": "target",
    "keypoints": "observed_keypoints",
    "covariance": "observed_covariance",
    "valid": "observed_valid",
    "intrinsics": "observed_intrinsics",
}


class ExampleRows:
    """Keeps up to `count` valid rows, spread evenly over `poses`, as they stream by.

    From each of `count` equal stretches the first valid row is taken.

    Args:
        poses: rows in all.
        count: rows to keep.
        hypotheses: how many of each row's to keep.
    """

    def __init__(self, poses: int, count: int = 10, hypotheses: int = 50) -> None:
        self._edges = np.linspace(0, poses, min(count, poses) + 1).round().astype(int)
        self._taken: dict[int, dict[str, Any]] = {}
        self._hypotheses = hypotheses

    def update(self, rows: PredictionRows) -> None:
        """Keep what is wanted of these rows."""
        for n in rows.valid.nonzero()[:, 0].tolist():
            stretch = int(np.searchsorted(self._edges, rows.start + n, "right"))
            if stretch not in self._taken:
                self._taken[stretch] = self.row(rows, n, self._hypotheses)

    @staticmethod
    def row(rows: PredictionRows, n: int, hypotheses: int) -> dict[str, Any]:
        """Row n with so many of its hypotheses, under the names of `arrays`."""
        every = rows.hypotheses[n].double()
        weights = None if rows.weights is None else rows.weights[n].double()
        mean = every.mean(0) if weights is None else torch.tensordot(weights, every, 1)
        kept: dict[str, Any] = {
            "hypotheses": rows.hypotheses[n, :hypotheses].numpy().copy(),
            "mean": mean.float().numpy(),
            "labels": _label(rows, n),
        }
        for name, field in _OBSERVED.items():
            tensor = getattr(rows, field)
            if tensor is not None:
                kept[name] = tensor[n].numpy().copy()
        return kept

    def arrays(self) -> dict[str, Any]:
        """`hypotheses` (N, h, J, 3), `mean` (N, J, 3), `labels` and what else is known:
        `target`, `keypoints`, `covariance`, `valid`, `intrinsics`. Empty without valid rows.
        """
        return self.stacked([self._taken[stretch] for stretch in sorted(self._taken)])

    @staticmethod
    def stacked(rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Rows as `arrays` gives them."""
        arrays: dict[str, Any] = {}
        for name in rows[0] if rows else ():
            values = [row[name] for row in rows]
            arrays[name] = values if name == "labels" else np.stack(values)
        return arrays


def _label(rows: PredictionRows, n: int) -> str:
    known = [f"{name} {rows.labels[name][n]}" for name in LABELS if name in rows.labels]
    return ", ".join(known) or f"row {rows.start + n}"
