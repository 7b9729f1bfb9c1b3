"""Where the camera of an observations file comes from: the user, the file, or assumptions."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from poseterior.data.assumptions import complete_camera
from poseterior.data.npz_stream import NpzReader
from poseterior.data.observation_checks import check_image_size, check_intrinsics

__all__ = ["SHARED_AXES", "ObservationCamera"]

_CHECKS = MappingProxyType({"image_size": check_image_size, "intrinsics": check_intrinsics})
# An array of so many axes says the same of every row.
SHARED_AXES = MappingProxyType({"image_size": 1, "intrinsics": 2})


class ObservationCamera:
    """Image sizes and intrinsics of a file's rows.

    What the user gives comes before the file's own: a focal length replaces its intrinsics,
    with the principal point at the image's centre. Without intrinsics or focal length, and
    without a size, `assumptions` says what is taken.

    Attributes:
        per_row: names of the arrays to be read row by row.
        notes: what was assumed, by subject.
    """

    def __init__(
        self, reader: NpzReader, image_size: tuple[float, float] | None, focal: float | None
    ) -> None:
        self.path, self._size, self._focal = reader.path, image_size, focal
        self._known = {name for name in _CHECKS if name in reader}
        shared = {n for n in self._known if len(reader[n].shape) == SHARED_AXES[n]}
        self.per_row = self._known - shared
        self._shared = {n: _CHECKS[n](reader.read(n)[None], self.path) for n in shared}
        self.notes: dict[str, str] = {}

    @property
    def _own_intrinsics(self) -> bool:
        return "intrinsics" in self._known and self._focal is None

    @property
    def needs_corner(self) -> bool:
        """Whether the image's size must be guessed from all keypoints."""
        return not self._own_intrinsics and self._size is None and "image_size" not in self._known

    def settle(self, corner: Tensor) -> None:
        """Make and note the assumptions, given the keypoints' largest x and y (1, 1, 2)."""
        if self._own_intrinsics:
            return
        own = torch.ones(1, 2) if "image_size" in self._known else None
        sure = torch.ones(1, 1, dtype=torch.bool)
        size, _, self.notes = complete_camera(corner, sure, self._size, self._focal, own, self.path)
        if self.needs_corner:
            width, height = size[0].tolist()
            self._size = (width, height)

    def __call__(
        self, arrays: Mapping[str, np.ndarray], pixels: Tensor, valid: Tensor, start: int
    ) -> tuple[Tensor | None, Tensor]:
        """Sizes (m, 2) in px, None where unknown and not needed, and intrinsics (m, 3, 3)."""
        own = {n: _CHECKS[n](arrays[n], self.path, start) for n in self.per_row} | self._shared
        given = {n: torch.from_numpy(a).expand(len(pixels), *a.shape[1:]) for n, a in own.items()}
        size = given.get("image_size")
        if self._size is not None or not self._own_intrinsics:
            size, assumed, _ = complete_camera(
                pixels, valid, self._size, self._focal, size, self.path
            )
        return size, given["intrinsics"] if self._own_intrinsics else assumed
