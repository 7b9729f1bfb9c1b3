"""What a frozen detector sees and says of all people of a folder, once, kept on disk.

A confidence network is trained on these: float16 features mapped into memory, and the OKS of
each keypoint. Memory does not grow with the number of people, and a pass that was stopped goes
on where it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from poseterior.data.crop_augmentation import CropAugmentation
from poseterior.data.people_crops import PeopleCrops
from poseterior.detectors.feature_detector import FeatureDetector
from poseterior.errors import InputError, require
from poseterior.geometry.skeleton import COCO_17, Skeleton
from poseterior.seeding import generator_from
from poseterior.training.checkpoint import make_folder, read_json, write_json
from poseterior.training.seen_people import Seen, seen_by

__all__ = ["SEEN_FILE", "FeatureSource", "FrozenFeatures", "detector_told", "frozen_features"]

SEEN_FILE = "seen.json"
_FIELDS = ("about", "blocks")
_ARRAYS = ("features", "target", "confidence")


@dataclass(frozen=True, eq=False)
class FrozenFeatures:
    """Features of N people on disk, with the targets of a confidence network.

    Attributes:
        features: (N, C, h, w) or (N, C) float16, mapped into memory.
        target: (N, K, 2) float32: OKS of the keypoint, NaN where v is 0, and v, 0 or 1.
        confidence: (N, K) float32, the detector's own, or None where it was not kept.
        about: what they are of, JSON: `detector` (`detector_told`), `people` and how those
            were shown; empty where it is not told.
        skeleton: of the keypoints.
    """

    features: NDArray[np.float16]
    target: Tensor
    confidence: Tensor | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    skeleton: Skeleton = COCO_17

    def __len__(self) -> int:
        return len(self.features)


def detector_told(detector: FeatureDetector) -> dict[str, Any]:
    """What tells a detector from others, JSON: features and OKS of another are others."""
    return {
        "name": detector.name, "fingerprint": detector.fingerprint(), "flip": detector.flip,
        "skeleton": detector.skeleton.name,
    }  # fmt: skip


def frozen_features(
    detector: FeatureDetector,
    people: PeopleCrops,
    folder: Path,
    inputs: str = "penultimate",
    pooled: bool = True,
    batch_size: int = 64,
    augmentation: CropAugmentation | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> FrozenFeatures:
    """Run a detector over all people, once; go on where the folder holds a part of it.

    Args:
        detector: in eval mode.
        people: crops and what is true.
        folder: gets the arrays, and `seen.json`, which says of whom and how far.
        inputs: as of `CCNetConfig.inputs`.
        pooled: keep the mean over the pixels of maps: all that a `conv_pool` head takes in, and
            hundreds of times less to keep and read. False for `conv_sigmoid_pool`.
        batch_size: people that are kept, and whose augmentation is drawn, at a time.
        augmentation: people are seen so changed, each once; None for people as they are.
        seed: of the augmentation.
        progress: called with the people done and the people in all.

    Raises:
        InputError: the folder holds what is of another detector, other people or options; the
            detector has no such inputs.
    """
    about = {
        "detector": detector_told(detector), "people": _fingerprint(people), "inputs": inputs,
        "pooled": pooled, "batch_size": batch_size, "seed": seed,
        "augmentation": None if augmentation is None else asdict(augmentation),
    }  # fmt: skip
    kept = _Kept(folder, about)
    blocks = np.array_split(np.arange(len(people)), -(-len(people) // batch_size))
    for rows in blocks[kept.blocks :]:
        seen = seen_by(detector, people, rows, inputs, pooled, augmentation, seed)
        kept.put(rows, len(people), seen)
        if progress is not None:
            progress(int(rows[-1]) + 1, len(people))
    return kept.whole(len(people), detector.skeleton)


def _fingerprint(people: PeopleCrops) -> str:
    """16 hexadecimal digits of all that is annotated."""
    digest = hashlib.sha256(repr(people.crops.shape).encode())
    for array in (people.keypoints, people.affine, people.area):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


class _Kept:
    """Arrays of a folder, filled block by block; `seen.json` is written after each, last."""

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        self.folder, self.about, self.blocks = folder, dict(about), 0
        self.arrays: dict[str, Any] = {}
        path = folder / SEEN_FILE
        if path.exists():
            there = read_json(path, _FIELDS)
            _require_same(path, there["about"], self.about)
            self.blocks = there["blocks"]
            whole = type(self.blocks) is int and self.blocks > 0
            require(whole, path, "blocks", expected="a number from 1", found=repr(self.blocks))
            self.arrays = {name: self._open(name, "r+") for name in _ARRAYS}

    def put(self, rows: NDArray[np.int64], people: int, seen: Seen) -> None:
        """The next block's people."""
        make_folder(self.folder)
        new = {
            "features": seen.features.float().numpy().astype(np.float16),
            "target": torch.stack([seen.oks, seen.v], -1).float().numpy(),
            "confidence": seen.confidence.float().numpy(),
        }
        for name, values in new.items():
            if name not in self.arrays:
                path, shape = self.folder / f"{name}.npy", (people, *values.shape[1:])
                self.arrays[name] = np.lib.format.open_memmap(path, "w+", values.dtype, shape)
            self.arrays[name][rows] = values
            self.arrays[name].flush()
        self.blocks += 1
        write_json(self.folder / SEEN_FILE, {"about": self.about, "blocks": self.blocks})

    def whole(self, people: int, skeleton: Skeleton) -> FrozenFeatures:
        """All of it, mapped so that nothing is written any more."""
        self.arrays = {}
        features, target, confidence = (self._open(name, "c") for name in _ARRAYS)
        for array in (features, target, confidence):
            require(len(array) == people, self.folder, "", expected=people, found=len(array))
        targets, own = torch.from_numpy(target), torch.from_numpy(confidence)
        return FrozenFeatures(features, targets, own, self.about, skeleton)

    def _open(self, name: str, mode: Any) -> Any:
        path = self.folder / f"{name}.npy"
        try:
            np.load(path, mmap_mode="r", allow_pickle=False)  # "r+" would make up what is cut off
            return np.load(path, mmap_mode=mode, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(path, "", expected="a whole .npy file", found=error) from error


def _require_same(path: Path, there: Any, wanted: Mapping[str, Any], of: str = "") -> None:
    """`InputError` that names the first field that differs."""
    for name, value in wanted.items():
        found = there.get(name) if isinstance(there, Mapping) else None
        if isinstance(value, Mapping) and isinstance(found, Mapping):
            _require_same(path, found, value, f"{name}: ")
        else:
            require(found == value, path, f"{of}{name}", expected=f"{found} as before", found=value)


@dataclass(frozen=True, eq=False)
class FeatureSource:
    """Batches of features with their targets, drawn with replacement by (seed, index) alone."""

    frozen: FrozenFeatures
    batch_size: int
    seed: int = 0

    def batch(self, index: int) -> tuple[Tensor, Tensor]:
        """Features (B, C, h, w) or (B, C), float32, and targets (B, K, 2)."""
        generator = generator_from(self.seed, index)
        rows = torch.randint(len(self.frozen), (self.batch_size,), generator=generator)
        features = torch.from_numpy(np.array(self.frozen.features[rows.numpy()]))
        return features.float(), self.frozen.target[rows]
