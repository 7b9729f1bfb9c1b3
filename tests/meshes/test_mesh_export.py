"""OBJ and GLB: read by another library, and the GLB's bytes held against the specification."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

from meshes.stick_body import stick_body
from poseterior.errors import InputError
from poseterior.geometry.rotations import from_axis_angle
from poseterior.meshes import BodyParameters
from poseterior.meshes.glb_scene import GlbScene
from poseterior.meshes.mesh_export import mesh_names, write_glb, write_obj

TURN = torch.tensor([1.0, -1.0, -1.0])
BYTES = {5123: 2, 5125: 4, 5126: 4}
NUMBERS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}


def ball(count: int | None = None) -> tuple[Tensor, Tensor]:
    """A sphere of radius 1 about (0, 1, 4): vertices, as often as asked, and faces."""
    mesh = trimesh.creation.icosphere(subdivisions=2)
    vertices = torch.tensor(np.asarray(mesh.vertices), dtype=torch.float32)
    vertices = vertices + torch.tensor([0.0, 1.0, 4.0])
    if count is not None:
        vertices = torch.stack([vertices * (i + 1) for i in range(count)])
    return vertices, torch.tensor(np.asarray(mesh.faces))


def chunks(path: Path) -> tuple[dict[str, Any], bytes]:
    """The two chunks of a GLB, its container checked on the way (glTF 2.0, section 4.4)."""
    data = path.read_bytes()
    magic, version, total = struct.unpack_from("<4sII", data)
    assert (magic, version, total) == (b"glTF", 2, len(data))
    length, kind = struct.unpack_from("<I4s", data, 12)
    assert (kind, length % 4) == (b"JSON", 0)
    text = data[20 : 20 + length]
    size, kind = struct.unpack_from("<I4s", data, 20 + length)
    assert (kind, size % 4) == (b"BIN\0", 0)
    assert 20 + length + 8 + size == total
    return json.loads(text), data[28 + length :]


def read(document: dict[str, Any], binary: bytes, index: int) -> np.ndarray:
    """An accessor's numbers, its layout checked (sections 3.6.2.4 and 5.1)."""
    accessor = document["accessors"][index]
    view = document["bufferViews"][accessor["bufferView"]]
    width = NUMBERS[accessor["type"]]
    kind = {5123: "<u2", 5125: "<u4", 5126: "<f4"}[accessor["componentType"]]
    start, size = view["byteOffset"], view["byteLength"]
    assert start % BYTES[accessor["componentType"]] == 0
    assert size == accessor["count"] * width * BYTES[accessor["componentType"]]
    assert start + size <= document["buffers"][0]["byteLength"] <= len(binary)
    array = np.frombuffer(binary[start : start + size], kind).reshape(-1, width)
    if "min" in accessor:
        assert array.min(0).tolist() == accessor["min"]
        assert array.max(0).tolist() == accessor["max"]
    return array


