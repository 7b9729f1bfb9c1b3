"""People that confidences are studied on: crops to learn from, and crops to judge on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poseterior.data.crop_source import CropSource
from poseterior.data.fingerprint import file_fingerprint
from poseterior.data.people_crops import PeopleCrops
from poseterior.errors import InputError, known, require
from poseterior.geometry.skeleton import COCO_17
from poseterior.studies.study_data import StudyData
from poseterior.training.checkpoint import MODEL_FILE
from poseterior.training.known_lifters import CROP_DETECTORS

__all__ = ["SPLITS", "PeopleData", "ccnet_data"]

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class PeopleData(StudyData):
    """A folder of crops of people, as `poseterior render` writes it.

    Attributes:
        root: the folder; `test` of the base is its split of that name.
        people: of each of `SPLITS`.
        detectors: a folder with detectors that are trained already, by name; None to train.
    """

    root: Path = Path()
    people: Mapping[str, PeopleCrops] = None  # type: ignore[assignment]
    detectors: Path | None = None


def ccnet_data(
    name: str, root: Path | None, options: Mapping[str, object], out: Path
) -> PeopleData:
    """The people of a folder, for a study of confidences.

    Args:
        name: people.
        root: the folder.
        options: `detectors`, a folder with the runs `sbl` and `rle` of `poseterior train`.
        out: the study's folder; not looked at.

    Raises:
        InputError: another name or option, no folder, anything bad in the files, people with
            other keypoints than COCO's 17.
    """
    known("--data", name, ["people"])
    for option, value in options.items():
        allowed = value is None or option == "detectors"
        expected = "no such option for crops of people"
        require(allowed, f"--{option}", "", expected=expected, found=value)
    if root is None:
        raise InputError("--root", "", expected="a folder of crops of people", found="none")
    given: Any = options.get("detectors")
    detectors = None if given is None else Path(given)
    people = {split: PeopleCrops.open(root, split) for split in SPLITS}
    for split, each in people.items():
        expected = "COCO's 17 keypoints, of which these studies are"
        found = each.skeleton.name
        require(each.skeleton == COCO_17, root, split, expected=expected, found=found)
    height, width = people["train"].crops.shape[1:3]
    about: dict[str, Any] = {split: _about(root, split, people[split]) for split in SPLITS}
    if detectors is not None:
        about["detectors"] = {each: _digest(detectors / each / MODEL_FILE)
                              for each in CROP_DETECTORS}  # fmt: skip
    test: Any = people["test"]
    return PeopleData(
        name=name,
        source=lambda size, seed: CropSource(people["train"], (width, height), size, seed),
        test=test,
        skeleton=COCO_17,
        about=about,
        root=Path(root),
        people=people,
        detectors=detectors,
    )


def _about(root: Path, split: str, people: PeopleCrops) -> dict[str, Any]:
    return {"people": len(people), "fingerprint": _digest(Path(root) / f"annotations_{split}.json")}


def _digest(path: Path) -> str:
    require(path.is_file(), path, "", expected="a file", found="none")
    return file_fingerprint(path)
