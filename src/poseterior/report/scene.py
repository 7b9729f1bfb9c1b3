"""Example poses as the numbers that the page's 3D scene and image panel draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from poseterior.errors import InputError
from poseterior.geometry.root_translation import fit_root_translation
from poseterior.report.examples import Examples

__all__ = ["ELLIPSE_LEVEL", "ellipses", "limits", "reproject", "scene", "to_plot"]

Array = NDArray[Any]
ELLIPSE_LEVEL = 0.9
_MARGIN_M = 0.06


def to_plot(points: Array) -> Array:
    """Camera axes (x right, y down, z forward) to upright plot axes (x, z, -y).

    >>> to_plot(np.array([1.0, 2.0, 3.0]))
    array([ 1.,  3., -2.])
    """
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], axis=-1)


def scene(
    examples: Examples, shown_in: Sequence[int | None] = (), sigmas: float | None = None
) -> dict[str, Any]:
    """Everything that the page's script draws, as JSON values: metres and px.

    Args:
        examples: the poses.
        shown_in: for each, the picture of the page that it is in (`overlay`), or None.
        sigmas: how far the ellipses reach; None draws 90 % regions.
    """
    low, high = limits(examples)
    pictures = shown_in or [None] * len(examples)
    return {
        "joints": [j.replace("_", " ") for j in examples.skeleton.joints],
        "bones": examples.bones,
        "ranges": np.stack([low, high], axis=-1).round(3).tolist(),
        "region": "90% region" if sigmas is None else f"{sigmas:g} sigma ellipse",
        "poses": [_pose(examples, n, pictures[n], sigmas) for n in range(len(examples))],
    }


def limits(examples: Examples) -> tuple[Array, Array]:
    """Lowest and highest corner (3,) of all poses in plot axes, but for stray hypotheses."""
    cloud = to_plot(examples.hypotheses).reshape(-1, 3)
    lows, highs = np.quantile(cloud, (0.0005, 0.9995), axis=0)
    for shown in (examples.centre, examples.target):
        if shown is not None:
            points = to_plot(np.asarray(shown)).reshape(-1, 3)
            lows, highs = np.minimum(lows, points.min(0)), np.maximum(highs, points.max(0))
    return lows - _MARGIN_M, highs + _MARGIN_M


def _pose(examples: Examples, n: int, picture: int | None, sigmas: float | None) -> dict[str, Any]:
    target = None if examples.target is None else _metres(examples.target[n])
    return {
        "label": examples.label(n),
        "hypotheses": _metres(examples.hypotheses[n]),
        "mean": _metres(examples.centre[n]),
        "target": target,
        "image": _image(examples, n, picture, sigmas),
    }


def _metres(points: Array) -> Any:
    return to_plot(points).astype(float).round(3).tolist()


def _image(
    examples: Examples, n: int, picture: int | None, sigmas: float | None
) -> dict[str, Any] | None:
    """What the image panel shows of pose n; None without keypoints."""
    if examples.keypoints is None:
        return None
    seen = examples.seen[n]
    pixels = np.asarray(examples.keypoints[n], float).round(1).tolist()
    known = examples.covariance
    shapes = None if known is None else ellipses(known[n], seen, sigmas)
    return {
        "picture": picture,
        "keypoints": [p if s else None for p, s in zip(pixels, seen, strict=True)],
        "ellipses": shapes,
        "hypotheses": reproject(examples, n, examples.hypotheses[n]),
        "mean": reproject(examples, n, examples.centre[n]),
    }


def ellipses(
    covariance: Array, seen: Array, sigmas: float | None = None
) -> list[list[float] | None]:
    """Half axes in px and angle in degrees for each seen joint, from covariances (J, 2, 2).

    They reach `sigmas` standard deviations, or as far as the 90 % region does.
    """
    radius = np.sqrt(-2 * np.log(1 - ELLIPSE_LEVEL)) if sigmas is None else sigmas
    usable = np.where(np.asarray(seen)[:, None, None], covariance, np.eye(2))
    variances, axes = np.linalg.eigh(usable)
    half = radius * np.sqrt(variances.clip(min=0))
    angle = np.degrees(np.arctan2(axes[:, 1, 1], axes[:, 0, 1]))
    rows = np.stack([half[:, 1], half[:, 0], angle], axis=-1).round(2).tolist()
    return [row if s else None for row, s in zip(rows, seen, strict=True)]


def reproject(examples: Examples, n: int, points: Array) -> Any:
    """Poses (..., J, 3) of example n in px; None where the camera or the place is unknown.

    The root is put where the mean pose best explains the keypoints (`fit_root_translation`).
    """
    if examples.keypoints is None or examples.intrinsics is None:
        return None
    every = np.asarray(examples.intrinsics, float)
    camera = every if every.ndim == 2 else every[n]
    known = None if examples.covariance is None else _tensor(examples.covariance[n])
    try:
        translation = fit_root_translation(
            _tensor(examples.centre[n]), _tensor(examples.keypoints[n]), _tensor(camera),
            known, torch.from_numpy(examples.seen[n]),
        ).numpy()  # fmt: skip
    except InputError:
        return None
    image = (points + translation) @ camera.T
    return (image[..., :2] / image[..., 2:]).round(1).tolist()


def _tensor(array: Array) -> torch.Tensor:
    return torch.from_numpy(np.array(array, dtype=float))
