"""COCO keypoint results: what a detector found, as arrays, and back into a file.

The list of cocodataset.org, "results format": {image_id, category_id, keypoints [x, y, s], score},
s being the keypoint's score. Further fields, all of them optional, of the K keypoints:

- `bbox` [x, y, width, height] px;
- `keypoint_sigmas`, or `sigma`, `sigmas`: K standard deviations, or K pairs of x and y, in px;
- `keypoint_covariances`, or `covariance`, `covariances`: K times xx, xy, yy, or K 2 x 2 matrices,
  in px²;
- `keypoint_visibilities`, or `visibility`, `visibilities`: K probabilities that the keypoint is
  there to be labelled.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseterior.data.coco.columns import (
    WHOLEBODY_FIELDS,
    joined,
    objects,
    required_finite,
    stacked,
)
from poseterior.data.coco.people import CocoPeople
from poseterior.data.keypoint_files.detections import load_json
from poseterior.data.npz_writer import replacing
from poseterior.errors import InputError, require

__all__ = ["COVARIANCES", "SIGMAS", "VISIBILITIES", "CocoResults", "read_results", "write_results"]

SIGMAS = ("keypoint_sigmas", "sigma", "sigmas")
COVARIANCES = ("keypoint_covariances", "covariance", "covariances")
VISIBILITIES = ("keypoint_visibilities", "visibility", "visibilities")
_DIGITS = 6
# Body, feet, face and hands among 133 keypoints, where COCO-WholeBody cuts them.
_CUTS = (0, 17, 23, 91, 112, 133)


@dataclass(frozen=True, eq=False)
class CocoResults:
    """Detections (N) with K keypoints, in the file's order.

    Attributes:
        source: the file, for errors.
        entries: the objects of the file, without their keypoints, which would take most room.
        image: (N,) int64, rows of the annotations' `image_ids`.
        category: (N,) int64.
        score: (N,) float64.
        keypoints: (N, K, 3) float64: x and y px and the keypoint's score.
        box: (N, 4) float64 px, x, y, width, height: the file's, else the keypoints'.
        has_boxes: whether they are the file's.
        covariance: (N, K, 2, 2) float64 px², or None.
        visibility: (N, K) float64 from 0 to 1, or None.
    """

    source: str
    entries: list[dict[str, Any]]
    image: NDArray[np.int64]
    category: NDArray[np.int64]
    score: NDArray[np.float64]
    keypoints: NDArray[np.float64]
    box: NDArray[np.float64]
    has_boxes: bool
    covariance: NDArray[np.float64] | None = None
    visibility: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.score)

    @property
    def keypoint_score(self) -> NDArray[np.float64]:
        """(N, K)."""
        return self.keypoints[..., 2]

    @property
    def box_area(self) -> NDArray[np.float64]:
        """(N,) px², at least 1."""
        return (self.box[:, 2] * self.box[:, 3]).clip(min=1.0)


def read_results(path: str | os.PathLike[str], people: CocoPeople) -> CocoResults:
    """The detections of a results file, on the images of `people`.

    Raises:
        InputError: not JSON, no list, an empty one, an image or category that the annotations
            do not have, another number of keypoints, NaN, a duplicated id.
    """
    entries = objects(load_json(Path(path)), path, "", "COCO results")
    require(bool(entries), path, "", expected="at least one detection", found="an empty list")
    count = people.keypoints.shape[1]
    keypoints = _keypoints(entries, path, people)
    score = stacked(entries, "score", path, "[{}].score").astype(np.float64)
    required_finite(score, path, "[{}].score", "score")
    has_boxes = bool(entries[0].get("bbox"))
    covariance, visibility = _covariance(entries, path, count), _visibility(entries, path, count)
    for entry in entries:
        entry.update({name: None for name in WHOLEBODY_FIELDS if name in entry})
    return CocoResults(
        source=str(path),
        entries=entries,
        image=_image(entries, path, people),
        category=_category(entries, path, people),
        score=score,
        keypoints=keypoints,
        box=_box(entries, path) if has_boxes else _extent(keypoints),
        has_boxes=has_boxes,
        covariance=covariance,
        visibility=visibility,
    )


def _keypoints(
    entries: list[dict[str, Any]], path: object, people: CocoPeople
) -> NDArray[np.float64]:
    count = people.keypoints.shape[1]
    for place, entry in enumerate(entries):
        found = joined(entry)
        if isinstance(found, list) and len(found) != 3 * count:
            expected = f"{count} keypoints as in {people.source} (x, y, score of each)"
            raise InputError(path, f"[{place}].keypoints", expected=expected,
                             found=f"{len(found)} numbers")  # fmt: skip
    flat = stacked(entries, joined, path, "[{}].keypoints", 3 * count).astype(np.float64)
    keypoints = flat.reshape(len(entries), count, 3)
    required_finite(keypoints[..., :2], path, "[{}].keypoints", "x and y")
    bad = ~np.isfinite(keypoints[..., 2])
    if bad.any():
        place, joint = np.argwhere(bad)[0].tolist()
        where = f"[{place}].keypoints: score of keypoint {joint}"
        found = keypoints[place, joint, 2]
        raise InputError(path, where, expected="a finite number", found=found)
    return keypoints


def _image(entries: list[dict[str, Any]], path: object, people: CocoPeople) -> NDArray[np.int64]:
    given = stacked(entries, "image_id", path, "[{}].image_id")
    row = np.searchsorted(people.image_ids, given).clip(max=len(people.image_ids) - 1)
    absent = people.image_ids[row] != given
    if absent.any():
        place = int(absent.argmax())
        expected = f"an image of {people.source}"
        raise InputError(path, f"[{place}].image_id", expected=expected, found=given[place])
    _check_ids(entries, path)
    return row


def _check_ids(entries: list[dict[str, Any]], path: object) -> None:
    """Detections need no `id`, but those they have are their own."""
    seen: dict[Any, int] = {}
    for place, entry in enumerate(entries):
        value = entry.get("id")
        if isinstance(value, int | str) and seen.setdefault(value, place) != place:
            found = f"{value!r} again, which is [{seen[value]}]"
            raise InputError(path, f"[{place}].id", expected="an id of its own", found=found)


def _category(entries: list[dict[str, Any]], path: object, people: CocoPeople) -> NDArray[np.int64]:
    category = stacked(
        entries, lambda e: e.get("category_id", people.categories[0]), path, "[{}].category_id"
    )
    foreign = ~np.isin(category, people.categories)
    if foreign.any():
        place = int(foreign.argmax())
        expected = f"a category of {people.source} with keypoints: {people.categories}"
        where = f"[{place}].category_id"
        raise InputError(path, where, expected=expected, found=category[place])
    return category.astype(np.int64)


def _box(entries: list[dict[str, Any]], path: object) -> NDArray[np.float64]:
    box = stacked(entries, "bbox", path, "[{}].bbox", 4).astype(np.float64)
    required_finite(box, path, "[{}].bbox", "number")
    return box


def _extent(keypoints: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 4): the box of all keypoints, which COCO's evaluation takes as well."""
    low, high = keypoints[..., :2].min(1), keypoints[..., :2].max(1)
    return np.concatenate([low, high - low], axis=1)


