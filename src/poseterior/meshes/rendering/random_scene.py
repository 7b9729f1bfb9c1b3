"""Random scenes, each a function of the seed, the split and two numbers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from poseterior.geometry.skeleton import COCO_17
from poseterior.meshes.motion.body_augmentation import BodyAugmentation, augment_rotations
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.rendering.hits import Pinhole
from poseterior.meshes.rendering.outfits import random_outfit
from poseterior.meshes.rendering.random_things import (
    random_degradation,
    random_lights,
    random_view,
    things_before,
    things_behind,
)
from poseterior.meshes.rendering.scene import Scene
from poseterior.meshes.rendering.textures import Surroundings
from poseterior.meshes.skinned_body import SkinnedBody
from poseterior.seeding import generator_from

__all__ = ["Draw", "draw_people", "scenes_of"]

_SIZES = ((640, 480), (640, 427), (480, 640), (427, 640), (500, 375))
_SMALLEST, _LARGEST = 36.0, 260.0  # square root of the body's area in the image, px
_NEAREST = 1.6  # metres to the middle of a body
_OTHERS = (0.62, 0.27, 0.11)  # probabilities of 0, 1 and 2 other people
_AUGMENTATION = BodyAugmentation(swapped=0.2)
# World axes, z up, as a camera at rest sees them: looking along y, x to the right.
_LEVEL = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])


@dataclass(frozen=True, eq=False)
class Draw:
    """The bodies of a scene before they are posed, and the generator of all that follows.

    Attributes:
        rotations: (N, K, 3, 3) of the bodies, the root's to camera axes.
        betas: (N, S).
        rng, seed: of the rest.
    """

    rotations: Tensor
    betas: Tensor
    rng: np.random.Generator
    seed: tuple[int, ...]


def draw_people(rotations: Tensor, body: SkinnedBody, seed: tuple[int, ...]) -> Draw:
    """One to three bodies in poses (F, K, 3, 3) of a motion, before a camera all around them."""
    rng, generator = np.random.default_rng(seed), generator_from(*seed)
    count = 1 + int(rng.choice(3, p=_OTHERS))
    rows = torch.randint(len(rotations), (4,), generator=generator)
    chosen = augment_rotations(rotations[rows], body.tree, _AUGMENTATION, generator)[:count]
    turn = torch.from_numpy(_camera_turn(rng, count)).to(chosen)
    chosen = torch.cat([turn[:, None] @ chosen[:, :1], chosen[:, 1:]], 1)
    betas = 1.2 * torch.randn((count, body.betas), generator=generator)
    return Draw(chosen, betas, rng, seed)


def _camera_turn(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """(count, 3, 3) world to camera axes: own headings, one pitch and roll."""
    wide = rng.random() < 0.15
    pitch, roll = rng.normal(4, 25 if wide else 9), rng.normal(0, 12 if wide else 4)
    pitch, roll = np.radians([pitch, roll])
    c, s = np.cos(pitch), np.sin(pitch)
    down = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    c, s = np.cos(roll), np.sin(roll)
    tilt = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    turns = []
    for yaw in rng.uniform(-np.pi, np.pi, count):
        c, s = np.cos(yaw), np.sin(yaw)
        turns.append(tilt @ down @ _LEVEL @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]))
    return np.stack(turns)


@torch.no_grad()
def scenes_of(draws: Sequence[Draw], body: SkinnedBody, around: Surroundings) -> list[Scene]:
    """The scenes of some draws; their bodies are posed at once."""
    rotations = torch.cat([draw.rotations for draw in draws])
    betas = torch.cat([draw.betas for draw in draws])
    bodies = BodyParameters.of(rotations, betas)
    vertices = body.vertices(bodies)
    landmarks = body.landmarks_of(bodies, COCO_17)
    normals = _normals(vertices, body.faces).numpy()
    silhouettes = _silhouettes(vertices, body.faces).numpy()
    scenes, start = [], 0
    for draw in draws:
        own = slice(start, start + len(draw.rotations))
        start = own.stop
        posed = vertices[own].numpy(), landmarks[own].numpy()
        scenes.append(_scene(draw, *posed, normals[own], silhouettes[own], around))
    return scenes


def _normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """(N, V, 3) unit normals, out of the bodies: means over triangles by area."""
    corner = vertices[:, faces]  # (N, F, 3, 3)
    across = torch.linalg.cross(
        corner[:, :, 1] - corner[:, :, 0], corner[:, :, 2] - corner[:, :, 0]
    )
    total = torch.zeros_like(vertices)
    for k in range(3):
        total.index_add_(1, faces[:, k], across)
    return torch.nn.functional.normalize(total, dim=-1)


def _silhouettes(vertices: Tensor, faces: Tensor) -> Tensor:
    """(N,) m² of the bodies as seen from afar, less a fifth, for limbs that hide one another."""
    a, b, c = (vertices[:, faces[:, k], :2] for k in range(3))
    one, two = b - a, c - a
    return 0.8 * 0.25 * (one[..., 0] * two[..., 1] - one[..., 1] * two[..., 0]).abs().sum(1)


def _scene(
    draw: Draw, vertices: NDArray, landmarks: NDArray, normals: NDArray,
    silhouettes: NDArray, around: Surroundings,
) -> Scene:  # fmt: skip
    rng = draw.rng
    size = _SIZES[rng.integers(len(_SIZES))]
    centre = ((size[0] - 1) / 2, (size[1] - 1) / 2)
    middles = (vertices.min(1) + vertices.max(1)) / 2  # (N, 3)
    camera, first = _placed(rng, size, centre, np.ptp(vertices[0], axis=0), silhouettes[0])
    places = _others(rng, first, len(vertices))
    moves = (places - middles).astype(np.float32)[:, None]
    vertices = vertices + moves
    box = camera.project(vertices[0])
    box = np.concatenate([box.min(0), box.max(0)])
    textures = around.textures
    return Scene(
        size=size,
        camera=camera,
        vertices=vertices,
        normals=normals,
        landmarks=landmarks[0] + moves[0],
        outfits=tuple(random_outfit(rng, textures) for _ in vertices),
        lights=random_lights(rng),
        backdrop=around.backdrop(int(rng.integers(2**31))),
        view=random_view(rng),
        behind=things_behind(rng, size, box, textures),
        before=things_before(rng, size, box, textures),
        degradation=random_degradation(rng),
        seed=draw.seed,
    )


def _placed(
    rng: np.random.Generator, size: tuple[int, int], centre: tuple[float, float],
    extent: NDArray, silhouette: float,
) -> tuple[Pinhole, NDArray]:  # fmt: skip
    """A camera, and where the middle of the first body stands, (3,) metres.

    The square root of the body's area in px is log-uniform; a body that comes too near is seen
    through a longer lens instead.
    """
    wanted = np.exp(rng.uniform(np.log(_SMALLEST), np.log(_LARGEST)))
    focal = max(size) * np.exp(rng.uniform(np.log(0.8), np.log(2.2)))
    depth = focal * np.sqrt(silhouette) / wanted
    if depth < _NEAREST + extent[2] / 2:
        near = _NEAREST + extent[2] / 2
        focal, depth = focal * near / depth, near
    wide, tall = focal * extent[:2] / depth
    inside = rng.random() < 0.75
    x = _position(rng, wide, size[0], inside, 0.6)
    top = inside and tall > size[1] and rng.random() < 0.85
    y = rng.uniform(0.02, 0.2) * size[1] + tall / 2 if top else None
    y = _position(rng, tall, size[1], inside, 0.5) if y is None else y
    at = (np.array([x, y]) - centre) * depth / focal
    return Pinhole(focal, centre), np.array([*at, depth])


def _position(
    rng: np.random.Generator, length: float, size: int, inside: bool, shown: float
) -> float:
    """The middle of a box along one axis of an image: in it, or at least a share of it."""
    if inside:
        low, high = sorted((length / 2, size - length / 2))
        return rng.uniform(low, high)
    # The visible part is at least `shown` of the box, or of the image if that is smaller.
    least = shown * min(length, size)
    return rng.uniform(least - length / 2, size - least + length / 2)


def _others(rng: np.random.Generator, first: NDArray, count: int) -> NDArray:
    """(count, 3) the middles of all bodies: others beside, behind or in front of the first."""
    places = [first]
    for _ in range(count - 1):
        side = rng.choice([-1, 1]) * rng.uniform(0.2, 1.2)
        away = rng.uniform(-0.7, 1.6)
        depth = max(first[2] + away, 1.2)
        # Beside it in the image, whatever the depth.
        at = (first[:2] + np.array([side, rng.normal(0, 0.12)])) * depth / first[2]
        places.append(np.array([*at, depth]))
    return np.stack(places)
