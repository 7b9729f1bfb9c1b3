"""Work that one process does while others that share a folder do something else or wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

__all__ = ["Busy", "alone"]


class Busy(Exception):
    """Another process is at it."""


@contextmanager
def alone(path: Path, waits: bool) -> Iterator[None]:
    """Hold the lock of what is made at `path`; its folder is made if there is none.

    The lock ends with the process, however that ends.

    Raises:
        Busy: another process holds it, and not `waits`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f"{path.name}.lock"), timeout=-1 if waits else 0)
    try:
        lock.acquire()
    except Timeout as error:
        raise Busy(path.name) from error
    try:
        yield
    finally:
        lock.release()
