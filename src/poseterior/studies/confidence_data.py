"""What confidence networks are trained on and validated with: what a detector sees of people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poseterior.confidence.ccnet import CCNet, CCNetConfig
from poseterior.data.crop_augmentation import CropAugmentation
from poseterior.data.people_crops import PeopleCrops
from poseterior.detectors.feature_detector import FeatureDetector
from poseterior.errors import InputError, known
from poseterior.studies.training_data import TrainingData
from poseterior.training.begin import begun
from poseterior.training.confidence_network import (
    features_for,
    judged,
    new_ccnet,
    require_same_run,
)
from poseterior.training.frozen_features import SEEN_FILE, FeatureSource, detector_told

__all__ = ["SPLITS", "ConfidenceTraining", "confidence_training", "seen_folder"]

SPLITS = ("train", "val")


@dataclass(frozen=True)
class ConfidenceTraining:
    """An untrained network and its data."""

    network: CCNet
    data: TrainingData


def seen_folder(out: Path, split: str) -> Path | None:
    """Where a run keeps what the detector has seen of a split, if it has begun to look."""
    folder = _folder(out, split)
    return folder if (folder / SEEN_FILE).exists() else None


def _folder(out: Path, split: str) -> Path:
    return out / "seen" / split


def confidence_training(
    detector: FeatureDetector,
    name: str,
    root: Path | None,
    out: Path,
    options: Mapping[str, Any],
    seed: int = 0,
    progress: Sequence[Callable[[int, int], None] | None] = (None, None),
) -> ConfidenceTraining:
    """Let a frozen detector see all people of a folder, once; go on where `out` holds a part.

    People of `train` are changed as the detector's own training changes them, each once; those
    of `val`, whom the network is validated with, are as they are.

    Args:
        detector: in eval mode.
        name: people.
        root: the folder, as `poseterior render` writes it.
        out: of the run; features are kept in its folder `seen`.
        options: of `CCNetConfig`, but for `channels`.
        seed: of the first weights and of the augmentation.
        progress: for each split called with the people done and the people in all.

    Raises:
        InputError: another name, no folder, anything bad in the files, options that cannot be,
            a folder `out` of another detector, other people or other options.
    """
    known("--data", name, ["people"])
    if root is None:
        raise InputError("--root", "", expected="a folder of crops of people", found="none")
    if begun(out):  # now, and not after hours of looking
        require_same_run(out, CCNetConfig(1, **options), detector_told(detector))
    people = {split: PeopleCrops.open(root, split) for split in SPLITS}
    changed = {"train": CropAugmentation(), "val": None}
    seen = {
        split: features_for(
            detector, people[split], _folder(out, split), changed[split], seed, advance, **options
        )
        for split, advance in zip(SPLITS, progress, strict=True)
    }  # fmt: skip
    network, about = new_ccnet(seen["train"], seed, **options), seen["train"].about
    data = TrainingData(
        source=lambda size, seed: FeatureSource(seen["train"], size, seed),
        held_out=None,
        about={
            "detector": about["detector"],
            "people": {split: len(people[split]) for split in SPLITS},
            "annotations": {split: seen[split].about["people"] for split in SPLITS},
        },
        validation=lambda trained: judged(trained, seen["val"]),
    )
    return ConfidenceTraining(network, data)
