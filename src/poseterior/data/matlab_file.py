"""Arrays of a MATLAB file of either kind, in the axis order of HDF5; structs of the older kind."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseterior.errors import InputError, require

__all__ = ["read_matlab", "read_matlab_struct"]

_HDF5 = b"\x89HDF\r\n\x1a\n"
# Before its HDF5 part a MATLAB 7.3 file has a header of 512 bytes.
_HEADER = 512
# What h5py and SciPy raise, by where in a file the damage lies; SciPy's own MatReadError too.
_DAMAGED = (
    OSError, RuntimeError, LookupError, TypeError, ValueError, AttributeError, MemoryError,
    NotImplementedError, zlib.error,
)  # fmt: skip


def read_matlab(
    path: str | os.PathLike[str], names: Iterable[str]
) -> dict[str, NDArray[np.float64]]:
    """Numeric arrays by name, float64, with MATLAB's axes from the last to the first.

    Version 7.3 (HDF5) and the versions 4 to 7 before it are read. Both give the same array: a
    MATLAB matrix of 3 x 17 x 1 x N is (N, 1, 17, 3) here.

    Raises:
        InputError: no such file, a damaged one, an array that is not there or not of numbers;
            h5py not installed, for a file of version 7.3.
    """
    path = Path(path)
    with _reading(path):
        read = _read_hdf5 if _is_hdf5(path) else _read_before
        arrays = read(path, list(names))
    return {name: _numbers(path, name, array) for name, array in arrays.items()}


def read_matlab_struct(path: str | os.PathLike[str], name: str) -> Any:
    """A struct of a file of a version before 7.3: its fields are attributes.

    Dimensions of 1 are left out: a struct of one is itself, not an array of them. No code in the
    file is run.

    Raises:
        InputError: no such file, a damaged one, one of version 7.3, no such struct.
    """
    path = Path(path)
    with _reading(path):
        version = "7.3 (HDF5)" if _is_hdf5(path) else "7 or older"
        older = version.endswith("older")
        require(older, path, "version", expected="7 or older: save it with -v7", found=version)
        struct = _loaded(path, [name], struct_as_record=False, squeeze_me=True)[name]
    there = hasattr(struct, "_fieldnames")
    require(there, path, name, expected="a struct", found=type(struct).__name__)
    return struct


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """What a bad file raises, as one."""
    from scipy.io.matlab import MatReadError  # importing it changes the environment

    require(path.is_file(), path, "", expected="a MATLAB file", found="no such file")
    try:
        yield
    except InputError:
        raise
    except (*_DAMAGED, MatReadError) as error:
        found = f"a truncated or damaged file ({str(error)[:100]})"
        raise InputError(path, "", expected="a MATLAB file", found=found) from None


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(_HEADER + len(_HDF5))
    return start.startswith(_HDF5) or start[_HEADER:] == _HDF5


def _read_hdf5(path: Path, names: list[str]) -> dict[str, Any]:
    try:
        import h5py
    except ImportError:
        expected = "h5py (pip install h5py), which reads MATLAB 7.3"
        raise InputError(path, "", expected=expected, found="not installed") from None
    with h5py.File(path, "r") as file:
        for name in names:
            _require_there(path, name, file)
        return {name: file[name][()] for name in names}


def _read_before(path: Path, names: list[str]) -> dict[str, Any]:
    found = _loaded(path, names)
    return {name: np.asarray(found[name]).T for name in names}


def _loaded(path: Path, names: list[str], **options: bool) -> dict[str, Any]:
    from scipy.io.matlab import loadmat, whosmat

    found: dict[str, Any] = loadmat(path, variable_names=names, **options)
    if not set(names) <= set(found):
        there = [name for name, *_ in whosmat(path)]
        for name in names:
            _require_there(path, name, there)
    return found


def _require_there(path: Path, name: str, found: Any) -> None:
    there = sorted(key for key in found if not key.startswith(("__", "#")))
    require(name in found, path, name, expected="this array", found=f"only {', '.join(there)}")


def _numbers(path: Path, name: str, array: Any) -> NDArray[np.float64]:
    plain = isinstance(array, np.ndarray) and array.dtype.kind in "fiub"
    found = getattr(array, "dtype", type(array).__name__)
    require(plain, path, name, expected="an array of numbers", found=found)
    return array.astype(np.float64)
