"""`Keypoints`: the labelled 2D observation of people that every lifter takes, and who makes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.geometry.skeleton import Skeleton

__all__ = ["Detector", "Keypoints", "PersonBoxes", "PersonFinder"]


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
        doubtful: (..., J) bool, True where the detector saw no single place for the joint, which
            its covariance is widened for, or None.
        score: (...) the accuracy that is to be expected of the person, the mean OKS, and then
            `confidence` is that of each joint; None where confidences are another number.
    """

    pixels: Tensor
    covariance: Tensor
    valid: Tensor
    skeleton: Skeleton
    image_size: Tensor | None = None
    intrinsics: Tensor | None = None
    confidence: Tensor | None = None
    visible: Tensor | None = None
    doubtful: Tensor | None = None
    score: Tensor | None = None

    def __post_init__(self) -> None:
        joints = len(self.skeleton)
        batch = tuple(self.pixels.shape[:-2])
        shapes = {
            "pixels": (joints, 2), "covariance": (joints, 2, 2), "valid": (joints,),
            "image_size": (2,), "intrinsics": (3, 3), "confidence": (joints,), "visible": (joints,),
            "doubtful": (joints,), "score": (),
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


@dataclass(frozen=True, eq=False)
class PersonBoxes:
    """Where the people of one image are, the most certain first.

    Attributes:
        corners: (P, 4) float32 x1, y1, x2, y2 px of the image, x1 < x2 and y1 < y2, in the
            convention of `Keypoints`: pixel i covers i - 1/2 to i + 1/2. P may be 0.
        score: (P,) float32, the finder's raw number.
    """

    corners: Tensor
    score: Tensor

    def __len__(self) -> int:
        return len(self.corners)


@runtime_checkable
class PersonFinder(Protocol):
    """Finds people in images."""

    def find(self, images: Sequence[np.ndarray]) -> list[PersonBoxes]:
        """The people of each image, in the order of the images, on the CPU.

        Args:
            images: uint8 arrays (h, w, 3), RGB, upright; their sizes may differ.
        """
        ...


@runtime_checkable
class Detector(Protocol):
    """Turns images and the boxes of their people into `Keypoints` with covariances.

    Attributes:
        skeleton: of the keypoints.
    """

    skeleton: Skeleton

    def detect(self, images: Sequence[np.ndarray], boxes: Sequence[Tensor]) -> list[Keypoints]:
        """The people of each image, in the order of the images, on the CPU.

        Args:
            images: uint8 arrays (h, w, 3), RGB, upright; their sizes may differ.
            boxes: for each image the people's boxes (P, 4), as `PersonBoxes.corners`. P may
                be 0 and may differ.

        Returns:
            For each image `Keypoints` of batch shape (P,), in the order of its boxes:
            `pixels` and `covariance` in px and px² of the full image, `confidence` the
            detector's raw number, `image_size`; float32, `intrinsics` None. The same for an
            image alone or among others, up to rounding.

        Raises:
            InputError: an image of another shape or dtype; a box that is not finite, empty,
                or does not overlap its image; as many boxes as images not given.
        """
        ...
