"""Pickles of body models: dicts with arrays of chumpy and sparse matrices of SciPy.

No class is looked up. An instance is read as what its pickle holds, a dict of its attributes
and, as "class", the class's name; `numbers_of` computes the array that it stands for:

- `chumpy.ch.Ch`: its `x`;
- `chumpy.reordering.Select`: `a` raveled, at `idxs`, in `preferred_shape`;
- `scipy.sparse` CSC and CSR matrices: the dense matrix.

Other chumpy classes may be in the file, for models keep what they were computed by (`J`,
`v_posed`); they stand for no numbers. Any other global is refused.
"""

from __future__ import annotations

import re
from math import prod
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from poseterior.data.restricted_arrays import GLOBALS, Global, Pending
from poseterior.data.restricted_pickle import read_pickle_bytes
from poseterior.errors import InputError, require

__all__ = ["numbers_of", "read_chumpy_pickle"]

_CHUMPY = re.compile(r"chumpy(\.\w+)+")
_SPARSE = re.compile(r"scipy\.sparse(\._?cs[cr])?\.(cs[cr])_matrix")
_MOST_CELLS = 1 << 24  # of a dense matrix: the largest known one has a million
_DEEPEST = 8  # instances in one another; those of real files have two


def read_chumpy_pickle(path: str | PathLike[str]) -> dict[str, Any]:
    """The dict of plain data and instances (see above) that a file holds.

    Raises:
        InputError: no such file, a truncated or damaged one, one that is no dict, or one with
            any name that is not of plain data, naming it.
    """
    path = Path(path)
    found = "a folder" if path.is_dir() else "no such file"
    require(path.is_file(), path, "", expected="a pickle", found=found)
    content = read_pickle_bytes(path.read_bytes(), path, known=_known)
    require(isinstance(content, dict), path, "", expected="a dict", found=type(content).__name__)
    return content


def numbers_of(value: Any, source: object, field: str) -> np.ndarray:
    """The array of numbers that a value of such a dict stands for.

    Raises:
        InputError: naming `source` and `field`, if it stands for none.
    """
    try:
        array = np.asarray(_evaluated(value, _DEEPEST))
    except (ValueError, LookupError, TypeError) as error:
        found = f"{_name(value)} ({type(error).__name__}: {str(error)[:100]})"
        raise InputError(source, field, expected="an array of numbers", found=found) from None
    good = array.dtype.kind in "biuf"
    require(good, source, field, expected="an array of numbers", found=_name(value))
    return array


def _evaluated(value: Any, deepest: int) -> Any:
    if not isinstance(value, dict):
        return value
    if deepest == 0:
        raise ValueError("instances too deep in one another")
    name = value.get("class", "dict")
    if name == "chumpy.ch.Ch":
        return _evaluated(value["x"], deepest - 1)
    if name == "chumpy.reordering.Select":
        chosen = np.asarray(_evaluated(value["a"], deepest - 1)).ravel()[value["idxs"]]
        return chosen.reshape(value.get("preferred_shape", chosen.shape))
    sparse = _SPARSE.fullmatch(name)
    if sparse is not None:
        return _dense(value, by_column=sparse[2] == "csc")
    raise ValueError("not a class that stands for numbers")


def _dense(matrix: dict[str, Any], by_column: bool) -> np.ndarray:
    """Row (column) i has `data` at `indices`, both from `indptr[i]` to `indptr[i + 1]`."""
    shape = tuple(matrix["_shape"] if "_shape" in matrix else matrix["shape"])
    if len(shape) != 2 or min(shape) < 0 or prod(shape) > _MOST_CELLS:
        raise ValueError(f"a matrix of shape {shape}")
    data, indices, starts = (np.asarray(matrix[key]) for key in ("data", "indices", "indptr"))
    counts = np.diff(starts)
    lines, length = shape[::-1] if by_column else shape
    fits = len(counts) == lines and starts[0] == 0 and (counts >= 0).all()
    if not (fits and starts[-1] == len(data) == len(indices)):
        raise ValueError("indptr that does not fit shape and data")
    if len(indices) and not 0 <= indices.min() <= indices.max() < length:
        raise ValueError("indices outside the matrix")
    dense = np.zeros((lines, length))
    np.add.at(dense, (np.repeat(np.arange(lines), counts), indices), data)
    return dense.T if by_column else dense


def _name(value: Any) -> str:
    """What a value is, in a word or two."""
    if isinstance(value, np.ndarray):
        return f"an array of dtype {value.dtype}"
    if isinstance(value, dict) and "class" in value:
        return str(value["class"])
    return type(value).__name__


def _known(name: str) -> Global | None:
    """What a global of such a file stands for."""
    if _CHUMPY.fullmatch(name) or _SPARSE.fullmatch(name):
        return _of_class(name)
    return GLOBALS.get(name) or _BUILDERS.get(name)


def _of_class(name: str) -> Global:
    """An instance whose attributes are yet to come; arguments of `__new__` do not matter."""

    def finish(state: Any) -> dict[Any, Any]:
        if not isinstance(state, dict):
            raise ValueError(f"a {type(state).__name__} as the attributes of {name}")
        return {**state, "class": name}

    return Global(name, lambda _: Pending(finish))


def _reconstructor(arguments: tuple[Any, ...]) -> Any:
    """`copy_reg._reconstructor(class, object, None)`: an instance in protocols 0 and 1."""
    made, base, state = arguments
    if not isinstance(made, Global) or str(base) != str(_OBJECT) or state is not None:
        raise ValueError("an instance of something else than object")
    return made.build(())


def _set(arguments: tuple[Any, ...]) -> list[Any]:
    """`set(list)`, as a list: hashing what a stranger made can take for ever."""
    items = arguments[0] if arguments else []
    if not isinstance(items, list):
        raise ValueError(f"a set of a {type(items).__name__}")
    return list(items)


def _no_call(arguments: tuple[Any, ...]) -> Any:
    raise ValueError("a call of object")


_OBJECT = Global("builtins.object", _no_call)
_BUILDERS = {
    **{f"{module}.object": _OBJECT for module in ("builtins", "__builtin__")},
    **{f"{module}.set": Global("builtins.set", _set) for module in ("builtins", "__builtin__")},
    **{
        f"{module}._reconstructor": Global("copy_reg._reconstructor", _reconstructor)
        for module in ("copy_reg", "copyreg")
    },
}
