"""Random lights, things, parts of a backdrop and camera faults of a scene."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from poseterior.meshes.rendering.scene import Degradation, Lights
from poseterior.meshes.rendering.shapes import Shape
from poseterior.meshes.rendering.textures import random_colour

__all__ = ["random_degradation", "random_lights", "random_view", "things_before", "things_behind"]

_HIDDEN = 0.45  # share of people with things before them
_TABLE = 0.12  # share with one long edge before their lower part
_FLESH = np.array([0.78, 0.58, 0.45], np.float32)


def random_lights(rng: np.random.Generator) -> Lights:
    """One to three lamps, mostly above and before the people."""
    count = int(rng.integers(1, 4))
    towards = rng.standard_normal((count, 3)) + np.array([0, -0.9, -0.6])
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    colours = rng.uniform(0.75, 1, (count, 3)) * rng.dirichlet(np.ones(count))[:, None]
    ambient = rng.uniform(0.25, 0.7)
    bright = rng.uniform(0.9, 1.6)
    return Lights(
        (bright * ambient * rng.uniform(0.85, 1, 3)).astype(np.float32),
        towards.astype(np.float32),
        (bright * 1.6 * (1 - ambient) * colours).astype(np.float32),
    )


def random_view(rng: np.random.Generator) -> tuple[float, float, float, float]:
    """Left, top, width and height, in shares of a backdrop, of the part that is seen."""
    wide = rng.uniform(0.35, 1)
    tall = min(wide * rng.uniform(0.75, 1.3), 1)
    left, top = rng.uniform(0, 1 - wide), rng.uniform(0, 1 - tall)
    return (left + wide, top, -wide, tall) if rng.random() < 0.5 else (left, top, wide, tall)


def random_degradation(rng: np.random.Generator) -> Degradation:
    """Often noise and JPEG; sometimes out of focus, or moved."""
    bright = np.exp(rng.normal(0, 0.15))
    gain = bright * np.exp(rng.normal(0, 0.06, 3))
    return Degradation(
        defocus=rng.uniform(0.3, 1.6) if rng.random() < 0.25 else 0.0,
        motion=rng.uniform(1.5, 5) if rng.random() < 0.12 else 0.0,
        angle=rng.uniform(0, np.pi),
        noise=rng.uniform(1, 12) if rng.random() < 0.6 else 0.0,
        quality=int(rng.integers(25, 96)) if rng.random() < 0.6 else 100,
        gain=(float(gain[0]), float(gain[1]), float(gain[2])),
    )


def _thing(
    rng: np.random.Generator, textures: NDArray[np.uint8], centre: NDArray, half: NDArray
) -> Shape:
    """A box or ellipse of half sides about `half`; now and then a bar the colour of skin."""
    turned = rng.uniform(-np.pi, np.pi) if rng.random() < 0.4 else rng.normal(0, 0.05)
    tint = np.full(3, rng.uniform(0.4, 1.15), np.float32)
    if rng.random() < 0.1:
        tint = _FLESH * np.float32(rng.uniform(0.4, 1.3))
    elif rng.random() < 0.3:
        tint = np.float32(0.3) + random_colour(rng)
    return Shape(
        centre=(float(centre[0]), float(centre[1])),
        half=(max(float(half[0]), 1.0), max(float(half[1]), 1.0)),
        angle=turned,
        round=bool(rng.random() < 0.4),
        texture=textures[rng.integers(len(textures))],
        tint=tint,
        repeat=rng.uniform(0.3, 2),
    )


def things_behind(
    rng: np.random.Generator, size: tuple[int, int], box: NDArray, textures: NDArray[np.uint8]
) -> tuple[Shape, ...]:
    """Up to six things around a person with a box (4,) x1, y1, x2, y2 px, of any size."""
    middle, sides = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
    things = []
    for _ in range(int(rng.integers(0, 7))):
        half = 0.5 * sides.max() * np.exp(rng.normal(-1.4, 0.7, 2))
        things.append(_thing(rng, textures, middle + 0.6 * sides.max() * rng.normal(0, 1, 2), half))
    return tuple(things)


def things_before(
    rng: np.random.Generator, size: tuple[int, int], box: NDArray, textures: NDArray[np.uint8]
) -> tuple[Shape, ...]:
    """None for most; else one to three things before parts of the person, or a long edge."""
    middle, sides = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
    things = []
    if rng.random() < _TABLE:
        top = box[1] + sides[1] * rng.uniform(0.4, 0.9)
        half = np.array([sides.max() * rng.uniform(0.6, 3), sides[1] * rng.uniform(0.1, 0.8)])
        at = np.array([middle[0] + rng.normal(0, 0.3) * half[0], top + half[1]])
        things.append(_thing(rng, textures, at, half))
    elif rng.random() < _HIDDEN:
        for _ in range(int(rng.integers(1, 4))):
            at = middle + sides * rng.uniform(-0.5, 0.5, 2)
            half = 0.5 * sides.max() * np.exp(rng.normal(-1.6, 0.5, 2))
            if rng.random() < 0.3:  # a pole, a rail
                half *= [0.3, 4]
            things.append(_thing(rng, textures, at, half))
    return tuple(things)
