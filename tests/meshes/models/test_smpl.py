"""SMPL model files: the formula of the paper written out, both forms, and what is refused."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from meshes.made_smpl import (
    Instance,
    chumpy,
    made_smpl,
    python2,
    selected,
    write_new_pkl,
    write_npz,
    write_pkl,
)
from poseterior.errors import InputError
from poseterior.geometry.skeleton import COCO_17, H36M_17, LSP_14, SMPL_24
from poseterior.meshes import BodyParameters, SkinnedBody
from poseterior.meshes.models.smpl import read_smpl

MODEL = made_smpl()
SMALL = dict.fromkeys(MODEL, np.zeros(2))


def formula(model: dict[str, Any], betas: np.ndarray, pose: np.ndarray) -> tuple[Any, Any]:
    """Vertices and joints by Eqs. 2 to 10 of the paper: Rodrigues, 4 x 4 chains, double loops."""
    rotations = [Rotation.from_rotvec(p).as_matrix() for p in pose]
    shaped = model["v_template"] + model["shapedirs"] @ betas
    joints = model["J_regressor"] @ shaped
    feature = np.concatenate([(r - np.eye(3)).ravel() for r in rotations[1:]])
    points = shaped + model["posedirs"] @ feature
    parents = model["kintree_table"][0].astype(np.int64)
    world: list[np.ndarray] = []
    for k in range(24):
        local = np.eye(4)
        local[:3, :3] = rotations[k]
        local[:3, 3] = joints[k] - (joints[parents[k]] if k else 0)
        world.append(world[parents[k]] @ local if k else local)
    posed = np.zeros_like(points)
    for k in range(24):
        rest = np.eye(4)
        rest[:3, 3] = -joints[k]
        relative = world[k] @ rest
        for row in range(3):
            moved = points @ relative[row, :3] + relative[row, 3]
            posed[:, row] += model["weights"][:, k] * moved
    return posed, np.stack([w[:3, 3] for w in world])


def poses(count: int, betas: int = 10) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(5)
    return (
        draw.normal(size=(count, betas)),
        0.8 * draw.normal(size=(count, 24, 3)),
        draw.normal(size=(count, 3)),
    )


def parameters(shape: Any, pose: Any, place: Any) -> BodyParameters:
    shape, pose, place = (torch.from_numpy(x) for x in (shape, pose, place))
    return BodyParameters.from_axis_angle(pose[:, 0], pose[:, 1:].flatten(1), shape, place)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same body in every form."""
    folder = tmp_path_factory.mktemp("smpl")
    return {
        "npz": write_npz(folder / "body.npz", MODEL),
        "python 2": write_pkl(folder / "basicModel_neutral.pkl", MODEL),
        "python 2, text": write_pkl(folder / "basicModel_text.pkl", MODEL, protocol=0),
        "new": write_new_pkl(folder / "new.pkl", MODEL),
    }


@pytest.fixture(scope="module")
def body(files: dict[str, Path]) -> SkinnedBody:
    return read_smpl(files["npz"], dtype=torch.float64)


@pytest.mark.parametrize(
    ("form", "dtype", "near"),
    [
        ("npz", torch.float64, 1e-10), ("npz", torch.float32, 3e-6),
        ("python 2", torch.float64, 1e-10), ("python 2, text", torch.float64, 1e-10),
        ("new", torch.float64, 1e-10),
    ],
)  # fmt: skip
def test_vertices_and_joints_are_the_papers(
    files: dict[str, Path], form: str, dtype: torch.dtype, near: float
) -> None:
    read = read_smpl(files[form], dtype=dtype)
    shape, pose, place = poses(2)
    p = parameters(shape, pose, place).to(dtype)
    vertices, joints = read.vertices(p), read.joints(p)
    assert vertices.dtype == dtype
    for i in range(2):
        points, ends = formula(MODEL, shape[i], pose[i])
        assert np.abs(vertices[i].numpy() - points - place[i]).max() < near
        assert np.abs(joints[i].numpy() - ends - place[i]).max() < near


