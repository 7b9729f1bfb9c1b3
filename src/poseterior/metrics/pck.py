"""PCK, the percentage of correct keypoints, and the three lengths that data sets measure it in.

A keypoint is correct within a share of a length of the person: of the head (MPII's PCKh, paper
003's Table 4), of the torso, or of the box. They differ by a factor of two to ten, so a PCK
without its length says nothing.
"""

from __future__ import annotations

from torch import Tensor

from poseterior.errors import require
from poseterior.geometry.skeleton import Skeleton

__all__ = ["box_length", "head_length", "pck_hits", "torso_length"]


def pck_hits(prediction: Tensor, target: Tensor, length: Tensor, share: float = 0.5) -> Tensor:
    """Which keypoints lie within `share` of the length from the target, (..., J) bool.

    Args:
        prediction: (..., J, 2) px.
        target: (..., J, 2) px.
        length: (...) px, of `head_length`, `torso_length` or `box_length`.
        share: such as 0.5 and 0.1 of paper 003's Table 4. A keypoint at just that share counts.

    Raises:
        InputError: a length or share that is not positive.

    >>> import torch
    >>> place = torch.tensor([[0.0, 0.0], [5.0, 0.0], [6.0, 0.0]])
    >>> pck_hits(place, torch.zeros(3, 2), torch.tensor(10.0))
    tensor([ True,  True, False])
    """
    ok = bool((length > 0).all())
    require(ok, "pck", "length", expected="positive numbers", found=length)
    require(share > 0, "pck", "share", expected="a positive number", found=share)
    return (prediction - target).norm(dim=-1) <= share * length[..., None]


def head_length(box: Tensor) -> Tensor:
    """MPII's head: 0.6 of the diagonal of the head box (..., 4) of x1, y1, x2, y2 px; (...).

    The factor is that of the data set's evaluation code, SC_BIAS.

    >>> import torch
    >>> head_length(torch.tensor([0.0, 0.0, 30.0, 40.0]))
    tensor(30.0000)
    """
    return 0.6 * (box[..., 2:] - box[..., :2]).norm(dim=-1)


def torso_length(target: Tensor, skeleton: Skeleton) -> Tensor:
    """From the left shoulder to the right hip of the target (..., J, 2) px, (...).

    Zero where they coincide: `pck_hits` refuses it. Both must be labelled.

    >>> import torch
    >>> from poseterior.geometry.skeleton import COCO_17
    >>> person = torch.zeros(17, 2)
    >>> person[COCO_17.index("right_hip")] = torch.tensor([3.0, 4.0])
    >>> torso_length(person, COCO_17)
    tensor(5.)
    """
    ends = [target[..., skeleton.index(name), :] for name in ("left_shoulder", "right_hip")]
    return (ends[0] - ends[1]).norm(dim=-1)


def box_length(box: Tensor) -> Tensor:
    """The longer side of COCO's box (..., 4) of x, y, width, height px, (...).

    >>> import torch
    >>> box_length(torch.tensor([7.0, 7.0, 30.0, 40.0]))
    tensor(40.)
    """
    return box[..., 2:].amax(-1)
