"""Meshes as files that other programs open: Wavefront OBJ and binary glTF 2.0.

Camera axes (x right, y down, z forward) become those of glTF, x right, y up and z towards the
viewer: (x, y, z) -> (x, -y, -z), a half turn about x, which leaves the triangles' sides as they
are. Lengths stay metres.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from poseterior.data.npz_writer import replacing
from poseterior.errors import require
from poseterior.meshes.glb_scene import INDICES, VERTICES, GlbScene

__all__ = ["mesh_names", "write_glb", "write_obj"]

_TO_Y_UP = np.array([1.0, -1.0, -1.0])


def mesh_names(people: Sequence[object], representatives: int) -> list[str]:
    """Names of the meshes (people, representatives), flat, for `write_glb`.

    >>> mesh_names(["ann", "bob"], 2)
    ['ann_0', 'ann_1', 'bob_0', 'bob_1']
    """
    return [f"{person}_{index}" for person in people for index in range(representatives)]


def write_obj(
    path: str | os.PathLike[str],
    vertices: Tensor,
    faces: Tensor,
    colours: Tensor | None = None,
    names: Sequence[str] | None = None,
) -> None:
    """Write meshes as text; the file appears whole or not at all.

    Args:
        path: of the file.
        vertices: (V, 3) or (N, V, 3) metres, camera axes.
        faces: (F, 3), vertices of each triangle, the same for all meshes.
        colours: (V, 3 or 4) or (N, V, 3 or 4) sRGB, 0 to 1, or None. They are written behind the
            coordinates, as most programs read them though the format does not know them; an
            opacity is left out.
        names: of the N objects; `body_0`, ... if None.

    Raises:
        InputError: wrong shapes, numbers that are not finite, colours beyond 0 to 1, faces of
            vertices that are not there, a path that cannot be written.
    """
    meshes = _Meshes.of(path, vertices, faces, colours, names)
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write("# metres, y up\n")
        for index, name in enumerate(meshes.names):
            file.write(f"o {name}\n")
            pattern, rows = "v %.6f %.6f %.6f", meshes.points[index]
            if meshes.colours is not None:
                pattern += " %.4f %.4f %.4f"
                rows = np.concatenate([rows, meshes.colours[index, :, :3]], -1)
            file.write(_lines(pattern, rows))
            file.write(_lines("f %d %d %d", meshes.faces + 1 + index * len(rows)))


def _lines(pattern: str, rows: np.ndarray) -> str:
    """A line for each of some rows, in one go: twice as fast as one by one."""
    return (pattern + "\n") * len(rows) % tuple(rows.ravel().tolist())


def write_glb(
    path: str | os.PathLike[str],
    vertices: Tensor,
    faces: Tensor,
    colours: Tensor | None = None,
    names: Sequence[str] | None = None,
) -> None:
    """Write meshes as binary glTF 2.0, each a node of its own; normals are those of its triangles.

    Arguments and errors as of `write_obj`, and an `InputError` for more than 4 GiB. Colours are
    stored in linear light, as glTF has them, opacity included.
    """
    meshes = _Meshes.of(path, vertices, faces, colours, names)
    glb = GlbScene()
    whole = meshes.faces.astype("<u2" if meshes.points.shape[1] < 2**16 else "<u4")
    indices = glb.add(whole.reshape(-1), INDICES)
    material = glb.material(meshes.colours)
    for index, name in enumerate(meshes.names):
        points = meshes.points[index].astype("<f4")
        attributes = {
            "POSITION": glb.add(points, VERTICES, bounds=True),
            "NORMAL": glb.add(_normals(points, meshes.faces), VERTICES),
        }
        if meshes.colours is not None:
            attributes["COLOR_0"] = glb.add(_linear(meshes.colours[index]), VERTICES)
        glb.mesh(name, attributes, indices, material)
    glb.write(path)


@dataclass(frozen=True, eq=False)
class _Meshes:
    """Points (N, V, 3) with y up, faces (F, 3), colours (N, V, 3 or 4) or None, N names."""

    points: np.ndarray
    faces: np.ndarray
    colours: np.ndarray | None
    names: list[str]

    @classmethod
    def of(
        cls,
        path: str | os.PathLike[str],
        vertices: Tensor,
        faces: Tensor,
        colours: Tensor | None,
        names: Sequence[str] | None,
    ) -> _Meshes:
        points = _array(vertices)
        points = points[None] if points.ndim == 2 else points
        require(
            points.ndim == 3 and points.shape[2] == 3 and points.size > 0, path, "vertices",
            expected="shape (V, 3) or (N, V, 3)", found=tuple(vertices.shape),
        )  # fmt: skip
        require(
            bool(np.isfinite(points).all()), path, "vertices",
            expected="finite numbers", found="others",
        )  # fmt: skip
        count, size = points.shape[:2]
        named = [f"body_{i}" for i in range(count)] if names is None else [*map(str, names)]
        good = len(named) == len(set(named)) == count and all(name.split() for name in named)
        require(good, path, "names", expected=f"{count} different names", found=named)
        corners = _checked_faces(path, faces, size)
        given = None if colours is None else _checked_colours(path, colours, count, size)
        return cls(points * _TO_Y_UP, corners, given, ["_".join(name.split()) for name in named])


def _array(tensor: Tensor) -> np.ndarray:
    return torch.as_tensor(tensor).detach().cpu().numpy()


def _checked_faces(path: str | os.PathLike[str], faces: Tensor, size: int) -> np.ndarray:
    corners = _array(faces)
    require(
        corners.ndim == 2 and corners.shape[1] == 3 and corners.size > 0
        and corners.dtype.kind in "iu",
        path, "faces", expected="integers (F, 3)", found=f"{corners.dtype} {corners.shape}",
    )  # fmt: skip
    low, high = int(corners.min()), int(corners.max())
    require(
        low >= 0 and high < size, path, "faces",
        expected=f"vertices 0 to {size - 1}", found=f"{low} to {high}",
    )  # fmt: skip
    return corners


def _checked_colours(
    path: str | os.PathLike[str], colours: Tensor, count: int, size: int
) -> np.ndarray:
    given = _array(colours)
    channels = given.shape[-1] if given.ndim else 0
    shapes = [(size, channels), (count, size, channels)]
    require(
        given.shape in shapes and channels in (3, 4), path, "colours",
        expected=f"shape ({size}, 3 or 4) or ({count}, {size}, 3 or 4)", found=given.shape,
    )  # fmt: skip
    good = given.dtype.kind == "f" and bool(((given >= 0) & (given <= 1)).all())
    require(good, path, "colours", expected="numbers from 0 to 1", found="others")
    return np.broadcast_to(given, (count, size, channels))


def _normals(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 3) float32 of unit length: the triangles' own, by their area; up where there are none."""
    a, b, c = (points[faces[:, corner]].astype(np.float64) for corner in range(3))
    normals = np.zeros(points.shape)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], np.cross(b - a, c - a))
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    up = np.array([0.0, 1.0, 0.0])
    return np.where(length > 0, normals / np.maximum(length, 1e-300), up).astype("<f4")


def _linear(colours: np.ndarray) -> np.ndarray:
    """Linear light of sRGB (IEC 61966-2-1); an opacity stays as it is."""
    rgb = colours[..., :3].astype(np.float64)
    light = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return np.concatenate([light, colours[..., 3:]], -1).astype("<f4")
