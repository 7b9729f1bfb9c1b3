"""A simple human-like body with SMPL's joints, for tests: bones with landmarks on them."""

from __future__ import annotations

import torch
from torch import Tensor

from poseterior.geometry.skeleton import SMPL_24, Skeleton, get_skeleton, skeleton_from_tree
from poseterior.meshes import BodyArrays, SkinnedBody

# (x, y, z) metres of the left side and the midline: x to the body's left, y up, z forward.
_HEADS = {
    "pelvis": (0, 0.93, 0), "left_hip": (0.09, 0.85, 0), "left_knee": (0.10, 0.45, 0.01),
    "left_ankle": (0.10, 0.06, -0.02), "left_foot": (0.10, 0.01, 0.10),
    "spine1": (0, 1.05, -0.01), "spine2": (0, 1.18, -0.01), "spine3": (0, 1.24, 0),
    "neck": (0, 1.44, -0.02), "head": (0, 1.52, 0.02), "left_collar": (0.07, 1.37, -0.01),
    "left_shoulder": (0.18, 1.40, -0.02), "left_elbow": (0.44, 1.37, -0.04),
    "left_wrist": (0.69, 1.38, -0.04), "left_hand": (0.77, 1.37, -0.05),
}  # fmt: skip
# Landmarks that lie on a bone, and by which joint they are carried.
_POINTS = {
    "mid_spine": ("spine1", (0, 1.10, 0)), "thorax": ("spine3", (0, 1.34, -0.01)),
    "head_base": ("neck", (0, 1.51, 0)), "head_top": ("head", (0, 1.66, 0.02)),
    "nose": ("head", (0, 1.57, 0.12)), "left_eye": ("head", (0.03, 1.60, 0.10)),
    "left_ear": ("head", (0.08, 1.58, 0.02)),
}  # fmt: skip
_SAME = {
    "h36m_17": {"nose": "head_base", "spine": "mid_spine"},
    "lsp_14": {"neck": "thorax"},
}


def human_tree(left_out: tuple[str, ...] = ()) -> Skeleton:
    """SMPL's tree without some joints; what hung from them hangs from their parents."""
    pairs = []
    for joint in SMPL_24.joints:
        parent = SMPL_24.parents[SMPL_24.index(joint)]
        while parent >= 0 and SMPL_24.joints[parent] in left_out:
            parent = SMPL_24.parents[parent]
        if joint not in left_out:
            pairs.append((joint, SMPL_24.joints[parent] if parent >= 0 else None))
    return skeleton_from_tree("human", pairs)


def human_arrays(left_out: tuple[str, ...] = ()) -> BodyArrays:
    """Points are the joints of SMPL and landmarks, each carried by one bone; float64.

    Four numbers of shape: 5 % of the height, of the legs' length, of the arms', of the width.
    """
    tree = human_tree(left_out)
    names, places, carriers = _points(tree)
    points = torch.tensor(places, dtype=torch.float64)
    weights = torch.eye(len(tree), dtype=torch.float64)[carriers]
    heads = [names.index(joint) for joint in tree.joints]
    shapes = _shapes(points)
    regressors = {name: _regressor(name, names) for name in ("h36m_17", "coco_17", "lsp_14")}
    faces = torch.tensor([[0, 1, 2], [3, 4, 5]])
    return BodyArrays(
        points, shapes, points[heads], shapes[:, heads], weights, tree, faces, 4, regressors
    )


def human_body(left_out: tuple[str, ...] = ()) -> SkinnedBody:
    """The body of `human_arrays`, float64."""
    return SkinnedBody("human", human_arrays(left_out))


def _points(tree: Skeleton) -> tuple[list[str], list[tuple[float, float, float]], list[int]]:
    of_joints = {joint: (joint, place) for joint, place in _HEADS.items()}
    names, places, carriers = [], [], []
    for name, (joint, (x, y, z)) in (of_joints | _POINTS).items():
        pairs = [(name, joint, x)]
        if name.startswith("left_"):
            right = joint.replace("left_", "right_")
            pairs.append((name.replace("left_", "right_"), right, -x))
        for own, carrier, at in pairs:
            while carrier not in tree.joints:
                carrier = SMPL_24.joints[SMPL_24.parents[SMPL_24.index(carrier)]]
            names.append(own)
            places.append((at, y, z))
            carriers.append(tree.index(carrier))
    return names, places, carriers


def _shapes(points: Tensor) -> Tensor:
    """(4, P, 3) of `human_arrays`."""
    x, y, z = points.unbind(-1)
    leg = (y - 0.85).clamp_max(0)
    arm = x.sign() * (x.abs() - 0.18).clamp_min(0)
    zero = torch.zeros_like(x)
    each = [
        points, torch.stack([zero, leg, zero], -1), torch.stack([arm, zero, zero], -1),
        torch.stack([x.clamp(-0.18, 0.18), zero, z], -1),
    ]  # fmt: skip
    return 0.05 * torch.stack(each)


def _regressor(skeleton: str, names: list[str]) -> Tensor:
    rows = torch.zeros(len(get_skeleton(skeleton)), len(names), dtype=torch.float64)
    for j, joint in enumerate(get_skeleton(skeleton).joints):
        parts = [_SAME.get(skeleton, {}).get(joint, joint)]
        if joint == "pelvis":
            parts = ["left_hip", "right_hip"]
        rows[j, [names.index(part) for part in parts]] = 1 / len(parts)
    return rows