def test_what_the_body_says_of_itself(body: SkinnedBody) -> None:
    assert (body.name, body.betas, body.tree) == ("smpl", 10, SMPL_24)
    assert set(body.landmarks) == {"smpl_24", "coco_17", "h36m_17", "lsp_14"}
    np.testing.assert_array_equal(body.faces.numpy(), MODEL["f"])


def test_joints_that_move_as_one_follow_their_skeletons(body: SkinnedBody) -> None:
    p = parameters(*poses(2))
    vertices, joints = body.vertices(p), body.joints(p)
    torch.testing.assert_close(body.landmarks_of(p, SMPL_24), joints)
    coco, lsp = body.landmarks_of(p, COCO_17), body.landmarks_of(p, LSP_14)
    for skeleton, found in ((COCO_17, coco), (LSP_14, lsp), (H36M_17, None)):
        found = body.landmarks_of(p, skeleton) if found is None else found
        for j, name in enumerate(skeleton.joints):
            if name.split("_")[-1] in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
                torch.testing.assert_close(found[:, j], joints[:, SMPL_24.index(name)])
    face = {"nose": 332, "left_eye": 2800, "right_eye": 6260, "left_ear": 583, "right_ear": 4071}
    for name, vertex in face.items():
        torch.testing.assert_close(coco[:, COCO_17.index(name)], vertices[:, vertex])
    torch.testing.assert_close(lsp[:, LSP_14.index("head_top")], vertices[:, 411])


def test_own_regressors_take_the_place_of_ours(files: dict[str, Path], tmp_path: Path) -> None:
    weights = np.zeros((17, 6890))
    rest = MODEL["v_template"][:, 0]
    for j, name in enumerate(H36M_17.joints):  # two vertices of the joint's side
        of = rest > 0.2 if name.startswith("left") else rest < -0.2
        weights[j, np.flatnonzero(of)[[j, 100 + j]]] = 0.5
    path = tmp_path / "J_regressor_h36m.npy"
    np.save(path, weights)
    read = read_smpl(files["npz"], regressors={"h36m_17": path}, dtype=torch.float64)
    p = parameters(*poses(2))
    expected = torch.from_numpy(weights) @ read.vertices(p)
    torch.testing.assert_close(read.landmarks_of(p, H36M_17), expected)

    other = weights[[0, 4, 5, 6, 1, 2, 3, *range(7, 17)]]
    for wrong, message in (
        (weights[:, :-1], r"expected shape \(17, 6890\) for h36m_17, found \(17, 6889\)"),
        (weights[:14], r"expected shape \(17, 6890\) for h36m_17, found \(14, 6890\)"),
        (2 * weights, "h36m_17: expected rows that sum to 1, found 2 in row 0"),
        (weights * np.nan, "h36m_17: expected finite numbers"),
        (other, "h36m_17: expected rows in the order pelvis, right_hip, .* found row 4 to the ri"),
        (np.array([weights], object), r"expected an array in \.npy format, found none \(Object ar"),
        (weights > 0, r"expected one array of numbers, \.npy, found bool"),
    ):
        np.save(path, wrong)
        with pytest.raises(InputError, match=r"J_regressor_h36m\.npy: " + message):
            read_smpl(files["npz"], regressors={"h36m_17": path})
    with pytest.raises(InputError, match=r"absent\.npy: expected an array in \.npy format"):
        read_smpl(files["npz"], regressors={"h36m_17": tmp_path / "absent.npy"})
    with pytest.raises(InputError, match="regressors: skeleton: expected 'h36m_17'"):
        read_smpl(files["npz"], regressors={"h36m17": path})


def test_fewer_and_more_betas(tmp_path: Path) -> None:
    many = MODEL | {"shapedirs": 0.01 * np.random.default_rng(1).normal(size=(6890, 3, 20))}
    write_npz(tmp_path / "many.npz", many)
    shape, pose, place = poses(1, 16)
    read = read_smpl(tmp_path / "many.npz", betas=16, dtype=torch.float64)
    points, _ = formula({**many, "shapedirs": many["shapedirs"][..., :16]}, shape[0], pose[0])
    vertices = read.vertices(parameters(shape, pose, place))[0].numpy()
    assert np.abs(vertices - points - place[0]).max() < 1e-10
    for count in (0, 21):
        with pytest.raises(InputError, match=f"betas: expected .* 20 of the file, found {count}"):
            read_smpl(tmp_path / "many.npz", betas=count)


