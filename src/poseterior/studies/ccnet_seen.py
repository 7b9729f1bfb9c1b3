"""What a frozen detector sees and says of all people of a split, in one pass, kept on disk.

As `training.frozen_features`, with all that a study asks of one pass: every kind of input of a
confidence network, the detector's own confidences and covariances, and people seen as its
training saw them. Arrays are mapped into memory.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from poseterior.confidence.ccnet import CCNetConfig
from poseterior.confidence.sample import Sample
from poseterior.data.crop_augmentation import CropAugmentation
from poseterior.data.crop_source import resized
from poseterior.data.people_crops import PeopleCrops
from poseterior.detectors.crop_detector import CropDetector
from poseterior.detectors.feature_detector import prediction_and_confidence
from poseterior.geometry.skeleton import COCO_17
from poseterior.metrics.oks import oks_sigmas
from poseterior.training.checkpoint import make_folder
from poseterior.training.frozen_features import FrozenFeatures
from poseterior.training.seen_people import Shown, crop_oks, shown

__all__ = ["CELLS", "SeenPeople", "see"]

# Heads that keep the map see its means in so many cells down and across: a hundredth of the room.
CELLS = (8, 6)
_BATCH = 64
_FEATURES = ("penultimate", "said", "lower", "cells")


@dataclass(frozen=True, eq=False)
class SeenPeople:
    """N people as a detector sees them.

    Attributes:
        arrays: mapped into memory. Features, float16: `penultimate`, `lower` (N, C), means over
            maps; `said` (N, 51), `prediction_and_confidence`; `cells` (N, C, *CELLS), of
            penultimate maps alone. float64: `pixels` (N, 17, 2) and `true` (N, 17, 3) px of the
            crop as it was seen, with COCO's v; `confidence`, `oks` (N, 17), OKS with the true
            area, NaN where v is 0; `covariance` (N, 17, 2, 2) px² of the crop, where it was
            asked for; `area` (N,) and `box_area` (N,), px² of the image; `scale` (N,), px of the
            image for one of the crop.
    """

    arrays: dict[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.arrays["confidence"])

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.arrays[name]

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """(N, 17): v > 0."""
        return self["true"][..., 2] > 0

    def features(self, config: CCNetConfig | None = None) -> NDArray[np.float16]:
        """Features (N, C), or (N, C, *CELLS), of a network's kind."""
        if config is not None and config.head == "conv_sigmoid_pool" and "cells" in self.arrays:
            return self["cells"]
        if config is not None and config.inputs == "lower_layer":
            return self["lower"]
        if config is not None and config.inputs == "with_prediction_and_confidence":
            return np.concatenate([self["penultimate"], self["said"]], 1)
        return self["penultimate"]

    def frozen(self, config: CCNetConfig) -> FrozenFeatures:
        """What a network is trained on."""
        target = np.stack([self["oks"], self.labelled], -1).astype(np.float32)
        return FrozenFeatures(self.features(config), torch.from_numpy(target))

    def sample(self) -> Sample:
        """What repairs are fitted on and applied to; covariances are in px² of the image."""
        count, everyone = len(self), np.ones(len(self), bool)
        covariance = None
        if "covariance" in self.arrays:
            covariance = self["covariance"] * self["scale"][:, None, None, None] ** 2
        return Sample(
            score=np.ones(count), keypoint_score=np.asarray(self["confidence"]),
            box_area=self["box_area"].clip(min=1.0), sigmas=oks_sigmas(COCO_17).double().numpy(),
            covariance=covariance, visibility=None, matched=everyone, counted=everyone,
            area=np.asarray(self["area"]), labelled=self.labelled,
            keypoint_oks=np.nan_to_num(self["oks"]),
        )  # fmt: skip


