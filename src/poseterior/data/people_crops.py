"""A folder of people cut out of images, as `render` and `data people` write it.

`annotations_SPLIT.json` is in COCO's format for keypoints, with one crop for each annotation:
row i of `crops_SPLIT.npy` (uint8, (N, h, w, 3), RGB), mapped into memory. `crop`, a field of the
annotation, says where it was: [x0, y0, scale], image = (x0, y0) + scale * px of the crop. The
category's names of keypoints tell the skeleton, one of `data.coco.skeletons.ANNOTATED`; where
there are none their number does.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from poseterior.data.coco.skeletons import ANNOTATED, annotated_skeleton
from poseterior.errors import InputError, require
from poseterior.geometry.skeleton import COCO_17, Skeleton

__all__ = ["PeopleCrops"]

_SHAPES = {"bbox": (4,), "area": (), "crop": (3,), "image_id": ()}


@dataclass(frozen=True, eq=False)
class PeopleCrops:
    """N people, each with a crop and what is true of them.

    Attributes:
        name: what messages call it.
        crops: (N, h, w, 3) uint8 RGB, mapped into memory.
        keypoints: (N, K, 3) float64, as COCO's: x, y px of the image, and v: 0 not labelled, 1
            labelled but not visible, 2 visible.
        affine: (N, 3) float64 x0, y0, scale: image = (x0, y0) + scale * px of the crop.
        area: (N,) float64 px² of the image.
        boxes: (N, 4) float64 x, y, width, height, px of the image.
        image_id: (N,) int64, people of one image have the same.
        skeleton: of the keypoints.
    """

    name: str
    crops: NDArray[np.uint8]
    keypoints: NDArray[np.float64]
    affine: NDArray[np.float64]
    area: NDArray[np.float64]
    boxes: NDArray[np.float64]
    image_id: NDArray[np.int64]
    skeleton: Skeleton = COCO_17

    @staticmethod
    def open(folder: str | Path, split: str) -> PeopleCrops:
        """One split of a folder, such as train, val or test; crops are read as they are asked for.

        Raises:
            InputError: a file is absent or another format; they contradict each other; numbers
                that are not finite, an area or scale that is not positive.
        """
        path, file = (
            Path(folder) / name for name in (f"annotations_{split}.json", f"crops_{split}.npy")
        )
        people, skeleton = _annotations(path)
        crops = _crops(file, len(people))
        shapes = _SHAPES | {"keypoints": (3 * len(skeleton),)}
        values = {key: _numbers(people, key, shapes[key], path) for key in shapes}
        for key in ("area", "crop"):
            lengths = values[key].reshape(len(people), -1)[:, -1]
            good = lengths > 0
            where = f"annotation {int(np.argmin(good))}: {key}"
            require(bool(good.all()), path, where, expected="over 0", found=lengths.min())
        return PeopleCrops(
            str(folder), crops, values["keypoints"].reshape(-1, len(skeleton), 3), values["crop"],
            values["area"], values["bbox"], values["image_id"].astype(np.int64), skeleton,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.crops)

    def images(self, rows: Any) -> Tensor:
        """Crops (n, 3, h, w) uint8 of some rows, copied into memory."""
        return torch.from_numpy(np.array(self.crops[rows])).permute(0, 3, 1, 2)

    def joints(self, rows: Any) -> Tensor:
        """Keypoints (n, K, 3) float32 of some rows, x and y in px of the crop."""
        affine, keypoints = self.affine[rows], self.keypoints[rows]
        places = (keypoints[..., :2] - affine[:, None, :2]) / affine[:, None, 2:]
        joints = np.concatenate([places, keypoints[..., 2:]], -1)
        return torch.from_numpy(joints.astype(np.float32))


def _annotations(path: Path) -> tuple[list[dict[str, Any]], Skeleton]:
    require(path.is_file(), path, "", expected="annotations in COCO's format", found="no such file")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(path, "", expected="JSON", found=error) from error
    people = data.get("annotations") if isinstance(data, dict) else None
    good = isinstance(people, list) and len(people) > 0 and all(isinstance(p, dict) for p in people)
    require(good, path, "annotations", expected="a list of people", found=type(people).__name__)
    assert isinstance(people, list)
    return people, _skeleton(data.get("categories"), people[0].get("keypoints"), path)


def _skeleton(categories: Any, first: Any, path: Path) -> Skeleton:
    """By the names in the category, else by the number of the first person's keypoints."""
    category = categories[0] if isinstance(categories, list) and categories else None
    names = category.get("keypoints") if isinstance(category, dict) else None
    if isinstance(names, list) and names:
        return annotated_skeleton([str(name) for name in names], len(names), path)
    count = len(first) // 3 if isinstance(first, list) else 0
    return {len(skeleton): skeleton for skeleton in ANNOTATED}.get(count, COCO_17)


def _numbers(
    people: Sequence[dict[str, Any]], key: str, shape: tuple[int, ...], path: Path
) -> NDArray[np.float64]:
    """One field of all people as float64, of the shape that it must have."""
    for row, person in enumerate(people):
        value = person.get(key)
        size = np.shape(value) if isinstance(value, (list, int, float)) else None
        where = f"annotation {row}: {key}"
        require(size == shape, path, where, expected=f"numbers of shape {shape}", found=value)
    try:
        values = np.array([person[key] for person in people], np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(path, key, expected="numbers", found=error) from error
    require(bool(np.isfinite(values).all()), path, key, expected="finite numbers", found="others")
    return values


def _crops(path: Path, people: int) -> NDArray[np.uint8]:
    require(path.is_file(), path, "", expected="crops", found="no such file")
    try:
        crops = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(path, "", expected="a .npy file", found=error) from error
    good = crops.dtype == np.uint8 and crops.ndim == 4 and crops.shape[3] == 3
    found = f"{crops.dtype} {crops.shape}"
    require(good, path, "", expected="uint8 (N, h, w, 3)", found=found)
    require(len(crops) == people, path, "", expected=f"{people} annotated people", found=found)
    return crops
