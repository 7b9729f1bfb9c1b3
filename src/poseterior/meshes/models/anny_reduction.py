"""Anny with the joints that 17 keypoints can inform: 16 that turn, of its 104 bones.

Every other bone moves rigidly with the nearest of its ancestors that is kept, and its skinning
weights go there. That is Anny itself with no rotation given to those bones.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from poseterior.geometry.skeleton import COCO_17, Skeleton, skeleton_from_tree
from poseterior.meshes.models.anny_landmarks import LandmarkPoints, landmark_points
from poseterior.meshes.models.anny_package import coco_regressor, open_anny
from poseterior.meshes.models.anny_shape import PHENOTYPES, PhenotypeShapes, corners
from poseterior.meshes.skinned_body import BodyArrays

__all__ = ["BONES", "TREE", "anny_arrays", "joint_of_bone"]

# Joints by SMPL's names where they mean the same, and the bone of Anny that turns there.
BONES: dict[str, str] = {
    "pelvis": "root",
    "left_hip": "upperleg01.L",
    "right_hip": "upperleg01.R",
    "spine1": "spine04",
    "left_knee": "lowerleg01.L",
    "right_knee": "lowerleg01.R",
    "spine2": "spine02",
    "spine3": "spine01",
    "neck": "neck01",
    "left_collar": "clavicle.L",
    "right_collar": "clavicle.R",
    "head": "head",
    "left_shoulder": "upperarm01.L",
    "right_shoulder": "upperarm01.R",
    "left_elbow": "lowerarm01.L",
    "right_elbow": "lowerarm01.R",
}
_PARENTS = {
    "hip": "pelvis", "knee": "hip", "collar": "spine3", "shoulder": "collar", "elbow": "shoulder",
    "spine1": "pelvis", "spine2": "spine1", "spine3": "spine2", "neck": "spine3", "head": "neck",
}  # fmt: skip


def _parent(joint: str) -> str | None:
    side, _, kind = joint.rpartition("_")
    parent = _PARENTS.get(kind)
    sided = parent in ("hip", "knee", "collar", "shoulder", "elbow")
    return f"{side}_{parent}" if sided else parent


TREE: Skeleton = skeleton_from_tree("anny_16", ((joint, _parent(joint)) for joint in BONES))


def anny_arrays(topology: str) -> BodyArrays:
    """The reduced body, float64, by way of Anny's package; `InputError` without it.

    The mean body is that of scores 0. Its axes are SMPL's: x to the body's left, y up, z
    forward, where Anny's are x to the left, -y forward, z up.
    """
    full = open_anny("default")
    model = full if topology == "default" else open_anny(topology)
    table = _corner_coefficients(full)
    points = _points(full, table.mean(0))
    weights = torch.cat([_weights(model), torch.eye(len(TREE)).to(table)[points.joint]])
    bones = _at_corners(full.template_bone_heads, full.bone_heads_blendshapes, table)
    heads = bones[:, [full.bone_labels.index(bone) for bone in BONES.values()]]
    vertices = _at_corners(full.template_vertices, full.blendshapes, table)
    extra = points.places @ torch.cat([vertices, bones], 1)
    if model is not full:
        own = _corner_coefficients(model)
        vertices = _at_corners(model.template_vertices, model.blendshapes, own)
    count = vertices.shape[1]
    regressors = {
        name: torch.cat([value.new_zeros(len(value), count), value], 1)
        for name, value in points.regressors.items()
    }
    return _arrays(vertices, extra, heads, weights, model.faces, regressors)


def joint_of_bone(model: Any) -> Tensor:
    """(bones,) the joint of `TREE` that each bone of the package's model follows."""
    kept = {bone: joint for joint, bone in enumerate(BONES.values())}
    owner: list[int] = []
    for bone, parent in zip(model.bone_labels, model.bone_parents, strict=True):
        owner.append(kept[bone] if bone in kept else owner[parent])
    return torch.tensor(owner)


def _weights(model: Any) -> Tensor:
    """(V, K) skinning weights of the joints."""
    joint = joint_of_bone(model)[model.vertex_bone_indices.long()]  # (V, bones of a vertex)
    none = model.vertex_bone_weights.new_zeros(len(joint), len(TREE))
    return none.scatter_add(1, joint, model.vertex_bone_weights)


def _corner_coefficients(model: Any) -> Tensor:
    """(N, shapes) of the package's blend shapes at the corners of the phenotypes."""
    values = dict(zip(PHENOTYPES, corners().T, strict=True))
    return model.get_phenotype_blendshape_coefficients(**values)


def _at_corners(template: Tensor, shapes: Tensor, coefficients: Tensor) -> Tensor:
    """(N, P, 3) points of the package's model at rest, in SMPL's axes."""
    x, y, z = (template + torch.einsum("ns,spc->npc", coefficients, shapes)).unbind(-1)
    return torch.stack([x, z, -y], -1)


def _points(full: Any, middle: Tensor) -> LandmarkPoints:
    """Points of the landmarks; the crown is highest on the midline at `middle` coefficients."""
    keypoints = coco_regressor(full, COCO_17.joints)
    rest = full.template_vertices + torch.einsum("s,spc->pc", middle, full.blendshapes)
    height = rest[:, 2].masked_fill(rest[:, 0].abs() > 1e-3, -math.inf)
    return landmark_points(
        keypoints, int(height.argmax()), _weights(full), full.bone_labels, joint_of_bone(full)
    )


def _arrays(
    vertices: Tensor, extra: Tensor, heads: Tensor,
    weights: Tensor, faces: Tensor, regressors: dict[str, Tensor],
) -> BodyArrays:  # fmt: skip
    """From points (N, ..., 3) at the corners: as few blend shapes as span their differences."""
    count = vertices.shape[1] + extra.shape[1]
    grid = torch.eye(len(heads), dtype=heads.dtype)
    centre = PhenotypeShapes(grid).corner_weights(grid.new_zeros(1, len(PHENOTYPES)))
    rest = torch.cat([vertices, extra, heads], 1).flatten(1)
    mean = (centre @ rest)[0]
    # Their column space, by the Gram matrix: below the rank its eigenvalues are round-off.
    offsets = rest - mean
    values, vectors = torch.linalg.eigh(offsets @ offsets.T)
    table = vectors[:, values > 1e-12 * values[-1]].flip(1)
    shapes = (table.T @ offsets).unflatten(1, (-1, 3))
    return BodyArrays(
        template=mean.unflatten(0, (-1, 3))[:count],
        shapes=shapes[:, :count],
        heads=mean.unflatten(0, (-1, 3))[count:],
        head_shapes=shapes[:, count:],
        weights=weights / weights.sum(1, keepdim=True),
        tree=TREE,
        faces=faces.long(),
        betas=len(PHENOTYPES),
        regressors=regressors,
        coefficients=PhenotypeShapes(table),
        extra=extra.shape[1],
    )  # fmt: skip
