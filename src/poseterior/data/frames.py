"""`FrameSource`: pictures in order, one at a time, wherever they come from; and what a file is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from poseterior.errors import InputError

__all__ = ["Frame", "FrameSource", "digest", "is_image_name", "media_kind"]

_IMAGE_NAMES = {
    ".jpg", ".jpeg", ".png", ".bmp", ".webp", ".avif", ".tif", ".tiff", ".heic", ".heif",
}  # fmt: skip
_VIDEO_NAMES = {
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".ts", ".mts", ".mpg", ".mpeg", ".wmv",
    ".flv", ".gif", ".3gp", ".h264",
}  # fmt: skip
# What the first bytes look like, from an offset.
_IMAGE_BYTES = (
    (0, b"\xff\xd8\xff"), (0, b"\x89PNG\r\n\x1a\n"), (8, b"WEBP"), (0, b"II*\0"), (0, b"MM\0*"),
    (4, b"ftypavif"), (4, b"ftypheic"), (4, b"ftypheix"), (4, b"ftypmif1"),
)  # fmt: skip
_VIDEO_BYTES = (
    (4, b"ftyp"), (0, b"\x1aE\xdf\xa3"), (8, b"AVI "), (0, b"GIF8"), (0, b"\0\0\x01\xba"),
    (0, b"FLV"),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a source.

    Attributes:
        place: 0, 1, ... in the source.
        number: what the source calls it: its place in a video, the number in a file's name.
        image: (h, w, 3) uint8, RGB, upright; None where it is broken.
        focal: in px, where the picture tells it.
    """

    place: int
    number: int
    image: np.ndarray | None
    focal: float | None = None


@runtime_checkable
class FrameSource(Protocol):
    """A photo, a folder of them, or a video.

    Attributes:
        name: what messages call it, such as the file's path.
        label: a short name, for the rows' `clip`.
        frames: how many pictures there are, the broken ones included.
        facts: what else is known of it, for the provenance.
    """

    name: str
    label: str
    frames: int

    @property
    def facts(self) -> Mapping[str, object]:
        """What else is known, such as frames per second."""
        ...

    def read(self, start: int = 0) -> Iterator[Frame]:
        """Every picture from place `start` on, in order, the broken ones as such."""
        ...

    def place_of(self, number: int) -> int:
        """The place of the picture that the source calls `number`."""
        ...

    def title(self, number: int) -> str:
        """What a reader calls that picture: a file's name, or where in a video it is."""
        ...

    def fingerprint(self) -> str:
        """Hexadecimal digits that change with the data."""
        ...


def is_image_name(path: Path) -> bool:
    """Whether a file is called like an image; hidden ones, as some systems add them, are none."""
    return path.suffix.lower() in _IMAGE_NAMES and not path.name.startswith(".")


def media_kind(path: Path) -> str | None:
    """`image`, `video`, `images` (a folder of them), or None for anything else.

    A file's first bytes tell, and its ending where they do not.
    """
    if path.is_dir():
        return "images" if any(is_image_name(file) for file in path.iterdir()) else None
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError:
        return None
    for kind, marks in (("image", _IMAGE_BYTES), ("video", _VIDEO_BYTES)):
        if any(start[offset:].startswith(mark) for offset, mark in marks):
            return kind
    if is_image_name(path):
        return "image"
    return "video" if path.suffix.lower() in _VIDEO_NAMES else None


def digest(paths: Sequence[Path]) -> str:
    """16 hexadecimal digits of the files' names and contents."""
    total = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as file:
                total.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise InputError(
                path, "", expected="a file that can be read", found=error.strerror or error
            ) from error
    return total.hexdigest()[:16]
