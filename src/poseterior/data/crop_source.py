"""Endless training data for detectors: people of a folder of crops, seen a little differently."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from poseterior.data.crop_augmentation import CropAugmentation, augmented
from poseterior.data.people_crops import PeopleCrops
from poseterior.seeding import generator_from

__all__ = ["CropSource", "resized"]


@dataclass(frozen=True, eq=False)
class CropSource:
    """Batches of people, each a function of (seed, index) alone.

    Each pass goes over all people once, in an order of its own; what is left over of a pass
    after its last whole batch is the beginning of the next batch.

    Attributes:
        people: crops and keypoints.
        size: (width, height) px of the crops that come out.
        batch_size: people in a batch.
        seed: of all draws.
        augmentation: what is done to crops before they are seen.
    """

    people: PeopleCrops
    size: tuple[int, int]
    batch_size: int
    seed: int = 0
    augmentation: CropAugmentation = field(default_factory=CropAugmentation)

    def batch(self, index: int) -> tuple[Tensor, Tensor]:
        """Crops (B, 3, h, w), from 0 to 255, and joints (B, K, 3): px of the crop, and v.

        v is 0 for joints that have left the crop.
        """
        rows = self._rows(range(index * self.batch_size, (index + 1) * self.batch_size))
        generator = generator_from(self.seed, 1, index)
        crops, joints = self.people.images(rows).float(), self.people.joints(rows)
        return augmented(
            crops, joints, self.size, self.augmentation, generator, self.people.skeleton
        )

    def _rows(self, places: range) -> list[int]:
        """People at places counted through all passes."""
        count = len(self.people)
        orders = {
            turn: torch.randperm(count, generator=generator_from(self.seed, 0, turn))
            for turn in range(places[0] // count, places[-1] // count + 1)
        }
        return [int(orders[place // count][place % count]) for place in places]


def resized(crops: Tensor, joints: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Crops (B, 3, h, w) and joints (B, K, 3) at another size, as they are otherwise."""
    height, width = crops.shape[-2:]
    if (width, height) == size:
        return crops, joints
    crops = torch.nn.functional.interpolate(
        crops.float(), size[::-1], mode="bilinear", antialias=True
    )
    scale = torch.tensor([size[0] / width, size[1] / height]).to(joints)
    places = (joints[..., :2] + 0.5) * scale - 0.5
    return crops, torch.cat([places, joints[..., 2:]], -1)
