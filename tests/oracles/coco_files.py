"""Generated COCO annotations and results with all that makes evaluations differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from poseterior.metrics.oks_constants import COCO_SIGMAS, COCO_WHOLEBODY_SIGMAS

NAMES = tuple(COCO_SIGMAS)
SIGMAS = {17: np.array(tuple(COCO_SIGMAS.values())), 133: np.array(COCO_WHOLEBODY_SIGMAS)}

Entries = list[dict[str, Any]]


def coco_files(
    images: int = 40,
    seed: int = 0,
    *,
    per_image: float = 3.0,
    spurious: float = 1.0,
    crowded: bool = True,
    ties: bool = True,
    points: int = 17,
    boxes: bool = True,
    first_image: int = 1,
) -> tuple[dict[str, Any], Entries]:
    """Annotations and results whose keypoints lie off by noise of a known standard deviation.

    Each keypoint's sigma in px is drawn, told in `keypoint_sigmas`, and its noise is drawn from
    it. Its score is a heatmap's peak at 1/64 of the box: 4 / (4 + sigma²) in heatmap px, so it
    does not know the tolerance. Some people are occluded in part, some have no keypoint; some
    images have a crowd, nobody, or more than twenty detections.
    """
    rng = np.random.default_rng(seed)
    annotations: Entries = []
    results: Entries = []
    for image in range(first_image, first_image + images):
        for _ in range(rng.poisson(per_image)):
            person = _person(rng, points, image, len(annotations) + 1, crowded)
            annotations.append(person)
            if rng.random() < 0.9:
                for _ in range(1 + (rng.random() < 0.15)):
                    results.append(_detection(rng, person, points, ties))
        extra = rng.poisson(spurious) + (25 if crowded and rng.random() < 0.1 else 0)
        for _ in range(extra):
            ghost = _person(rng, points, image, 0, False)
            found = _detection(rng, ghost, points, ties)
            found["score"] = found["score"] * 0.7
            results.append(found)
    order = rng.permutation(len(results))
    results = [results[i] for i in order]
    for each in results:
        if not boxes:
            del each["bbox"]
    sizes = [{"id": i, "width": 640, "height": 480, "file_name": f"{seed}/{i}.jpg"}
             for i in range(first_image, first_image + images)]  # fmt: skip
    category: dict[str, Any] = {"id": 1, "name": "person"}
    if points == 17:
        category["keypoints"] = list(NAMES)
    return {"images": sizes, "annotations": annotations, "categories": [category]}, results


def _person(
    rng: np.random.Generator, points: int, image: int, number: int, crowded: bool
) -> dict[str, Any]:
    height = float(np.exp(rng.uniform(np.log(25), np.log(350))))
    width = height * rng.uniform(0.3, 0.7)
    x, y = rng.uniform(0, 500), rng.uniform(0, 350)
    v = rng.choice([0, 1, 2], size=points, p=[0.2, 0.2, 0.6])
    if rng.random() < 0.1:
        v[:] = 0
    at = np.stack([x + width * rng.random(points), y + height * rng.random(points)], 1).round(2)
    at[v == 0] = 0
    keypoints = np.concatenate([at, v[:, None]], 1)
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "keypoints": keypoints.ravel().tolist(),
        "num_keypoints": int((v > 0).sum()),
        "area": round(width * height * rng.uniform(0.4, 0.7), 2),
        "bbox": [round(each, 2) for each in (x, y, width, height)],
        "iscrowd": int(crowded and rng.random() < 0.08),
    }


def _detection(
    rng: np.random.Generator, person: dict[str, Any], points: int, ties: bool
) -> dict[str, Any]:
    true = np.array(person["keypoints"]).reshape(-1, 3)
    x, y, width, height = person["bbox"]
    pixel = 1.25 * height / 64
    sigma = pixel * np.exp(rng.normal(0.2, 0.7, points)) * rng.uniform(0.5, 2.5)
    hidden = true[:, 2] == 0
    at = np.where(hidden[:, None], [x, y] + rng.random((points, 2)) * [width, height], true[:, :2])
    at = at + sigma[:, None] * rng.normal(size=(points, 2))
    score = 4 / (4 + (sigma / pixel) ** 2) * np.where(hidden, 0.5, 1)
    whole = float(score[score > 0.2].mean()) if (score > 0.2).any() else 0.0
    return {
        "image_id": person["image_id"],
        "category_id": 1,
        "keypoints": np.concatenate([at, score[:, None]], 1).round(3).ravel().tolist(),
        "score": round(whole, 1 if ties else 6),
        "bbox": [x, y, width, height],
        "keypoint_sigmas": sigma.round(4).tolist(),
    }


def write(folder: Path, annotations: Any, results: Any, name: str = "") -> tuple[Path, Path]:
    """The results' and the annotations' files, in the order of the command."""
    paths = folder / f"{name}results.json", folder / f"{name}annotations.json"
    for path, content in zip(paths, (results, annotations), strict=True):
        path.write_text(json.dumps(content))
    return paths


def pycocotools_numbers(annotations: Any, results: Any, sigmas: np.ndarray) -> list[float]:
    """The ten numbers by pycocotools."""
    import contextlib
    import copy
    import io

    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = copy.deepcopy(annotations)
        truth.createIndex()
        run = COCOeval(truth, truth.loadRes(copy.deepcopy(results)), "keypoints")
        run.params.kpt_oks_sigmas = sigmas
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run.stats.tolist()