def _field(entries: list[dict[str, Any]], names: Sequence[str]) -> str | None:
    return next((name for name in names if name in entries[0]), None)


def _per_keypoint(
    entries: list[dict[str, Any]], path: object, name: str, count: int, widths: Sequence[int]
) -> NDArray[np.float64]:
    """(N, K, width) of a field of K, or K times width, numbers, nested or not."""

    def flat(entry: dict[str, Any]) -> Any:
        value = entry.get(name)
        return _flat(value) if isinstance(value, list) else value

    first = flat(entries[0])
    found = len(first) if isinstance(first, list) else 0
    expected = " or ".join(str(width * count) for width in widths)
    fits = found in [width * count for width in widths]
    require(fits, path, f"[0].{name}", expected=f"{expected} numbers", found=found)
    numbers = stacked(entries, flat, path, f"[{{}}].{name}", found).astype(np.float64)
    required_finite(numbers, path, f"[{{}}].{name}", "number")
    return numbers.reshape(len(entries), count, -1)


def _flat(value: list[Any]) -> list[Any]:
    out: list[Any] = []
    if not any(isinstance(each, list) for each in value):
        return value
    for each in value:
        out.extend(_flat(each)) if isinstance(each, list) else out.append(each)
    return out


def _covariance(
    entries: list[dict[str, Any]], path: object, count: int
) -> NDArray[np.float64] | None:
    """(N, K, 2, 2) px² of covariances, else of sigmas, else None."""
    if (name := _field(entries, COVARIANCES)) is not None:
        found = _per_keypoint(entries, path, name, count, (3, 4))
        matrix = found[..., [0, 1, 1, 2]] if found.shape[-1] == 3 else found
        matrix = matrix.reshape(*matrix.shape[:2], 2, 2)
        xx, xy, yy = matrix[..., 0, 0], matrix[..., 0, 1], matrix[..., 1, 1]
        bad = np.asarray((xx < 0) | (yy < 0) | (xx * yy * (1 + 1e-6) < xy**2))
        expected = "positive semi-definite matrices"
    elif (name := _field(entries, SIGMAS)) is not None:
        found = _per_keypoint(entries, path, name, count, (1, 2))
        matrix = np.zeros((*found.shape[:2], 2, 2))
        matrix[..., 0, 0], matrix[..., 1, 1] = found[..., 0] ** 2, found[..., -1] ** 2
        bad, expected = np.asarray((found < 0).any(-1)), "standard deviations in px, none negative"
    else:
        return None
    if bad.any():
        place, joint = np.argwhere(bad)[0].tolist()
        where = f"[{place}].{name}: keypoint {joint}"
        raise InputError(path, where, expected=expected, found=found[place, joint])
    return matrix


