"""Binary glTF 2.0, the part of it that meshes need.

Written from the specification of the Khronos group, sections 3.6 (buffers), 3.7 (meshes) and
4.4 (the binary container).
"""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import poseterior
from poseterior.data.npz_writer import replacing
from poseterior.errors import require

__all__ = ["INDICES", "VERTICES", "GlbScene"]

INDICES, VERTICES = 34963, 34962  # what a piece of the buffer is for
_MAGIC, _VERSION, _JSON, _BINARY = 0x46546C67, 2, 0x4E4F534A, 0x004E4942
_FLOAT, _SHORT, _INT = 5126, 5123, 5125
_TRIANGLES = 4
_MOST_BYTES = 2**32 - 1
_GREY = [0.8, 0.8, 0.8, 1.0]


@dataclass(eq=False)
class GlbScene:
    """A scene as it grows: glTF's JSON, and the bytes that it points into."""

    pieces: list[bytes] = field(default_factory=list)
    size: int = 0
    document: dict[str, Any] = field(
        default_factory=lambda: {
            "asset": {"version": "2.0", "generator": f"poseterior {poseterior.__version__}"},
            "scene": 0,
            "scenes": [{"nodes": []}],
            **{name: [] for name in ("nodes", "meshes", "materials", "accessors", "bufferViews")},
        }
    )

    def add(self, array: np.ndarray, target: int, bounds: bool = False) -> int:
        """The index of a new accessor of an array (N,) or (N, 3 or 4), little-endian.

        `target` is `VERTICES` or `INDICES`; positions need `bounds`.
        """
        data = array.tobytes()
        view = {"buffer": 0, "byteOffset": self.size, "byteLength": len(data), "target": target}
        kind = {"f": _FLOAT, "u": _SHORT if array.itemsize == 2 else _INT}[array.dtype.kind]
        accessor: dict[str, Any] = {
            "bufferView": self._append("bufferViews", view),
            "componentType": kind,
            "count": len(array),
            "type": "SCALAR" if array.ndim == 1 else f"VEC{array.shape[1]}",
        }
        if bounds:
            accessor |= {"min": array.min(0).tolist(), "max": array.max(0).tolist()}
        self.pieces.append(data + bytes(-len(data) % 4))
        self.size += len(self.pieces[-1])
        return self._append("accessors", accessor)

    def material(self, colours: np.ndarray | None) -> int:
        """A matt one, grey unless vertices have colours."""
        factor = _GREY if colours is None else [1.0] * 4
        surface = {"baseColorFactor": factor, "metallicFactor": 0.0, "roughnessFactor": 0.9}
        through = colours is not None and bool((colours[..., 3:] < 1).any())
        more = {"alphaMode": "BLEND"} if through else {}
        return self._append("materials", {"pbrMetallicRoughness": surface, **more})

    def mesh(self, name: str, attributes: dict[str, int], indices: int, material: int) -> None:
        """A mesh and a node of the scene that shows it."""
        part = {"attributes": attributes, "indices": indices, "material": material,
                "mode": _TRIANGLES}  # fmt: skip
        mesh = self._append("meshes", {"name": name, "primitives": [part]})
        node = self._append("nodes", {"name": name, "mesh": mesh})
        self.document["scenes"][0]["nodes"].append(node)

    def _append(self, name: str, value: dict[str, Any]) -> int:
        self.document[name].append(value)
        return len(self.document[name]) - 1

    def write(self, path: str | os.PathLike[str]) -> None:
        """Header, JSON and bytes, each chunk filled up to a multiple of four.

        `InputError` for more than 4 GiB and for a path that cannot be written.
        """
        document = {**self.document, "buffers": [{"byteLength": self.size}]}
        text = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
        text += b" " * (-len(text) % 4)
        total = 12 + 8 + len(text) + 8 + self.size
        require(
            total <= _MOST_BYTES, path, "", expected="at most 4 GiB, the format's limit",
            found=f"{total} bytes",
        )  # fmt: skip
        with replacing(path) as temporary, temporary.open("wb") as file:
            file.write(struct.pack("<III", _MAGIC, _VERSION, total))
            file.write(struct.pack("<II", len(text), _JSON) + text)
            file.write(struct.pack("<II", self.size, _BINARY))
            file.writelines(self.pieces)
