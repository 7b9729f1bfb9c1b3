"""Read `.npz` files a few rows at a time, so that a large one never sits in memory."""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from poseterior.data.npz_writer import NpzWriter, check_writable, replacing, write_npz
from poseterior.errors import InputError, require

__all__ = ["Member", "NpzReader", "NpzWriter", "check_writable", "replacing", "write_npz"]

_READ_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError)
_SCALAR_BYTES = 1 << 24


@dataclass(frozen=True)
class Member:
    """One array of an `.npz`: what its header says."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def row_bytes(self) -> int:
        """Bytes of one row (of the whole array if it has no rows)."""
        return prod(self.shape[1:]) * self.dtype.itemsize


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = npy.read_magic(stream)
    if version == (1, 0):
        return npy.read_array_header_1_0(stream)
    if version == (2, 0):
        return npy.read_array_header_2_0(stream)
    raise ValueError(f"npy format version {version}")


class NpzReader:
    """The arrays of an `.npz` file, stored or deflated, read by rows; nothing is unpickled.

    Opening reads the list of arrays, `reader[name]` a header. A file that is no zip archive,
    and an array that is pickled, in Fortran order, compressed otherwise or shorter than its
    header says, raise `InputError` naming it; arrays never asked for are never looked at.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        require(
            self.path.is_file(), path, "",
            expected="an existing .npz file",
            found="a folder" if self.path.is_dir() else "no such file",
        )  # fmt: skip
        with self._reading("", "a readable .npz file"):
            self._zip = zipfile.ZipFile(self.path)
        self._infos = {
            info.filename.removesuffix(".npy"): info
            for info in self._zip.infolist()
            if info.filename.endswith(".npy")
        }
        self._members: dict[str, Member] = {}

    def close(self) -> None:
        """Close the file."""
        self._zip.close()

    def __enter__(self) -> NpzReader:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __contains__(self, name: object) -> bool:
        return name in self._infos

    def __getitem__(self, name: str) -> Member:
        """What the header of an array says; `InputError` if it is not there or unreadable."""
        if name not in self._members:
            found = ", ".join(sorted(self._infos)) or "no arrays"
            require(name in self, self.path, name, expected="an array", found=f"only {found}")
            self._members[name] = self._member(name, self._infos[name])
        return self._members[name]

    @contextmanager
    def _reading(self, field: str, expected: str) -> Iterator[None]:
        try:
            yield
        except InputError:
            raise
        except _READ_ERRORS as error:
            found = f"a truncated, damaged or foreign file ({error})"
            raise InputError(self.path, field, expected=expected, found=found) from error

    def _member(self, name: str, info: zipfile.ZipInfo) -> Member:
        require(
            info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED), self.path, name,
            expected="stored or deflated", found=f"zip compression {info.compress_type}",
        )  # fmt: skip
        with self._reading(name, "an array in .npy format"), self._zip.open(info) as stream:
            shape, fortran, dtype = _header(stream)
            start = stream.tell()
        self._check_layout(name, shape, fortran, dtype, info.file_size - start)
        return Member(name, shape, dtype)

    def _check_layout(
        self, name: str, shape: tuple[int, ...], fortran: bool, dtype: np.dtype, size: int
    ) -> None:
        require(
            not dtype.hasobject, self.path, name,
            expected="numbers or text", found="an object array, which would need unpickling",
        )  # fmt: skip
        require(
            not fortran or len(shape) < 2, self.path, name,
            expected="C order", found="Fortran order (save numpy.ascontiguousarray of it)",
        )  # fmt: skip
        expected = prod(shape) * dtype.itemsize
        require(
            min(shape, default=0) >= 0 and size == expected, self.path, name,
            expected=f"{expected} bytes of data for shape {shape}", found=f"{size} bytes",
        )  # fmt: skip

    def fingerprint(self) -> str:
        """16 hexadecimal digits that change when any array does (from the archive's CRCs)."""
        entries = sorted((i.filename, i.file_size, i.CRC) for i in self._zip.infolist())
        return hashlib.sha256(repr(entries).encode()).hexdigest()[:16]

    def read(self, name: str) -> np.ndarray:
        """A whole array, for the small ones; `InputError` for a text or number over 16 MiB."""
        member = self[name]
        size = prod(member.shape) * member.dtype.itemsize
        require(
            member.shape != () or size <= _SCALAR_BYTES, self.path, name,
            expected=f"at most {_SCALAR_BYTES} bytes", found=size,
        )  # fmt: skip
        with self._open(name) as stream:
            flat = self._take(stream, member, size, "")
        return flat.reshape(member.shape)

    def chunks(self, names: Iterable[str], rows: int) -> Iterator[dict[str, np.ndarray]]:
        """Dictionaries of up to `rows` consecutive rows of every named array, side by side.

        The arrays must have the same number of rows. Each is decompressed as it is read:
        memory holds one chunk of each, whatever the size of the file.
        """
        members = [self[name] for name in names]
        total = members[0].shape[0]
        with ExitStack() as stack:
            streams = [stack.enter_context(self._open(m.name)) for m in members]
            for start in range(0, total, rows):
                count = min(rows, total - start)
                yield {
                    m.name: self._rows(stream, m, start, count)
                    for m, stream in zip(members, streams, strict=True)
                }

    @contextmanager
    def _open(self, name: str) -> Iterator[IO[bytes]]:
        with self._reading(name, "an array in .npy format"):
            stream = self._zip.open(f"{name}.npy")
        with stream:
            with self._reading(name, "an array in .npy format"):
                _header(stream)
            yield stream

    def _rows(self, stream: IO[bytes], member: Member, start: int, count: int) -> np.ndarray:
        where = f" (rows {start} to {start + count - 1})"
        flat = self._take(stream, member, count * member.row_bytes, where)
        return flat.reshape(count, *member.shape[1:])

    def _take(self, stream: IO[bytes], member: Member, size: int, where: str) -> np.ndarray:
        data = bytearray(size)
        view, filled = memoryview(data), 0
        with self._reading(member.name, f"intact data{where}"):
            while filled < size:
                got = stream.readinto(view[filled : filled + (1 << 20)])  # type: ignore[attr-defined]
                if not got:
                    raise EOFError(f"ended {size - filled} bytes early")
                filled += got
        native = member.dtype.newbyteorder("=")
        return np.frombuffer(data, member.dtype).astype(native, copy=False)
