"""Hits by OpenGL without a window, in software where there is no GPU (Mesa's llvmpipe)."""

from __future__ import annotations

import importlib
from contextlib import suppress
from typing import Any

import numpy as np

from poseterior.errors import InputError
from poseterior.meshes.rendering.hits import Array, Hits, Pinhole, Window

__all__ = ["GLCaster"]

_NEAR, _FAR = 0.05, 200.0
_VERTEX = """
#version 330
uniform vec4 scale;   // x, y: clip coordinates of X / Z; z, w: of 1
uniform vec2 planes;  // near, far
in vec3 point;
out vec2 weights;
void main() {
    int corner = gl_VertexID % 3;
    weights = vec2(corner == 0, corner == 1);
    float z = point.z, n = planes.x, f = planes.y;
    gl_Position = vec4(scale.xy * point.xy + scale.zw * z, ((f + n) * z - 2 * f * n) / (f - n), z);
}
"""
_FRAGMENT = """
#version 330
uniform float body;
in vec2 weights;
out vec4 hit;
void main() { hit = vec4(body, gl_PrimitiveID, weights); }
"""


class GLCaster:
    """A framebuffer whose four numbers a pixel are body, triangle and two barycentric weights.

    Args:
        faces: (F, 3) of all bodies.
        backend: of moderngl: 'egl' needs no display; None for the platform's own.

    Raises:
        InputError: the extra is not installed, or there is no OpenGL 3.3.
    """

    name = "gl"

    def __init__(self, faces: np.ndarray, backend: str | None = "egl") -> None:
        self._context = _context(backend)
        self._faces = faces
        with self._context as context:
            context.enable_only(context.DEPTH_TEST)
            self._program = context.program(vertex_shader=_VERTEX, fragment_shader=_FRAGMENT)
            self._program["planes"].value = (_NEAR, _FAR)
        self._bodies = 0
        self._size = (0, 0)

    def cast(self, vertices: Array, camera: Pinhole, window: Window) -> Hits:
        """See `Caster`."""
        with self._context:  # OpenGL draws into whichever was made current last
            seen = self._drawn(vertices, camera, window)
        return self._hits(seen, vertices, window.width)

    def _drawn(self, vertices: Array, camera: Pinhole, window: Window) -> Array:
        """The framebuffer, (height * width, 4)."""
        self._make_room(len(vertices), window)
        corners = vertices[:, self._faces].astype(np.float32, copy=False)  # (N, F, 3, 3)
        self._buffer.write(np.ascontiguousarray(corners))
        self._program["scale"].value = _scale(camera, window)
        self._target.use()
        self._context.viewport = (0, 0, window.width, window.height)
        self._target.clear(-1.0, 0.0, 0.0, 0.0, depth=1.0)
        count = 3 * len(self._faces)
        for body in range(len(vertices)):
            self._program["body"].value = float(body)
            self._array.render(vertices=count, first=body * count)
        read = self._target.read(
            viewport=(0, 0, window.width, window.height), components=4, dtype="f4"
        )
        return np.frombuffer(read, np.float32).reshape(-1, 4)

    def _hits(self, seen: Array, vertices: Array, width: int) -> Hits:
        pixels = np.flatnonzero(seen[:, 0] >= 0)
        found = seen[pixels]
        body, face = found[:, 0].astype(int), found[:, 1].astype(int)
        weights = np.stack([found[:, 2], found[:, 3], 1 - found[:, 2] - found[:, 3]], 1)
        depth = vertices[body[:, None], self._faces[face], 2]
        depth = np.einsum("nk,nk->n", weights, depth)
        return Hits(pixels // width, pixels % width, body, face, weights, depth)

    def _make_room(self, bodies: int, window: Window) -> None:
        """Buffers are kept as long as they are large enough."""
        if bodies > self._bodies:
            self._bodies = bodies
            self._buffer = self._context.buffer(reserve=bodies * self._faces.size * 12)
            content = [(self._buffer, "3f", "point")]
            self._array = self._context.vertex_array(self._program, content)
        size = (max(self._size[0], window.width), max(self._size[1], window.height))
        if size != self._size:
            self._size = size
            self._target = self._context.framebuffer(
                color_attachments=[self._context.renderbuffer(size, 4, dtype="f4")],
                depth_attachment=self._context.depth_renderbuffer(size),
            )

    def close(self) -> None:
        """Give the context back."""
        with suppress(Exception):  # a lost context has nothing to give back
            self._context.release()


def _scale(camera: Pinhole, window: Window) -> tuple[float, float, float, float]:
    """Clip coordinates, row 0 of the framebuffer being the first of the window."""
    across, down = 2 / (window.width * window.step), 2 / (window.height * window.step)
    half = window.step / 2
    x, y = camera.centre
    return (
        across * camera.focal, down * camera.focal,
        across * (x - window.left + half) - 1, down * (y - window.top + half) - 1,
    )  # fmt: skip


def _context(backend: str | None) -> Any:
    try:
        moderngl = importlib.import_module("moderngl")
    except ImportError as error:
        raise InputError(
            "renderer", error.name or "moderngl",
            expected="the extra: pip install 'poseterior[render]'", found="not installed",
        ) from error  # fmt: skip
    try:
        options = {} if backend is None else {"backend": backend}
        context = moderngl.create_context(standalone=True, require=330, **options)
    except Exception as error:  # moderngl raises bare Exception, and glcontext others
        raise InputError(
            "renderer", "gl", found=str(error) or type(error).__name__,
            expected="OpenGL 3.3 (on Debian: apt-get install libegl1 libgl1-mesa-dri)",
        ) from error  # fmt: skip
    return context
