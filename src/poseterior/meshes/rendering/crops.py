"""Crops of people as top-down detectors cut them, 128 x 96."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from poseterior.meshes.rendering.hits import Window

__all__ = ["CROP", "PADDING", "blurred_disc", "crop_window", "native_window", "opaque_disc"]

CROP = (96, 128)  # width, height
PADDING = 1.25
_SHIFT, _SCALE = 0.08, 0.08
_DRAWN = 144  # pixels of width that a crop is drawn with, about, before it is made smaller


def crop_window(box: NDArray, rng: np.random.Generator | None = None) -> Window:
    """The crop around a box (4,) x, y, width, height: 3 to 4, and 1.25 times as large.

    Args:
        box: px of the image, between borders of pixels.
        rng: of a jitter, for training: the centre moves by up to 8 % of the crop's sides, the
            size changes by a factor exp(N(0, 0.08^2)). None for no jitter.
    """
    aspect = CROP[0] / CROP[1]
    centre = np.asarray(box[:2]) + np.asarray(box[2:]) / 2
    width = PADDING * max(box[2], box[3] * aspect)
    if rng is not None:
        centre = centre + rng.uniform(-_SHIFT, _SHIFT, 2) * [width, width / aspect]
        width *= np.exp(np.clip(rng.normal(0, _SCALE), -2 * _SCALE, 2 * _SCALE))
    step = width / CROP[0]
    left, top = centre - [width / 2, width / aspect / 2] + step / 2
    return Window(float(left), float(top), float(step), *CROP)


def native_window(crop: Window) -> tuple[Window, int]:
    """The pixels of a crop as the image has them, and how much finer to draw those.

    A crop of a small person has fewer pixels in the image than it will have: they are what is
    drawn and blurred and made noisy before it is enlarged. One of a large person is drawn as it is.
    """
    if crop.step >= 1:
        return crop, 2
    parts = max(round(crop.width * crop.step / 3), 4)
    width, height = 3 * parts, 4 * parts
    step = crop.width * crop.step / width
    left, top = (start + (step - crop.step) / 2 for start in (crop.left, crop.top))
    return Window(left, top, step, width, height), int(np.clip(round(_DRAWN / width), 2, 4))


def blurred_disc(
    crop: NDArray[np.uint8], centre: tuple[float, float], radius: float, std: float
) -> NDArray[np.uint8]:
    """A crop (h, w, 3) with a disc blurred by a Gaussian; centre (x, y), radius and std in px."""
    from scipy.ndimage import gaussian_filter1d

    blurred = crop.astype(np.float32)
    for axis in (0, 1):
        blurred = gaussian_filter1d(blurred, std, axis, mode="nearest")
    return np.where(_disc(crop, centre, radius), (blurred + 0.5).astype(np.uint8), crop)


def opaque_disc(
    crop: NDArray[np.uint8], centre: tuple[float, float], radius: float, grey: int = 128
) -> NDArray[np.uint8]:
    """A crop (h, w, 3) with a grey disc; centre (x, y) and radius in px."""
    return np.where(_disc(crop, centre, radius), np.uint8(grey), crop)


def _disc(crop: NDArray[np.uint8], centre: tuple[float, float], radius: float) -> NDArray[np.bool_]:
    """(h, w, 1): pixels whose centres are in the disc."""
    y, x = np.mgrid[: crop.shape[0], : crop.shape[1]]
    inside: NDArray[np.bool_] = np.hypot(x - centre[0], y - centre[1]) <= radius
    return inside[..., None]
