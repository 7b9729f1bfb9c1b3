"""Bodies of a gallery as a camera sees them and from the side, in metres at the person's depth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from poseterior.meshes.body import Body
from poseterior.meshes.parameters import BodyParameters

__all__ = ["Camera", "Drawn", "camera_of", "drawn", "shaded"]

Array = NDArray[Any]
_NEAREST_M = 0.05
# Towards the light, in a viewer's axes: x right, y up, z to the viewer.
_LIGHT = np.array([-0.35, 0.6, 0.72]) / np.linalg.norm([-0.35, 0.6, 0.72])
_AMBIENT, _DIFFUSE, _HIGHLIGHT = 0.5, 0.65, 0.2


@dataclass(frozen=True, eq=False)
class Drawn:
    """Points (N, 3) of one body or skeleton in two viewers' axes: x right, y up, z to the viewer.

    Attributes:
        front: as the camera sees them, perspective included, in metres at the person's depth,
            from the place of the person's root; orthographic for a skeleton without camera.
        side: from where the image's right is, the camera on the left, level with the ground
            where that is known; orthographic, from the own root.
        turned: as `front`, without perspective: what `front` is shaded by.
    """

    front: Array
    side: Array
    turned: Array


@dataclass(frozen=True, eq=False)
class Camera:
    """From px to metres at the person's depth: (px - origin) / scale, y turned up; `up` (3,)."""

    intrinsics: Array
    origin: Array
    scale: float
    up: Array

    def metres(self, pixels: Array) -> Array:
        """(..., 2) of px (..., 2)."""
        return (pixels - self.origin) / self.scale * np.array([1.0, -1.0])

    def seen(self, points: Array) -> Array:
        """(..., 2) metres of points (..., 3) in camera axes; NaN behind the camera."""
        depth = np.where(points[..., 2:] > _NEAREST_M, points[..., 2:], np.nan)
        return self.metres((points @ self.intrinsics.T)[..., :2] / depth)


def parameters_of(cell: Mapping[str, Any]) -> BodyParameters:
    """The cell's body."""
    held = {name: torch.tensor(value) for name, value in cell["body"].items()}
    return BodyParameters.from_axis_angle(**held)


def camera_of(person: Mapping[str, Any], body: Body) -> Camera:
    """The person's camera; depth and place are the truth's, or the first body's without one."""
    cells = person["cells"]
    chosen = next((cell for cell in cells if cell["role"] == "truth"), cells[0])
    root = body.joints(parameters_of(chosen))[0].numpy().astype(float)
    intrinsics = np.asarray(person["intrinsics"], float)
    origin = (intrinsics @ root)[:2] / root[2]
    up = np.asarray(person["up"] or (0.0, -1.0, 0.0), float)
    return Camera(intrinsics, origin, float(intrinsics[0, 0] / root[2]), up)


@torch.no_grad()
def drawn(cell: Mapping[str, Any], body: Body | None, camera: Camera | None) -> Drawn:
    """The points of a cell's mesh, or of its skeleton."""
    if body is None or camera is None:
        points = np.asarray(cell["pose"], float)
        return _viewed(points, points[..., :2] * np.array([1.0, -1.0]), np.array([0.0, -1.0, 0.0]))
    parameters = parameters_of(cell)
    vertices = body.vertices(parameters).numpy().astype(float)
    root = body.joints(parameters)[0].numpy().astype(float)
    return _viewed(vertices - root, camera.seen(vertices), camera.up)


def _viewed(points: Array, seen: Array, up: Array) -> Drawn:
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    front = np.concatenate([seen, -z[..., None]], -1)
    ahead = np.array([0.0, 0.0, 1.0]) - up[2] * up  # the camera's depth, along the ground
    ahead /= np.linalg.norm(ahead)
    side = points @ np.stack([ahead, up, np.cross(ahead, up)], -1)
    return Drawn(front, side, np.stack([x, -y, -z], -1))


def shaded(points: Array, solid: Array, faces: Array, color: Array) -> tuple[Array, Array]:
    """Triangles (n, 3, 2) that face the viewer, the far ones first, and their colours (n, 3).

    Args:
        points: (V, 3) in the viewer's axes, as they are drawn.
        solid: (V, 3) the same without perspective.
        faces: (F, 3) counter-clockwise seen from outside.
        color: (3,) in [0, 1].
    """
    corners = points[faces]
    (ax, ay), (bx, by) = ((corners[:, k, :2] - corners[:, 0, :2]).T for k in (1, 2))
    facing = (ax * by - ay * bx > 0) & np.isfinite(corners).all((1, 2))
    order = np.flatnonzero(facing)
    order = order[corners[order, :, 2].mean(1).argsort(kind="stable")]
    normals = _vertex_normals(solid, faces)[faces[order]].mean(1)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True).clip(1e-9)
    light = (normals @ _LIGHT).clip(0)
    colors = color * (_AMBIENT + _DIFFUSE * light[:, None])
    colors += (1 - colors.clip(0, 1)) * _HIGHLIGHT * light[:, None] ** 12
    return corners[order, :, :2], colors.clip(0, 1)


def _vertex_normals(points: Array, faces: Array) -> Array:
    """(V, 3), weighted by the faces' areas."""
    a, b, c = points[faces].transpose(1, 0, 2)
    normals = np.cross(b - a, c - a)
    found = np.zeros_like(points)
    for corner in faces.T:
        np.add.at(found, corner, normals)
    return found / np.linalg.norm(found, axis=-1, keepdims=True).clip(1e-12)
