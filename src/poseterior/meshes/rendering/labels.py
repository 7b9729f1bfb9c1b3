"""Keypoints, visibility, area and box of a person in a scene, as annotators of COCO give them.

A keypoint inside the image is visible (2) unless something lies before it: a thing that is drawn
over it, or a surface nearer to the camera by more than the keypoint's own depth below the skin
(`MARGINS`). One that is not seen is labelled (1) where an annotator could tell where it is, and
else 0, as is one outside the image:

- hidden by the person's own body: told, but for nose, eyes and ears, which annotators seldom
  place on the far side of a head;
- hidden by a thing or by someone else: told if a visible keypoint of the person is within
  `NEAR_TORSOS` lengths of the torso (middle of the shoulders to middle of the hips), in space.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poseterior.geometry.skeleton import COCO_17
from poseterior.meshes.rendering.hits import Caster, Window
from poseterior.meshes.rendering.scene import Scene
from poseterior.meshes.rendering.shapes import covered

__all__ = ["MARGINS", "NEAR_TORSOS", "Labels", "label"]

# Metres from the skin to a keypoint below it, at most, where it is the part that is seen.
_DEPTHS = {
    "nose": 0.05, "eye": 0.05, "ear": 0.06, "shoulder": 0.14, "elbow": 0.09, "wrist": 0.08,
    "hip": 0.20, "knee": 0.10, "ankle": 0.09,
}  # fmt: skip
MARGINS = np.array([_DEPTHS[name.split("_")[-1]] for name in COCO_17.joints], np.float32)
NEAR_TORSOS = 0.75
_FACE = [k for k, name in enumerate(COCO_17.joints) if name.endswith(("nose", "eye", "ear"))]
_CELLS = 224  # along the longer side of the window that a silhouette is measured in


@dataclass(frozen=True, eq=False)
class Labels:
    """What is known of body 0 of a scene.

    Attributes:
        keypoints: (17, 3) x, y in px of the image and v; (0, 0, 0) where v is 0.
        area: px² of the person that are seen.
        box: (4,) x, y, width, height of what is seen, between borders of pixels (x - 1/2).
        truncated: a part of the person is outside the image.
        positions: (17, 2) px of all keypoints, also those that have no label.
    """

    keypoints: NDArray[np.float64]
    area: float
    box: NDArray[np.float64]
    truncated: bool
    positions: NDArray[np.float64]


def label(scene: Scene, caster: Caster) -> Labels | None:
    """The labels of body 0; None if nothing of it is seen."""
    seen = scene.camera.project(scene.vertices[0])
    window, truncated = _window(seen, scene.size)
    if window is None:
        return None
    hits = caster.cast(scene.vertices, scene.camera, window)
    before = covered(scene.before, window)
    bodies = hits.body_map(window)
    rows, columns = np.nonzero((bodies == 0) & ~before)
    if len(rows) == 0:
        return None
    positions = scene.camera.project(scene.landmarks.astype(np.float64))
    depth = hits.depth_map(window)
    flags = _flags(scene, positions, window, bodies, depth, before)
    first = np.array([columns.min(), rows.min()])
    sides = np.array([columns.max(), rows.max()]) + 1 - first
    corner = np.array([window.left, window.top]) + window.step * (first - 0.5)
    return Labels(
        keypoints=np.concatenate([positions * (flags > 0)[:, None], flags[:, None]], 1),
        area=len(rows) * window.step**2,
        box=np.concatenate([corner, window.step * sides]),
        truncated=truncated,
        positions=positions,
    )


def _window(seen: NDArray, size: tuple[int, int]) -> tuple[Window | None, bool]:
    """A window over points (V, 2), as far as they are in an image; and whether some are not."""
    borders = np.array([[-0.5, -0.5], [size[0] - 0.5, size[1] - 0.5]])
    low, high = seen.min(0), seen.max(0)
    truncated = bool((low < borders[0]).any() or (high > borders[1]).any())
    low, high = np.maximum(low, borders[0]), np.minimum(high, borders[1])
    if (high <= low).any():
        return None, truncated
    step = float((high - low).max() / _CELLS)
    # Rounding down keeps the last cell in the image.
    width, height = np.maximum(np.floor((high - low) / step + 1e-6), 1).astype(int)
    left, top = low + step / 2
    return Window(float(left), float(top), step, int(width), int(height)), truncated


def _flags(
    scene: Scene, positions: NDArray, window: Window,
    bodies: NDArray, depth: NDArray, before: NDArray,
) -> NDArray[np.int64]:  # fmt: skip
    """(17,) v of each keypoint."""
    x, y = positions.T
    inside = (x >= -0.5) & (y >= -0.5) & (x < scene.size[0] - 0.5) & (y < scene.size[1] - 0.5)
    column, row = np.rint(window.index(positions)).astype(int).T
    row, column = row.clip(0, window.height - 1), column.clip(0, window.width - 1)
    nearer = depth[row, column] < scene.landmarks[:, 2] - MARGINS
    thing = before[row, column]
    other = ~thing & nearer & (bodies[row, column] > 0)
    own = ~thing & nearer & (bodies[row, column] == 0)
    visible = inside & ~thing & ~nearer
    told = own.copy()
    told[_FACE] = False
    told |= (thing | other) & _near_visible(scene.landmarks, visible)
    return np.where(visible, 2, np.where(inside & told, 1, 0))


def _near_visible(landmarks: NDArray, visible: NDArray) -> NDArray[np.bool_]:
    """(17,) whether a visible keypoint is near, in lengths of the torso."""
    if not visible.any():
        return np.zeros(len(landmarks), bool)
    middle = {
        part: sum(landmarks[COCO_17.index(f"{side}_{part}")] for side in ("left", "right")) / 2
        for part in ("shoulder", "hip")
    }
    torso = np.linalg.norm(middle["shoulder"] - middle["hip"])
    apart = np.linalg.norm(landmarks[:, None] - landmarks[None, visible], axis=-1)
    return apart.min(1) <= NEAR_TORSOS * torso
