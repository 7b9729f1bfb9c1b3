"""Where annotators place joints on Anny, for three skeletons.

`coco_17` is Anny's own regressor (`KeypointsRegressor.coco`), a weighted sum of vertices of
its full mesh. Each such sum, split by the joint that the vertices follow, is a sum of a few
points that move rigidly (sum_p r_p w_pk (G_k v_p + t_k) = m_k (G_k a_k + t_k), with
m_k = sum_p r_p w_pk and a_k the mean of the v_p by these weights). Those points are what is
kept, so that the landmarks of the light mesh are those of the full one, with no fit between.

`h36m_17` and `lsp_14` are heads of bones and the crown of the head.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from poseterior.geometry.skeleton import COCO_17, H36M_17, LSP_14, Skeleton

__all__ = ["LandmarkPoints", "landmark_points"]

_CROWN = "crown"
_LIMBS = {
    "hip": "upperleg01", "knee": "lowerleg01", "ankle": "foot",
    "shoulder": "upperarm01", "elbow": "lowerarm01", "wrist": "wrist",
}  # fmt: skip
_BONES: dict[str, tuple[str, ...]] = {
    f"{side}_{joint}": (f"{bone}.{side[0].upper()}",)
    for side in ("left", "right")
    for joint, bone in _LIMBS.items()
}
# Joints as means of heads of bones.
_MEANT: dict[Skeleton, dict[str, tuple[str, ...]]] = {
    H36M_17: {
        **_BONES,
        "pelvis": ("upperleg01.L", "upperleg01.R"),
        "spine": ("spine02",),
        "thorax": ("clavicle.L", "clavicle.R"),
        "nose": ("head",),
        "head_top": (_CROWN,),
    },
    LSP_14: {**_BONES, "neck": ("neck01",), "head_top": (_CROWN,)},
}
_SMALL = 1e-4  # a share of a landmark that is left out


class LandmarkPoints(NamedTuple):
    """E points that move with the body, of which landmarks are weighted sums.

    Attributes:
        vertices: (E, V) weights of the vertices of the full mesh in each point at rest.
        heads: (E, bones) weights of the heads of all bones.
        joint: (E,) the joint that it follows.
        regressors: by skeleton name, (J, E), rows sum to 1.
    """

    vertices: Tensor
    heads: Tensor
    joint: Tensor
    regressors: dict[str, Tensor]


def landmark_points(
    coco: Tensor, crown: int, weights: Tensor, bones: dict[str, int], owner: Tensor
) -> LandmarkPoints:
    """The points of all three skeletons.

    Args:
        coco: (17, V) weights of the vertices in each joint of `coco_17`.
        crown: the vertex at the top of the head.
        weights: (V, K) skinning weights of the joints.
        bones: the index of each of the bones.
        owner: (bones,) the joint that each follows.
    """
    pieces, joint, split = _pieces(coco, weights)
    used = sorted({name for meant in _MEANT.values() for names in meant.values() for name in names})
    heads, top = weights.new_zeros(len(used), len(bones)), coco.new_zeros(len(used), coco.shape[1])
    follow = torch.empty(len(used), dtype=torch.long)
    for row, name in enumerate(used):
        if name == _CROWN:
            top[row, crown], follow[row] = 1, weights[crown].argmax()
        else:
            heads[row, bones[name]], follow[row] = 1, owner[bones[name]]
    fixed = {s.name: _means(s, meant, used).to(coco) for s, meant in _MEANT.items()}
    first, last = coco.new_zeros(len(pieces), len(bones)), split.new_zeros(17, len(used))
    return LandmarkPoints(
        torch.cat([pieces, top]),
        torch.cat([first, heads]),
        torch.cat([joint, follow]),
        {
            COCO_17.name: torch.cat([split, last], 1),
            **{key: torch.cat([w.new_zeros(len(w), len(pieces)), w], 1)
               for key, w in fixed.items()},
        },
    )  # fmt: skip


def _pieces(regressor: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Points (E, V), the joint each follows (E,), and (J, E) their weights in each landmark."""
    mass = regressor @ weights  # (J, K)
    landmark, joint = (mass.abs() > _SMALL).nonzero(as_tuple=True)
    share = mass[landmark, joint]
    pieces = regressor[landmark] * weights[:, joint].T / share[:, None]
    split = regressor.new_zeros(len(regressor), len(landmark))
    split[landmark, range(len(landmark))] = share
    return pieces, joint, split / split.sum(1, keepdim=True)


def _means(skeleton: Skeleton, meant: dict[str, tuple[str, ...]], names: list[str]) -> Tensor:
    """(J, E) each joint as the mean of some of the named points."""
    out = torch.zeros(len(skeleton), len(names))
    for row, joint in zip(out, skeleton.joints, strict=True):
        row[[names.index(name) for name in meant[joint]]] = 1 / len(meant[joint])
    return out
