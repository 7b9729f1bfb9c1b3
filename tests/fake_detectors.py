"""People drawn as coloured dots, and the finder and detector that see them."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from poseterior.geometry.skeleton import COCO_17
from poseterior.keypoints import Keypoints, PersonBoxes

# A standing person, COCO's joints, in a box of 1 x 2 with its top left corner at (0, 0).
STANDING = np.array(
    [(.5, .14), (.55, .1), (.45, .1), (.6, .13), (.4, .13), (.75, .4), (.25, .4), (.85, .75),
     (.15, .75), (.9, 1.05), (.1, 1.05), (.65, 1.05), (.35, 1.05), (.67, 1.5), (.33, 1.5),
     (.68, 1.92), (.32, 1.92)]
)  # fmt: skip
SURE, UNSURE = 2.0, 9.0


def draw(people: Sequence[tuple[float, float, float]], size: tuple[int, int] = (320, 240)):
    """An image (h, w, 3) of people at x, y, each `s` px wide: a block whose red tells how wide."""
    image = np.full((size[1], size[0], 3), 40, np.uint8)
    for x, y, s in people:
        image[int(y) : int(y + 2 * s), int(x) : int(x + s), 0] = 250
        image[int(y) : int(y + 2 * s), int(x) : int(x + s), 1:] = 10
    return image


class BlockFinder:
    """Finds the blocks of `draw` that do not touch; the largest first."""

    name = "blocks"

    def fingerprint(self) -> str:
        return "0"

    def find(self, images: Sequence[np.ndarray]) -> list[PersonBoxes]:
        return [self._find(image) for image in images]

    def _find(self, image: np.ndarray) -> PersonBoxes:
        from scipy import ndimage

        red = (image[..., 0] > 160) & (image[..., 1] < 100)
        found, _ = ndimage.label(red)
        boxes = [
            (x.start - 0.5, y.start - 0.5, x.stop - 0.5, y.stop - 0.5)
            for y, x in ndimage.find_objects(found)
            if (y.stop - y.start) * (x.stop - x.start) > 100
        ]
        boxes.sort(key=lambda b: -(b[2] - b[0]) * (b[3] - b[1]))
        return PersonBoxes(torch.tensor(boxes).reshape(-1, 4), torch.ones(len(boxes)))


class BoxDetector:
    """A `Detector` that puts a standing person into each box; wrists are unsure."""

    name, skeleton = "boxes", COCO_17

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds, self.seen = seconds, 0

    def fingerprint(self) -> str:
        return "0"

    def detect(self, images: Sequence[np.ndarray], boxes: Sequence[Tensor]) -> list[Keypoints]:
        self.seen += len(images)
        time.sleep(self.seconds)
        return [self._detect(i, b) for i, b in zip(images, boxes, strict=True)]

    def _detect(self, image: np.ndarray, boxes: Tensor) -> Keypoints:
        low, side = boxes[:, None, :2], (boxes[:, 2:] - boxes[:, :2])[:, None]
        pixels = (low + side * torch.tensor(STANDING).float() * torch.tensor([1, 0.5])).float()
        sigma = torch.full((17,), SURE)
        sigma[9:11] = UNSURE
        covariance = (sigma.square()[:, None, None] * torch.eye(2)).expand(len(boxes), 17, 2, 2)
        size = torch.tensor(image.shape[1::-1]).float().expand(len(boxes), 2)
        valid = torch.ones(len(boxes), 17, dtype=torch.bool)
        return Keypoints(pixels, covariance.clone(), valid, COCO_17, image_size=size,
                         confidence=torch.full((len(boxes), 17), 0.9),
                         doubtful=(sigma == UNSURE).expand(len(boxes), 17))  # fmt: skip
