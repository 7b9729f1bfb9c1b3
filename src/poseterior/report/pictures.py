"""Images as a page holds them: small enough to send, drawn upon in px of the original."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np

from poseterior.errors import InputError

__all__ = ["Picture", "picture"]

LONGEST = 1600


@dataclass(frozen=True)
class Picture:
    """An image of `width` x `height` px; `uri` holds it, maybe with fewer, as JPEG."""

    uri: str
    width: int
    height: int
    label: str = ""


def picture(image: np.ndarray, label: str = "", longest: int = LONGEST) -> Picture:
    """An image (h, w, 3) uint8 RGB for a page, at most `longest` px on its longer side.

    `InputError` where Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        expected = "Pillow (pip install 'poseterior[detect]')"
        raise InputError("report", "", expected=expected, found="not installed") from error
    height, width = image.shape[:2]
    small = Image.fromarray(image)
    small.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.save(out, "jpeg", quality=85, optimize=True)
    text = base64.b64encode(out.getvalue()).decode("ascii")
    return Picture(f"data:image/jpeg;base64,{text}", width, height, label)
