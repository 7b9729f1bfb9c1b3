"""SMPL (Loper et al., SIGGRAPH Asia 2015) from the model file that the user has a licence for."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path

import torch
from torch import Tensor

from poseterior.geometry.skeleton import SMPL_24
from poseterior.meshes.models.smpl_file import SmplFile, open_smpl_file
from poseterior.meshes.models.smpl_landmarks import read_regressors, regressors_of_joints
from poseterior.meshes.skinned_body import BodyArrays, SkinnedBody

__all__ = ["read_smpl"]


def read_smpl(
    path: str | PathLike[str],
    betas: int = 10,
    regressors: Mapping[str, str | PathLike[str]] | None = None,
    dtype: torch.dtype = torch.float32,
) -> SkinnedBody:
    """The body of 6890 vertices and 24 joints that a file describes.

    Args:
        path: `.npz`, or `.pkl` as it is distributed (`basicModel_*.pkl`, `SMPL_NEUTRAL.pkl`).
            Nothing in it is run.
        betas: numbers of shape, the first of the file's 10 or 300.
        regressors: by skeleton name, `.npy` files with the weights (J, 6890) of its joints, in
            place of the approximations of `smpl_landmarks.py`.
        dtype: of the arrays.

    Returns:
        A body with landmarks `smpl_24` (its own joints), `coco_17`, `h36m_17` and `lsp_14`.

    Raises:
        InputError: naming the file and the key, for no file, a truncated one, one that holds
            more than data, an array that is missing, of another shape, pickled or not finite,
            weights or regressors whose rows do not sum to 1, faces of other vertices, another
            tree of joints, and the models of others (SMPL-H, SMPL-X, MANO, FLAME, SMAL).
    """
    file = open_smpl_file(Path(path), betas)
    found = regressors_of_joints() | read_regressors(regressors or {}, file.template)
    arrays = _arrays(file, {name: weights.to(dtype) for name, weights in found.items()}, dtype)
    return SkinnedBody("smpl", arrays)


def _arrays(file: SmplFile, regressors: Mapping[str, Tensor], dtype: torch.dtype) -> BodyArrays:
    """Points are the vertices and then the joints, each of which only itself moves."""
    template, shapes, corrections, regressor, weights = (
        torch.from_numpy(array).to(dtype) for array in file[:5]
    )
    shapes, corrections = shapes.permute(2, 0, 1), corrections.permute(2, 0, 1)
    heads, head_shapes = regressor @ template, regressor @ shapes
    joints = len(SMPL_24)
    return BodyArrays(
        template=torch.cat([template, heads]),
        shapes=torch.cat([shapes, head_shapes], 1),
        heads=heads,
        head_shapes=head_shapes,
        weights=torch.cat([weights, torch.eye(joints, dtype=dtype)]),
        tree=SMPL_24,
        faces=torch.from_numpy(file.faces),
        betas=len(shapes),
        regressors=regressors,
        corrections=torch.cat([corrections, corrections.new_zeros(len(corrections), joints, 3)], 1),
        extra=joints,
    )
