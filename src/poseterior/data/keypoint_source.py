"""`KeypointSource`: observations in order, some rows at a time, wherever they come from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from poseterior.data.keypoint_files.table import KeypointTable
from poseterior.errors import require
from poseterior.geometry.skeleton import Skeleton
from poseterior.keypoints import Keypoints

__all__ = ["KeypointSource", "MemorySource", "ObservationRows", "selected", "table_source"]


@dataclass(frozen=True, eq=False)
class ObservationRows:
    """Rows `start`, ... of a source, m of them.

    Attributes:
        start: index of the first row.
        keypoints: batch shape (m,).
        target: (m, J, 3) metres, camera axes, root at the origin, or None.
        labels: `clip`, `frame`, `person` where known, arrays (m,) of integers or text.
    """

    start: int
    keypoints: Keypoints
    target: Tensor | None = None
    labels: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.keypoints.batch_shape[0]


@runtime_checkable
class KeypointSource(Protocol):
    """What `lift` takes.

    Attributes:
        name: what messages call it, such as the file's path.
        skeleton: of the keypoints and the target.
        rows: how many observations there are.
    """

    name: str
    skeleton: Skeleton
    rows: int

    @property
    def notes(self) -> Mapping[str, str]:
        """What was assumed because the source does not tell, by subject."""
        ...

    def chunks(self, rows: int) -> Iterator[ObservationRows]:
        """Consecutive rows from the first: `rows` at a time, the last chunk maybe fewer."""
        ...

    def fingerprint(self) -> str:
        """Hexadecimal digits that change with the data."""
        ...


class MemorySource:
    """Keypoints (M,) already in memory, with what is known of each row, as a source."""

    def __init__(
        self,
        keypoints: Keypoints,
        target: Tensor | None = None,
        labels: Mapping[str, np.ndarray] | None = None,
        name: str = "keypoints",
        notes: Mapping[str, str] | None = None,
    ) -> None:
        self.keypoints, self.target, self.name = keypoints, target, name
        self.labels = {k: np.asarray(v) for k, v in (labels or {}).items()}
        self.notes = dict(notes or {})
        self.skeleton = keypoints.skeleton
        self.rows = self._check()

    def _check(self) -> int:
        shape = tuple(self.keypoints.batch_shape)
        require(
            len(shape) == 1 and shape[0] > 0, self.name, "keypoints",
            expected="batch shape (M,) with M at least 1", found=shape,
        )  # fmt: skip
        checked = {name: (array.shape, shape) for name, array in self.labels.items()}
        if self.target is not None:
            checked["target"] = (tuple(self.target.shape), (*shape, len(self.skeleton), 3))
        for name, (found, expected) in checked.items():
            require(found == expected, self.name, name, expected=f"shape {expected}", found=found)
        return shape[0]

    def chunks(self, rows: int) -> Iterator[ObservationRows]:
        """Views of the rows, `rows` at a time."""
        for start in range(0, self.rows, rows):
            part = slice(start, start + rows)
            yield ObservationRows(
                start,
                self.keypoints[part],
                None if self.target is None else self.target[part],
                {name: array[part] for name, array in self.labels.items()},
            )

    def fingerprint(self) -> str:
        """16 hexadecimal digits of every number and label."""
        digest = hashlib.sha256(self.skeleton.name.encode())
        tensors = {f.name: getattr(self.keypoints, f.name) for f in fields(self.keypoints)}
        for name, value in [*tensors.items(), ("target", self.target), *self.labels.items()]:
            array = value.detach().cpu().numpy() if isinstance(value, Tensor) else value
            if isinstance(array, np.ndarray):
                digest.update(f"{name}{array.shape}{array.dtype}".encode())
                digest.update(_bytes(array))
        return digest.hexdigest()[:16]


def _bytes(array: np.ndarray) -> bytes:
    text = array.dtype.kind in "UO"
    return repr(array.tolist()).encode() if text else np.ascontiguousarray(array).tobytes()


def table_source(table: KeypointTable, name: str = "keypoints") -> MemorySource:
    """A keypoint file's rows as a source, labelled with their frame and person."""
    labels = {"frame": table.frame.numpy(), "person": table.person.numpy()}
    return MemorySource(table.keypoints, labels=labels, name=name, notes=table.assumptions)


def selected(source: MemorySource, rows: Tensor, name: str = "") -> MemorySource:
    """The rows (N,) of a source, by index, in that order."""
    index = rows.numpy()
    return MemorySource(
        source.keypoints[rows],
        None if source.target is None else source.target[rows],
        {key: labels[index] for key, labels in source.labels.items()},
        name=name or source.name,
        notes=source.notes,
    )
