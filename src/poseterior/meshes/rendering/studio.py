"""A body, a renderer and all that is needed to draw scenes with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from poseterior.meshes.rendering.body_map import body_map
from poseterior.meshes.rendering.casters import open_caster
from poseterior.meshes.rendering.crops import native_window
from poseterior.meshes.rendering.hits import Window
from poseterior.meshes.rendering.labels import Labels, label
from poseterior.meshes.rendering.random_scene import Draw, scenes_of
from poseterior.meshes.rendering.scene import Scene
from poseterior.meshes.rendering.shading import degraded, picture, resized
from poseterior.meshes.rendering.shapes import Shape
from poseterior.meshes.rendering.textures import Surroundings
from poseterior.meshes.skinned_body import SkinnedBody

__all__ = ["Studio", "with_disc"]

_FRAME_FINER = 2
# Appended to a scene's seed, so that its noise is no continuation of its other draws.
_NOISE = 1


class Studio:
    """Draws scenes of one body.

    Args:
        body: on the CPU, with landmarks of `coco_17` and joints by SMPL's names.
        renderer: 'auto', 'gl' or 'warp', see `casters.open_caster`.

    Raises:
        InputError: there is no such renderer here.
    """

    def __init__(self, body: SkinnedBody, renderer: str = "auto") -> None:
        self.body = body
        self._faces = body.faces.cpu().numpy()
        self.caster = open_caster(self._faces, renderer)
        self._map = body_map(body)

    def scenes(self, draws: Sequence[Draw], around: Surroundings) -> list[Scene]:
        """Scenes of draws of this body, see `random_scene`."""
        return scenes_of(draws, self.body, around)

    def label(self, scene: Scene) -> Labels | None:
        """See `labels.label`."""
        return label(scene, self.caster)

    def crop(self, scene: Scene, window: Window) -> NDArray[np.uint8]:
        """(height, width, 3) of a window, as small in the image as it is there; black outside."""
        native, finer = native_window(window)
        drawn = picture(scene, native.finer(finer), self.caster, self._faces, self._map)
        values = resized(drawn, (native.width, native.height))
        rng = np.random.default_rng((*scene.seed, _NOISE))
        faults = scene.degradation.reduced(max(window.step, 1))
        taken = degraded(values, faults, rng)
        if native is not window:
            large = resized(taken.astype(np.float32), (window.width, window.height))
            taken = (large + 0.5).astype(np.uint8)
        x, y = window.axes()
        width, height = scene.size
        inside = ((x >= -0.5) & (x < width - 0.5)) & ((y >= -0.5) & (y < height - 0.5))[:, None]
        return np.where(inside[..., None], taken, np.uint8(0))

    def frame(self, scene: Scene) -> NDArray[np.uint8]:
        """(height, width, 3), the whole image."""
        window = Window(0.0, 0.0, 1.0, *scene.size)
        drawn = picture(scene, window.finer(_FRAME_FINER), self.caster, self._faces, self._map)
        rng = np.random.default_rng((*scene.seed, _NOISE))
        return degraded(resized(drawn, scene.size), scene.degradation, rng)


def with_disc(
    scene: Scene, centre: tuple[float, float], radius: float, texture: NDArray[np.uint8]
) -> Scene:
    """The scene with one more thing before all people: a disc, px of the image."""
    disc = Shape(centre, (radius, radius), 0.0, True, texture, np.ones(3, np.float32))
    return replace(scene, before=(*scene.before, disc))
