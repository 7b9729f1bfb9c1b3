"""Photos: one, or a folder of them as a clip, upright and with what EXIF tells of the lens."""

from __future__ import annotations

import os
import struct
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from poseterior.data.exif_focal import exif_focal
from poseterior.data.frames import Frame, digest, is_image_name
from poseterior.data.keypoint_files.naming import frame_numbers, natural_key
from poseterior.errors import InputError, require

__all__ = ["Images", "Photo", "open_images", "read_image"]

_EXIF_DIRECTORY = 0x8769
_HEIC = "HEIC, which Pillow does not read: convert it to JPEG"
_EIGHT_BITS = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "La", "CMYK", "YCbCr",
               "LAB", "HSV"}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Photo:
    """An image as its camera was held.

    Attributes:
        pixels: (h, w, 3) uint8, RGB; EXIF's orientation is applied.
        focal: in px, or None where EXIF tells none.
        focal_from: where the focal length is from, in words.
    """

    pixels: np.ndarray
    focal: float | None = None
    focal_from: str = ""


def read_image(path: str | os.PathLike[str]) -> Photo:
    """Read an image file; of one with several pictures, the first.

    Raises:
        InputError: a file that is missing, truncated, damaged or no image, one without pixels,
            with more than 8 bits a channel, or with so many pixels that it may be a
            decompression bomb (Pillow's limit, 179 million); Pillow is not installed.
    """
    image_module, upright = _pillow()
    require(Path(path).is_file(), path, "", expected="an image file", found="no such file")
    some = Path(path).stat().st_size > 0
    require(some, path, "", expected="a readable image", found="an empty file")
    with _decoding(path, image_module), image_module.open(path) as image:
        found = f"{image.mode}, more than 8"
        require(
            image.mode in _EIGHT_BITS, path, "", expected="8 bits a channel or fewer", found=found
        )
        known = _focal(image)
        pixels = np.array(upright(image).convert("RGB"))
    require(pixels.size > 0, path, "", expected="an image with pixels", found=pixels.shape[:2])
    return Photo(pixels, *known)


def _pillow() -> tuple[Any, Any]:
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        expected = "Pillow (pip install 'poseterior[detect]')"
        raise InputError("images", "", expected=expected, found="not installed") from error
    return Image, ImageOps.exif_transpose


@contextmanager
def _decoding(path: str | os.PathLike[str], image_module: Any) -> Iterator[None]:
    """Pillow's many ways to say that a file is bad, as one."""
    bad = (OSError, ValueError, SyntaxError, TypeError, KeyError, IndexError, EOFError,
           struct.error, ZeroDivisionError, image_module.DecompressionBombError)  # fmt: skip
    try:
        with warnings.catch_warnings():  # of half that limit, and of odd EXIF entries
            warnings.simplefilter("ignore")
            yield
    except InputError:
        raise
    except bad as error:
        found = _HEIC if _is_heic(path) else f"a damaged or foreign file ({error})"
        raise InputError(path, "", expected="a readable image", found=found) from error


def _is_heic(path: str | os.PathLike[str]) -> bool:
    with Path(path).open("rb") as file:
        return file.read(12)[4:] in {b"ftypheic", b"ftypheix", b"ftypmif1"}


def _focal(image: Any) -> tuple[float | None, str]:
    try:
        entries = image.getexif().get_ifd(_EXIF_DIRECTORY)
        return exif_focal(entries, *image.size) or (None, "")
    except (OSError, ValueError, SyntaxError, TypeError, KeyError, struct.error):
        return None, ""  # a picture is as good without its EXIF


class Images:
    """Image files as a `FrameSource`; see `open_images`.

    A file among several that cannot be read is a broken frame; one alone is an `InputError`.
    """

    def __init__(self, name: str | os.PathLike[str], files: Sequence[Path]) -> None:
        require(len(files) > 0, name, "", expected="a folder with images", found="none in it")
        self.name, self.label, self.files = str(name), Path(name).name, list(files)
        self.frames = len(self.files)
        names = [file.name for file in self.files]
        self._numbers = frame_numbers(names) if self.frames > 1 else [0]

    @property
    def facts(self) -> Mapping[str, object]:
        """Nothing more is known of them."""
        return MappingProxyType({})

    def read(self, start: int = 0) -> Iterator[Frame]:
        """Every image from the `start`-th on."""
        for place in range(start, self.frames):
            yield self._frame(place)

    def _frame(self, place: int) -> Frame:
        number = self._numbers[place]
        try:
            photo = read_image(self.files[place])
        except InputError:
            if self.frames == 1:
                raise
            return Frame(place, number, None)
        return Frame(place, number, photo.pixels, photo.focal)

    def place_of(self, number: int) -> int:
        """Where the image of that number is."""
        return self._numbers.index(number)

    def title(self, number: int) -> str:
        """The file's name."""
        return self.files[self.place_of(number)].name

    def fingerprint(self) -> str:
        """16 hexadecimal digits of the files' names and contents."""
        return digest(self.files)


def open_images(path: str | os.PathLike[str]) -> Images:
    """An image, or a folder's images in natural order (`2.jpg` before `10.jpg`).

    Raises:
        InputError: neither is there, or Pillow is not installed.
    """
    _pillow()
    path = Path(path)
    if not path.is_dir():
        require(path.is_file(), path, "", expected="an image or a folder", found="no such file")
        return Images(path, [path])
    files = [file for file in path.iterdir() if is_image_name(file) and file.is_file()]
    return Images(path, sorted(files, key=lambda file: natural_key(file.name)))
