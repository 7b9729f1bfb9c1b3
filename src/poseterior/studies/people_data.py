"""What detectors are trained on and validated with: a folder of crops of people."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from poseterior.data.crop_source import CropSource, resized
from poseterior.data.people_crops import PeopleCrops
from poseterior.detectors.crop_detector import CropDetector
from poseterior.errors import InputError, known, require
from poseterior.geometry.skeleton import COCO_17, Skeleton
from poseterior.metrics.oks import oks
from poseterior.metrics.oks_constants import skeleton_sigmas
from poseterior.studies.training_data import TrainingData

__all__ = ["crop_training_data", "people_skeleton", "validated"]

_VALIDATED, _BATCH = 2000, 64
_NEAR = 0.1  # PCK: of the longer side of the box


def crop_training_data(
    detector: CropDetector, name: str, root: Path | None, options: Mapping[str, object]
) -> TrainingData:
    """People of a folder of crops, split train; validated with some of val.

    Args:
        detector: whose crops' size they get.
        name: people.
        root: the folder, as `poseterior render` and `poseterior data people` write it.
        options: none are known.

    Raises:
        InputError: another name, no folder, an option, anything bad in the files, crops of
            another shape or people of another skeleton than the detector's.
    """
    known("--data", name, ["people"])
    for option, value in options.items():
        expected = "no such option for crops of people"
        require(value is None, f"--{option}", "", expected=expected, found=value)
    if root is None:
        raise InputError("--root", "", expected="a folder of crops of people", found="none")
    train, held_out = (PeopleCrops.open(root, split) for split in ("train", "val"))
    for people, split in ((train, "train"), (held_out, "val")):
        _check(people, f"split {split}", detector)
    return TrainingData(
        source=lambda size, seed: CropSource(train, detector.size, size, seed),
        held_out=None,
        about={"people": {"train": len(train), "val": len(held_out)}},
        validation=lambda network: validated(network, held_out),
    )


def people_skeleton(root: Path | None) -> Skeleton:
    """The skeleton that people of a folder are annotated with.

    COCO's where there is no such folder: whoever opens it is told so.
    """
    there = root is not None and (root / "annotations_val.json").is_file()
    return PeopleCrops.open(root, "val").skeleton if root is not None and there else COCO_17


def _check(people: PeopleCrops, split: str, detector: CropDetector) -> None:
    found, expected = people.skeleton.name, detector.skeleton.name
    require(found == expected, people.name, f"{split}: skeleton", expected=expected, found=found)
    (width, height), shape = detector.size, people.crops.shape
    alike = shape[2] * height == shape[1] * width
    expected = f"crops of {width} x {height}, or as wide for their height"
    found = f"{shape[2]} x {shape[1]}"
    require(alike, people.name, split, expected=expected, found=found)


def validated(
    detector: CropDetector, people: PeopleCrops, most: int = _VALIDATED
) -> dict[str, Any]:
    """How near a detector's joints are to the true ones, for some people, evenly from all.

    Returns:
        `people`; of joints with v > 0: `pck10` (nearer than a tenth of the longer side of the
        box), `error_px` (mean, px of crops of the people's file); of people with such joints
        `oks` (mean), with the true area.
    """
    rows = torch.linspace(0, len(people) - 1, min(most, len(people))).round().long()
    sums = torch.zeros(5, dtype=torch.float64)
    for some in rows.split(_BATCH):
        sums += _scores(detector, people, some.numpy())
    joints, persons = sums[0].clamp_min(1), sums[3].clamp_min(1)
    return {
        "people": len(rows),
        "pck10": float(sums[1] / joints),
        "error_px": float(sums[2] / joints),
        "oks": float(sums[4] / persons),
    }


def _scores(detector: CropDetector, people: PeopleCrops, rows: Any) -> Tensor:
    """Joints, near ones, their errors in px of the crop, people, and their OKS: sums."""
    device = next(detector.parameters()).device
    given, true = people.images(rows), people.joints(rows).double()
    crops, _ = resized(given, true, detector.size)
    places = detector.decode(detector.output(crops.to(device)))[0].double().cpu()
    ratio = given.shape[-1] / detector.size[0]
    places = (places + 0.5) * ratio - 0.5
    some = true[..., 2] > 0
    error = (places - true[..., :2]).norm(dim=-1)
    scale = torch.from_numpy(people.affine[rows][:, 2])
    side = torch.from_numpy(people.boxes[rows][:, 2:].max(-1)) / scale
    near = some & (error < _NEAR * side[:, None])
    area = torch.from_numpy(people.area[rows]) / scale**2
    alike = oks(places, true[..., :2], area, skeleton_sigmas(people.skeleton).double(), some)
    counted = some.any(-1)
    numbers = [some.sum(), near.sum(), error[some].sum(), counted.sum(), alike[counted].sum()]
    return torch.stack([number.double() for number in numbers])
