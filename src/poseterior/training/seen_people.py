"""What a frozen detector sees and says of people of a folder, and how near that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from poseterior.data.crop_augmentation import CropAugmentation, augmented
from poseterior.data.people_crops import PeopleCrops
from poseterior.detectors.feature_detector import FeatureDetector
from poseterior.errors import require
from poseterior.geometry.skeleton import Skeleton
from poseterior.metrics.oks import keypoint_oks
from poseterior.metrics.oks_constants import skeleton_sigmas
from poseterior.seeding import generator_from

__all__ = ["Seen", "Shown", "crop_oks", "seen_by", "shown"]


@dataclass(frozen=True, eq=False)
class Shown:
    """Crops as a detector gets to see them.

    Attributes:
        crops: (n, 3, h, w), from 0 to 255.
        joints: (n, K, 3): x, y px of these crops, and v.
        scale: (n,) float64, px of the image for one of theirs.
    """

    crops: Tensor
    joints: Tensor
    scale: Tensor


def shown(
    people: PeopleCrops,
    rows: Any,
    size: tuple[int, int],
    augmentation: CropAugmentation | None = None,
    seed: int = 0,
) -> Shown:
    """Crops of some people: as they are, or changed as in a detector's training.

    Args:
        people: crops and what is true.
        rows: which; with `augmentation` indices (n,), the first of which the draws depend on.
        size: (width, height) px of crops that are changed; others keep their own.
        augmentation: None for crops as they are.
        seed: of the augmentation.
    """
    crops, joints = people.images(rows), people.joints(rows)
    scale = torch.from_numpy(people.affine[rows][:, 2])
    if augmentation is None:
        return Shown(crops, joints, scale)
    generator = generator_from(seed, 2, int(rows[0]))
    changed, moved = augmented(
        crops.float(), joints, size, augmentation, generator, people.skeleton
    )
    # A similarity of the plane, which stretches all distances alike.
    new, old = (_spread(each[..., :2].double()) for each in (moved, joints))
    ratio = torch.where(old > 0, new / old, 1.0)  # or nobody has labelled any joint
    return Shown(changed, moved, scale / ratio)


def _spread(points: Tensor) -> Tensor:
    return (points - points.mean(-2, keepdim=True)).square().sum((-2, -1)).sqrt()


def crop_oks(
    pixels: Tensor, joints: Tensor, scale: Tensor, area: Tensor, skeleton: Skeleton
) -> Tensor:
    """OKS (n, K) of each keypoint, with the true area; NaN where v is 0.

    Args:
        pixels: (n, K, 2) px of crops, what is said.
        joints: (n, K, 3) of the same crops, what is true.
        scale: (n,) px of the image for one of the crops'.
        area: (n,) px² of the image.
        skeleton: of the keypoints.
    """
    joints = joints.double()
    sigmas = skeleton_sigmas(skeleton).double()
    oks = keypoint_oks(pixels.double(), joints[..., :2], area / scale**2, sigmas)
    return torch.where(joints[..., 2] > 0, oks, torch.nan)


@dataclass(frozen=True, eq=False)
class Seen:
    """What a detector sees and says of n people.

    Attributes:
        features: (n, C, h, w) or (n, C), of the kind that was asked for.
        pixels: (n, K, 2) px of the crops as it was shown them.
        confidence: (n, K), the detector's own.
        oks: (n, K), of each keypoint, with the true area; NaN where v is 0.
        v: (n, K), 1 where v > 0, else 0.
    """

    features: Tensor
    pixels: Tensor
    confidence: Tensor
    oks: Tensor
    v: Tensor


def seen_by(
    detector: FeatureDetector,
    people: PeopleCrops,
    rows: Any,
    inputs: str = "penultimate",
    pooled: bool = False,
    augmentation: CropAugmentation | None = None,
    seed: int = 0,
) -> Seen:
    """What a detector sees and says of some people.

    Args:
        detector: in eval mode; with its own `flip`. Features are of the crops as they are.
        people: crops and what is true.
        rows: which, as of `shown`.
        inputs: as of `CCNetConfig.inputs`.
        pooled: features are the means of maps.
        augmentation: as of `shown`.
        seed: of the augmentation.

    Raises:
        InputError: people of another skeleton, inputs that the detector does not have.
    """
    found, expected = people.skeleton, detector.skeleton
    require(
        found == expected, people.name, "skeleton",
        expected=f"{expected.name}, of {detector.name}", found=found.name,
    )  # fmt: skip
    given = shown(people, rows, detector.size, augmentation, seed)
    features, pixels, confidence = [], [], []
    for crops in given.crops.split(detector.batch_size):
        looked = detector.look(crops, inputs)
        features.append(_pooled(looked.features).cpu() if pooled else looked.features.cpu())
        pixels.append(looked.pixels.double().cpu())
        confidence.append(looked.confidence.double().cpu())
    places, area = torch.cat(pixels), torch.from_numpy(people.area[rows])
    oks = crop_oks(places, given.joints, given.scale, area, detector.skeleton)
    v = (given.joints[..., 2] > 0).double()
    return Seen(torch.cat(features), places, torch.cat(confidence), oks, v)


def _pooled(features: Tensor) -> Tensor:
    return features.float().mean((-2, -1)) if features.ndim == 4 else features
