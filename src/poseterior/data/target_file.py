"""Targets kept in a file of their own, matched to predictions row by row."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from poseterior.data.fields import Field, as_mask, check_layout, read_skeleton, require_where
from poseterior.data.npz_stream import NpzReader
from poseterior.data.prediction_fields import LABEL_FIELDS, LABELS, PREDICTION_FIELDS
from poseterior.errors import require
from poseterior.geometry.skeleton import Skeleton

__all__ = ["TargetFile"]

_MASK_FIELDS = ("valid", "valid_joints")


class TargetFile:
    """An `.npz` with `target` (M, J, 3), such as an observations file with targets.

    `skeleton`, `clip`, `frame` and `person`, where it has them, must be those of the
    predictions; rows and joints that its `valid` (M,) and `valid_joints` (M, J) leave out
    are not scored. (`valid` of an observations file, (M, J), is about keypoints: not used.)
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._reader = NpzReader(path)
        self.path: Path = self._reader.path

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def fingerprint(self) -> str:
        """As `NpzReader.fingerprint`."""
        return self._reader.fingerprint()

    def check(self, skeleton: Skeleton, sizes: Mapping[str, int], other: Path) -> None:
        """`InputError` unless the file can hold the targets of `other`'s poses."""
        if "skeleton" in self._reader:
            name = read_skeleton(self._reader).name
            require(
                name == skeleton.name, self.path, "skeleton",
                expected=f"{skeleton.name}, as in {other}", found=name,
            )  # fmt: skip
        self._reader["target"]
        fields: dict[str, Field] = {"target": PREDICTION_FIELDS["target"], **LABEL_FIELDS}
        present = check_layout(self._reader, fields, sizes)
        shapes = {"valid": (sizes["M"],), "valid_joints": (sizes["M"], sizes["J"])}
        masks = {
            name
            for name in _MASK_FIELDS
            if name in self._reader and self._reader[name].shape == shapes[name]
        }
        self._names = sorted(present | masks)

    def chunks(self, rows: int) -> Iterator[dict[str, np.ndarray]]:
        """The target, labels and masks, `rows` rows at a time."""
        return self._reader.chunks(self._names, rows)

    def match(
        self, own: dict[str, np.ndarray], other: dict[str, np.ndarray], start: int, path: Path
    ) -> dict[str, np.ndarray]:
        """What a chunk of this file, `other`, changes in the predictions' chunk `own`."""
        for name in LABELS:
            if name in own and name in other and own[name].dtype.kind == other[name].dtype.kind:
                require_where(
                    own[name] == other[name], other[name], self.path, name, start,
                    f"the {name} that this row has in {path}",
                )  # fmt: skip
        changed = {"target": other["target"]}
        for name in _MASK_FIELDS:
            if name in other:
                mask = as_mask(other[name], self.path, name, start)
                changed[name] = mask & own[name].astype(bool) if name in own else mask
        return changed