@pytest.mark.parametrize("colours", [None, 3, 4])
def test_a_glb_is_what_the_specification_says(tmp_path: Path, colours: int | None) -> None:
    vertices, faces = ball(2)
    shades = None if colours is None else torch.rand(2, vertices.shape[1], colours)
    write_glb(tmp_path / "b.glb", vertices, faces, shades, ["a", "b"])
    document, binary = chunks(tmp_path / "b.glb")
    assert document["asset"]["version"] == "2.0"
    nodes = [document["nodes"][i] for i in document["scenes"][document["scene"]]["nodes"]]
    assert [node["name"] for node in nodes] == ["a", "b"]
    for index, node in enumerate(nodes):
        (part,) = document["meshes"][node["mesh"]]["primitives"]
        assert part["mode"] == 4
        own = part["attributes"]
        assert set(own) == {"POSITION", "NORMAL"} | ({"COLOR_0"} if colours else set())
        assert "min" in document["accessors"][own["POSITION"]]
        points = read(document, binary, own["POSITION"])
        np.testing.assert_allclose(points, vertices[index] * TURN, atol=1e-6)
        corners = read(document, binary, part["indices"])
        np.testing.assert_array_equal(corners.reshape(-1, 3), faces)
        normals = read(document, binary, own["NORMAL"])
        np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-6)
        outward = points - points.mean(0)
        outward /= np.linalg.norm(outward, axis=1, keepdims=True)
        assert (normals * outward).sum(1).min() > 0.99
        for name, target in {**dict.fromkeys(own.values(), 34962), part["indices"]: 34963}.items():
            view = document["accessors"][name]["bufferView"]
            assert document["bufferViews"][view]["target"] == target
        if shades is not None:
            seen = read(document, binary, own["COLOR_0"])
            assert seen.shape[1] == colours
            np.testing.assert_allclose(seen[:, :3], _light(shades[index, :, :3]), atol=1e-5)
            np.testing.assert_allclose(seen[:, 3:], shades[index, :, 3:])
    blend = document["materials"][0].get("alphaMode", "OPAQUE") == "BLEND"
    assert blend == (colours == 4)


def _light(colours: Tensor) -> np.ndarray:
    """IEC 61966-2-1, number by number."""
    flat = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
            for c in colours.flatten().tolist()]  # fmt: skip
    return np.array(flat).reshape(colours.shape)


def test_another_library_reads_the_glb(tmp_path: Path) -> None:
    vertices, faces = ball(2)
    write_glb(tmp_path / "b.glb", vertices, faces, names=mesh_names(["ann"], 2))
    scene = trimesh.load(tmp_path / "b.glb", process=False)
    assert sorted(scene.graph.nodes_geometry) == ["ann_0", "ann_1"]
    for index, name in enumerate(["ann_0", "ann_1"]):
        mesh = scene.geometry[name]
        np.testing.assert_allclose(mesh.vertices, vertices[index] * TURN, atol=1e-6)
        np.testing.assert_array_equal(mesh.faces, faces)
        # Right side out: the volume is positive, and that of a ball.
        assert mesh.is_watertight
        assert mesh.volume == pytest.approx(4 / 3 * np.pi * (index + 1) ** 3, rel=0.05)


def test_another_library_reads_the_colours(tmp_path: Path) -> None:
    vertices, faces = ball()
    shades = torch.rand(len(vertices), 3)
    write_glb(tmp_path / "b.glb", vertices, faces, shades)
    mesh = trimesh.load(tmp_path / "b.glb", process=False).geometry["body_0"]
    seen = mesh.visual.vertex_attributes["color"]
    np.testing.assert_allclose(seen, _light(shades), atol=1e-5)


@pytest.mark.parametrize("shaded", [False, True])
def test_another_library_reads_the_obj(tmp_path: Path, shaded: bool) -> None:
    vertices, faces = ball()
    shades = torch.rand(len(vertices), 4) if shaded else None
    write_obj(tmp_path / "b.obj", vertices, faces, shades)
    mesh = trimesh.load(tmp_path / "b.obj", process=False)
    np.testing.assert_allclose(mesh.vertices, vertices * TURN, atol=1e-6)
    np.testing.assert_array_equal(mesh.faces, faces)
    assert mesh.volume > 0
    if shades is not None:
        seen = np.asarray(mesh.visual.vertex_colors)[:, :3] / 255
        np.testing.assert_allclose(seen, shades[:, :3], atol=0.005)


def test_an_obj_of_several_is_several_objects(tmp_path: Path) -> None:
    vertices, faces = ball(3)
    write_obj(tmp_path / "b.obj", vertices, faces, names=mesh_names(["one two"], 3))
    scene = trimesh.load(
        tmp_path / "b.obj", process=False, split_objects=True, group_material=False
    )
    assert sorted(scene.geometry) == ["one_two_0", "one_two_1", "one_two_2"]
    sizes = sorted(mesh.volume for mesh in scene.geometry.values())
    np.testing.assert_allclose(sizes, 4 / 3 * np.pi * np.array([1, 8, 27]), rtol=0.05)


