"""A body of 24 joints with a few vertices around each bone, for tests: fast, and a person."""

from __future__ import annotations

import torch

from poseterior.geometry.skeleton import H36M_17, LSP_14, SMPL_24, Skeleton
from poseterior.meshes import BodyArrays, SkinnedBody

# Metres, SMPL's axes: x to the left, y up, z forward; arms stretched out.
_LEFT = {
    "hip": (0.09, -0.08, 0.0), "knee": (0.10, -0.47, 0.0), "ankle": (0.09, -0.88, -0.03),
    "foot": (0.11, -0.93, 0.10), "collar": (0.07, 0.35, -0.02), "shoulder": (0.18, 0.36, -0.02),
    "elbow": (0.43, 0.35, -0.03), "wrist": (0.68, 0.35, -0.03), "hand": (0.76, 0.35, -0.03),
}  # fmt: skip
_MIDDLE = {
    "pelvis": (0.0, 0.0, 0.0), "spine1": (0.0, 0.11, -0.02), "spine2": (0.0, 0.25, 0.0),
    "spine3": (0.0, 0.30, 0.0), "neck": (0.0, 0.50, -0.03), "head": (0.0, 0.57, 0.02),
}  # fmt: skip
# Which joints' mean each landmark is; the top of the head is a point of its own.
_OTHER_NAMES = {
    "spine": ("spine2",), "thorax": ("neck",), "nose": ("head",), "pelvis": ("pelvis",),
}  # fmt: skip


def _rest() -> torch.Tensor:
    places = dict(_MIDDLE)
    for name, (x, y, z) in _LEFT.items():
        places[f"left_{name}"], places[f"right_{name}"] = (x, y, z), (-x, y, z)
    return torch.tensor([places[joint] for joint in SMPL_24.joints])


def _regressor(skeleton: Skeleton, points: int) -> torch.Tensor:
    """(J, P): the joints are the last points but one, the top of the head the last."""
    out = torch.zeros(len(skeleton), points)
    for row, joint in enumerate(skeleton.joints):
        if joint == "head_top":
            out[row, -1] = 1.0
            continue
        names = _OTHER_NAMES.get(joint, (joint,))
        for name in names:
            out[row, points - 1 - len(SMPL_24) + SMPL_24.index(name)] = 1 / len(names)
    return out


def stick_body() -> SkinnedBody:
    """Three shape numbers: size, length of the legs, width."""
    heads = _rest()
    around = 0.05 * torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 0, 1], [0, 0, -1]])
    parents = torch.tensor([max(p, 0) for p in SMPL_24.parents])
    middles = (heads + heads[parents]) / 2
    vertices = (middles[:, None] + around).flatten(0, 1)
    owners = torch.cat([parents.repeat_interleave(4), torch.arange(24), torch.tensor([15])])
    top = heads[15:16] + torch.tensor([[0.0, 0.2, 0.0]])
    template = torch.cat([vertices, heads, top])
    legs = template * torch.tensor([0.0, 0.06, 0.0]) * (template[:, 1:2] < -0.05)
    wide = template * torch.tensor([0.05, 0.0, 0.0])
    shapes = torch.stack([0.05 * template, legs, wide])
    faces = torch.tensor([[4 * k, 4 * k + 2, 4 * k + 1] for k in range(24)])
    arrays = BodyArrays(
        template=template,
        shapes=shapes,
        heads=heads,
        head_shapes=shapes[:, len(vertices) : len(vertices) + 24],
        weights=torch.eye(24)[owners],
        tree=SMPL_24,
        faces=faces,
        betas=3,
        regressors={s.name: _regressor(s, len(template)) for s in (H36M_17, LSP_14)},
        extra=25,
    )
    return SkinnedBody("stick", arrays)