def test_forms_that_real_files_vary_in(tmp_path: Path) -> None:
    tree = MODEL["kintree_table"].astype(np.int64)
    tree[0, 0] = -1
    varied = MODEL | {"posedirs": np.asfortranarray(MODEL["posedirs"]), "kintree_table": tree}
    varied = {k: v for k, v in varied.items() if not k.startswith("bs_")} | {"extra": "x"}
    read = read_smpl(write_npz(tmp_path / "a.npz", varied))
    assert read.template.dtype == torch.float32
    np.savez(tmp_path / "b.npz", **varied, unused=np.array([{}], object))
    read_smpl(tmp_path / "b.npz")


def changed(array: np.ndarray, value: float) -> np.ndarray:
    array = array.copy()
    array.flat[100] = value
    return array


WRONG: dict[str, tuple[str, Callable[[np.ndarray], Any], str]] = {
    "vertices": ("v_template", lambda a: a[:-1], r"expected SMPL's shape \(6890, 3\), found"),
    "flat": ("shapedirs", lambda a: a[..., 0], r"SMPL's shape \(6890, 3, 3\), found \(6890, 3\)"),
    "star": ("posedirs", lambda a: a[..., :93], r"\(6890, 3, 207\), found \(6890, 3, 93\)"),
    "transposed": ("J_regressor", lambda a: a.T, r"\(24, 6890\), found \(6890, 24\)"),
    "nan": ("v_template", lambda a: changed(a, np.nan), "expected finite numbers"),
    "infinite": ("posedirs", lambda a: changed(a, np.inf), "expected finite numbers"),
    "nan weight": ("weights", lambda a: changed(a, np.nan), "expected finite numbers"),
    "weights": ("weights", lambda a: changed(a, 7.0), "rows that sum to 1, found .* in row 4"),
    "joints": ("J_regressor", lambda a: 2 * a, "rows that sum to 1, found 2 in row"),
    "faces": ("f", lambda a: changed(a, 6890), "expected vertices 0 to 6889, found 6890"),
    "below": ("f", lambda a: changed(a.astype(int), -3), "vertices 0 to 6889, found -3"),
    "float faces": ("f", lambda a: a.astype(float), "expected integers, found dtype float64"),
    "tree": ("kintree_table", lambda a: a[:, ::-1], "expected SMPL's tree"),
    "text": ("weights", lambda a: np.array("none"), "expected an array of numbers, found"),
    "objects": ("posedirs", lambda a: a[0].astype(object), "expected an array, nothing pickled"),
    "type": ("bs_type", lambda a: "else", "expected lrotmin, found else"),
    "SMPL-H": ("weights", lambda a: np.ones((6890, 52)), "looks like a model of SMPL-H"),
    "SMPL-X": ("weights", lambda a: np.ones((10475, 55)), "looks like a model of SMPL-X"),
    "MANO": ("weights", lambda a: np.ones((778, 16)), "looks like a model of MANO"),
    "FLAME": ("weights", lambda a: np.ones((5023, 5)), "looks like a model of FLAME"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_arrays_that_are_not_smpls(case: str, tmp_path: Path) -> None:
    key, change, message = WRONG[case]
    path = write_npz(tmp_path / "wrong.npz", MODEL | {key: change(MODEL[key])})  # type: ignore[arg-type]
    with pytest.raises(InputError, match=rf"wrong\.npz: {key}: .*{message}"):
        read_smpl(path)


def test_keys_that_are_missing(tmp_path: Path) -> None:
    motion = {"poses": np.zeros((5, 72)), "betas": np.zeros(10)}
    with pytest.raises(InputError, match=r"a\.npz: weights: .*found only poses, betas"):
        read_smpl(write_npz(tmp_path / "a.npz", motion))
    path = tmp_path / "a.pkl"
    path.write_bytes(python2({"weights": MODEL["weights"]}))
    with pytest.raises(InputError, match=r"a\.pkl: v_template: .*found only weights"):
        read_smpl(path)


def test_files_that_are_none(tmp_path: Path, files: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=r"expected a SMPL model.* found a folder"):
        read_smpl(tmp_path)
    with pytest.raises(InputError, match=r"no\.pkl: expected a SMPL model.* found no such file"):
        read_smpl(tmp_path / "no.pkl")
    for name, data in (("text", b"v 1 2 3\n"), ("empty", b""), ("list", pickle.dumps([1]))):
        path = tmp_path / f"{name}.pkl"
        path.write_bytes(data)
        with pytest.raises(InputError, match=rf"{name}\.pkl: expected a"):
            read_smpl(path)
    for form in ("npz", "python 2"):
        data = files[form].read_bytes()
        for share in (0.001, 0.999):
            path = tmp_path / f"cut{files[form].suffix}"
            path.write_bytes(data[: int(share * len(data))])
            with pytest.raises(InputError, match=r"cut\.(npz|pkl): "):
                read_smpl(path)


def test_a_damaged_npz(tmp_path: Path, files: dict[str, Path]) -> None:
    data = bytearray(files["npz"].read_bytes())
    data[len(data) // 2] ^= 0xFF
    (tmp_path / "damaged.npz").write_bytes(data)
    with pytest.raises(InputError, match=r"damaged\.npz: posedirs: .*CRC"):
        read_smpl(tmp_path / "damaged.npz")
    without = {key: value for key, value in MODEL.items() if key != "weights"}
    write_npz(tmp_path / "other.npz", without)
    with zipfile.ZipFile(tmp_path / "other.npz", "a") as archive:
        archive.writestr("weights.npy", b"none")
    with pytest.raises(InputError, match=r"other\.npz: weights: "):
        read_smpl(tmp_path / "other.npz")


class Calls:
    """Reduces to a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.reduced = function, arguments

    def __reduce__(self) -> Any:
        return self.reduced


def test_malicious_models_run_nothing(tmp_path: Path) -> None:
    target, path = tmp_path / "ran", tmp_path / "evil.pkl"
    command = f"open({str(target)!r}, 'w').close()"
    for attack in (Calls(os.system, f"touch {target}"), Calls(eval, command)):
        path.write_bytes(pickle.dumps({"weights": attack}))
        with pytest.raises(InputError, match=r"evil\.pkl: .*found the global .*(system|eval)"):
            read_smpl(path)
    hidden = python2({**SMALL, "v_template": chumpy(MODEL["v_template"])})
    call = b"cos\nsystem\n(S'touch " + str(target).encode() + b"'\ntR0"
    path.write_bytes(hidden[:-1] + call + b".")
    with pytest.raises(InputError, match=r"evil\.pkl: .*found the global os\.system"):
        read_smpl(path)
    assert not target.exists()


def test_chumpy_that_stands_for_no_numbers(tmp_path: Path) -> None:
    path = tmp_path / "odd.pkl"
    for odd in (
        Instance("chumpy.ch_ops.add", a=1, b=2),
        chumpy(Instance("chumpy.ch_ops.add", a=1)),  # type: ignore[arg-type]
        {"x": np.ones(2)},
        "text",
    ):
        path.write_bytes(python2(SMALL | {"weights": odd}))
        with pytest.raises(InputError, match=r"odd\.pkl: weights: expected an array of numbers"):
            read_smpl(path)
    wrong = selected(MODEL["shapedirs"], 10)
    wrong.state["idxs"] = wrong.state["idxs"] + 1
    path.write_bytes(python2(SMALL | {"shapedirs": wrong}))
    with pytest.raises(InputError, match=r"odd\.pkl: shapedirs: .*Select .*out of bounds"):
        read_smpl(path)
