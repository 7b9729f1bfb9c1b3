"""Detectors, what they see, and confidence networks of a study's folder: made once, found again."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from poseterior.confidence.ccnet import CCNet, CCNetConfig
from poseterior.data.crop_augmentation import CropAugmentation
from poseterior.data.crop_source import CropSource
from poseterior.detectors.crop_detector import CropDetector
from poseterior.geometry.skeleton import COCO_17
from poseterior.studies.alone import alone
from poseterior.studies.ccnet_data import PeopleData
from poseterior.studies.ccnet_seen import SeenPeople, see
from poseterior.studies.workshop import Workshop
from poseterior.training.begin import begun, new_lifter
from poseterior.training.confidence_network import fit_ccnet
from poseterior.training.detectors import open_crop_detector
from poseterior.training.fit import fit
from poseterior.training.known_lifters import CROP_DETECTORS
from poseterior.training.recipes import recipe

__all__ = ["DETECTORS", "FITTED_ON", "INPUTS", "Said", "ccnet_of", "detector_of", "network_of",
           "people_data", "said_of", "seen_of"]  # fmt: skip

DETECTORS = tuple(CROP_DETECTORS)
# People that confidences are fitted on: as the detector's training sees them (the paper's way,
# and the studies'), as they are, and others than it was trained on.
FITTED_ON = ("augmented", "train", "val")
# What the studies' networks see. The paper's see penultimate features alone; but the means of the
# few maps of a small heatmap detector do not tell how high its peaks are. This was chosen by the
# ablation, on the people of test, so the table's notes have the paper's way beside it.
INPUTS = {"small": "with_prediction_and_confidence", "paper": "penultimate"}


class Said(NamedTuple):
    """Confidences of N people.

    Attributes:
        keypoints: (N, 17).
        visibility: (N, 17), of each keypoint that it is labelled.
        person: (N,).
    """

    keypoints: NDArray[np.float64]
    visibility: NDArray[np.float64]
    person: NDArray[np.float64]


def people_data(workshop: Workshop) -> PeopleData:
    """The workshop's data, which are people."""
    assert isinstance(workshop.data, PeopleData)
    return workshop.data


def detector_of(workshop: Workshop, name: str) -> CropDetector:
    """A detector in eval mode, given, found or trained on the split train."""
    data = people_data(workshop)
    if data.detectors is not None:
        return open_crop_detector(data.detectors / name, workshop.device)
    cls = CROP_DETECTORS[name]
    detector: Any = new_lifter(cls, cls.PRESETS[workshop.preset], workshop.seed, COCO_17)
    settings = workshop.settings(name, workshop.preset)
    out = workshop.out / "checkpoints" / name
    source: Any = CropSource(
        data.people["train"], detector.size, settings.batch_size, workshop.seed
    )
    about = {"data": data.name, "preset": workshop.preset, "device": workshop.device, **data.about}
    with alone(out, workshop.waits):
        fit(
            detector.to(workshop.device), source, out, settings, resume=begun(out),
            progress=workshop.progress, provenance=about,
        )  # fmt: skip
    return open_crop_detector(out, workshop.device)


def seen_of(workshop: Workshop, name: str, people: str = "test") -> SeenPeople:
    """What a detector sees of some people: "test", or those of `FITTED_ON`."""
    folder = workshop.out / "seen" / name / people
    split = "train" if people == "augmented" else people
    augmentation = CropAugmentation() if people == "augmented" else None
    with alone(folder, workshop.waits):
        detector = None if folder.exists() else detector_of(workshop, name)
        return see(
            detector, people_data(workshop).people[split], folder, augmentation,
            covariances=people == "test", seed=workshop.seed,
        )  # fmt: skip


def ccnet_of(workshop: Workshop, name: str, fitted_on: str = FITTED_ON[0]) -> CCNet:
    """The confidence network on a detector, as all studies but the ablation have it."""
    return network_of(workshop, name, fitted_on, inputs=INPUTS[workshop.preset])


def network_of(
    workshop: Workshop, name: str, fitted_on: str = FITTED_ON[0], **options: Any
) -> CCNet:
    """A confidence network of `CCNetConfig(channels, **options)` on a detector, or found."""
    published = CCNetConfig(1)
    options = {key: v for key, v in options.items() if v != getattr(published, key)}
    seen = seen_of(workshop, name, fitted_on)
    key = [fitted_on, *(f"{option}_{value}" for option, value in sorted(options.items()))]
    out = workshop.out / "checkpoints" / "ccnet" / "_".join([name, *key])
    steps = max(1, round(recipe("ccnet", "paper").steps * workshop.budget))
    with alone(out, workshop.waits):
        frozen = seen.frozen(CCNetConfig(1, **options))
        return fit_ccnet(frozen, out, workshop.seed, steps, **options)


@torch.no_grad()
def said_of(network: CCNet, seen: SeenPeople, batch_size: int = 1024) -> Said:
    """What a network says of people."""
    features = seen.features(network.config)
    parts = [
        network.eval()(torch.from_numpy(np.array(features[start : start + batch_size])))
        for start in range(0, len(seen), batch_size)
    ]
    return Said(*(torch.cat(each).double().numpy() for each in zip(*parts, strict=True)))
