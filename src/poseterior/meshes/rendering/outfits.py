"""What people look like: skin, hair, face and clothes, by where on the body a point is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poseterior.meshes.rendering.body_map import BodyMap
from poseterior.meshes.rendering.textures import random_colour

__all__ = ["Cloth", "Outfit", "albedo", "random_outfit"]

Array = NDArray[np.float32]

_SKIN = np.array(
    [[0.96, 0.82, 0.72], [0.91, 0.72, 0.58], [0.78, 0.57, 0.42], [0.58, 0.39, 0.27],
     [0.40, 0.26, 0.18], [0.27, 0.17, 0.12]], np.float32,
)  # fmt: skip
_HAIR = np.array(
    [[0.06, 0.05, 0.05], [0.16, 0.10, 0.07], [0.30, 0.19, 0.11], [0.52, 0.36, 0.19],
     [0.78, 0.64, 0.40], [0.55, 0.25, 0.12], [0.62, 0.61, 0.60]], np.float32,
)  # fmt: skip
_DENIM = np.array([0.18, 0.25, 0.42], np.float32)


@dataclass(frozen=True, eq=False)
class Cloth:
    """A colour, or a texture (t, t, 3) uint8 that repeats every `metres`, tinted by it."""

    colour: Array
    texture: NDArray[np.uint8] | None = None
    metres: float = 0.3

    def at(self, place: Array) -> Array:
        """(n, 3) RGB at places (n, 3) of the body at rest."""
        if self.texture is None:
            return np.broadcast_to(self.colour, place.shape)
        size = len(self.texture)
        scale = size / self.metres
        i = (-scale * place[:, 1]).astype(int) % size
        j = (scale * (place[:, 0] + 0.4 * place[:, 2])).astype(int) % size
        return self.texture[i, j] * (self.colour / np.float32(255))


@dataclass(frozen=True, eq=False)
class Outfit:
    """Clothes are cut at coordinates of `body_map`.

    Attributes:
        skin, hair: (3,) RGB.
        hairline: metres above the ears' height where hair begins in front; more than 0.2 is bald.
        hair_end: metres below the ears' height that it hangs to, behind.
        beard: whether the lower face has the colour of hair.
        shirt, trousers, shoes, hat: what they are made of; no hat if None.
        sleeve: along the arm; less than 0 is no sleeve.
        hem: along the leg, of the shirt over the trousers.
        leg: along the leg, where trousers end; 2 and more is down to the shoes.
        shoe: along the leg, where shoes begin.
        neckline: metres below the shoulders' height that the shirt is open to, in front.
    """

    skin: Array
    hair: Array
    hairline: float
    hair_end: float
    beard: bool
    shirt: Cloth
    trousers: Cloth
    shoes: Cloth
    hat: Cloth | None
    sleeve: float
    hem: float
    leg: float
    shoe: float
    neckline: float


def _cloth(rng: np.random.Generator, textures: NDArray[np.uint8], colour: Array) -> Cloth:
    if rng.random() < 0.55:
        return Cloth(colour)
    tint = np.float32(0.3) + np.float32(0.9) * colour
    return Cloth(tint, textures[rng.integers(len(textures))], rng.uniform(0.15, 0.8))


def random_outfit(rng: np.random.Generator, textures: NDArray[np.uint8]) -> Outfit:
    """Anyone, dressed in anything made of textures (T, t, t, 3)."""
    tone = rng.uniform(0, len(_SKIN) - 1.001)
    low, share = int(tone), np.float32(tone % 1)
    skin = (1 - share) * _SKIN[low] + share * _SKIN[low + 1]
    shirt = _cloth(rng, textures, random_colour(rng))
    denim = rng.random() < 0.3
    below = _DENIM * np.float32(rng.uniform(0.5, 1.6)) if denim else random_colour(rng)
    trousers = Cloth(below) if denim else _cloth(rng, textures, below)
    if rng.random() < 0.12:
        trousers = shirt  # a dress, an overall, a suit
    return Outfit(
        skin=skin,
        hair=_HAIR[rng.integers(len(_HAIR))] * np.float32(rng.uniform(0.7, 1.2)),
        hairline=0.3 if rng.random() < 0.07 else rng.uniform(0.055, 0.085),
        hair_end=rng.choice([rng.uniform(0.0, 0.06), rng.uniform(0.1, 0.3)]),
        beard=bool(rng.random() < 0.15),
        shirt=shirt,
        trousers=trousers,
        shoes=Cloth(random_colour(rng) if rng.random() < 0.9 else skin),
        hat=Cloth(random_colour(rng)) if rng.random() < 0.15 else None,
        sleeve=rng.choice([rng.uniform(-0.3, 0.1), rng.uniform(0.3, 0.9), rng.uniform(1.7, 2.0)],
                          p=[0.2, 0.4, 0.4]),
        hem=rng.uniform(-0.45, 0.25),
        leg=rng.choice([rng.uniform(0.25, 1.0), rng.uniform(1.2, 1.8), 2.5], p=[0.3, 0.1, 0.6]),
        shoe=rng.uniform(1.8, 2.05),
        neckline=max(rng.uniform(-0.08, 0.06), 0.0) - 0.05,
    )  # fmt: skip


def albedo(outfit: Outfit, coordinates: Array, where: BodyMap) -> Array:
    """(n, 3) RGB in [0, 1] of points with `BodyMap.coordinates` (n, 6)."""
    place, (arm, leg, head) = coordinates[:, :3], coordinates[:, 3:].T
    o, y = outfit, coordinates[:, 1]
    colour = np.empty((len(place), 3), np.float32)
    colour[:] = o.skin
    bare = (head > 0.5) | (arm > o.sleeve) | (y > _collar(o, place, where))
    sleeve = arm > -0.9
    shirt = ~bare & ((leg < o.hem) | sleeve)
    colour[shirt] = o.shirt.at(place[shirt])
    trousers = ~(leg < o.hem) & (leg < o.leg) & ~sleeve
    colour[trousers] = o.trousers.at(place[trousers])
    shoes = leg > o.shoe
    colour[shoes] = o.shoes.at(place[shoes])
    on_head = np.flatnonzero(head > 0.3)
    colour[on_head] = _face(o, place[on_head], colour[on_head], where)
    return colour


def _collar(o: Outfit, place: Array, where: BodyMap) -> Array:
    """(n,) height where the shirt ends: lower in front."""
    shoulder = where.place("left_shoulder")
    front = np.clip((place[:, 2] - shoulder[2]) / 0.08, 0, 1)
    near = np.clip(1 - np.abs(place[:, 0]) / 0.12, 0, 1)
    return shoulder[1] + 0.06 - (0.06 + o.neckline) * front * near


def _face(o: Outfit, place: Array, colour: Array, where: BodyMap) -> Array:
    """Eyes, brows, lips, a beard, hair and a hat over the skin of a head."""
    ears = (where.place("left_ear") + where.place("right_ear")) / 2
    nose = where.place("nose")
    up, front = place[:, 1] - ears[1], place[:, 2] - ears[2]
    side = np.abs(place[:, 0])
    colour = colour.copy()
    eye = where.place("left_eye")
    across, above = side - abs(eye[0]), place[:, 1] - eye[1]
    before = front > 0.04
    colour[before & (np.hypot(across / 1.5, above) < 0.011)] = (0.9, 0.9, 0.88)
    colour[before & (np.hypot(across, above) < 0.008)] = (0.08, 0.06, 0.05)
    colour[before & (np.abs(above - 0.022) < 0.005) & (np.abs(across) < 0.018)] = 0.8 * o.hair
    below = place[:, 1] - nose[1]
    if o.beard:
        colour[before & (below < -0.025) & (up > -0.14)] = o.hair
    lips = before & (np.abs(below + 0.042) < 0.008) & (side < 0.024)
    colour[lips] = 0.75 * o.skin * np.array([1.0, 0.7, 0.7], np.float32)
    top = (up > o.hairline) if o.hairline < 0.2 else np.zeros(len(up), bool)
    behind = (front < 0.01 + 0.3 * up) & (up > -o.hair_end) & (o.hairline < 0.2)
    hair = top | behind
    colour[hair] = o.hair
    if o.hat is not None:
        on = up > 0.06
        colour[on] = o.hat.at(place[on])
    return colour
