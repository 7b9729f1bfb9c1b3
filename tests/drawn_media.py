"""Drawn images and videos whose frames can be told apart after any codec."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import numpy as np

WIDTH, HEIGHT, BITS = 160, 96, 10
_CELL = WIDTH // BITS


def numbered(number: int) -> np.ndarray:
    """An image that shows a number in ten black or white cells above grey."""
    image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    for bit in range(BITS):
        image[:32, bit * _CELL : (bit + 1) * _CELL] = 255 * (number >> bit & 1)
    image[70:90, 5:25] = (255, 0, 0)
    return image


def shown_number(image: np.ndarray) -> int:
    """The number that `numbered` put there."""
    cells = image[8:24].mean((0, 2)).reshape(BITS, _CELL)[:, 4:-4].mean(1)
    return int(sum((cell > 127) << bit for bit, cell in enumerate(cells)))


def write_video(
    path: Path, images: Iterable[np.ndarray], codec: str = "libx264", rate: int = 30, **options: str
) -> Path:
    """A video of images of one size; `movflags` are the container's, the rest the codec's."""
    import av

    flags = {name: options.pop(name) for name in ("movflags",) if name in options}

    images = iter(images)
    first = next(images)
    with av.open(str(path), "w", options=flags) as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.pix_fmt = "yuv420p"
        stream.height, stream.width = first.shape[:2]
        for image in chain([first], images):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


def turn_video(path: Path, matrix: tuple[int, ...]) -> None:
    """Write a display matrix (a b c d, ISO 14496-12 8.3.2) into an mp4's track header."""
    data = bytearray(path.read_bytes())
    (a, b, c, d), at = matrix, data.index(b"tkhd") + 4 + 40
    assert struct.unpack_from(">i", data, at) == (1 << 16,)  # the identity so far
    rows = (a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    struct.pack_into(">9i", data, at, *rows)
    path.write_bytes(data)


def break_frames(path: Path, frames: Iterable[int]) -> None:
    """Fill the packets of these frames, counted in the order they are shown, with noise."""
    import av

    with av.open(str(path)) as container:
        packets = [(p.pts, p.pos, bytes(p)) for p in container.demux(video=0) if p.size]
    packets.sort()
    data, noise = bytearray(path.read_bytes()), np.random.default_rng(0)
    for frame in frames:
        _, near, packet = packets[frame]
        start = data.index(packet, near)
        data[start : start + len(packet)] = noise.bytes(len(packet))
    path.write_bytes(data)


def exif_jpeg(image: np.ndarray, tags: dict[int, object], orientation: int | None = None) -> bytes:
    """A JPEG whose Exif directory has these entries."""
    from PIL import Image

    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    exif.get_ifd(0x8769).update(tags)
    out = io.BytesIO()
    Image.fromarray(image).save(out, "jpeg", quality=95, exif=exif)
    return out.getvalue()
