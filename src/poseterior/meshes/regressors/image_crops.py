"""`ImageCrops`: people as a network for images sees them, and where in the image each is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from poseterior.detectors.crops import Grid, cut, person_regions
from poseterior.detectors.images import checked_people
from poseterior.errors import require
from poseterior.keypoints import Keypoints

__all__ = ["CROP_SIZE", "ImageCrops", "people_crops"]

CROP_SIZE = 224  # px, what ResNets are trained on


@dataclass(frozen=True, eq=False)
class ImageCrops:
    """B people, each cut out of an image: in the place of `Keypoints` where a network takes it.

    Attributes:
        crops: (B, 3, 224, 224) RGB, normalised as the model's processor says.
        corners: (B, 4) x1, y1, x2, y2 px of the original image, the outer borders of the crops,
            in the convention of `Keypoints`: pixel i covers i - 1/2 to i + 1/2.
        image_size: (B, 2) width and height px of the original image.
        intrinsics: (B, 3, 3) pinhole matrices, or None where the camera is unknown.
        keypoints: with batch shape (B,), px of the original image, or None. Only losses take
            them: no network sees them.

    Raises:
        InputError: shapes that do not fit; corners or intrinsics that are not finite, a crop
            without area, a focal length that is not positive.
    """

    crops: Tensor
    corners: Tensor
    image_size: Tensor
    intrinsics: Tensor | None = None
    keypoints: Keypoints | None = None

    def __post_init__(self) -> None:
        count = len(self.crops) if self.crops.ndim else 0
        shapes = {
            "crops": (3, CROP_SIZE, CROP_SIZE), "corners": (4,), "image_size": (2,),
            "intrinsics": (3, 3),
        }  # fmt: skip
        for name, event in shapes.items():
            value = getattr(self, name)
            if value is not None:
                self._require(name, f"shape {(count, *event)}", tuple(value.shape),
                              tuple(value.shape) == (count, *event))  # fmt: skip
        if self.keypoints is not None:
            found = tuple(self.keypoints.batch_shape)
            self._require("keypoints", f"batch shape {(count,)}", found, found == (count,))
        self._check_numbers()

    def _check_numbers(self) -> None:
        low, high = self.corners.split(2, -1)
        good = (self.corners.isfinite().all(-1) & (low < high).all(-1)).tolist()
        if not all(good):
            found = self.corners[good.index(False)].tolist()
            self._require("corners", "finite numbers, x1 < x2 and y1 < y2", found, False)
        if self.intrinsics is not None:
            k = self.intrinsics
            focal = k[:, [0, 1], [0, 1]]
            good = (k.isfinite().all(-1).all(-1) & (focal > 0).all(-1)).tolist()
            if not all(good):
                found = k[good.index(False)].tolist()
                self._require("intrinsics", "finite numbers, focal lengths over 0", found, False)

    def _require(self, name: str, expected: str, found: object, condition: bool) -> None:
        require(condition, "ImageCrops", name, expected=expected, found=found)

    @property
    def batch_shape(self) -> torch.Size:
        """(B,): one observation of one person each."""
        return self.crops.shape[:1]

    def __len__(self) -> int:
        return len(self.crops)

    def __getitem__(self, index: Any) -> ImageCrops:
        """People by a slice, indices or a mask over the batch."""
        return self._each(lambda value: value[index])

    def to(self, *args: Any, **kwargs: Any) -> ImageCrops:
        """Every tensor moved or cast as by `Tensor.to`; masks of keypoints keep their dtype."""
        return self._each(lambda value: value.to(*args, **kwargs))

    def _each(self, function: Callable[[Any], Any]) -> ImageCrops:
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        changed: dict[str, Any] = {k: v if v is None else function(v) for k, v in given.items()}
        return ImageCrops(**changed)


def people_crops(
    images: Sequence[np.ndarray],
    boxes: Sequence[Tensor],
    processor: Any,
    intrinsics: Sequence[Tensor] | None = None,
    keypoints: Keypoints | None = None,
) -> ImageCrops:
    """The people of some images, cut out and normalised, in the order of their boxes.

    A box is widened to a square and then by 1.25; what lies outside the image is black.

    Args:
        images: uint8 arrays (h, w, 3), RGB, upright; their sizes may differ.
        boxes: for each image the people's boxes (P, 4), as `PersonBoxes.corners`.
        processor: the model's, such as `ResNetFeatures.processor`; it normalises, no more.
        intrinsics: for each image its matrix (3, 3); unknown if None.
        keypoints: of all people, for losses.

    Raises:
        InputError: as of `Detector.detect` and `ImageCrops`; as many matrices as images not given.
    """
    people = checked_people(images, boxes)
    require(
        intrinsics is None or len(intrinsics) == len(images), "intrinsics", "",
        expected=f"one for each of {len(images)} images", found=intrinsics and len(intrinsics),
    )  # fmt: skip
    owner = [index for index, (_, given) in enumerate(people) for _ in given]
    regions = person_regions(
        torch.cat([torch.zeros(0, 4), *(given for _, given in people)]), (CROP_SIZE, CROP_SIZE)
    )
    sizes = torch.tensor([people[i][0].shape[1::-1] for i in owner], dtype=torch.float32)
    cameras = None
    if intrinsics is not None:
        every = [torch.as_tensor(intrinsics[i], dtype=torch.float32) for i in owner]
        cameras = torch.stack(every) if every else torch.zeros(0, 3, 3)
    crops = _cut([people[i][0] for i in owner], regions, processor)
    return ImageCrops(crops, regions.float(), sizes.reshape(-1, 2), cameras, keypoints)


def _cut(images: list[np.ndarray], regions: Tensor, processor: Any) -> Tensor:
    """(B, 3, 224, 224) of regions (B, 4), one of each image."""
    if not images:
        return torch.zeros(0, 3, CROP_SIZE, CROP_SIZE)
    size = (CROP_SIZE, CROP_SIZE)
    grid = Grid.tiled(regions, size)
    cuts = [cut(image, grid, row, size) for row, image in enumerate(images)]
    # The processor's own crop is of whole photos: of a person it would cut off a border.
    return processor(cuts, do_resize=False, do_center_crop=False, return_tensors="pt")[
        "pixel_values"
    ]
