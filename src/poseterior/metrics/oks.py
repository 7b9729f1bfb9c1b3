"""Object keypoint similarity: how alike two people's 2D keypoints are, by COCO's definition.

Conventions of the data sets, which whoever calls has to meet:

- the area is that of the target: COCO's annotation `area` (the segment's, not the box's) in px²
  of the image in which the keypoints are; COCO-WholeBody takes the person's for every part.
  MPII has no areas: state what was taken for one.
- counted are the keypoints that the target has labelled, COCO's v > 0, visible or occluded
  (v_k in Eq. 7 of paper 003); what the prediction says of visibility is not asked.
- COCO ignores people without labelled keypoints; here they are 0, and should be left out.
"""

from __future__ import annotations

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.metrics.oks_constants import COCO_SIGMAS, MPII_SIGMAS, oks_sigmas

__all__ = [
    "COCO_SIGMAS",
    "MPII_SIGMAS",
    "counted_mean",
    "keypoint_oks",
    "oks",
    "oks_sigmas",
    "tolerance",
]


def tolerance(area: Tensor, sigmas: Tensor) -> Tensor:
    """The l² = (2 sigma_j)² a of each keypoint, (..., J) px²; paper 003, Eq. 7.

    Args:
        area: (...) px², of the target.
        sigmas: (J,), see `oks_sigmas`; the tolerance of an infinite one is infinite.

    Raises:
        InputError: an area or a sigma that is not positive.

    >>> tolerance(torch.tensor(100.0**2), torch.tensor([0.026, 0.107]))
    tensor([ 27.0400, 457.9600])
    """
    for name, value in (("area", area), ("sigmas", sigmas)):
        require(bool((value > 0).all()), "oks", name, expected="positive numbers", found=value)
    return 4 * area[..., None] * sigmas.square()


def keypoint_oks(prediction: Tensor, target: Tensor, area: Tensor, sigmas: Tensor) -> Tensor:
    """Each keypoint's similarity exp(-d_j² / (2 l_j²)), (..., J); 0 where sigma is infinite.

    Arguments and what raises as of `oks`.
    """
    scale = 2 * tolerance(area, sigmas)
    apart = (prediction - target).square().sum(-1)
    known = sigmas.isfinite()
    return torch.where(known, (-apart / torch.where(known, scale, 1.0)).exp(), 0.0)


def counted_mean(values: Tensor, counted: Tensor) -> Tensor:
    """Mean (...) of the counted of values (..., J), 0 where none is: the weights of Eq. 6 and 7.

    What is not counted may be NaN.
    """
    return torch.where(counted, values, 0.0).sum(-1) / counted.sum(-1).clamp_min(1)


def oks(
    prediction: Tensor, target: Tensor, area: Tensor, sigmas: Tensor, counted: Tensor | None = None
) -> Tensor:
    """Object keypoint similarity (...,), 1 where the keypoints are the same.

        OKS = mean over the counted joints j of exp(-d_j² / (2 a (2 sigma_j)²))

    with d_j the distance in px and a the person's area. Lin et al., ECCV 2014, and the COCO
    keypoint evaluation; paper 003, Eq. 6 and 7.

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
    used = sigmas.isfinite()
    used = used.expand(prediction.shape[:-1]) if counted is None else counted & used
    return counted_mean(keypoint_oks(prediction, target, area, sigmas), used)