def _visibility(
    entries: list[dict[str, Any]], path: object, count: int
) -> NDArray[np.float64] | None:
    name = _field(entries, VISIBILITIES)
    if name is None:
        return None
    found = _per_keypoint(entries, path, name, count, (1,))[..., 0]
    bad = (found < 0) | (found > 1)
    if bad.any():
        place, joint = np.argwhere(bad)[0].tolist()
        where = f"[{place}].{name}: keypoint {joint}"
        raise InputError(path, where, expected="from 0 to 1", found=found[place, joint])
    return found


def write_results(
    path: str | os.PathLike[str],
    results: CocoResults,
    score: NDArray[np.float64],
    keypoint_score: NDArray[np.float64],
    parts: dict[str, NDArray[np.float64]] | None = None,
) -> None:
    """The results with other scores: (N,) of the detections, (N, K) of their keypoints.

    All else is kept as it was; keypoints' scores have six digits, and `part_scores` is added
    where there are parts. The file is whole or not there.
    """
    scores = keypoint_score.round(_DIGITS)
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as out:
        for place, entry in enumerate(results.entries):
            out.write("[" if place == 0 else ",\n")
            fixed = _with_keypoints(entry, results.keypoints[place], scores[place])
            fixed["score"] = float(score[place])
            if parts:
                fixed["part_scores"] = {name: float(of[place]) for name, of in parts.items()}
            out.write(json.dumps(fixed))
        out.write("]\n")


def _with_keypoints(
    entry: dict[str, Any], keypoints: NDArray[np.float64], scores: NDArray[np.float64]
) -> dict[str, Any]:
    points = np.concatenate([keypoints[:, :2], scores[:, None]], axis=1).ravel().tolist()
    if "foot_kpts" not in entry:
        return {**entry, "keypoints": points}
    cuts = zip(WHOLEBODY_FIELDS, _CUTS[:-1], _CUTS[1:], strict=True)
    return {**entry, **{name: points[3 * start : 3 * end] for name, start, end in cuts}}
