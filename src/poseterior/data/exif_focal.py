"""The focal length in px that a photo's EXIF entries tell.

- `FocalLengthIn35mmFilm` f: the lens that sees the same diagonal angle on film of 36 x 24 mm
  (CIPA DCG-001), so f_px = f sqrt(w² + h²) / sqrt(36² + 24²) with the image's own w and h.
- `FocalLength` f in mm and `FocalPlaneXResolution` r in px a unit: f_px = f r / (mm a unit),
  times what the image's longer side has become since.

Both are wrong by the crop of an image that was cropped after it was taken.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["exif_focal"]

_FILM_DIAGONAL_MM = math.hypot(36.0, 24.0)
_FOCAL_LENGTH, _FOCAL_35MM = 0x920A, 0xA405
_WIDTH, _HEIGHT = 0xA002, 0xA003
_PLANE_RESOLUTION, _PLANE_UNIT = 0xA20E, 0xA210
_UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
# A fisheye's and a telescope's, in diagonals of the image: others are slips of the writer.
_PLAUSIBLE = (0.1, 50.0)


def exif_focal(exif: Mapping[int, Any], width: int, height: int) -> tuple[float, str] | None:
    """Focal length in px of an image of `width` x `height` px, and where it is from.

    Args:
        exif: entries of the Exif directory by tag number.
        width: of the image, px.
        height: of the image, px.

    >>> focal, words = exif_focal({0xA405: 26}, 4032, 3024)
    >>> f"{focal:.0f} px from {words}"
    '3029 px from EXIF FocalLengthIn35mmFilm = 26 mm'
    """
    diagonal = math.hypot(width, height)
    for found in (_of_film(exif, diagonal), _of_sensor(exif, max(width, height))):
        if found is not None and _PLAUSIBLE[0] < found[0] / diagonal < _PLAUSIBLE[1]:
            return found
    return None


def _of_film(exif: Mapping[int, Any], diagonal: float) -> tuple[float, str] | None:
    focal = _number(exif.get(_FOCAL_35MM))
    if focal is None:
        return None
    return focal * diagonal / _FILM_DIAGONAL_MM, f"EXIF FocalLengthIn35mmFilm = {focal:g} mm"


def _of_sensor(exif: Mapping[int, Any], longer: int) -> tuple[float, str] | None:
    focal, resolution = (_number(exif.get(tag)) for tag in (_FOCAL_LENGTH, _PLANE_RESOLUTION))
    unit = _UNIT_MM.get(exif.get(_PLANE_UNIT, 2))  # inches where it is not told
    if focal is None or resolution is None or unit is None:
        return None
    taken = max(_number(exif.get(tag)) or 0.0 for tag in (_WIDTH, _HEIGHT)) or longer
    words = f"EXIF FocalLength = {focal:g} mm at {resolution / unit:.4g} px/mm"
    return focal * resolution / unit * longer / taken, words


def _number(value: Any) -> float | None:
    """A positive, finite number, or None: cameras write 0 or 0/0 for what they do not know."""
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if 0 < number < math.inf else None
