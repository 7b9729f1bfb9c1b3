"""Hits by casting rays with warp, which comes with the extra `[mesh]`: where there is no OpenGL.

The kernel is compiled when it is first used, into warp's own cache.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

import numpy as np

from poseterior.errors import InputError
from poseterior.meshes.rendering.hits import Array, Hits, Pinhole, Window

__all__ = ["WarpCaster"]

_NEAR, _FAR = 0.05, 200.0


class WarpCaster:
    """Rays from the camera against one mesh of all bodies, on the CPU.

    Args:
        faces: (F, 3) of all bodies.

    Raises:
        InputError: the extra is not installed.
    """

    name = "warp"

    def __init__(self, faces: np.ndarray) -> None:
        self._warp, self._kernel = _compiled()
        self._faces = faces

    def cast(self, vertices: Array, camera: Pinhole, window: Window) -> Hits:
        """See `Caster`."""
        wp, (bodies, count, _) = self._warp, vertices.shape
        corners = self._faces[None] + count * np.arange(bodies)[:, None, None]
        points = wp.array(vertices.reshape(-1, 3), dtype=wp.vec3, device="cpu")
        indices = wp.array(corners.reshape(-1).astype(np.int32), dtype=int, device="cpu")
        mesh = wp.Mesh(points=points, indices=indices)
        size = window.width * window.height
        face = wp.empty(size, dtype=int, device="cpu")
        found = wp.empty(size, dtype=wp.vec3, device="cpu")
        start = wp.vec2(
            (window.left - camera.centre[0]) / camera.focal,
            (window.top - camera.centre[1]) / camera.focal,
        )
        step = window.step / camera.focal
        inputs = [mesh.id, start, step, window.width, _NEAR, _FAR, face, found]
        wp.launch(self._kernel, dim=size, inputs=inputs, device="cpu")
        return self._hits(face.numpy(), found.numpy(), window.width)

    def _hits(self, face: np.ndarray, found: Array, width: int) -> Hits:
        pixels = np.flatnonzero(face >= 0)
        body, face = np.divmod(face[pixels].astype(int), len(self._faces))
        first, depth = found[pixels, :2], found[pixels, 2]
        weights = np.concatenate([first, 1 - first.sum(1, keepdims=True)], 1)
        return Hits(pixels // width, pixels % width, body, face, weights, depth)

    def close(self) -> None:
        """Nothing is held."""


@cache
def _compiled() -> tuple[Any, Any]:
    """Warp and the kernel, once for all: warp keeps what it has compiled by module."""
    try:
        wp = importlib.import_module("warp")
    except ImportError as error:
        raise InputError(
            "renderer", error.name or "warp",
            expected="the extra: pip install 'poseterior[mesh]'", found="not installed",
        ) from error  # fmt: skip
    return wp, importlib.import_module("poseterior.meshes.rendering.warp_kernel").first_hits
