"""A folder of crops of people, as `poseterior render` writes it: drawn as sticks and dots."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from poseterior.geometry.skeleton import COCO_17

# A standing person, COCO's joints, x and y as shares of a box.
STANDING = np.array(
    [(.5, .07), (.55, .05), (.45, .05), (.6, .06), (.4, .06), (.75, .2), (.25, .2), (.85, .37),
     (.15, .37), (.9, .52), (.1, .52), (.65, .52), (.35, .52), (.67, .75), (.33, .75), (.68, .96),
     (.32, .96)]
)  # fmt: skip
# Colours tell left from right, as clothes and the view do of people.
_COLOURS = {"left": (230, 80, 60), "right": (60, 120, 230)}


def draw_person(image: np.ndarray, joints: np.ndarray, radius: float) -> None:
    """Dots and limbs of joints (17, 2), px, onto an image (h, w, 3)."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    pixels = np.stack([x, y], -1).astype(float)
    for joint, parent in enumerate(COCO_17.parents):
        colour = _COLOURS.get(COCO_17.joints[joint].split("_")[0], (240, 240, 200))
        ends = joints[[joint, parent if parent >= 0 else joint]]
        limb = ends[1] - ends[0]
        along = np.clip((pixels - ends[0]) @ limb / max(limb @ limb, 1e-6), 0, 1)
        near = np.linalg.norm(pixels - ends[0] - along[..., None] * limb, axis=-1)
        image[near < 0.4 * radius] = colour
        image[np.linalg.norm(pixels - ends[0], axis=-1) < radius] = colour


def write_people(folder: Path, counts: dict[str, int], seed: int = 0) -> Path:
    """Crops 128 x 96 of people in images of 320 x 240, with annotations."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (split, count) in enumerate(counts.items()):
        rng = np.random.default_rng([seed, number])
        drawn = [_person(rng, row) for row in range(count)]
        np.save(folder / f"crops_{split}.npy", np.stack([crop for crop, _ in drawn]))
        images = [{"id": row, "width": 320, "height": 240} for row in range(count)]
        data = {"images": images, "annotations": [person for _, person in drawn]}
        (folder / f"annotations_{split}.json").write_text(json.dumps(data))
    return folder


def _person(rng: np.random.Generator, row: int) -> tuple[np.ndarray, dict]:
    size, centre = rng.uniform(60, 200), rng.uniform([100, 80], [220, 160])
    shape = (STANDING - 0.5) * [0.5, 1] + rng.normal(0, 0.02, (17, 2))
    joints = centre + size * shape
    low, high = joints.min(0) - size / 30, joints.max(0) + size / 30
    scale = 1.25 * (high[1] - low[1]) / 128
    corner = (low + high) / 2 - scale * (np.array([96, 128]) - 1) / 2
    crop = rng.integers(30, 90, (1, 1, 3)) + rng.integers(-10, 10, (128, 96, 3))
    crop = crop.astype(np.uint8)
    draw_person(crop, (joints - corner) / scale, 4.0)
    seen = rng.random(17) < 0.9
    keypoints = np.concatenate([joints * seen[:, None], 2.0 * seen[:, None]], 1)
    return crop, {
        "id": row, "image_id": row, "category_id": 1, "iscrowd": 0,
        "keypoints": keypoints.ravel().tolist(), "num_keypoints": int(seen.sum()),
        "area": float(0.3 * size**2), "bbox": [*low.tolist(), *(high - low).tolist()],
        "crop": [*corner.tolist(), float(scale)],
    }  # fmt: skip
