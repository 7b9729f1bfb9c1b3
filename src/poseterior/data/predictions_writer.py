"""Write predictions files row by row."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from poseterior.data.fields import spread_rows
from poseterior.data.npz_stream import NpzWriter, write_npz
from poseterior.data.prediction_fields import LABELS, PREDICTION_FIELDS
from poseterior.errors import require
from poseterior.geometry.skeleton import Skeleton

__all__ = ["PredictionsWriter", "write_predictions"]


class PredictionsWriter:
    """Rows of a predictions file as they come; see `write_predictions`."""

    def __init__(self, out: NpzWriter) -> None:
        self._out = out

    def write(self, start: int, valid: np.ndarray, **fields: np.ndarray) -> None:
        """Rows `start`, ...: `valid` (m,) bool and any of `PREDICTION_FIELDS`.

        Numbers are stored as float32; rows that are not valid as zeros, labels excepted.
        """
        unknown = fields.keys() - PREDICTION_FIELDS.keys()
        if unknown:
            raise ValueError(f"a predictions file has no {sorted(unknown)}")
        stored = {
            name: array if name in LABELS else _stored(np.asarray(array), valid)
            for name, array in fields.items()
        }
        self._out.write(start, valid=valid, **stored)

    def put(self, **texts: str) -> None:
        """Texts such as `provenance`, kept beside the arrays."""
        self._out.put(**texts)


def _stored(array: np.ndarray, valid: np.ndarray) -> np.ndarray:
    dtype = bool if array.dtype == bool else np.float32
    if valid.all():
        return array.astype(dtype, copy=False)
    return np.where(spread_rows(valid, array), array, 0).astype(dtype)


@contextmanager
def write_predictions(
    path: str | os.PathLike[str], rows: int, skeleton: Skeleton
) -> Iterator[PredictionsWriter]:
    """A `PredictionsWriter` whose file appears at `path` when the block ends, or not at all.

    >>> import pathlib, tempfile
    >>> from poseterior.geometry.skeleton import H36M_17
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "pred.npz"
    >>> with write_predictions(path, 2, H36M_17) as out:
    ...     out.write(1, np.array([True]), hypotheses=np.zeros((1, 5, 17, 3)))
    >>> np.load(path, allow_pickle=False)["valid"]
    array([False,  True])
    """
    require(rows > 0, path, "hypotheses", expected="at least one pose", found=rows)
    with write_npz(path, rows) as out:
        out.put(skeleton=skeleton.name)
        yield PredictionsWriter(out)
