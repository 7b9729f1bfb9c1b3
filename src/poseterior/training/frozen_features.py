"""What a frozen detector sees and says of the people of a folder, once, kept on disk.

A confidence network is trained on these: float16 features mapped into memory, and the OKS of
each keypoint. Memory does not grow with the number of people.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from poseterior.data.crop_source import resized
from poseterior.data.people_crops import PeopleCrops
from poseterior.detectors.crop_detector import CropDetector
from poseterior.geometry.skeleton import COCO_17
from poseterior.metrics.oks import keypoint_oks, oks_sigmas
from poseterior.seeding import generator_from
from poseterior.training.checkpoint import make_folder, replace_file

__all__ = ["FeatureSource", "FrozenFeatures", "Seen", "frozen_features", "seen_by"]


@dataclass(frozen=True, eq=False)
class Seen:
    """What a detector sees and says of n people.

    Attributes:
        features: (n, C, h, w) or (n, C), of the kind that was asked for.
        pixels: (n, 17, 2) px of the image.
        confidence: (n, 17), the detector's own.
        oks: (n, 17), of each keypoint, with the true area; NaN where v is 0.
        v: (n, 17), 1 where v > 0, else 0.
    """

    features: Tensor
    pixels: Tensor
    confidence: Tensor
    oks: Tensor
    v: Tensor


@torch.no_grad()
def seen_by(
    detector: CropDetector, people: PeopleCrops, rows: Any, inputs: str = "penultimate"
) -> Seen:
    """What a detector sees and says of some people.

    Args:
        detector: in eval mode; with its own `flip`. Features are of the crops as they are.
        people: crops and what is true.
        rows: which, as numpy takes them.
        inputs: as of `CCNetConfig.inputs`.
    """
    given = people.images(rows)
    crops, _ = resized(given, people.joints(rows), detector.size)
    crops = crops.to(next(detector.parameters()).device)
    features = detector.features(crops)
    output = detector.head(features)
    if inputs == "lower_layer":
        features = detector.lower_features(crops)
    elif inputs == "with_prediction_and_confidence":
        features = _with_output(features, output)
    if detector.flip:
        output = (output + detector.mirrored(detector(crops.flip(-1)))) / 2
    places, confidence = (value.double().cpu() for value in detector.decode(output))
    ratio = given.shape[-1] / detector.size[0]
    affine = torch.from_numpy(people.affine[rows])[:, None]
    pixels = affine[..., :2] + affine[..., 2:] * ((places + 0.5) * ratio - 0.5)
    true, area = (torch.from_numpy(values[rows]) for values in (people.keypoints, people.area))
    v = (true[..., 2] > 0).double()
    alike = keypoint_oks(pixels, true[..., :2], area, oks_sigmas(COCO_17).double())
    return Seen(features.cpu(), pixels, confidence, torch.where(v > 0, alike, torch.nan), v)


def _with_output(features: Tensor, output: Tensor) -> Tensor:
    """Features and the detector's own output: maps beside maps, numbers beside numbers."""
    return torch.cat([features, output if features.ndim == 4 else output.flatten(1)], 1)


@dataclass(frozen=True, eq=False)
class FrozenFeatures:
    """Features of N people on disk, with the targets of a confidence network.

    Attributes:
        features: (N, C, h, w) or (N, C) float16, mapped into memory.
        target: (N, 17, 2) float32: OKS of the keypoint, NaN where v is 0, and v, 0 or 1.
    """

    features: NDArray[np.float16]
    target: Tensor

    def __len__(self) -> int:
        return len(self.features)


def frozen_features(
    detector: CropDetector,
    people: PeopleCrops,
    folder: Path,
    inputs: str = "penultimate",
    pooled: bool = True,
    batch_size: int = 64,
) -> FrozenFeatures:
    """Run a detector over all people, once.

    Args:
        detector: in eval mode.
        people: crops and what is true.
        folder: gets `features.npy`.
        inputs: as of `CCNetConfig.inputs`.
        pooled: keep the mean over the pixels of maps: all that a `conv_pool` head takes in, and
            hundreds of times less to keep and read. False for `conv_sigmoid_pool`.
        batch_size: people at a time.
    """
    make_folder(folder)
    path, targets = folder / "features.npy", []

    def write(temporary: Path) -> None:
        kept: Any = None
        for rows in np.array_split(np.arange(len(people)), -(-len(people) // batch_size)):
            seen = seen_by(detector, people, rows, inputs)
            features = seen.features.float()
            if pooled and features.ndim == 4:
                features = features.mean((-2, -1))
            if kept is None:
                shape = (len(people), *features.shape[1:])
                kept = np.lib.format.open_memmap(temporary, "w+", np.float16, shape)
            kept[rows] = features.numpy()
            targets.append(torch.stack([seen.oks, seen.v], -1).float())
        kept.flush()

    replace_file(path, write)
    return FrozenFeatures(np.load(path, mmap_mode="r"), torch.cat(targets))


@dataclass(frozen=True, eq=False)
class FeatureSource:
    """Batches of features with their targets, drawn with replacement by (seed, index) alone."""

    frozen: FrozenFeatures
    batch_size: int
    seed: int = 0

    def batch(self, index: int) -> tuple[Tensor, Tensor]:
        """Features (B, C, h, w) or (B, C), float32, and targets (B, 17, 2)."""
        generator = generator_from(self.seed, index)
        rows = torch.randint(len(self.frozen), (self.batch_size,), generator=generator)
        features = torch.from_numpy(np.array(self.frozen.features[rows.numpy()]))
        return features.float(), self.frozen.target[rows]
