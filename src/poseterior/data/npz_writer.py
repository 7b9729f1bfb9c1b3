"""Write files that appear whole or not at all; `.npz` files row by row."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from poseterior.errors import InputError, require

__all__ = ["NpzWriter", "check_writable", "make_folder", "replacing", "write_npz"]

_COPY_BYTES = 1 << 20


def check_writable(path: str | os.PathLike[str]) -> Path:
    """The path, if a file can be put there; else `InputError`, before any work is done."""
    target = Path(path)
    folder = target.parent
    require(
        folder.is_dir(), path, "",
        expected="a file in an existing folder", found=f"no folder {folder}",
    )  # fmt: skip
    require(
        not target.exists() or (target.is_file() and os.access(target, os.W_OK)), path, "",
        expected="a file that can be written", found="a folder or a protected file",
    )  # fmt: skip
    with _writing(target):
        tempfile.TemporaryFile(dir=folder).close()
    return target


def make_folder(path: str | os.PathLike[str]) -> Path:
    """The folder, made with its parents if there is none; `InputError` if it cannot be."""
    folder = Path(path)
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            path, "", expected="a file that can be written", found=error.strerror or error
        ) from error


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path to write to, which becomes `path` when the block ends.

    It lies in a hidden temporary folder beside `path`, free for further files. On any
    exception, an interrupt included, the folder is removed and `path` is untouched.
    """
    target = check_writable(path)
    with _writing(target):
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield folder / target.name
        with _writing(target):
            os.replace(folder / target.name, target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class _Column:
    """One array on its way: a raw `.npy` file, its layout and where its data begins."""

    stream: IO[bytes]
    shape: tuple[int, ...]
    dtype: np.dtype
    start: int


class NpzWriter:
    """Arrays of `rows` rows, written piece by piece beside the `.npz` they will make.

    Errors name the file as `name`, for `path` may be a temporary one.
    """

    def __init__(self, path: Path, rows: int, name: str | os.PathLike[str] | None = None) -> None:
        self.path, self.rows, self.name = path, rows, Path(name or path)
        self._columns: dict[str, _Column] = {}
        self._whole: dict[str, np.ndarray] = {}

    def put(self, **arrays: np.ndarray | str | float) -> None:
        """Arrays that have no rows (a name, a JSON string), kept whole."""
        self._whole.update({name: np.asarray(array) for name, array in arrays.items()})

    def write(self, start: int, **arrays: np.ndarray) -> None:
        """Rows `start`, `start + 1`, ... of each named array; the first call fixes its layout."""
        for name, array in arrays.items():
            with _writing(self.name):
                self._write(start, name, np.asarray(array))

    def _write(self, start: int, name: str, array: np.ndarray) -> None:
        column = self._columns.get(name) or self._create(name, array)
        if array.shape[1:] != column.shape[1:] or array.dtype != column.dtype:
            raise ValueError(f"{name}: {array.shape} {array.dtype} after {column}")
        if not 0 <= start <= start + len(array) <= self.rows:
            raise ValueError(f"{name}: rows {start} to {start + len(array)} of {self.rows}")
        if array.size:
            column.stream.seek(column.start + start * (array.nbytes // len(array)))
            column.stream.write(np.ascontiguousarray(array).data.cast("B"))

    def _create(self, name: str, like: np.ndarray) -> _Column:
        if like.dtype.hasobject:
            raise ValueError(f"{name}: an object array cannot be written")
        shape = (self.rows, *like.shape[1:])
        stream = open(self._file(name), "w+b")  # noqa: SIM115
        header = {"descr": npy.dtype_to_descr(like.dtype), "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(stream, header)
        column = self._columns[name] = _Column(stream, shape, like.dtype, stream.tell())
        # The rest of the file reads as zeros: what no row is written to.
        stream.truncate(column.start + int(np.prod(shape, dtype=object)) * like.dtype.itemsize)
        return column

    def _file(self, name: str) -> Path:
        return self.path.parent / f"{name}.column"

    def finish(self) -> None:
        """Put everything into one stored (not compressed) archive at `path`."""
        with (
            _writing(self.name),
            zipfile.ZipFile(self.path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive,
        ):
            for name, array in self._whole.items():
                with self._entry(archive, name) as target:
                    npy.write_array(target, array, allow_pickle=False)
            for name, column in self._columns.items():
                column.stream.seek(0)
                with self._entry(archive, name) as target:
                    shutil.copyfileobj(column.stream, target, _COPY_BYTES)
                column.stream.close()
                self._file(name).unlink()

    def _entry(self, archive: zipfile.ZipFile, name: str) -> IO[bytes]:
        # ZipInfo's fixed date: equal content makes equal files, byte by byte.
        return archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True)

    def close(self) -> None:
        """Close what is open."""
        for column in self._columns.values():
            column.stream.close()


@contextmanager
def write_npz(path: str | os.PathLike[str], rows: int) -> Iterator[NpzWriter]:
    """An `NpzWriter` whose file replaces `path` when the block ends, or not at all.

    Rows never written hold zeros. `numpy.load(path, allow_pickle=False)` reads the file;
    a folder that is missing, protected or full raises `InputError`.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.npz"
    >>> with write_npz(path, rows=3) as out:
    ...     out.put(skeleton="h36m_17")
    ...     out.write(1, x=np.ones((2, 2)))
    >>> np.load(path, allow_pickle=False)["x"].tolist()
    [[0.0, 0.0], [1.0, 1.0], [1.0, 1.0]]
    """
    with replacing(path) as temporary:
        writer = NpzWriter(temporary, rows, path)
        try:
            yield writer
            writer.finish()
        finally:
            writer.close()
