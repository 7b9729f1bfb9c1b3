"""Observations files: 2D keypoints with their uncertainty, read as a stream and written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from poseterior.data.confidence_covariance import CovarianceRule
from poseterior.data.fields import Field, check_layout, read_skeleton
from poseterior.data.keypoint_source import KeypointSource, MemorySource, ObservationRows
from poseterior.data.npz_stream import NpzReader
from poseterior.data.observation_camera import ObservationCamera
from poseterior.data.observation_checks import (
    clean_covariance,
    clean_keypoints,
    clean_target,
)
from poseterior.data.observations_writer import write_observations
from poseterior.data.prediction_fields import LABEL_FIELDS, LABELS
from poseterior.errors import require
from poseterior.keypoints import Keypoints

__all__ = [
    "OBSERVATION_FIELDS",
    "KeypointSource",
    "MemorySource",
    "ObservationRows",
    "Observations",
    "open_observations",
    "write_observations",
]

OBSERVATION_FIELDS = MappingProxyType(
    {
        "keypoints": Field((("M", "J", 2),)),
        "covariance": Field((("M", "J", 2, 2),)),
        "confidence": Field((("M", "J"),)),
        "valid": Field((("M", "J"),), "mask"),
        "image_size": Field(((2,), ("M", 2))),
        "intrinsics": Field(((3, 3), ("M", 3, 3))),
        "target": Field((("M", "J", 3),)),
        **LABEL_FIELDS,
    }
)

_CAMERA = {"image_size", "intrinsics"}
_SURVEY_ROWS = 4096
_SCORED_ROWS = 1 << 16


class Observations:
    """An open observations file, a `KeypointSource`; see `open_observations`."""

    def __init__(
        self,
        reader: NpzReader,
        image_size: tuple[float, float] | None = None,
        focal: float | None = None,
        rule: CovarianceRule | None = None,
    ) -> None:
        self._reader, self.path, self.name = reader, reader.path, str(reader.path)
        self.skeleton = read_skeleton(reader)
        shape, joints = reader["keypoints"].shape, len(self.skeleton)
        require(
            len(shape) == 3 and shape[1:] == (joints, 2) and shape[0] > 0,
            self.path, "keypoints", found=f"shape {shape}",
            expected=f"shape (M, {joints}, 2) for {self.skeleton.name}, M at least 1",
        )  # fmt: skip
        self.rows = shape[0]
        sizes = {"M": self.rows, "J": joints}
        self.fields = check_layout(reader, OBSERVATION_FIELDS, sizes)
        self._camera = ObservationCamera(reader, image_size, focal)
        self._rule = rule or CovarianceRule()
        self.notes: dict[str, str] = {}
        self._complete()

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def __enter__(self) -> Observations:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def fingerprint(self) -> str:
        """16 hexadecimal digits that change with the content of the file."""
        return self._reader.fingerprint()

    def chunks(self, rows: int) -> Iterator[ObservationRows]:
        """Consecutive rows, checked.

        Raises:
            InputError: infinite values in valid joints, covariances that are not positive
                semi-definite, targets that are not finite or not root-relative, image sizes
                that are not positive, damaged data.
        """
        start = 0
        unread = _CAMERA - self._camera.per_row
        for arrays in self._reader.chunks(sorted(self.fields - unread), rows):
            yield self._rows(arrays, start)
            start += len(arrays["keypoints"])

    def _complete(self) -> None:
        """Settle, and note, what the file does not tell: camera and covariance."""
        guessed = "covariance" not in self.fields
        scored = guessed and "confidence" in self.fields
        corner, confidence, valid = _NOTHING
        if scored or self._camera.needs_corner:
            corner, confidence, valid = self._survey()
        self._camera.settle(corner)
        self.notes |= self._camera.notes
        if guessed:
            self._rule = self._rule.scaled_to(confidence, valid)
            known = "" if scored else "no confidences either, every joint taken as confident: "
            self.notes["covariance"] = known + self._rule.describe()

    def _survey(self) -> tuple[Tensor, Tensor, Tensor]:
        """The keypoints' largest x and y (1, 1, 2); confidences and valid of some rows."""
        corner, rows, step = torch.ones(1, 1, 2), [], -(-self.rows // _SCORED_ROWS)
        names = sorted({"keypoints", "valid", "confidence"} & self.fields)
        start = 0
        for arrays in self._reader.chunks(names, _SURVEY_ROWS):
            pixels, valid, confidence = clean_keypoints(arrays, self.path, start)
            corner = torch.maximum(corner, torch.from_numpy(pixels.max((0, 1))))
            if confidence is not None:
                some = slice(-start % step, None, step)
                rows.append((torch.from_numpy(confidence[some]), torch.from_numpy(valid[some])))
            start += len(pixels)
        if not rows:
            return corner, *_NOTHING[1:]
        return corner, torch.cat([c for c, _ in rows]), torch.cat([v for _, v in rows])

    def _rows(self, arrays: dict[str, np.ndarray], start: int) -> ObservationRows:
        labels = {name: arrays[name] for name in LABELS if name in arrays}
        cleaned = clean_keypoints(arrays, self.path, start)
        pixels, valid = map(torch.from_numpy, cleaned[:2])
        confidence = _tensor(cleaned[2])
        covariance = self._covariance(arrays, pixels, confidence, valid, start)
        size, intrinsics = self._camera(arrays, pixels, valid, start)
        keypoints = Keypoints(
            pixels, covariance, valid, self.skeleton, size, intrinsics, confidence
        )
        target = arrays.get("target")
        if target is not None:
            target = clean_target(target, self.skeleton.root, self.path, start)
        return ObservationRows(start, keypoints, _tensor(target), labels)

    def _covariance(
        self, arrays: dict[str, np.ndarray], pixels: Tensor, confidence: Tensor | None,
        valid: Tensor, start: int,
    ) -> Tensor:  # fmt: skip
        if "covariance" not in arrays:
            guessed = self._rule(pixels, confidence, valid)
            return torch.where(valid[..., None, None], guessed, 0.0)
        given = clean_covariance(arrays["covariance"], valid.numpy(), self.path, start)
        return torch.from_numpy(given)


_NOTHING = (torch.ones(1, 1, 2), torch.zeros(0, 1), torch.zeros(0, 1, dtype=torch.bool))


def _tensor(array: np.ndarray | None) -> Tensor | None:
    return None if array is None else torch.from_numpy(array)


def open_observations(
    path: str | os.PathLike[str],
    image_size: tuple[float, float] | None = None,
    focal: float | None = None,
    rule: CovarianceRule | None = None,
) -> Observations:
    """Open an observations `.npz`: a `KeypointSource` that reads it row by row.

    Args:
        path: `keypoints` (M, J, 2) px and `skeleton`; optional `covariance` (M, J, 2, 2) px²
            of the detection's error, `confidence` (M, J), `valid` (M, J), `image_size` (2,)
            or (M, 2), `intrinsics` (3, 3) or (M, 3, 3), `target` (M, J, 3) metres,
            root-relative in camera axes, `clip`, `frame`, `person` (M,).
        image_size: (width, height) in px, before the file's own.
        focal: in px, before the file's own intrinsics; the principal point is then the
            image's centre.
        rule: gives covariances where the file has none.

    Returns:
        The source; its `notes` say what was assumed. A file that tells neither a camera nor
        covariances is read once for them here.

    Raises:
        InputError: a file that is missing, truncated or foreign, an unknown skeleton, wrong
            shapes or joint counts, no poses, a pickled array, an image size that is not
            positive.
    """
    reader = NpzReader(path)
    try:
        return Observations(reader, image_size, focal, rule)
    except BaseException:
        reader.close()
        raise
