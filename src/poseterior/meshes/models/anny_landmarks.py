"""Where annotators place joints on Anny, for three skeletons.

`coco_17` is Anny's own regressor (`KeypointsRegressor.coco`), a weighted sum of vertices of
its full mesh. Each such sum, split by the joint that the vertices follow, is a sum of a few
points that move rigidly,

    sum_p r_p w_pk (G_k v_p + t_k) = m_k (G_k a_k + t_k)

with m_k = sum_p r_p w_pk and a_k the mean of the v_p by these weights. Those points are what is
kept, so that the landmarks of the light mesh are those of the full one, with no fit between.

`h36m_17` and `lsp_14` are heads of bones, or rigid points of the trunk and the head whose
places at rest are those of `geometry/conversion_rules.py`: the neck's base 11 % of the way
down from the shoulders to the hips, the spine halfway from the hips to it, and, in `h36m_17`,
the head's last joint 80 % of the way up from the shoulders to the crown.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from poseterior.geometry.skeleton import COCO_17, H36M_17, LSP_14, Skeleton

__all__ = ["CROWN", "LandmarkPoints", "landmark_points"]

CROWN = "crown"
_LIMBS = {
    "hip": "upperleg01", "knee": "lowerleg01", "ankle": "foot",
    "shoulder": "upperarm01", "elbow": "lowerarm01", "wrist": "wrist",
}  # fmt: skip


def _both(bone: str, share: float) -> dict[str, float]:
    return {f"{bone}.L": share / 2, f"{bone}.R": share / 2}


# Rigid points: the bone that each follows, and where it rests, as a mean of heads of bones.
_RIGID: dict[str, tuple[str, dict[str, float]]] = {
    "neck_base": ("spine01", _both("upperarm01", 0.89) | _both("upperleg01", 0.11)),
    "mid_spine": ("spine04", _both("upperarm01", 0.445) | _both("upperleg01", 0.555)),
    "head_end": ("head", _both("upperarm01", 0.2) | {CROWN: 0.8}),
    CROWN: ("head", {CROWN: 1.0}),
}
_SIDES: dict[str, tuple[str, ...]] = {
    f"{side}_{joint}": (f"{bone}.{side[0].upper()}",)
    for side in ("left", "right")
    for joint, bone in _LIMBS.items()
}
# Joints as means of rigid points and heads of bones.
_MEANT: dict[Skeleton, dict[str, tuple[str, ...]]] = {
    H36M_17: {
        **_SIDES,
        "pelvis": ("upperleg01.L", "upperleg01.R"),
        "spine": ("mid_spine",),
        "thorax": ("neck_base",),
        "nose": ("head",),
        "head_top": ("head_end",),
    },
    LSP_14: {**_SIDES, "neck": ("neck01",), "head_top": (CROWN,)},
}
_USED = sorted({name for meant in _MEANT.values() for names in meant.values() for name in names})
_SMALL = 1e-4  # a share of a landmark that is left out


class LandmarkPoints(NamedTuple):
    """E points that move with the body, of which landmarks are weighted sums.

    Attributes:
        places: (E, V + bones) weights at rest of the vertices of the full mesh, then of the
            heads of all bones.
        joint: (E,) the joint that it follows.
        regressors: by skeleton name, (J, E), rows sum to 1.
    """

    places: Tensor
    joint: Tensor
    regressors: dict[str, Tensor]


def landmark_points(
    coco: Tensor, crown: int, weights: Tensor, bones: list[str], owner: Tensor
) -> LandmarkPoints:
    """The points of all three skeletons.

    Args:
        coco: (17, V) weights of the vertices in each joint of `coco_17`.
        crown: the vertex at the top of the head.
        weights: (V, K) skinning weights of the joints.
        bones: the names of all bones.
        owner: (bones,) the joint that each follows.
    """
    pieces, joint, split = _pieces(coco, weights)
    column = {CROWN: crown, **{bone: len(weights) + b for b, bone in enumerate(bones)}}
    places = torch.zeros(len(pieces) + len(_USED), len(weights) + len(bones)).to(coco)
    places[: len(pieces), : len(weights)] = pieces
    follow: list[int] = []
    for row, name in zip(places[len(pieces) :], _USED, strict=True):
        bone, parts = _RIGID.get(name, (name, {name: 1.0}))
        row[[column[part] for part in parts]] = row.new_tensor(list(parts.values()))
        follow.append(int(owner[bones.index(bone)]))
    regressors = {COCO_17.name: torch.nn.functional.pad(split, (0, len(_USED)))}
    for skeleton, meant in _MEANT.items():
        means = torch.stack([_mean(meant[name]) for name in skeleton.joints]).to(coco)
        regressors[skeleton.name] = torch.nn.functional.pad(means, (len(pieces), 0))
    return LandmarkPoints(places, torch.cat([joint, torch.tensor(follow)]), regressors)


def _pieces(regressor: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Points (E, V), the joint each follows (E,), and (J, E) their weights in each landmark."""
    mass = regressor @ weights  # (J, K)
    landmark, joint = (mass.abs() > _SMALL).nonzero(as_tuple=True)
    share = mass[landmark, joint]
    pieces = regressor[landmark] * weights[:, joint].T / share[:, None]
    split = regressor.new_zeros(len(regressor), len(landmark))
    split[landmark, range(len(landmark))] = share
    return pieces, joint, split / split.sum(1, keepdim=True)


def _mean(names: tuple[str, ...]) -> Tensor:
    """(used points,) weights of the mean of some."""
    row = torch.zeros(len(_USED))
    row[[_USED.index(name) for name in names]] = 1 / len(names)
    return row
