"""Raw arrays of observations -> numbers that a lifter can take, or an `InputError`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from poseterior.data.fields import as_mask, require_where, spread_rows

__all__ = [
    "check_image_size",
    "check_intrinsics",
    "clean_covariance",
    "clean_keypoints",
    "clean_target",
]

_FINITE = "finite numbers where valid"
_ASYMMETRY = 1e-4  # of the trace
_NEGATIVE = 1e-5  # smallest eigenvalue, of the trace
_ROOT_M = 1e-4


def clean_keypoints(
    arrays: dict[str, np.ndarray], path: Path, start: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Pixels (m, J, 2), valid (m, J) and confidence (m, J) or None; zero where not valid.

    A joint is missing where `valid` says so, where a coordinate or the confidence is NaN, at
    exactly (0, 0), and where the confidence is zero or less.
    """
    pixels, confidence = arrays["keypoints"].astype(np.float32), arrays.get("confidence")
    valid = ~np.isnan(pixels).any(-1) & (pixels != 0).any(-1)
    if "valid" in arrays:
        valid &= as_mask(arrays["valid"], path, "valid", start)
    if confidence is not None:
        confidence = confidence.astype(np.float32)
        valid &= ~(np.isnan(confidence) | (confidence <= 0))
        confidence = _finite(confidence, valid, path, "confidence", start)
    return _finite(pixels, valid, path, "keypoints", start), valid, confidence


def clean_covariance(array: np.ndarray, valid: np.ndarray, path: Path, start: int) -> np.ndarray:
    """Symmetric covariances (m, J, 2, 2) in px², zero where not valid.

    Those of valid joints must be finite, symmetric and positive semi-definite, but for
    rounding relative to their trace.
    """
    covariance = _finite(array.astype(np.float64), valid, path, "covariance", start)
    a, b, c, d = (covariance[..., i, j] for i in (0, 1) for j in (0, 1))
    trace = a + d
    require_where(
        np.abs(b - c) <= _ASYMMETRY * np.abs(trace), covariance, path, "covariance", start,
        "a symmetric matrix in px²",
    )  # fmt: skip
    b = (b + c) / 2
    smallest = trace / 2 - np.hypot((a - d) / 2, b)
    require_where(
        smallest >= -_NEGATIVE * np.abs(trace), covariance, path, "covariance", start,
        "a positive semi-definite matrix in px²",
    )  # fmt: skip
    return np.stack([a, b, b, d], -1).reshape(covariance.shape).astype(np.float32)


def clean_target(array: np.ndarray, root: int, path: Path, start: int) -> np.ndarray:
    """Targets (m, J, 3) in metres, which must be finite and root-relative within 0.1 mm."""
    target = array.astype(np.float32)
    require_where(np.isfinite(target), target, path, "target", start, "finite numbers")
    near = np.asarray((np.abs(target[:, root]) <= _ROOT_M).all(-1))
    require_where(
        near, target[:, root], path, "target", start,
        f"root-relative poses in metres, joint {root} at the origin",
    )  # fmt: skip
    target = target.copy()
    target[:, root] = 0
    return target


def check_image_size(size: np.ndarray, path: Path, start: int = 0) -> np.ndarray:
    """Sizes (..., 2) in px as float32, all positive and finite."""
    size = size.astype(np.float32)
    require_where(
        np.isfinite(size) & (size > 0), size, path, "image_size", start,
        "positive width and height in px",
    )  # fmt: skip
    return size


def check_intrinsics(matrix: np.ndarray, path: Path, start: int = 0) -> np.ndarray:
    """Pinhole matrices (..., 3, 3) as float32: finite, focal lengths above 0, last row 0 0 1."""
    matrix = matrix.astype(np.float32)
    each = matrix.reshape(-1, 3, 3)
    with np.errstate(invalid="ignore"):
        good = (
            np.isfinite(each).all((1, 2))
            & (each[:, [0, 1], [0, 1]] > 0).all(1)
            & (np.abs(each[:, 2] - [0, 0, 1]) <= 1e-6).all(1)
        )
    expected = "a pinhole matrix in px with last row 0 0 1"
    require_where(good, each, path, "intrinsics", start, expected)
    return matrix


def _finite(array: np.ndarray, valid: np.ndarray, path: Path, name: str, start: int) -> np.ndarray:
    array = np.where(spread_rows(valid, array), array, array.dtype.type(0))
    require_where(np.isfinite(array), array, path, name, start, _FINITE)
    return array
