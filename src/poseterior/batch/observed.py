"""Observations in the lifter's skeleton, and which of its joints a target tells."""

from __future__ import annotations

import torch
from torch import Tensor

from poseterior.data.convert import convert_keypoints
from poseterior.errors import require
from poseterior.geometry.conversion import Conversion, conversion
from poseterior.geometry.skeleton import Skeleton
from poseterior.keypoints import Keypoints

__all__ = ["conversion_note", "in_skeleton"]


def in_skeleton(
    keypoints: Keypoints, target: Tensor | None, skeleton: Skeleton
) -> tuple[Keypoints, Tensor | None, Tensor]:
    """Keypoints (m,) and their target (m, J, 3) or None, in another skeleton.

    Returns:
        The keypoints; the target, root-relative, zero where it does not count; and (m, J)
        bool, the joints that count. Those are all but, with a converted target, the joints
        that are missing or only approximated: an approximation is good enough to be lifted
        from, not to be scored against. The root, the origin by definition, counts.
    """
    known = torch.ones(*keypoints.batch_shape, len(skeleton), dtype=torch.bool)
    if keypoints.skeleton == skeleton:
        return keypoints, target, known
    change = conversion(keypoints.skeleton, skeleton)
    if target is not None:
        known = known & _told(change)
        target = _root_relative(change.apply(target), skeleton)
        target = torch.where(known[..., None], target, 0.0)
    return convert_keypoints(keypoints, skeleton), target, known


def _told(change: Conversion) -> Tensor:
    exact = torch.tensor([quality == "exact" for quality in change.quality])
    exact[change.target.root] = True
    return exact


def _root_relative(pose: Tensor, skeleton: Skeleton) -> Tensor:
    root = pose[..., skeleton.root : skeleton.root + 1, :]
    require(
        bool(root.isfinite().all()), "target", skeleton.joints[skeleton.root],
        expected="joints that tell the root", found="none of them",
    )  # fmt: skip
    return pose - root


def conversion_note(source: Skeleton, target: Skeleton) -> dict[str, str]:
    """What a conversion between these assumes, for the provenance; empty if there is none.

    >>> from poseterior.geometry.skeleton import H36M_17, get_skeleton
    >>> conversion_note(get_skeleton("coco_17"), H36M_17)["conversion"]
    'coco_17 to h36m_17; approximated: pelvis, spine, thorax, nose; missing: head_top'
    """
    if source == target:
        return {}
    change = conversion(source, target)
    words = [f"{source.name} to {target.name}"]
    for quality in ("approximated", "missing"):
        if joints := change.named(quality):
            words.append(f"{quality}: {', '.join(joints)}")
    return {"conversion": "; ".join(words)}
