"""Where on the body each vertex is, in coordinates that clothes are cut by.

They belong to the mean body at rest, so that a seam lies at the same place on every body:
along an arm 0 at the shoulder, 1 at the elbow, 2 at the wrist, along a leg 0 at the hip, 1 at
the knee, 2 at the ankle (and less than 0 upwards from the hips), and places in metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from poseterior.geometry.skeleton import COCO_17
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.skinned_body import SkinnedBody

__all__ = ["BodyMap", "body_map"]

_ELSEWHERE = -1.0  # along an arm, of what is no arm


@dataclass(frozen=True, eq=False)
class BodyMap:
    """Attributes of vertices, and a few places at rest.

    Attributes:
        coordinates: (V, 6) float32: x, y, z in metres at rest (x to the body's left, y up, z
            forward), along an arm, along a leg, and how much of the vertex is the head's.
        landmarks: (17, 3) of `COCO_17` at rest, metres.
    """

    coordinates: NDArray[np.float32]
    landmarks: NDArray[np.float32]

    def place(self, joint: str) -> NDArray[np.float32]:
        """(3,) of a keypoint at rest."""
        return self.landmarks[COCO_17.index(joint)]


@torch.no_grad()
def body_map(body: SkinnedBody) -> BodyMap:
    """The map of a body with joints by SMPL's names and landmarks of `coco_17`."""
    joints = len(body.tree)
    still = torch.eye(3).expand(1, joints, 3, 3).to(body.heads)
    rest = BodyParameters.of(still, body.heads.new_zeros(1, body.betas))
    points = body.vertices(rest)[0].cpu().numpy().astype(np.float32)
    landmarks = body.landmarks_of(rest, COCO_17)[0].cpu().numpy().astype(np.float32)
    place = dict(zip(COCO_17.joints, landmarks, strict=True))
    share = dict(zip(body.tree.joints, body.weights.cpu().numpy(), strict=True))
    arm = np.full(len(points), _ELSEWHERE, np.float32)
    leg = _above_the_legs(points, place)
    for side in ("left", "right"):
        upper, lower = share[f"{side}_shoulder"], share[f"{side}_elbow"]
        along = _along(points, *(place[f"{side}_{k}"] for k in ("shoulder", "elbow", "wrist")))
        arm = np.where(upper + lower > 0.5, along, arm)
        upper, lower = share[f"{side}_hip"], share[f"{side}_knee"]
        along = _along(points, *(place[f"{side}_{k}"] for k in ("hip", "knee", "ankle")))
        leg = np.where(upper + lower > 0.5, along, leg)
    columns = [*points.T, arm, leg, share["head"]]
    return BodyMap(np.stack(columns, 1).astype(np.float32), landmarks)


def _above_the_legs(points: NDArray, place: dict[str, NDArray]) -> NDArray:
    """Less than 0 upwards from the hips, in lengths of the thigh."""
    hip, knee = place["left_hip"][1], place["left_knee"][1]
    return np.minimum((hip - points[:, 1]) / (hip - knee), 0)


def _along(points: NDArray, start: NDArray, middle: NDArray, end: NDArray) -> NDArray:
    """0, 1 and 2 at the three joints of a limb, by projection onto its nearer bone."""
    first, second = middle - start, end - middle
    one = (points - start) @ first / (first @ first)
    two = 1 + (points - middle) @ second / (second @ second)
    return np.where(one < 1, one, np.maximum(two, 1))
