"""People whose arms change when confidences are calibrated (paper 003, Figure k)."""

from __future__ import annotations

import base64
import io
from typing import Any

import torch
from torch import Tensor

from poseterior.geometry.skeleton import COCO_17
from poseterior.geometry.units import mm
from poseterior.meshes.body import Body
from poseterior.meshes.parameters import BodyParameters
from poseterior.studies.ccnet_bench import people_data
from poseterior.studies.ccnet_fits import Fitter
from poseterior.studies.gallery_people import body_cell, person, truth_cell
from poseterior.studies.mesh_scored import errors_mm
from poseterior.studies.study import Rows, Scoring
from poseterior.studies.workshop import Workshop

__all__ = ["example"]

_GAIN, _LOSE = 2, 1
_WHOLE = 14  # labelled keypoints; of people cut off at the hips, more than an arm is unknown
_ARMS = [[COCO_17.index(f"{side}_{joint}") for joint in ("elbow", "wrist")]
         for side in ("left", "right")]  # fmt: skip
_HIPS = [COCO_17.index(f"{side}_hip") for side in ("left", "right")]

Named = tuple[str, str, str | None, BodyParameters]  # label, role, name of the confidences, bodies


def example(detector: str, workshop: Workshop, scoring: Scoring) -> Rows:
    """A row with people: those whose arms calibration mends most, and one that it spoils most."""
    fitter = Fitter.of(workshop, detector, scoring.every)
    prior = fitter.prior("flow")
    fits = {name: fitter.fitted(prior, name, begins=False) for name in ("original", "ccnet")}
    body, truth = fitter.lifter.body, fitter.test.parameters
    before, after = (_arm_errors(body, fits[name], truth) for name in ("original", "ccnet"))
    gain, arm = (before - after).max(1)
    loss, worse = (after - before).max(1)
    labelled = people_data(workshop).people["test"].keypoints[fitter.rows, :, 2] > 0
    whole = torch.from_numpy(labelled.sum(1) >= _WHOLE)
    best, worst = (
        each.where(whole, -torch.inf).argsort(descending=True, stable=True) for each in (gain, loss)
    )
    chosen = [(int(n), int(arm[n])) for n in best[:_GAIN]]
    taken = {n for n, _ in chosen}
    chosen += [(int(n), int(worse[n])) for n in worst if int(n) not in taken][:_LOSE]
    columns: list[Named] = [
        ("regression", "answer", None, fitter.regressed()),
        ("raw", "fitted", "original", fits["original"]),
        ("CCNet", "fitted", "ccnet", fits["ccnet"]),
    ]
    return [{
        "method": "example", "title": "Bodies fitted by raw and by calibrated confidence",
        "weights": None, "prior": None, "detector": detector, "data": "rendered people",
        "body": fitter.lifter.config.body, "paper": "003, Figure k", "shown": len(chosen),
        "rule": f"of {int(whole.sum())} people with {_WHOLE} labelled keypoints and more the "
        f"{_GAIN} with an arm that calibration mends most (mean "
        f"error of elbow and wrist), and below the {_LOSE} with one that it spoils most",
        "people": [_person(workshop, fitter, columns, *each) for each in chosen],
    }]  # fmt: skip


@torch.no_grad()
def _arm_errors(body: Body, bodies: BodyParameters, truth: BodyParameters) -> Tensor:
    """(N, 2) mm: elbow and wrist of the left and the right arm, hips put together."""
    joints, true = (body.landmarks_of(each, COCO_17) for each in (bodies, truth))
    joints, true = (each - each[:, _HIPS].mean(1, keepdim=True) for each in (joints, true))
    error = (joints - true).norm(dim=-1)
    return mm(torch.stack([error[:, arm].mean(1) for arm in _ARMS], 1))


@torch.no_grad()
def _person(
    workshop: Workshop, fitter: Fitter, columns: list[Named], row: int, arm: int
) -> dict[str, Any]:
    """One person's line; beside fits the mean confidence of the arm's elbow and wrist."""
    cells, joints = [], _ARMS[arm]
    side = ("left", "right")[arm]
    for label, role, name, bodies in columns:
        one = bodies[[row]]
        error = errors_mm(fitter.lifter.body, one.map(lambda v: v[None]),
                          fitter.test.parameters[[row]])  # fmt: skip
        words = {}
        if name is not None:
            confidence = float(fitter.confidence[name][row, joints].mean())
            words = {"told": f"{side} arm: {confidence:.2f}"}
        cells.append(body_cell(label, role, one[0], mpjpe_mm=float(error), **words))
    told = person(fitter.test, row, [*cells, truth_cell(fitter.test, row)])
    people, number = people_data(workshop).people["test"], int(fitter.rows[row])
    flags = people.keypoints[number, :, 2].tolist()
    hidden = [joint for joint, v in zip(COCO_17.joints, flags, strict=True) if v < 2]
    return told | {"hidden": hidden, "crop": _crop(people, number)}


def _crop(people: Any, number: int) -> dict[str, Any]:
    """The picture of a person, as JPEG in base64, and its borders in px of the image."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(people.crops[number]).save(out, "jpeg", quality=85)
    height, width = people.crops.shape[1:3]
    x, y, step = people.affine[number].tolist()
    left, top = x - step / 2, y - step / 2
    box = [round(each, 2) for each in (left, top, left + step * width, top + step * height)]
    return {"jpeg": base64.b64encode(out.getvalue()).decode("ascii"), "box_px": box}
