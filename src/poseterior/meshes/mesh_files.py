"""Files of bodies: an `.npz` with what `Body` is posed and shaped by, for hypotheses of people.

Arrays have M people in rows and H bodies each, hypotheses or representatives, under SMPL's names
and as axis-angle vectors, so that whoever holds a body model can use them without this package:

    global_orient (M, H, 3)  body_pose (M, H, K-1, 3)  betas (M, H, S)  transl (M, H, 3)
    weights (M, H)  valid (M,)  body, joints (K,)  provenance  clip, frame, person (M,)

Rotations are radians, in camera axes; `transl` is metres. Rows that are not valid hold zeros.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from poseterior.data.fields import Field, as_float, as_mask, check_layout, require_where
from poseterior.data.npz_stream import NpzReader, NpzWriter, write_npz
from poseterior.data.prediction_fields import LABEL_FIELDS, LABELS
from poseterior.errors import require
from poseterior.meshes.body import Body
from poseterior.meshes.parameters import BodyParameters

__all__ = ["BodiesFile", "BodiesWriter", "BodyRows", "bodies_writer", "read_bodies", "write_bodies"]

_PARAMETERS = {
    "global_orient": Field((("M", "H", 3),)),
    "body_pose": Field((("M", "H", "N", 3),)),
    "betas": Field((("M", "H", "S"),)),
    "transl": Field((("M", "H", 3),)),
}
_OTHERS = {"weights": Field((("M", "H"),)), "valid": Field((("M",),), "mask"), **LABEL_FIELDS}
_SUM_ERROR = 1e-3
# Reading makes matrices of vectors, and checks them: many times these bytes.
_CHUNK_BYTES = 1 << 20
_LABEL_ROWS = 1 << 14


@dataclass(frozen=True, eq=False)
class BodyRows:
    """Rows `start`, ... of a file of bodies, m people.

    Attributes:
        start: index of the first.
        parameters: with batch shape (H, m), camera axes; at rest in rows that are not valid.
        weights: (H, m), summing to 1 over the first axis, 0 in rows that are not valid.
        valid: (m,) bool, people that have bodies.
        labels: `clip`, `frame`, `person`, arrays (m,) of integers or text, those there are.
    """

    start: int
    parameters: BodyParameters
    weights: Tensor
    valid: Tensor
    labels: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.valid)


class BodiesWriter:
    """Rows of a file of bodies as they come; see `bodies_writer`."""

    def __init__(self, out: NpzWriter, body: Body) -> None:
        self._out, self._body, self._path = out, body, out.name

    def write(
        self,
        start: int,
        parameters: BodyParameters,
        weights: Tensor | None = None,
        labels: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """People `start`, ... (m of them), stored as float32; H is the same for all.

        Args:
            start: row of the first; rows never written are not valid.
            parameters: with batch shape (H, m), of the writer's body.
            weights: (H, m), not negative, summing to 1 over the first axis; equal if None.
            labels: `clip`, `frame`, `person`, arrays (m,).

        Raises:
            InputError: another shape, another body's parameters, numbers that are not finite.
        """
        shape = tuple(parameters.batch_shape)
        self._require("parameters", len(shape) == 2 and min(shape) > 0,
                      "batch shape (H, m), both at least 1", shape)  # fmt: skip
        sizes = (parameters.body_pose.shape[-3] + 1, parameters.betas.shape[-1])
        _require_body(self._path, self._body, *sizes)
        if weights is None:
            weights = torch.full(shape, 1 / shape[0])
        found = tuple(weights.shape)
        self._require("weights", found == shape, f"shape {shape}", found)
        arrays = {**parameters.detach().to_axis_angle(), "weights": weights.detach()}
        stored = {
            name: value.transpose(0, 1).cpu().numpy().astype(np.float32)
            for name, value in arrays.items()
        }
        for name, value in stored.items():
            require_where(np.isfinite(value), value, self._path, name, start, "finite numbers")
        _check_weights(stored["weights"], np.ones(shape[1], bool), self._path, start)
        self._out.write(start, valid=np.ones(shape[1], bool), **stored)
        self.label(start, shape[1], labels or {})

    def label(self, start: int, count: int, labels: Mapping[str, np.ndarray]) -> None:
        """Labels alone of so many people, for those that have no bodies; errors as of `write`."""
        for name, values in labels.items():
            array = np.asarray(values)
            self._require(name, name in LABELS, f"one of {', '.join(LABELS)}", name)
            good = array.shape == (count,) and array.dtype.kind in "iuUS"
            self._require(name, good, f"{count} integers or texts", f"{array.dtype} {array.shape}")
            self._out.write(start, **{name: array})

    def _require(self, name: str, condition: bool, expected: str, found: object) -> None:
        require(condition, self._path, name, expected=expected, found=found)


@contextmanager
def bodies_writer(
    path: str | os.PathLike[str], people: int, body: Body, provenance: str | None = None
) -> Iterator[BodiesWriter]:
    """A `BodiesWriter` whose file appears at `path` when the block ends, or not at all.

    Args:
        path: of the file.
        people: M, its number of rows.
        body: what the parameters are of; the file keeps its name and those of its joints.
        provenance: JSON, what made the bodies.
    """
    require(people > 0, path, "global_orient", expected="at least one person", found=people)
    with write_npz(path, people) as out:
        out.put(body=body.name, joints=np.array(body.tree.joints))
        if provenance is not None:
            out.put(provenance=provenance)
        yield BodiesWriter(out, body)


def write_bodies(
    path: str | os.PathLike[str],
    parameters: BodyParameters,
    body: Body,
    weights: Tensor | None = None,
    labels: Mapping[str, np.ndarray] | None = None,
    provenance: str | None = None,
) -> None:
    """Write bodies with batch shape (H, B) in one go; arguments and errors as above."""
    people = parameters.batch_shape[-1] if parameters.batch_shape else 0
    with bodies_writer(path, people, body, provenance) as out:
        out.write(0, parameters, weights, labels)


class BodiesFile:
    """An open file of bodies; its headers are checked here, numbers as they are streamed.

    Args:
        path: of the file.
        body: what its parameters must be of; any body if None.

    Attributes:
        people, hypotheses: M and H.
        body: the name of the body.

    Raises:
        InputError: a file that is missing, damaged or foreign, of another body, without people,
            with arrays of wrong shapes or that would need unpickling.
    """

    def __init__(self, path: str | os.PathLike[str], body: Body | None = None) -> None:
        self._reader = NpzReader(path)
        try:
            self._check(body)
        except BaseException:
            self._reader.close()
            raise

    def _check(self, body: Body | None) -> None:
        reader = self._reader
        self.path: Path = reader.path
        shapes = {name: reader[name].shape for name in _PARAMETERS}
        for name, field in _PARAMETERS.items():
            letters, found = field.shapes[0], shapes[name]
            require(
                len(found) == len(letters) and min(found) > 0, self.path, name,
                expected=f"{len(letters)} axes, none empty", found=found,
            )  # fmt: skip
        self.people, self.hypotheses, joints = shapes["body_pose"][:3]
        sizes = {"M": self.people, "H": self.hypotheses, "N": joints, "S": shapes["betas"][2]}
        self._names = sorted(check_layout(reader, _PARAMETERS | _OTHERS, sizes))
        self.body = self._text("body")
        if body is not None:
            expected = f"{body.name}, the body that is asked for"
            require(self.body == body.name, self.path, "body", expected=expected, found=self.body)
            _require_body(self.path, body, joints + 1, sizes["S"])

    def _text(self, name: str) -> str:
        member = self._reader[name]
        require(
            member.dtype.kind == "U" and member.shape == (), self.path, name,
            expected="one text", found=f"{member.dtype} of shape {member.shape}",
        )  # fmt: skip
        return str(self._reader.read(name))

    @property
    def provenance(self) -> str | None:
        """The JSON text that the file's writer left, or None."""
        return self._text("provenance") if "provenance" in self._reader else None

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def __enter__(self) -> BodiesFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def chunks(self, rows: int | None = None) -> Iterator[BodyRows]:
        """Consecutive rows, checked; as many at a time as fit into 1 MiB if None.

        Raises:
            InputError: numbers that are not finite, weights that are negative or do not sum to
                1, damaged data.
        """
        size = sum(self._reader[name].row_bytes for name in self._names)
        start = 0
        for arrays in self._reader.chunks(self._names, rows or max(1, _CHUNK_BYTES // size)):
            yield self._rows(arrays, start)
            start += len(arrays["betas"])

    def picked(self, rows: Iterable[int]) -> Iterator[BodyRows]:
        """Some rows, one at a time and in order; errors of these as of `chunks`."""
        wanted = set(map(int, rows))
        size = sum(self._reader[name].row_bytes for name in self._names)
        start = 0
        for arrays in self._reader.chunks(self._names, max(1, _CHUNK_BYTES // size)):
            count = len(arrays["betas"])
            for n in sorted(wanted.intersection(range(start, start + count))):
                one = slice(n - start, n - start + 1)
                yield self._rows({name: array[one] for name, array in arrays.items()}, n)
            start += count

    def frames(self) -> Iterator[tuple[int, np.ndarray, np.ndarray | None]]:
        """Of consecutive rows: the first, which are valid, and the labels `frame` if there are."""
        names = sorted({"valid", "frame"} & set(self._names))
        if not names:
            yield 0, np.ones(self.people, bool), None
            return
        start = 0
        for arrays in self._reader.chunks(names, _LABEL_ROWS):
            count = len(arrays[names[0]])
            valid = np.ones(count, bool)
            if "valid" in arrays:
                valid = as_mask(arrays["valid"], self.path, "valid", start)
            yield start, valid, arrays.get("frame")
            start += count

    def _rows(self, arrays: dict[str, np.ndarray], start: int) -> BodyRows:
        count = len(arrays["betas"])
        valid = np.ones(count, bool)
        if "valid" in arrays:
            valid = as_mask(arrays["valid"], self.path, "valid", start)
        labels = {name: arrays[name] for name in LABELS if name in arrays}
        numbers: dict[str, Any] = {name: as_float(arrays[name]) for name in _PARAMETERS}
        equal = np.full((count, self.hypotheses), 1 / self.hypotheses, np.float32)
        numbers["weights"] = as_float(arrays.get("weights", equal))
        for name, value in numbers.items():
            used = valid.reshape(-1, *[1] * (value.ndim - 1))
            value = np.where(used, value, np.zeros((), value.dtype))
            require_where(np.isfinite(value), value, self.path, name, start, "finite numbers")
            numbers[name] = torch.from_numpy(value.swapaxes(0, 1).copy())
        weights = numbers.pop("weights")
        _check_weights(weights.T.numpy(), valid, self.path, start)
        parameters = BodyParameters.from_axis_angle(**numbers)
        return BodyRows(start, parameters, weights, torch.from_numpy(valid), labels)


def read_bodies(path: str | os.PathLike[str], body: Body | None = None) -> BodyRows:
    """All rows of a file of bodies; errors as of `BodiesFile`."""
    with BodiesFile(path, body) as file:
        return next(file.chunks(file.people))


def _require_body(path: Path, body: Body, joints: int, betas: int) -> None:
    """`InputError` unless parameters of so many joints and betas are of this body."""
    for name, expected, found in (
        ("body_pose", len(body.tree) - 1, joints - 1),
        ("betas", body.betas, betas),
    ):
        require(
            expected == found, path, name, expected=f"{expected} of {body.name}", found=found
        )  # fmt: skip


def _check_weights(weights: np.ndarray, valid: np.ndarray, path: Path, start: int) -> None:
    """`InputError` unless weights (m, H) of valid rows are a distribution."""
    require_where(weights >= 0, weights, path, "weights", start, "weights of 0 or more")
    total = weights.sum(1)
    near = (np.abs(total - 1) < _SUM_ERROR) | ~valid
    require_where(near, total, path, "weights", start, "weights that sum to 1")
