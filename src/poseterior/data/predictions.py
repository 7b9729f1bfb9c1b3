"""Predictions files: anyone's hypotheses, with or without the target, read as a stream."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch

from poseterior.data.fields import (
    as_float,
    as_mask,
    check_layout,
    read_skeleton,
    require_where,
    spread_rows,
)
from poseterior.data.npz_stream import NpzReader
from poseterior.data.prediction_fields import (
    JOINT_AXIS,
    LABELS,
    MASKS,
    PREDICTION_FIELDS,
    PredictionRows,
)
from poseterior.data.predictions_writer import PredictionsWriter, write_predictions
from poseterior.data.target_file import TargetFile
from poseterior.errors import require

__all__ = [
    "PredictionRows",
    "Predictions",
    "PredictionsWriter",
    "open_predictions",
    "write_predictions",
]

_CHUNK_BYTES = 1 << 23
_SUM_ERROR = 1e-3
_PER_HYPOTHESIS = ("hypotheses", "weights", "log_prob")


class Predictions:
    """An open predictions file; see `open_predictions`.

    Attributes:
        path: where it is.
        skeleton: of the poses.
        poses: M, the number of rows.
        hypotheses: H, the number of hypotheses of each.
        fields: names of the arrays of the format that it has, `target` included where a
            separate file gives it.
    """

    def __init__(
        self, reader: NpzReader, targets: TargetFile | None = None, sums_to_one: bool = False
    ) -> None:
        self.path, self._reader, self._targets = reader.path, reader, targets
        self._sums_to_one = sums_to_one
        self.skeleton = read_skeleton(reader)
        shape, joints = reader["hypotheses"].shape, len(self.skeleton)
        require(
            len(shape) == 4 and shape[2:] == (joints, 3) and min(shape) > 0,
            self.path, "hypotheses", found=f"shape {shape}",
            expected=f"shape (M, H, {joints}, 3) for {self.skeleton.name}, M and H at least 1",
        )  # fmt: skip
        self.poses, self.hypotheses = shape[:2]
        sizes = {"M": self.poses, "H": self.hypotheses, "J": joints}
        self._own = self.fields = check_layout(reader, PREDICTION_FIELDS, sizes)
        if targets is not None:
            targets.check(self.skeleton, sizes, self.path)
            # The density of the file's own target says nothing of another one.
            self._own = self.fields - {"target", "target_log_prob"}
            self.fields = self._own | {"target"}

    def close(self) -> None:
        """Close the files."""
        self._reader.close()
        if self._targets is not None:
            self._targets.close()

    def __enter__(self) -> Predictions:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def provenance(self) -> str | None:
        """The JSON text that the file's writer left, or None."""
        known = "provenance" in self._reader and self._reader["provenance"].dtype.kind == "U"
        return str(self._reader.read("provenance")) if known else None

    @property
    def target_path(self) -> Path | None:
        """The file that the targets are from, or None where there are none."""
        if self._targets is not None:
            return self._targets.path
        return self.path if "target" in self.fields else None

    def fingerprint(self) -> str:
        """Hexadecimal digits that change with the content of the file or of the targets."""
        files = (self._reader, self._targets)
        return "-".join(file.fingerprint() for file in files if file is not None)

    def count(self, hypotheses: int | None = None) -> int:
        """`hypotheses`, or all; `InputError` where the file has fewer."""
        wanted = self.hypotheses if hypotheses is None else hypotheses
        require(
            1 <= wanted <= self.hypotheses, self.path, "hypotheses",
            expected=f"1 to {self.hypotheses} of them", found=wanted,
        )  # fmt: skip
        return wanted

    def chunks(
        self, rows: int | None = None, hypotheses: int | None = None
    ) -> Iterator[PredictionRows]:
        """Consecutive rows, checked; only the first `hypotheses` of each if given.

        Args:
            rows: of a chunk; as many as fit into 8 MiB if None.
            hypotheses: how many to keep.

        Raises:
            InputError: an infinite value or NaN where valid, weights that are negative or sum
                to zero, damaged data, labels that differ from those of the target file.
        """
        kept = self.count(hypotheses)
        rows = rows or max(1, _CHUNK_BYTES // self._reader["hypotheses"].row_bytes)
        targets = iter(()) if self._targets is None else self._targets.chunks(rows)
        start = 0
        for arrays in self._reader.chunks(sorted(self._own), rows):
            if self._targets is not None:
                arrays |= self._targets.match(arrays, next(targets), start, self.path)
            yield self._rows(arrays, start, kept)
            start += len(arrays["hypotheses"])

    def _rows(self, arrays: dict[str, np.ndarray], start: int, kept: int) -> PredictionRows:
        labels = {name: arrays[name] for name in LABELS if name in arrays}
        masks = {
            name: as_mask(arrays[name], self.path, name, start) for name in MASKS if name in arrays
        }
        valid = masks.pop("valid", np.ones(len(arrays["hypotheses"]), bool))
        numbers = {
            name: self._clean(
                name,
                array[:, :kept] if name in _PER_HYPOTHESIS else array,
                _used(name, valid, masks.get("valid_joints")),
                start,
            )
            for name, array in arrays.items()
            if name not in labels and name not in MASKS
        }
        if "weights" in numbers:
            numbers["weights"] = self._normalised(numbers["weights"], valid, start)
            if self._sums_to_one:
                self._require_sums(arrays["weights"], valid, start)
        tensors = {
            name: torch.from_numpy(np.ascontiguousarray(array))
            for name, array in (masks | numbers).items()
        }
        return PredictionRows(start, valid=torch.from_numpy(valid), labels=labels, **tensors)

    def _clean(self, name: str, array: np.ndarray, used: np.ndarray, start: int) -> np.ndarray:
        array, used = as_float(array), spread_rows(used, array)
        if not used.all():
            array = np.where(used, array, np.zeros((), array.dtype))
        path = self._targets.path if self._targets and name == "target" else self.path
        require_where(np.isfinite(array), array, path, name, start, "finite numbers where valid")
        return array

    def _require_sums(self, weights: np.ndarray, valid: np.ndarray, start: int) -> None:
        total = as_float(weights).sum(1)
        near = (np.abs(total - 1) < _SUM_ERROR) | ~valid
        require_where(near, total, self.path, "weights", start, "weights that sum to 1")

    def _normalised(self, weights: np.ndarray, valid: np.ndarray, start: int) -> np.ndarray:
        require_where(weights >= 0, weights, self.path, "weights", start, "weights of 0 or more")
        total = weights.sum(1, keepdims=True)
        good = (total[:, 0] > 0) | ~valid
        require_where(good, weights, self.path, "weights", start, "a sum above zero")
        return weights / np.where(total > 0, total, 1)


def _used(name: str, valid: np.ndarray, joints: np.ndarray | None) -> np.ndarray:
    """What of an array counts: its valid rows and, in poses, valid joints."""
    if joints is None or name not in JOINT_AXIS:
        return valid
    used = valid[:, None] & joints
    return used[:, None] if JOINT_AXIS[name] == 2 else used


def open_predictions(
    path: str | os.PathLike[str],
    target: str | os.PathLike[str] | None = None,
    *,
    sums_to_one: bool = False,
) -> Predictions:
    """Open a predictions `.npz`, taking `target` from another file if given.

    Only the headers are read here; numbers are checked as they are streamed.

    Args:
        path: `hypotheses` (M, H, J, 3) metres, `skeleton`, and any other array of
            `PREDICTION_FIELDS`.
        target: `target` (M, J, 3) metres; `skeleton`, `clip`, `frame` and `person` must be
            those of the predictions where both files have them.
        sums_to_one: refuse weights of a row that do not sum to 1 (within 0.001), where what is
            missing would be taken for calibration; else they are normalised.

    Raises:
        InputError: a file that is missing, truncated or foreign, an unknown skeleton, wrong
            shapes or joint counts, no poses, a pickled array, targets of other poses.
    """
    with ExitStack() as opened:
        reader = opened.enter_context(NpzReader(path))
        targets = None
        if target is not None:
            targets = TargetFile(Path(target))
            opened.callback(targets.close)
        predictions = Predictions(reader, targets, sums_to_one)
        opened.pop_all()
    return predictions
