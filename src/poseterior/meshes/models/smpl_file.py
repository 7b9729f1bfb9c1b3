"""The arrays of a SMPL model file, checked; nothing in it is ever run.

Both forms of file hold the same keys: `.npz`, and the official `.pkl`, a pickle of Python 2
whose arrays may be chumpy's and whose `J_regressor` is a sparse matrix (`restricted_chumpy.py`).
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from poseterior.data.restricted_chumpy import numbers_of, read_chumpy_pickle
from poseterior.errors import InputError, require
from poseterior.geometry.skeleton import SMPL_24

__all__ = ["VERTICES", "SmplFile", "open_smpl_file", "require_rows_of_one"]

VERTICES, _JOINTS, _FACES = 6890, len(SMPL_24), 13776
_CORRECTIONS = 9 * (_JOINTS - 1)

# What a file is of, by the shape of its skinning weights: vertices, joints.
_MODELS = {
    (VERTICES, 52): "SMPL-H", (10475, 55): "SMPL-X", (778, 16): "MANO", (5023, 5): "FLAME",
    (3889, 35): "SMAL", (3889, 33): "SMAL",
}  # fmt: skip
_KEYS = (
    "weights", "v_template", "shapedirs", "posedirs", "J_regressor", "kintree_table", "f",
)  # fmt: skip
_KINDS = {"bs_type": "lrotmin", "bs_style": "lbs"}  # how poses correct, how skin follows
_ROOT_PARENTS = (-1, 2**32 - 1)
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError)


class SmplFile(NamedTuple):
    """float64 but for the faces; V = 6890 vertices, K = 24 joints, metres.

    Attributes:
        template: (V, 3) vertices of the mean body.
        shapes: (V, 3, S) by a unit of each beta.
        corrections: (V, 3, 207) by rotations of joints 1 to 23 less the identity, row by row.
        regressor: (K, V) joints of the body at rest from its vertices.
        weights: (V, K) of skinning.
        faces: (13776, 3) int64.
    """

    template: NDArray[np.float64]
    shapes: NDArray[np.float64]
    corrections: NDArray[np.float64]
    regressor: NDArray[np.float64]
    weights: NDArray[np.float64]
    faces: NDArray[np.int64]


def open_smpl_file(path: Path, betas: int) -> SmplFile:
    """The arrays with the first `betas` shapes.

    Raises:
        InputError: naming the file and the key: see `meshes.models.smpl.read_smpl`.
    """
    content = _content(path)
    for key in _KEYS:
        there = ", ".join(map(str, content))
        require(key in content, path, key, expected="this key of SMPL", found=f"only {there}")
    arrays = {key: numbers_of(content[key], path, key) for key in _KEYS}
    _check_shapes(path, arrays, betas)
    for key, kind in _KINDS.items():
        found = content.get(key, kind)
        found = found.decode("latin-1") if isinstance(found, bytes) else found
        require(str(found) == kind, path, key, expected=kind, found=found)
    for key in ("weights", "v_template", "shapedirs", "posedirs", "J_regressor"):
        arrays[key] = arrays[key].astype(np.float64)
    arrays["shapedirs"] = arrays["shapedirs"][..., :betas]
    _check_values(path, arrays)
    return SmplFile(
        arrays["v_template"], arrays["shapedirs"], arrays["posedirs"], arrays["J_regressor"],
        arrays["weights"], arrays["f"].astype(np.int64),
    )  # fmt: skip


def require_rows_of_one(array: NDArray[np.float64], path: Path, key: str) -> None:
    """`InputError` unless the numbers are finite and each row sums to 1, within 0.001."""
    require(bool(np.isfinite(array).all()), path, key, expected="finite numbers", found="others")
    sums = array.sum(-1)
    worst = int(np.abs(sums - 1).argmax())
    require(
        abs(sums[worst] - 1) < 1e-3, path, key,
        expected="rows that sum to 1", found=f"{sums[worst]:.4g} in row {worst}",
    )  # fmt: skip


def _content(path: Path) -> Mapping[str, Any]:
    found = "a folder" if path.is_dir() else "no such file"
    require(path.is_file(), path, "", expected="a SMPL model, .npz or .pkl", found=found)
    return _from_npz(path) if zipfile.is_zipfile(path) else read_chumpy_pickle(path)


def _from_npz(path: Path) -> Mapping[str, Any]:
    content: dict[str, Any] = {}
    key = ""
    try:
        with np.load(path, allow_pickle=False) as archive:
            names = archive.files
            for key in names:
                needed = key in _KEYS or key in _KINDS
                content[key] = archive[key] if needed else None
    except _DAMAGED as error:
        expected = "an array, nothing pickled" if key else "a readable .npz file"
        raise InputError(path, key, expected=expected, found=str(error)[:120]) from None
    return content


def _check_shapes(path: Path, arrays: Mapping[str, np.ndarray], betas: int) -> None:
    columns = arrays["shapedirs"].shape[-1:]
    shapes: dict[str, tuple[int, ...]] = {
        "weights": (VERTICES, _JOINTS),
        "v_template": (VERTICES, 3),
        "shapedirs": (VERTICES, 3, *columns),
        "posedirs": (VERTICES, 3, _CORRECTIONS),
        "J_regressor": (_JOINTS, VERTICES),
        "kintree_table": (2, _JOINTS),
        "f": (_FACES, 3),
    }
    for key, shape in shapes.items():
        found = arrays[key].shape
        model = _MODELS.get(found, "") if key == "weights" else ""
        told = f"{found}, so this looks like a model of {model}" if model else found
        require(found == shape, path, key, expected=f"SMPL's shape {shape}", found=told)
    expected = f"a number from 1 to the {columns[0]} of the file"
    require(1 <= betas <= columns[0], path, "betas", expected=expected, found=betas)


def _check_values(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    for key in ("v_template", "shapedirs", "posedirs"):
        finite = bool(np.isfinite(arrays[key]).all())
        require(finite, path, key, expected="finite numbers", found="NaN or infinity")
    for key in ("weights", "J_regressor"):
        require_rows_of_one(arrays[key], path, key)
    for key in ("kintree_table", "f"):
        kind = arrays[key].dtype
        require(kind.kind in "iu", path, key, expected="integers", found=f"dtype {kind}")
    faces = arrays["f"]
    wrong = faces.max() if faces.max() >= VERTICES else faces.min()
    require(0 <= wrong < VERTICES, path, "f", expected=f"vertices 0 to {VERTICES - 1}", found=wrong)
    parents, own = arrays["kintree_table"].tolist()
    tree = parents[0] in _ROOT_PARENTS and tuple(parents[1:]) == SMPL_24.parents[1:]
    require(
        tree and own == list(range(_JOINTS)), path, "kintree_table",
        expected=f"SMPL's tree {SMPL_24.parents}", found=parents,
    )  # fmt: skip
