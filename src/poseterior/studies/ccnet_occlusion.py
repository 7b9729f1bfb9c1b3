"""`ccnet_occlusion`: confidence and accuracy as a disc grows over a wrist (paper 003, Figure 3).

The paper blurs a disc on the right wrist by a Gaussian and tells neither its width nor whose
radius the axis has. Ours has the radius as a share of the crop's height and a standard deviation
of half the radius; beside it stands an opaque, grey disc. What is true stays what it was: OKS is
that of the place where the wrist is, seen or not.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from poseterior.confidence.ccnet import CCNet
from poseterior.data.people_crops import PeopleCrops
from poseterior.detectors.crop_detector import CropDetector
from poseterior.errors import require
from poseterior.geometry.skeleton import COCO_17
from poseterior.meshes.rendering.crops import blurred_disc, opaque_disc
from poseterior.metrics.correlation import Pearson
from poseterior.studies.ccnet_bench import DETECTORS, ccnet_of, detector_of, people_data
from poseterior.studies.ccnet_data import ccnet_data
from poseterior.studies.mesh_scored import with_intervals
from poseterior.studies.study import Row, Rows, Scoring, Study
from poseterior.studies.workshop import Workshop
from poseterior.training.seen_people import seen_by

__all__ = ["CCNET_OCCLUSION", "OCCLUDERS", "SIZES", "WRIST", "occluded", "visible_wrists"]

WRIST = COCO_17.index("right_wrist")
SIZES = (0.0, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3)  # radius over the crop's height
_PEOPLE = {"small": 500, "paper": 2000}
_BLOCK = 64
_NAMES = ("wrist_oks", "wrist_confidence", "mean_oks", "mean_confidence", "wrist_visibility")
_METHODS = ("original", "ccnet")

Crop = NDArray[np.uint8]
Occluder = Callable[[Crop, tuple[float, float], float], Crop]


def _blurred(crop: Crop, centre: tuple[float, float], radius: float) -> Crop:
    return blurred_disc(crop, centre, radius, std=radius / 2)


OCCLUDERS: dict[str, Occluder] = {"blurred": _blurred, "opaque": opaque_disc}


def visible_wrists(people: PeopleCrops, every: int = 1, most: int | None = None) -> NDArray[Any]:
    """Rows of people whose right wrist is seen, every so many of them, evenly `most` of all."""
    rows = np.flatnonzero(people.keypoints[:, WRIST, 2] == 2)[::every]
    require(len(rows) > 0, people.name, "right_wrist", expected="a visible one", found="none")
    few = len(rows) if most is None else min(most, len(rows))
    return rows[np.linspace(0, len(rows) - 1, few).round().astype(int)]


def occluded(people: PeopleCrops, rows: NDArray[Any], occluder: str, size: float) -> PeopleCrops:
    """Those people alone, each with a disc on the right wrist; all that is true stays.

    Args:
        people: crops and what is true.
        rows: which.
        occluder: one of `OCCLUDERS`.
        size: radius, as a share of the crop's height; 0 for the crops as they are.
    """
    crops = np.array(people.crops[rows])
    if size > 0:
        centres = people.joints(rows)[:, WRIST, :2].tolist()
        radius, draw = size * crops.shape[1], OCCLUDERS[occluder]
        crops = np.stack([draw(crop, (x, y), radius)
                          for crop, (x, y) in zip(crops, centres, strict=True)])  # fmt: skip
    return replace(
        people, crops=crops, keypoints=people.keypoints[rows], affine=people.affine[rows],
        area=people.area[rows], boxes=people.boxes[rows], image_id=people.image_id[rows],
    )  # fmt: skip


def _run(name: str, workshop: Workshop, scoring: Scoring) -> Rows:
    """The rows of one detector."""
    people = people_data(workshop).people["test"]
    rows = visible_wrists(people, scoring.every, _PEOPLE[workshop.preset])
    detector, network = detector_of(workshop, name), ccnet_of(workshop, name).eval()
    found: Rows = []
    shown = rows[[_plainest(people, rows)]]
    for occluder in OCCLUDERS:
        for size in SIZES:
            told = _measured(detector, network, people, rows, (occluder, size))
            for method, sums in zip(_METHODS, told, strict=True):
                about = {"variant": f"{occluder} disc", "occluder": occluder, "size": size}
                found.append({"method": method, "detector": name, **about, **_numbers(sums),
                              "poses": len(rows)})  # fmt: skip
            found[-2]["details"] = {"jpeg": _jpeg(occluded(people, shown, occluder, size))}
    return found


def _numbers(sums: Tensor) -> dict[str, Any]:
    """Means of the columns (N, 5) with intervals that resample people; None where unknown."""
    told = with_intervals(torch.cat([sums, torch.ones(len(sums), 1)], 1).double(), _NAMES)
    unknown = [name for name in _NAMES if told[name] != told[name]]  # NaN
    return told | dict.fromkeys([f"{name}{end}" for name in unknown for end in ("", "_interval")])


def _measured(
    detector: CropDetector, network: CCNet, people: PeopleCrops, rows: NDArray[Any],
    disc: tuple[str, float],
) -> list[Tensor]:  # fmt: skip
    """`_NAMES` of each person, (N, 5), by the detector's confidences and by the network's."""
    parts: dict[str, list[Tensor]] = {method: [] for method in _METHODS}
    for some in _blocks(rows):
        hidden = occluded(people, some, *disc)
        seen = seen_by(detector, hidden, np.arange(len(some)), network.config.inputs)
        with torch.no_grad():
            said = network(seen.features)
        nothing = torch.full((len(some),), torch.nan)
        told = {
            "original": (seen.confidence, nothing),
            "ccnet": (said.keypoints, said.visibility[:, WRIST]),
        }
        for method, (confidence, visibility) in told.items():
            labelled = confidence.double().where(seen.v > 0, torch.nan)
            columns = [seen.oks[:, WRIST], confidence[:, WRIST], seen.oks.nanmean(1),
                       labelled.nanmean(1), visibility]  # fmt: skip
            parts[method].append(torch.stack([column.double() for column in columns], 1))
    return [torch.cat(parts[method]) for method in _METHODS]


def _blocks(rows: NDArray[Any]) -> Iterator[NDArray[Any]]:
    yield from np.array_split(rows, -(-len(rows) // _BLOCK))


def _plainest(people: PeopleCrops, rows: NDArray[Any]) -> int:
    """Of those rows the place of the person of most visible keypoints, the largest of them."""
    visible = (people.keypoints[rows, :, 2] == 2).sum(1)
    return int(np.lexsort((people.area[rows], visible))[-1])


def _jpeg(people: PeopleCrops) -> str:
    """The first crop, for the figure."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(people.crops[0]).save(out, "jpeg", quality=85)
    return base64.b64encode(out.getvalue()).decode("ascii")


