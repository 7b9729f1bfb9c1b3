"""Which sums of SMPL's joints and vertices the joints of other skeletons are.

Eyes, nose, ears and the top of the head are single vertices, as published with the `smplx`
package (`vertex_ids`) and SMPLify (the head's); all others are joints of SMPL, by the rules of
`geometry/conversion_rules.py`, or sums of them. These are approximations: annotators of
Human3.6M, COCO and LSP place hips and shoulders a few centimetres from SMPL's. A file with the
regressor of a data set replaces them.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from poseterior.errors import InputError, require
from poseterior.geometry.conversion import conversion
from poseterior.geometry.skeleton import SMPL_24, Skeleton, get_skeleton, skeleton_from_tree
from poseterior.meshes.models.smpl_file import VERTICES, require_rows_of_one

__all__ = ["read_regressors", "regressors_of_joints"]

_POINTS = {
    "nose": 332, "left_eye": 2800, "right_eye": 6260, "left_ear": 583, "right_ear": 4071,
    "head_top": 411,
}  # fmt: skip
_SKELETONS = ("smpl_24", "coco_17", "h36m_17", "lsp_14")


def regressors_of_joints() -> dict[str, Tensor]:
    """By skeleton, (J, 6890 + 24) float64 weights of SMPL's vertices, then of its joints."""
    parents = (SMPL_24.joints[p] if p >= 0 else None for p in SMPL_24.parents)
    tree = [*zip(SMPL_24.joints, parents, strict=True), *((point, "head") for point in _POINTS)]
    source = skeleton_from_tree(SMPL_24.name, tree)
    found = {}
    for name in _SKELETONS:
        weights = conversion(source, name).weights
        spread = torch.zeros(len(weights), VERTICES + len(SMPL_24), dtype=weights.dtype)
        spread[:, VERTICES:] = weights[:, : len(SMPL_24)]
        spread[:, list(_POINTS.values())] = weights[:, len(SMPL_24) :]
        found[name] = spread
    return found


def read_regressors(
    paths: Mapping[str, str | PathLike[str]], template: NDArray[np.float64]
) -> dict[str, Tensor]:
    """By skeleton, as above, from `.npy` files of (J, 6890) weights of vertices.

    Files do not name their joints, and some have the legs of `h36m_17` in another order: joints
    must lie on their side of the body `template` (6890, 3).

    Raises:
        InputError: an unknown skeleton; no `.npy` file of numbers; another shape; rows that do
            not sum to 1; a left joint that lies to the right of its partner.
    """
    found = {}
    for name, path in paths.items():
        weights = _read(Path(path), get_skeleton(name, "regressors"))
        _check_sides(Path(path), get_skeleton(name), weights @ template)
        none = torch.zeros(len(weights), len(SMPL_24), dtype=torch.float64)
        found[name] = torch.cat([torch.from_numpy(weights), none], 1)
    return found


def _read(path: Path, skeleton: Skeleton) -> NDArray[np.float64]:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        found = f"none ({str(error)[:100]})"
        raise InputError(path, "", expected="an array in .npy format", found=found) from None
    plain = isinstance(array, np.ndarray) and array.dtype.kind in "fiu"
    found = array.dtype if isinstance(array, np.ndarray) else "an archive"
    require(plain, path, "", expected="one array of numbers, .npy", found=found)
    shape = (len(skeleton), VERTICES)
    expected = f"shape {shape} for {skeleton.name}"
    require(array.shape == shape, path, "", expected=expected, found=array.shape)
    weights = array.astype(np.float64)
    require_rows_of_one(weights, path, skeleton.name)
    return weights


def _check_sides(path: Path, skeleton: Skeleton, joints: NDArray[np.float64]) -> None:
    for joint, partner in enumerate(skeleton.partners):
        if skeleton.joints[joint].startswith("left_") and joints[joint, 0] <= joints[partner, 0]:
            raise InputError(
                path, skeleton.name,
                expected=f"rows in the order {', '.join(skeleton.joints)}",
                found=f"row {joint} to the right of row {partner} on the body",
            )  # fmt: skip