def test_many_vertices_have_larger_indices(tmp_path: Path) -> None:
    for count, kind in ((2**16 - 1, 5123), (2**16, 5125)):
        faces = torch.tensor([[0, 1, count - 1]])
        write_glb(tmp_path / "b.glb", torch.rand(count, 3), faces)
        document, binary = chunks(tmp_path / "b.glb")
        index = document["meshes"][0]["primitives"][0]["indices"]
        assert document["accessors"][index]["componentType"] == kind
        assert read(document, binary, index).flatten().tolist() == [0, 1, count - 1]


def test_a_body_stands_upright(tmp_path: Path) -> None:
    body = stick_body()
    turns = from_axis_angle(torch.zeros(1, 24, 3))
    turns[:, 0] = torch.diag(torch.tensor([1.0, -1.0, -1.0]))  # upright, facing the camera
    standing = BodyParameters.of(turns, torch.zeros(1, 3), torch.tensor([[0.0, 0.0, 3.0]]))
    write_glb(tmp_path / "b.glb", body.vertices(standing), body.faces)
    mesh = trimesh.load(tmp_path / "b.glb", process=False, force="mesh")
    head, foot, ankle = (
        mesh.vertices[4 * body.tree.index(joint)] for joint in ("head", "left_foot", "left_ankle")
    )
    assert head[1] > foot[1] + 1
    assert foot[2] > ankle[2]  # toes to the viewer


FLAT = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
ONE = torch.tensor([[0, 1, 2]])
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "flat": ({"vertices": torch.zeros(3, 2)}, r"vertices: expected shape \(V, 3\)"),
    "none": ({"vertices": torch.zeros(0, 3)}, "vertices: expected shape"),
    "not finite": ({"vertices": FLAT * torch.nan}, "vertices: expected finite numbers"),
    "beyond": ({"faces": torch.tensor([[0, 1, 3]])}, "faces: expected vertices 0 to 2, found 0 to"),
    "negative": ({"faces": torch.tensor([[0, 1, -1]])}, "found -1 to 1"),
    "real faces": ({"faces": ONE.float()}, r"faces: expected integers \(F, 3\)"),
    "too many names": ({"names": ["a", "b"]}, "names: expected 1 different names"),
    "no name": ({"names": [" "]}, "names: expected"),
    "two channels": ({"colours": torch.zeros(3, 2)}, r"colours: expected shape \(3, 3 or 4\)"),
    "bright": ({"colours": 2 * torch.ones(3, 3)}, "colours: expected numbers from 0 to 1"),
    "bytes": ({"colours": torch.ones(3, 3).byte()}, "colours: expected numbers from 0 to 1"),
}


@pytest.mark.parametrize("write", [write_obj, write_glb])
@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_mesh_is_refused(what: str, write: Any, tmp_path: Path) -> None:
    given, words = WRONG[what]
    with pytest.raises(InputError, match=words):
        write(tmp_path / "b", **({"vertices": FLAT, "faces": ONE} | given))
    assert list(tmp_path.iterdir()) == []


def test_a_file_over_the_formats_limit_is_refused(tmp_path: Path) -> None:
    scene = GlbScene(size=2**32 - 100)
    with pytest.raises(InputError, match="at most 4 GiB"):
        scene.write(tmp_path / "b.glb")
    with pytest.raises(InputError, match="no folder"):
        write_glb(tmp_path / "nowhere" / "b.glb", FLAT, ONE)


def test_triangles_without_area_leave_normals_of_unit_length(tmp_path: Path) -> None:
    write_glb(tmp_path / "b.glb", torch.zeros(3, 3), ONE)
    document, binary = chunks(tmp_path / "b.glb")
    normals = read(document, binary, document["meshes"][0]["primitives"][0]["attributes"]["NORMAL"])
    assert np.linalg.norm(normals, axis=1).tolist() == [1, 1, 1]
