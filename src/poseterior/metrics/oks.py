"""Object keypoint similarity: how alike two people's 2D keypoints are, by COCO's definition."""

from __future__ import annotations

from types import MappingProxyType

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.geometry.skeleton import Skeleton

__all__ = ["COCO_SIGMAS", "oks", "oks_sigmas"]

# What annotators differ by, over the root of the person's area: cocodataset.org, "Keypoint
# Evaluation"; left and right are alike.
_BY_PART = {
    "nose": 0.026, "eye": 0.025, "ear": 0.035, "shoulder": 0.079, "elbow": 0.072,
    "wrist": 0.062, "hip": 0.107, "knee": 0.087, "ankle": 0.089,
}  # fmt: skip
COCO_SIGMAS = MappingProxyType(
    {
        name: sigma
        for part, sigma in _BY_PART.items()
        for name in ((part,) if part == "nose" else (f"left_{part}", f"right_{part}"))
    }
)


def oks_sigmas(skeleton: Skeleton) -> Tensor:
    """COCO's sigmas (J,) of a skeleton's joints; infinite, so never counted, for the others."""
    return torch.tensor([COCO_SIGMAS.get(joint, torch.inf) for joint in skeleton.joints])


def oks(
    prediction: Tensor, target: Tensor, area: Tensor, sigmas: Tensor, counted: Tensor | None = None
) -> Tensor:
    """Object keypoint similarity (...,), 1 where the keypoints are the same.

        OKS = mean over the counted joints j of exp(-d_j² / (2 a (2 sigma_j)²))

    with d_j the distance in px and a the person's area. Lin et al., ECCV 2014, and the COCO
    keypoint evaluation.

    Args:
        prediction: (..., J, 2) px.
        target: (..., J, 2) px.
        area: (...,) px², of the target.
        sigmas: (J,), see `oks_sigmas`; joints whose sigma is infinite are not counted.
        counted: (..., J) bool, the joints that both have, or None for all. 0 where none is.

    Raises:
        InputError: an area or a sigma that is not positive.

    >>> person = torch.zeros(17, 2)
    >>> from poseterior.geometry.skeleton import COCO_17
    >>> oks(person + 5, person, torch.tensor(100.0**2), oks_sigmas(COCO_17))
    tensor(0.7764)
    """
    for name, value in (("area", area), ("sigmas", sigmas)):
        require(bool((value > 0).all()), "oks", name, expected="positive numbers", found=value)
    used = sigmas.isfinite()
    used = used.expand(prediction.shape[:-1]) if counted is None else counted & used
    apart = (prediction - target).square().sum(-1)
    scale = 8 * area[..., None] * torch.where(sigmas.isfinite(), sigmas, 1.0).square()
    alike = torch.where(used, (-apart / scale).exp(), 0.0)
    return alike.sum(-1) / used.sum(-1).clamp_min(1)
