"""One picture before it is drawn: a person, others, a camera, lights and things."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poseterior.meshes.rendering.hits import Pinhole
from poseterior.meshes.rendering.outfits import Outfit
from poseterior.meshes.rendering.shapes import Shape

__all__ = ["Degradation", "Lights", "Scene"]

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Lights:
    """Ambient light, more of it from above, and distant lamps.

    Attributes:
        ambient: (3,) RGB.
        towards: (L, 3) unit vectors to the lamps, camera axes.
        colours: (L, 3) RGB.
    """

    ambient: Array
    towards: Array
    colours: Array


@dataclass(frozen=True)
class Degradation:
    """What a camera and a file do to a picture; 0 leaves it out, and quality 100.

    Attributes:
        defocus: standard deviation of the blur, px of the picture as it was taken.
        motion: length of a straight blur, px; its direction `angle`, radians.
        noise: standard deviation, of 255.
        quality: of JPEG.
        gain: (3,) that the colours are multiplied by.
    """

    defocus: float = 0.0
    motion: float = 0.0
    angle: float = 0.0
    noise: float = 0.0
    quality: int = 100
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def reduced(self, factor: float) -> Degradation:
        """What is left of it in a picture `factor` times smaller."""
        lost = round((100 - self.quality) / factor)
        return Degradation(
            self.defocus / factor, self.motion / factor, self.angle,
            self.noise / factor, 100 - lost, self.gain,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Scene:
    """All that `shading` and `labels` need; body 0 is the person that is labelled.

    Attributes:
        size: (width, height) of the image, px.
        camera: of the image.
        vertices, normals: (N, V, 3) float32 of the bodies, camera axes, metres.
        landmarks: (17, 3) float32 of body 0, by `COCO_17`, as the vertices.
        outfits: of the N bodies.
        lights: that fall on them.
        backdrop: (b, b, 3) uint8, of which `view` (left, top, width, height), a part given in
            shares of 1 and possibly mirrored (a width below 0), fills the image.
        behind, before: things between the bodies and the backdrop, and before all bodies.
        degradation: of the picture.
        seed: of what is random in drawing it, its noise.
    """

    size: tuple[int, int]
    camera: Pinhole
    vertices: Array
    normals: Array
    landmarks: Array
    outfits: tuple[Outfit, ...]
    lights: Lights
    backdrop: NDArray[np.uint8]
    view: tuple[float, float, float, float]
    behind: tuple[Shape, ...]
    before: tuple[Shape, ...]
    degradation: Degradation
    seed: tuple[int, ...]