def _followed(rows: Rows) -> tuple[float | None, float, float]:
    """Of rows over sizes: correlation of confidence and OKS, mean gap, how far confidence falls."""
    accuracy, confidence = (
        torch.tensor([row[name] for row in rows], dtype=torch.float64)
        for name in ("wrist_oks", "wrist_confidence")
    )
    pearson = Pearson()
    pearson.update(confidence, accuracy)
    fall = confidence[0] - confidence[-1]
    return pearson.compute(), float((confidence - accuracy).abs().mean()), float(fall)


def _notes(rows: Rows) -> Sequence[str]:
    """How well confidence follows accuracy, before and after."""
    if not rows:
        return []
    said = [
        f"{rows[0]['poses']} people whose right wrist is seen. Sizes are radii over the crop's "
        "height. Correlations and gaps are those of the means of the wrist over the "
        f"{len(SIZES)} sizes."
    ]
    for detector in DETECTORS:
        for occluder in OCCLUDERS:
            each = {
                method: [row for row in rows if (row["detector"], row["occluder"], row["method"])
                         == (detector, occluder, method)]
                for method in _METHODS
            }  # fmt: skip
            if all(each.values()):
                said.append(_told(detector, occluder, each))
    return said


def _told(detector: str, occluder: str, each: dict[str, Rows]) -> str:
    """One sentence of a detector and an occluder."""
    accuracy = [row["wrist_oks"] for row in each["original"]]
    parts = []
    for method in _METHODS:
        correlation, gap, fall = _followed(each[method])
        known = "none" if correlation is None else f"{correlation:.3f}"
        parts.append(f"{method}: correlation {known}, mean gap {gap:.3f}, falls by {fall:.3f}")
    return (
        f"{detector}, {occluder} disc: OKS falls from {accuracy[0]:.3f} to {accuracy[-1]:.3f}; "
        f"confidence {'; '.join(parts)}."
    )


CCNET_OCCLUSION = Study(
    name="ccnet_occlusion",
    title="Confidence and accuracy of a wrist under a growing disc",
    rows=tuple(Row(name, partial(_run, name)) for name in DETECTORS),
    notes=_notes,
    data=ccnet_data,
)
