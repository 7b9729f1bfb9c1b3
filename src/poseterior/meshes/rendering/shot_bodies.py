"""The bodies of rendered people and what sees them, which folders of crops do not keep."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from poseterior.geometry.skeleton import COCO_17
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.rendering.people import SPLITS, RenderedPeople, Shot
from poseterior.meshes.rendering.random_scene import draw_people

__all__ = ["bodies_of"]


@torch.no_grad()
def bodies_of(people: RenderedPeople, shots: Sequence[Shot]) -> tuple[BodyParameters, Tensor]:
    """The labelled bodies (N,) in camera axes, and intrinsics (N, 3, 3).

    Args:
        people: whose shots these are: poses and shapes are drawn again by the scenes' seeds.
        shots: N of them, of any splits.
    """
    body, rotations, betas = people.studio.body, [], []
    for shot in shots:
        split = SPLITS[shot.scene.seed[1]]
        draw = draw_people(people.rotations[split], body, shot.scene.seed)
        rotations.append(draw.rotations[0])
        betas.append(draw.betas[0])
    still = BodyParameters.of(torch.stack(rotations), torch.stack(betas))
    placed = torch.stack([torch.from_numpy(shot.scene.landmarks) for shot in shots])
    transl = (placed - body.landmarks_of(still, COCO_17)).mean(1)
    bodies = BodyParameters.of(still.rotations, still.betas, transl)
    return bodies, torch.stack([_intrinsics(shot) for shot in shots])


def _intrinsics(shot: Shot) -> Tensor:
    camera = shot.scene.camera
    x, y = camera.centre
    matrix = [[camera.focal, 0.0, x], [0.0, camera.focal, y], [0.0, 0.0, 1.0]]
    return torch.tensor(matrix, dtype=torch.float32)
