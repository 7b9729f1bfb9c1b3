"""`open_frames`: an image, a folder of images or a video, by what it is."""

from __future__ import annotations

import os
from pathlib import Path

from poseterior.data.frames import FrameSource, media_kind
from poseterior.data.images import open_images
from poseterior.data.video import open_video
from poseterior.errors import InputError

__all__ = ["open_frames"]


def open_frames(path: str | os.PathLike[str]) -> FrameSource:
    """The frames of an image, a video, or a folder's images in natural order.

    Raises:
        InputError: it is none of these, or what opens it says no.
    """
    kind = media_kind(Path(path))
    if kind == "video":
        return open_video(path)
    if kind is not None:
        return open_images(path)
    folder = Path(path).is_dir()
    found = "a folder without one" if folder else "something else"
    raise InputError(
        path, "", expected="an image, a video or a folder of images",
        found=found if Path(path).exists() else "no such file",
    )  # fmt: skip
