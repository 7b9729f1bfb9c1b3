"""Random bodies in SMPL's format and size, as `.npz` and as the pickles of Python 2."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np

from poseterior.geometry.skeleton import SMPL_24

VERTICES, FACES = 6890, 13776


def made_smpl(betas: int = 10, seed: int = 0) -> dict[str, Any]:
    """The keys and shapes of a model file; left joints on the left, x > 0."""
    draw = np.random.default_rng(seed)
    joints = len(SMPL_24)
    side = np.array([j.startswith("left") * 1.0 - j.startswith("right") for j in SMPL_24.joints])
    centres = 0.3 * draw.normal(size=(joints, 3))
    centres[:, 0] = 0.4 * side
    near = np.arange(VERTICES) % joints
    weights = draw.random((VERTICES, joints)) ** 8
    weights[np.arange(VERTICES), near] += 3
    regressor = np.zeros((joints, VERTICES))
    for joint in range(joints):
        of = draw.choice(np.flatnonzero(near == joint), 30, replace=False)
        regressor[joint, of] = draw.random(30)
    parents = np.array(SMPL_24.parents, np.int64)
    return {
        "v_template": centres[near] + 0.05 * draw.normal(size=(VERTICES, 3)),
        "shapedirs": 0.01 * draw.normal(size=(VERTICES, 3, betas)),
        "posedirs": 0.001 * draw.normal(size=(VERTICES, 3, 207)),
        "J_regressor": regressor / regressor.sum(1, keepdims=True),
        "weights": weights / weights.sum(1, keepdims=True),
        "kintree_table": np.stack([parents, np.arange(joints)]).astype(np.uint32),
        "f": draw.integers(VERTICES, size=(FACES, 3)).astype(np.uint32),
        "bs_type": "lrotmin",
        "bs_style": "lbs",
    }


def write_npz(path: Path, model: dict[str, Any]) -> Path:
    np.savez(path, **model)
    return path


class Instance:
    """An instance of a class that is not installed."""

    def __init__(self, name: str, **state: Any) -> None:
        self.module, self.name = name.rsplit(".", 1)
        self.state = state


def chumpy(array: np.ndarray) -> Instance:
    """`chumpy.ch.Ch` with the attributes that it pickles."""
    more = {"_dirty_vars": {"x"}, "_itr": None, "_make_dense": False, "_make_sparse": False}
    return Instance("chumpy.ch.Ch", x=array, **more)


def selected(array: np.ndarray, count: int) -> Instance:
    """The first entries along the last axis as `chumpy.reordering.Select` has them."""
    shape = (*array.shape[:-1], count)
    indices = np.arange(array.size).reshape(array.shape)[..., :count].ravel()
    return Instance(
        "chumpy.reordering.Select", a=chumpy(array), idxs=indices, preferred_shape=shape
    )


def sparse(matrix: np.ndarray) -> Instance:
    """`scipy.sparse.csc.csc_matrix`, column by column."""
    rows, columns = np.nonzero(matrix.T)[::-1]
    starts = np.searchsorted(columns, np.arange(matrix.shape[1] + 1))
    return Instance(
        "scipy.sparse.csc.csc_matrix", _shape=matrix.shape, maxprint=50, format="csc",
        data=matrix[rows, columns], indices=rows.astype(np.int32), indptr=starts.astype(np.int32),
    )  # fmt: skip


def as_distributed(model: dict[str, Any]) -> dict[str, Any]:
    """With the classes of the official files."""
    joints = model["J_regressor"] @ model["v_template"]
    return {
        **model,
        "J_regressor": sparse(model["J_regressor"]),
        "J": Instance("chumpy.reordering.transpose", a=chumpy(joints.T), axes=None),
        "v_template": chumpy(model["v_template"]),
        "weights": chumpy(model["weights"]),
        "shapedirs": selected(np.tile(model["shapedirs"], 2), model["shapedirs"].shape[-1]),
        "pose_training_info": {"gender": "n", 1: None},
    }


def python2(value: Any, protocol: int = 2) -> bytes:
    """What Python 2's `pickle.dumps` writes: text is bytes, instances are of `copy_reg`."""
    return (b"\x80\x02" if protocol == 2 else b"") + _python2(value, protocol == 2) + b"."


def _python2(value: Any, binary: bool) -> bytes:
    def each(items: Any) -> bytes:
        return b"".join(_python2(item, binary) for item in items)

    if isinstance(value, str | bytes):
        return _string(value.encode("latin-1") if isinstance(value, str) else value, binary)
    if isinstance(value, bool | type(None)):
        return {None: b"N", True: b"I01\n", False: b"I00\n"}[value]
    if isinstance(value, int):
        return b"I%d\n" % value
    if isinstance(value, tuple):
        return b"(" + each(value) + b"t"
    if isinstance(value, list):
        return b"(l" + b"".join(_python2(item, binary) + b"a" for item in value)
    if isinstance(value, set):
        return b"c__builtin__\nset\n" + _python2((list(value),), binary) + b"R"
    if isinstance(value, dict):
        return b"(d" + b"".join(each(pair) + b"s" for pair in value.items())
    if isinstance(value, Instance):
        return _instance(value, binary) + _python2(value.state, binary) + b"b"
    return _array(value, binary)


def _string(text: bytes, binary: bool) -> bytes:
    if binary:
        return b"T" + struct.pack("<i", len(text)) + text
    return b"S" + repr(text)[1:].encode("ascii") + b"\n"


def _instance(value: Instance, binary: bool) -> bytes:
    name = f"c{value.module}\n{value.name}\n".encode()
    if binary:
        return name + b")\x81"
    return b"ccopy_reg\n_reconstructor\n(" + name + b"c__builtin__\nobject\nNtR"


def _array(array: np.ndarray, binary: bool) -> bytes:
    fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    text = array.dtype.str
    dtype = b"cnumpy\ndtype\n" + _python2((text[1:], 0, 1), binary) + b"R"
    dtype += _python2((3, text[0], None, None, None, -1, -1, 0), binary) + b"b"
    made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\nt"
    made += _string(b"b", binary) + b"tR"
    state = _python2(1, binary) + _python2(array.shape, binary) + dtype
    state += _python2(fortran, binary) + _string(array.tobytes("F" if fortran else "C"), binary)
    return made + b"(" + state + b"tb"


def write_pkl(path: Path, model: dict[str, Any], protocol: int = 2) -> Path:
    """As distributed."""
    path.write_bytes(python2(as_distributed(model), protocol))
    return path


def write_new_pkl(path: Path, model: dict[str, Any]) -> Path:
    """Plain arrays, by this Python's pickle."""
    path.write_bytes(pickle.dumps(model))
    return path
