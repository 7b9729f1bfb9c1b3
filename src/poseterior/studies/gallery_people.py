"""People of a gallery: by which rule they are chosen, and what of them a result keeps."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from poseterior.meshes.mesh_posterior import MeshPosterior
from poseterior.meshes.motion.fixed_bodies import FixedBodies
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.regressors.mesh_lifter import MeshLifter
from poseterior.seeding import generator_from
from poseterior.studies.mesh_scored import Chosen, errors_mm

__all__ = [
    "body_cell", "nearest_of", "person", "picked", "spread_over_clips", "truth_cell",
    "worst_of_clips",
]  # fmt: skip

_BLOCK = 32
_DIGITS = 5  # of radians and metres that are kept
_COVARIANCE_DIGITS = 3


def spread_over_clips(test: FixedBodies, count: int, seed: int) -> Tensor:
    """(count,) rows drawn at random, each of another clip; fewer where there are fewer clips.

    Of ambiguous observations only those of which something is hidden take part, as many of each
    kind: arms and head, legs, head.
    """
    valid = test.keypoints.valid
    rows = np.flatnonzero(~valid.all(-1)) if not bool(valid.all()) else np.arange(len(valid))
    rows = rows[torch.randperm(len(rows), generator=generator_from(seed)).numpy()]
    patterns, kind = np.unique(valid[rows].numpy(), axis=0, return_inverse=True)
    kind = kind.ravel()
    found: list[int] = []
    while len(rows) and len(found) < count:
        alike = np.flatnonzero(kind == len(found) % len(patterns))
        first = alike[0] if len(alike) else 0
        found.append(rows[first])
        others = test.clip[rows] != test.clip[rows[first]]
        rows, kind = rows[others], kind[others]
    return torch.from_numpy(np.array(found, dtype=np.int64))


def worst_of_clips(test: FixedBodies, errors: Tensor, count: int) -> Tensor:
    """(count,) rows of the greatest errors (M,), the worst first, one of a clip."""
    return _one_a_clip(test, errors.argsort(descending=True, stable=True).numpy(), count)


def _one_a_clip(test: FixedBodies, rows: np.ndarray, count: int) -> Tensor:
    _, first = np.unique(test.clip[rows], return_index=True)
    return torch.from_numpy(rows[np.sort(first)[:count]])


def picked(test: FixedBodies, rows: Tensor) -> FixedBodies:
    """Those rows alone."""
    at = rows.numpy()
    return FixedBodies(
        test.keypoints[rows], test.parameters[rows], test.target[rows], test.clip[at],
        test.frame[at], None if test.up is None else test.up[rows],
    )  # fmt: skip


@torch.no_grad()
def nearest_of(
    lifter: MeshLifter, chosen: Chosen, count: int, test: FixedBodies, seed: int
) -> tuple[Tensor, BodyParameters]:
    """Of `count` bodies the one nearest to each truth: errors (M,) mm, and bodies (M,)."""
    errors, bodies = [], []
    for start in range(0, len(test.frame), _BLOCK):
        part = slice(start, start + _BLOCK)
        posterior = lifter(test.keypoints[part])
        assert isinstance(posterior, MeshPosterior)
        several = chosen(posterior, count, generator_from(seed, start))
        least, index = errors_mm(lifter.body, several, test.parameters[part]).min(0)
        errors.append(least)
        bodies.append(several[index, torch.arange(len(index))])
    return torch.cat(errors), _joined(bodies)


def _joined(parts: list[BodyParameters]) -> BodyParameters:
    """Bodies one after the other."""
    names = vars(parts[0])
    return BodyParameters(**{name: torch.cat([getattr(p, name) for p in parts]) for name in names})


def body_cell(label: str, role: str, parameters: BodyParameters, **numbers: Any) -> dict[str, Any]:
    """One body of a picture: what it is called, what it is, numbers, axis-angle parameters.

    `role` is "truth", "nearest", "answer" (the one of a regressor), "sample", "fitted" or
    "generic".
    """
    held = {name: _rounded(value) for name, value in parameters.to_axis_angle().items()}
    return {"label": label, "role": role, **numbers, "body": held}


def _rounded(value: Tensor, digits: int = _DIGITS) -> Any:
    return np.round(value.double().numpy(), digits).tolist()


def person(test: FixedBodies, row: int, cells: list[dict[str, Any]]) -> dict[str, Any]:
    """What was seen of one person, and the bodies beside it."""
    keypoints = test.keypoints
    valid = keypoints.valid[row]
    assert keypoints.intrinsics is not None
    size = keypoints.image_size
    joints = keypoints.skeleton.joints
    return {
        "clip": str(test.clip[row]),
        "frame": int(test.frame[row]),
        "hidden": [joint for joint, seen in zip(joints, valid.tolist(), strict=True) if not seen],
        "skeleton": keypoints.skeleton.name,
        "keypoints_px": _rounded(keypoints.pixels[row], 2),
        "covariance_px2": _rounded(keypoints.covariance[row], _COVARIANCE_DIGITS),
        "valid": valid.tolist(),
        "image_size": None if size is None else _rounded(size[row], 1),
        "intrinsics": _rounded(keypoints.intrinsics[row], 3),
        "up": None if test.up is None else _rounded(test.up[row], 4),
        "cells": cells,
    }


def truth_cell(test: FixedBodies, row: int) -> dict[str, Any]:
    """The true body."""
    return body_cell("truth", "truth", test.parameters[row])