def see(
    detector: CropDetector | None,
    people: PeopleCrops,
    folder: Path,
    augmentation: CropAugmentation | None = None,
    covariances: bool = False,
    seed: int = 0,
) -> SeenPeople:
    """Run a detector over all people, or read what an earlier run has kept.

    Args:
        detector: in eval mode; places and confidences with its own `flip`, features of the crops
            as they are. None where the arrays are known to be there.
        people: crops and what is true.
        folder: gets the arrays, all of them or none.
        augmentation: people are seen so changed, each once; None as they are.
        covariances: fit them too.
        seed: of the augmentation.
    """
    if not folder.exists():
        assert detector is not None
        partial = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        make_folder(partial)
        kept: dict[str, Any] = {}
        for rows in np.array_split(np.arange(len(people)), -(-len(people) // _BATCH)):
            given = _given(detector, people, rows, augmentation, seed)
            said = _said(detector, given.crops, covariances)
            _keep(partial, kept, rows, len(people), said | _truth(said, given, people, rows))
        for array in kept.values():
            array.flush()
        os.replace(partial, folder)
    files = sorted(folder.glob("*.npy"))
    return SeenPeople({file.stem: np.load(file, mmap_mode="r") for file in files})


def _keep(folder: Path, kept: dict[str, Any], rows: Any, count: int, new: dict[str, Any]) -> None:
    for name, values in new.items():
        array = values.cpu().numpy() if isinstance(values, Tensor) else values
        if name not in kept:
            kind = np.float16 if name in _FEATURES else np.float64
            shape = (count, *array.shape[1:])
            kept[name] = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", kind, shape)
        kept[name][rows] = array


def _given(
    detector: CropDetector, people: PeopleCrops, rows: Any,
    augmentation: CropAugmentation | None, seed: int,
) -> Shown:  # fmt: skip
    """Crops of the detector's size."""
    given = shown(people, rows, detector.size, augmentation, seed)
    crops, joints = resized(given.crops, given.joints, detector.size)
    return Shown(crops, joints, given.scale / (crops.shape[-1] / given.crops.shape[-1]))


@torch.no_grad()
def _said(detector: CropDetector, crops: Tensor, covariances: bool) -> dict[str, Any]:
    """Features of the crops and, with `flip`, what is said of them."""
    crops = crops.to(next(detector.parameters()).device)
    with _lower(detector) as lower:
        features = detector.features(crops)
    output = detector.head(features)
    kept = {"penultimate": _pooled(features), "lower": _pooled(lower[0])}
    if features.ndim == 4:
        kept["cells"] = adaptive_avg_pool2d(features, CELLS)
    if detector.flip:
        output = (output + detector.mirrored(detector(crops.flip(-1)))) / 2
    pixels, confidence = detector.decode(output)
    kept["said"] = prediction_and_confidence(pixels, confidence, detector.size)
    if covariances:
        kept["covariance"] = detector.located(output).covariance
    return kept | {"pixels": pixels.double(), "confidence": confidence.double()}


@contextmanager
def _lower(detector: CropDetector) -> Iterator[list[Tensor]]:
    """The backbone's last stage but one, of the calls within: no second run for it."""
    seen: list[Tensor] = []
    backbone: Any = detector.backbone
    hook = backbone.register_forward_hook(lambda module, given, told: seen.append(told.lower))
    try:
        yield seen
    finally:
        hook.remove()


def _pooled(values: Tensor) -> Tensor:
    """(n, C) of maps or vectors; of places by joint their numbers in a line."""
    return values.mean((-2, -1)) if values.ndim == 4 else values.flatten(1)


def _truth(said: dict[str, Any], given: Shown, people: PeopleCrops, rows: Any) -> dict[str, Any]:
    area, box = torch.from_numpy(people.area[rows]), people.boxes[rows]
    pixels = said["pixels"].cpu()
    return {
        "true": given.joints.double(),
        "oks": crop_oks(pixels, given.joints, given.scale, area, people.skeleton),
        "area": area,
        "box_area": box[:, 2] * box[:, 3],
        "scale": given.scale,
    }
