"""Scenes whose labels one can tell: a body at rest, 3 m away, whole in the image."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from poseterior.errors import InputError
from poseterior.geometry.skeleton import COCO_17
from poseterior.meshes.models.anny_body import anny_body
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.rendering.hits import Pinhole
from poseterior.meshes.rendering.outfits import random_outfit
from poseterior.meshes.rendering.scene import Degradation, Lights, Scene
from poseterior.meshes.rendering.shapes import Shape
from poseterior.meshes.rendering.studio import Studio
from poseterior.meshes.rendering.textures import texture

SIZE = (200, 260)
CAMERA = Pinhole(350.0, (99.5, 129.5))
TEXTURES = np.stack([texture(np.random.default_rng(0))])
FACING = np.diag([1.0, -1.0, -1.0])  # upright, towards the camera
AWAY = np.diag([-1.0, -1.0, 1.0])


@cache
def body():
    """The light body."""
    return anny_body()


@cache
def opened(renderer: str) -> Studio:
    """The studio of a renderer, whose absence skips the test."""
    try:
        return Studio(body(), renderer)
    except InputError as error:
        pytest.skip(str(error))


def posed(turn=FACING, at=(0.0, 0.0, 3.0)):
    """Vertices (V, 3) and landmarks (17, 3) of the body at rest, turned and moved."""
    rotations = torch.eye(3).repeat(1, len(body().tree), 1, 1)
    rotations[:, 0] = torch.from_numpy(turn)
    bodies = BodyParameters.of(rotations, torch.zeros(1, body().betas))
    moved = np.array(at, np.float32)
    vertices = body().vertices(bodies)[0].numpy() + moved
    return vertices, body().landmarks_of(bodies, COCO_17)[0].numpy() + moved


def scene(turn=FACING, at=(0.0, 0.0, 3.0), others=(), before=(), size=SIZE) -> Scene:
    """One body, and others at the given places; nothing random but colours."""
    rng = np.random.default_rng(1)
    vertices, landmarks = posed(turn, at)
    people = np.stack([vertices, *(posed(FACING, place)[0] for place in others)])
    middle = people.mean(1, keepdims=True)
    normals = (people - middle) / np.linalg.norm(people - middle, axis=-1, keepdims=True)
    lights = Lights(np.ones(3, np.float32), np.float32([[0, 0, -1]]), np.float32([[0, 0, 0]]))
    return Scene(
        size=size, camera=CAMERA, vertices=people, normals=normals, landmarks=landmarks,
        outfits=tuple(random_outfit(rng, TEXTURES) for _ in people), lights=lights,
        backdrop=texture(rng, 64), view=(0.0, 0.0, 1.0, 1.0), behind=(), before=tuple(before),
        degradation=Degradation(), seed=(0,),
    )  # fmt: skip


def thing(centre, half, ellipse=False) -> Shape:
    """A thing before everything."""
    return Shape(centre, half, 0.0, ellipse, TEXTURES[0], np.ones(3, np.float32))


def flags(labels) -> dict[str, int]:
    """The v of each keypoint."""
    return dict(zip(COCO_17.joints, labels.keypoints[:, 2].astype(int), strict=True))


def place(labels, joint):
    """(2,) px of a keypoint, labelled or not."""
    return labels.positions[COCO_17.index(joint)]
