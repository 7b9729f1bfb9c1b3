"""Scenes as pictures: backdrop, things, lit bodies, things before them, a camera's faults."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from poseterior.meshes.rendering.body_map import BodyMap
from poseterior.meshes.rendering.hits import Caster, Hits, Window
from poseterior.meshes.rendering.outfits import albedo
from poseterior.meshes.rendering.scene import Degradation, Scene
from poseterior.meshes.rendering.shapes import paint

__all__ = ["degraded", "picture", "resized"]

Array = NDArray[np.float32]


def picture(scene: Scene, window: Window, caster: Caster, faces: NDArray, where: BodyMap) -> Array:
    """(height, width, 3) of a window, 0 to 1, before the camera's faults; no border of the image.

    Args:
        scene: what is seen.
        window: at which points; one sample each, so ask for `finer` and average.
        caster: for `faces` (F, 3).
        faces: of the bodies.
        where: the bodies' map.
    """
    result = _backdrop(scene, window)
    paint(result, scene.behind, window)
    hits = caster.cast(scene.vertices, scene.camera, window)
    result[hits.rows, hits.columns] = _lit(scene, hits, faces, where)
    paint(result, scene.before, window)
    return result


def _backdrop(scene: Scene, window: Window) -> Array:
    from PIL import Image

    size = len(scene.backdrop)
    left, top, wide, tall = (size * part for part in scene.view)
    across, down = wide / scene.size[0], tall / scene.size[1]  # texels per px of the image
    warp = (
        across * window.step, 0, left + across * (window.left + 0.5 - 0.5 * window.step),
        0, down * window.step, top + down * (window.top + 0.5 - 0.5 * window.step),
    )  # fmt: skip
    drawn = Image.fromarray(scene.backdrop).transform(
        (window.width, window.height), Image.Transform.AFFINE, warp, Image.Resampling.BILINEAR
    )
    return np.asarray(drawn, np.float32) / np.float32(255)


def _lit(scene: Scene, hits: Hits, faces: NDArray, where: BodyMap) -> Array:
    """(n, 3) colours of what the hits see: Lambert's law, an ambient light, a weak gloss."""
    own = _between(where.coordinates, faces[hits.face], hits.weights)
    count = scene.normals.shape[1]
    corners = faces[hits.face] + count * hits.body[:, None]
    normal = _between(scene.normals.reshape(-1, 3), corners, hits.weights)
    normal /= np.sqrt(np.einsum("nc,nc->n", normal, normal))[:, None] + np.float32(1e-6)
    colour = np.empty((len(own), 3), np.float32)
    for body, outfit in enumerate(scene.outfits):
        mine = np.flatnonzero(hits.body == body)
        colour[mine] = albedo(outfit, own[mine], where)
    lights = scene.lights
    facing = np.maximum(normal @ lights.towards.T, 0)
    light = (0.75 - 0.25 * normal[:, 1:2]) * lights.ambient + facing @ lights.colours
    gloss = facing
    for _ in range(4):
        gloss = gloss * gloss
    return colour * light + np.float32(0.06) * gloss @ lights.colours


def _between(values: Array, corners: NDArray, weights: Array) -> Array:
    """(n, C) of values (V, C) at the corners (n, 3) of triangles, weighed by (n, 3)."""
    total = values[corners[:, 0]] * weights[:, :1]
    for k in (1, 2):
        total += values[corners[:, k]] * weights[:, k : k + 1]
    return total


def resized(values: Array, size: tuple[int, int]) -> Array:
    """A picture (h, w, 3) at another (width, height): means where smaller, else between pixels."""
    from PIL import Image

    channels = [
        Image.fromarray(np.ascontiguousarray(values[..., k])).resize(
            size, Image.Resampling.BILINEAR if size[0] >= values.shape[1] else Image.Resampling.BOX
        )
        for k in range(values.shape[-1])
    ]
    return np.stack([np.asarray(channel) for channel in channels], -1)


def degraded(values: Array, faults: Degradation, rng: np.random.Generator) -> NDArray[np.uint8]:
    """(h, w, 3) uint8 of a picture in [0, 1] as a camera and a file give it."""
    values = values * np.asarray(faults.gain, np.float32)
    if faults.defocus > 0.2:
        for axis in (0, 1):
            values = gaussian_filter1d(values, faults.defocus, axis, mode="nearest")
    if faults.motion > 1:
        values = _moved(values, faults.motion, faults.angle)
    if faults.noise > 0:
        values = values + rng.normal(0, faults.noise / 255, values.shape).astype(np.float32)
    result = (255 * np.clip(values, 0, 1) + 0.5).astype(np.uint8)
    return result if faults.quality >= 100 else _as_jpeg(result, faults.quality)


def _moved(values: Array, length: float, angle: float) -> Array:
    """The mean over a straight path of the given length, px."""
    steps = np.linspace(-0.5, 0.5, max(round(length), 2)) * length
    total = np.zeros_like(values)
    height, width = values.shape[:2]
    for step in steps:
        rows = np.clip(np.arange(height) + round(step * np.sin(angle)), 0, height - 1)
        columns = np.clip(np.arange(width) + round(step * np.cos(angle)), 0, width - 1)
        total += values[rows[:, None], columns[None]]
    return (total / len(steps)).astype(np.float32, copy=False)


def _as_jpeg(values: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))
