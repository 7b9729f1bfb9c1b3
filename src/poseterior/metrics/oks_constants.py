"""Keypoint constants of OKS: by how much annotators differ, over the root of the person's area.

They are the public data sets' sigmas; the tolerance is l² = (2 sigma)² area, and the factor 2
is easily lost (`poseterior.metrics.oks.tolerance` has it). Left and right are alike.

COCO's 17 are from cocodataset.org, "Keypoint Evaluation"; COCO-WholeBody's 133 from its public
evaluation code (Jin et al., ECCV 2020); MPII has none of its own and takes the nearest of COCO's
(paper 003, appendix B).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from poseterior.geometry.skeleton import COCO_WHOLEBODY_133, Skeleton

__all__ = [
    "COCO_SIGMAS",
    "COCO_WHOLEBODY_SIGMAS",
    "MPII_SIGMAS",
    "WHOLEBODY_PARTS",
    "oks_sigmas",
    "skeleton_sigmas",
    "wholebody_sigmas",
]

_BY_PART = {
    "nose": 0.026, "eye": 0.025, "ear": 0.035, "shoulder": 0.079, "elbow": 0.072,
    "wrist": 0.062, "hip": 0.107, "knee": 0.087, "ankle": 0.089,
}  # fmt: skip
COCO_SIGMAS: Mapping[str, float] = MappingProxyType(
    {
        name: sigma
        for part, sigma in _BY_PART.items()
        for name in ((part,) if part == "nose" else (f"left_{part}", f"right_{part}"))
    }
)
# Pelvis as the hip, thorax as the shoulder, upper neck and head top as the nose.
MPII_SIGMAS: Mapping[str, float] = MappingProxyType(
    {
        **COCO_SIGMAS,
        "pelvis": _BY_PART["hip"],
        "thorax": _BY_PART["shoulder"],
        "upper_neck": _BY_PART["nose"],
        "head_top": _BY_PART["nose"],
    }
)

# Thousandths, in the order of the data set: big toe, small toe, heel; left, then right.
_FOOT = (68, 66, 66, 92, 94, 94)
# The contour from ear to ear (17), brows (2 x 5), nose (9), eyes (2 x 6), mouth (12 and 8).
_FACE = (
    42, 43, 44, 43, 40, 35, 31, 25, 20, 23, 29, 32, 37, 38, 43, 41, 45,
    13, 12, 11, 11, 12, 12, 11, 11, 13, 15,
    9, 7, 7, 7, 12, 9, 8, 16, 10,
    17, 11, 9, 11, 9, 7, 13, 8, 11, 12, 10, 34,
    8, 8, 9, 8, 8, 7, 10, 8, 9, 9, 9, 7, 7, 8, 11, 8, 8, 8, 10, 8,
)  # fmt: skip
# The wrist, then the five fingers from the thumb, each from its root to its tip.
_HAND = (29, 22, 35, 37, 47, 26, 25, 24, 35, 18, 24, 22, 26, 17, 21, 21, 32, 20, 19, 22, 31)

# Rows of each part among the 133 keypoints: body, feet, face, left hand, right hand.
WHOLEBODY_PARTS: Mapping[str, slice] = MappingProxyType(
    {
        "body": slice(0, 17),
        "foot": slice(17, 23),
        "face": slice(23, 91),
        "left_hand": slice(91, 112),
        "right_hand": slice(112, 133),
    }
)
COCO_WHOLEBODY_SIGMAS: tuple[float, ...] = (
    *COCO_SIGMAS.values(),
    *(thousandth / 1000 for thousandth in (*_FOOT, *_FACE, *_HAND, *_HAND)),
)


def oks_sigmas(skeleton: Skeleton, sigmas: Mapping[str, float] = COCO_SIGMAS) -> Tensor:
    """Sigmas (J,) of a skeleton's joints by name; infinite, so never counted, for the others.

    Args:
        skeleton: whose joints.
        sigmas: `COCO_SIGMAS`, or `MPII_SIGMAS` to count pelvis, thorax, neck and head top too.

    >>> from poseterior.geometry.skeleton import MPII_16
    >>> oks_sigmas(MPII_16, MPII_SIGMAS)[6:10]  # pelvis, thorax, upper neck, head top
    tensor([0.1070, 0.0790, 0.0260, 0.0260])
    """
    return torch.tensor([sigmas.get(joint, torch.inf) for joint in skeleton.joints])


def skeleton_sigmas(skeleton: Skeleton) -> Tensor:
    """Sigmas (J,) of the data set that has this skeleton: COCO's, COCO-WholeBody's or MPII's.

    Those of any other skeleton by name, as `oks_sigmas`.

    >>> from poseterior.geometry.skeleton import COCO_WHOLEBODY_133, MPII_16
    >>> skeleton_sigmas(MPII_16)[6], skeleton_sigmas(COCO_WHOLEBODY_133)[91]  # pelvis, hand's root
    (tensor(0.1070), tensor(0.0290))
    """
    if skeleton == COCO_WHOLEBODY_133:
        return wholebody_sigmas()
    return oks_sigmas(skeleton, MPII_SIGMAS)


def wholebody_sigmas(part: str | None = None) -> Tensor:
    """COCO-WholeBody's sigmas, all (133,) or those of a part of `WHOLEBODY_PARTS`.

    >>> len(wholebody_sigmas()), wholebody_sigmas("foot")
    (133, tensor([0.0680, 0.0660, 0.0660, 0.0920, 0.0940, 0.0940]))
    """
    return torch.tensor(COCO_WHOLEBODY_SIGMAS)[
        slice(None) if part is None else WHOLEBODY_PARTS[part]
    ]
