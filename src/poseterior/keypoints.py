"""`Keypoints`: the labelled 2D observation of people that every lifter takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.geometry.skeleton import Skeleton

__all__ = ["Detector", "Keypoints"]


@dataclass(frozen=True, eq=False)
class Keypoints:
    """2D keypoints with their uncertainty, any number of leading batch dimensions `...`.

    Attributes:
        pixels: (..., J, 2) positions in px of the original image, x right, y down; pixel i
            has its centre at i. Where `valid` is False the number is meaningless (zero).
        covariance: (..., J, 2, 2) px², covariance of the detection's error.
        valid: (..., J) bool, False where the joint was not detected.
        skeleton: the joints' names and order.
        image_size: (..., 2) width and height in px, or None.
        intrinsics: (..., 3, 3) pinhole matrix, or None where the camera is unknown.
        confidence: (..., J) the detector's raw number, or None.
        visible: (..., J) bool, False where the joint is known to be occluded, or None.
    """

    pixels: Tensor
    covariance: Tensor
    valid: Tensor
    skeleton: Skeleton
    image_size: Tensor | None = None
    intrinsics: Tensor | None = None
    confidence: Tensor | None = None
    visible: Tensor | None = None

    def __post_init__(self) -> None:
        joints = len(self.skeleton)
        batch = tuple(self.pixels.shape[:-2])
        shapes = {
            "pixels": (joints, 2), "covariance": (joints, 2, 2), "valid": (joints,),
            "image_size": (2,), "intrinsics": (3, 3), "confidence": (joints,), "visible": (joints,),
        }  # fmt: skip
        for name, event in shapes.items():
            value = getattr(self, name)
            if value is not None:
                expected = (*batch, *event)
                require(
                    tuple(value.shape) == expected,
                    "Keypoints", name, expected=f"shape {expected}", found=tuple(value.shape),
                )  # fmt: skip
        require(
            self.valid.dtype == torch.bool,
            "Keypoints", "valid", expected="dtype bool", found=self.valid.dtype,
        )  # fmt: skip

    @property
    def batch_shape(self) -> torch.Size:
        """The leading dimensions: one observation of one person each."""
        return self.pixels.shape[:-2]

    def _each(self, function: Callable[[Tensor], Tensor]) -> Keypoints:
        changed: dict[str, Any] = {
            f.name: function(value)
            for f in fields(self)
            if isinstance(value := getattr(self, f.name), Tensor)
        }
        return replace(self, **changed)

    def __getitem__(self, index: Any) -> Keypoints:
        """Observations by index over the first batch dimension."""
        return self._each(lambda value: value[index])

    def without(self, joints: Tensor) -> Keypoints:
        """The same observations with the joints of a mask (..., J) not detected."""
        valid = self.valid & ~joints
        return replace(self, pixels=torch.where(valid[..., None], self.pixels, 0.0), valid=valid)

    def to(self, *args: object, **kwargs: object) -> Keypoints:
        """Every floating tensor moved or cast as by `Tensor.to`; masks keep their dtype."""
        device = torch.empty(0).to(*args, **kwargs).device  # type: ignore[call-overload]

        def move(value: Tensor) -> Tensor:
            if value.is_floating_point():
                return value.to(*args, **kwargs)  # type: ignore[call-overload]
            return value.to(device=device)

        return self._each(move)


@runtime_checkable
class Detector(Protocol):
    """Anything that turns an image (H, W, 3) uint8 RGB into the `Keypoints` of its people."""

    def __call__(self, image: Tensor) -> Keypoints: ...
