"""Pictures made of noise and simple shapes: cloth, walls, things, and places to stand before."""

from __future__ import annotations

import colorsys
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Surroundings", "fractal_noise", "random_colour", "texture"]

Picture = NDArray[np.uint8]

_TEXTURE, _BACKDROP = 128, 384
_TEXTURES, _BACKDROPS = 0, 1  # what a seed is for


def random_colour(rng: np.random.Generator) -> NDArray[np.float32]:
    """(3,) RGB in [0, 1]: half of them nearly grey, as most of the world is."""
    vivid = rng.random() < 0.5
    saturation = rng.uniform(0.3, 0.9) if vivid else rng.uniform(0, 0.25)
    rgb = colorsys.hsv_to_rgb(rng.random(), saturation, rng.uniform(0.12, 1.0))
    return np.array(rgb, np.float32)


def fractal_noise(
    rng: np.random.Generator, size: int, first: int = 2, fall: float = 0.6
) -> NDArray[np.float32]:
    """(size, size) about 0: octaves from `first` cells a side on, each `fall` as strong."""
    from PIL import Image

    total, strength, cells = np.zeros((size, size), np.float32), 1.0, first
    while cells <= size // 3:
        grid = Image.fromarray(rng.standard_normal((cells, cells)).astype(np.float32))
        total += strength * np.asarray(grid.resize((size, size), Image.Resampling.BICUBIC))
        strength, cells = strength * fall, 2 * cells
    return total / max(float(total.std()), 1e-6)


def texture(rng: np.random.Generator, size: int = _TEXTURE) -> Picture:
    """(size, size, 3): noise, stripes, checks, bricks or dots between two or three colours."""
    one, two = random_colour(rng), random_colour(rng)
    y, x = np.mgrid[:size, :size] / size
    turn = rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)])
    count = int(rng.integers(3, 17))
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    kind = rng.choice(["noise", "noise", "stripes", "checks", "bricks", "dots"])
    if kind == "noise":
        mix = 0.5 + 0.3 * fractal_noise(rng, size, int(rng.integers(2, 9)), rng.uniform(0.4, 0.9))
    elif kind == "stripes":
        mix = (np.modf(np.abs(along) * count)[0] < rng.uniform(0.2, 0.8)).astype(float)
    elif kind == "checks":
        mix = 0.5 * ((np.floor(along * count) % 2) + (np.floor(across * count) % 2))
    elif kind == "bricks":
        row = np.floor(y * count)
        mix = ((np.modf(y * count)[0] > 0.15) & (np.modf(x * count / 2 + row / 2)[0] > 0.08)) * 1.0
    else:
        mix = (np.hypot(np.modf(x * count)[0] - 0.5, np.modf(y * count)[0] - 0.5) < 0.3) * 1.0
    mix = np.clip(mix, 0, 1)[..., None]
    grain = 1 + rng.uniform(0.02, 0.2) * fractal_noise(rng, size, 4, 0.8)[..., None]
    return _bytes((mix * one + (1 - mix) * two) * grain)


def _bytes(picture: NDArray) -> Picture:
    return (255 * np.clip(picture, 0, 1)).astype(np.uint8)


class Surroundings:
    """What one split is drawn with and no other: cloth, things, and places, each from a seed.

    Args:
        seed: of all of it.
        textures, backdrops: how many there are of each; backdrops are made when first asked for.

    Attributes:
        textures: (T, t, t, 3) uint8, of cloth and of things.

    >>> around = Surroundings((0, 1), textures=2, backdrops=3)
    >>> around.textures.shape, around.backdrop(5).shape
    ((2, 128, 128, 3), (384, 384, 3))
    """

    def __init__(self, seed: tuple[int, ...], textures: int = 128, backdrops: int = 128) -> None:
        self._seed, self._count = seed, backdrops
        rng = np.random.default_rng((*seed, _TEXTURES))
        self.textures: Picture = np.stack([texture(rng) for _ in range(textures)])
        self._backdrops: dict[int, Picture] = {}

    def backdrop(self, number: int) -> Picture:
        """(b, b, 3) uint8, upright: one of the places, the same for numbers equal modulo them."""
        chosen = number % self._count
        if chosen not in self._backdrops:
            rng = np.random.default_rng((*self._seed, _BACKDROPS, chosen))
            self._backdrops[chosen] = _backdrop(rng, self.textures)
        return self._backdrops[chosen]


def _backdrop(rng: np.random.Generator, textures: Picture) -> Picture:
    """A wall or a sky, a floor below a horizon, and things from far to near."""
    from PIL import Image

    size = _BACKDROP
    canvas = Image.fromarray(_plane(rng, textures, size))
    horizon = int(size * rng.uniform(0.35, 0.9))
    if rng.random() < 0.85:
        floor = Image.fromarray(_plane(rng, textures, size)).resize((size, size - horizon))
        canvas.paste(floor, (0, horizon))
    for part in np.sort(rng.random(int(rng.integers(2, 28)))):
        _put_thing(rng, canvas, textures, horizon, 0.03 + 0.4 * float(part) * rng.random())
    return np.asarray(canvas)


def _plane(rng: np.random.Generator, textures: Picture, size: int) -> Picture:
    """A gradient of two colours with noise, or a texture laid side by side."""
    one, two = random_colour(rng), random_colour(rng)
    share = np.linspace(0, 1, size, dtype=np.float32)[:, None, None]
    ground = share * one + (1 - share) * two
    if rng.random() < 0.4:
        tile = textures[rng.integers(len(textures))]
        copies = size // len(tile)
        ground = 0.5 * ground + np.float32(0.5 / 255) * np.tile(tile, (copies, copies, 1))
    noise = fractal_noise(rng, size, int(rng.integers(2, 6)), rng.uniform(0.35, 0.85))
    return _bytes(ground * (1 + np.float32(rng.uniform(0.02, 0.25)) * noise[..., None]))


def _put_thing(
    rng: np.random.Generator, canvas: Image, textures: Picture, horizon: int, height: float
) -> None:
    """A box, an ellipse or a polygon of some texture, shaded from one side to the other."""
    from PIL import Image, ImageDraw

    size = canvas.size[0]
    tall = max(int(size * height), 4)
    wide = max(int(tall * np.exp(rng.normal(0, 0.7))), 4)
    own = textures[rng.integers(len(textures))].astype(np.float32) * rng.uniform(0.4, 1.1)
    own = own * np.linspace(1, rng.uniform(0.5, 1), own.shape[1])[:, None]
    thing = Image.fromarray(np.clip(own, 0, 255).astype(np.uint8)).resize((wide, tall))
    mask = Image.new("L", (wide, tall), 0)
    draw = ImageDraw.Draw(mask)
    kind = rng.choice(["box", "ellipse", "polygon"], p=[0.5, 0.25, 0.25])
    if kind == "box":
        draw.rectangle((0, 0, wide, tall), fill=255)
    elif kind == "ellipse":
        draw.ellipse((0, 0, wide - 1, tall - 1), fill=255)
    else:
        corners = rng.random((int(rng.integers(3, 8)), 2)) * (wide, tall)
        draw.polygon([tuple(corner) for corner in corners], fill=255)
    foot = horizon + int(rng.normal(0.1, 0.25) * size)
    canvas.paste(thing, (int(rng.uniform(-0.1, 1) * size), foot - tall), mask)
