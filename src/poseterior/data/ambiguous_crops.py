"""Observations of which a part of the body is hidden: AH36M and A3DPW (paper 004, appendix B).

Of each observation one of four things is hidden, with the paper's probabilities: arms and head
0.3, legs 0.3, head 0.3, nothing 0.1. Then the image is cropped around what is left, slightly
padded. The paper does not say which joints an arm has: here shoulders and hips belong to the
trunk, which is never hidden; an arm is elbow and wrist, a leg is knee, ankle and foot, a head
is all above the neck's base (in `h36m_17` also `nose`, the base of the head).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import torch
from torch import Tensor

from poseterior.data.keypoint_source import MemorySource
from poseterior.geometry.skeleton import Skeleton
from poseterior.keypoints import Keypoints
from poseterior.seeding import generator_from

__all__ = ["PADDING", "STRATEGIES", "ambiguous", "ambiguous_source", "cropped", "hidden_joints"]

STRATEGIES: Mapping[str, float] = MappingProxyType(
    {"arms_head": 0.3, "legs": 0.3, "head": 0.3, "nothing": 0.1}
)
# On each side, over the longer side of the box around the joints that are left.
PADDING = 0.1

_ARMS = ("elbow", "wrist", "hand")
_LEGS = ("knee", "ankle", "foot", "toe", "heel")
_HEAD = ("head", "head_top", "nose", "eye", "ear", "upper_neck")
_HIDDEN = {"arms_head": _ARMS + _HEAD, "legs": _LEGS, "head": _HEAD, "nothing": ()}


def hidden_joints(skeleton: Skeleton, strategy: str) -> tuple[str, ...]:
    """The joints of a skeleton that a strategy hides.

    >>> from poseterior.geometry.skeleton import LSP_14
    >>> hidden_joints(LSP_14, "legs")
    ('right_ankle', 'right_knee', 'left_knee', 'left_ankle')
    """
    return tuple(joint for joint in skeleton.joints if joint.endswith(_HIDDEN[strategy]))


def ambiguous(keypoints: Keypoints, generator: torch.Generator, *, share: float = 1.0) -> Keypoints:
    """The observations with a part of the body hidden and cropped to the rest.

    Args:
        keypoints: batch shape (M,).
        generator: of all draws, on the CPU.
        share: of the observations that this is done to; the others stay as they are.

    Returns:
        Observations in the pixels of their own crops, see `cropped`; joints that are hidden, or
        were not detected, are not `valid`.
    """
    count = keypoints.batch_shape.numel()
    done = torch.rand(count, generator=generator) < share
    bounds = torch.tensor([*STRATEGIES.values()]).cumsum(0)[:-1]
    drawn = torch.bucketize(torch.rand(count, generator=generator), bounds, right=True)
    joints = keypoints.skeleton.joints
    hides = torch.tensor(
        [[j in hidden_joints(keypoints.skeleton, name) for j in joints] for name in STRATEGIES]
    )
    done = done.to(keypoints.valid.device)
    hidden = hides[drawn].to(done.device) & done[:, None]
    return cropped(keypoints.without(hidden), done)


def cropped(keypoints: Keypoints, which: Tensor) -> Keypoints:
    """Observations (M,) cropped around their valid joints where `which` (M,) is True.

    A crop is made of whole pixels and may reach beyond the image, as crops padded with black do.
    `pixels`, the principal point of `intrinsics` and `image_size` become the crop's, without any
    change of scale. Where no joint is valid nothing changes. Without an `image_size` to start from
    there is one afterwards only if all are cropped.
    """
    valid = keypoints.valid[..., None]
    far = torch.finfo(keypoints.pixels.dtype).max
    low = torch.where(valid, keypoints.pixels, far).amin(1)
    high = torch.where(valid, keypoints.pixels, -far).amax(1)
    which = (which & keypoints.valid.any(1))[:, None]
    low, high = torch.where(which, low, 0.0), torch.where(which, high, 0.0)
    margin = PADDING * (high - low).amax(1, keepdim=True)
    corner, end = (low - margin).floor(), (high + margin).ceil()
    corner = torch.where(which, corner, 0.0)
    pixels = torch.where(valid, keypoints.pixels - corner[:, None], 0.0)
    size = keypoints.image_size
    if size is not None:
        size = torch.where(which, end - corner + 1, size)
    elif bool(which.all()):
        size = end - corner + 1
    intrinsics = keypoints.intrinsics
    if intrinsics is not None:
        intrinsics = intrinsics.clone()
        intrinsics[:, :2, 2] -= corner.to(intrinsics)
    return replace(keypoints, pixels=pixels, image_size=size, intrinsics=intrinsics)


def ambiguous_source(source: MemorySource, seed: int = 0) -> MemorySource:
    """A source with a part of each body hidden: of 3DPW (`open_3dpw`) this makes A3DPW's form."""
    keypoints = ambiguous(source.keypoints, generator_from(seed))
    name = f"{source.name}, parts hidden, seed {seed}"
    return MemorySource(keypoints, source.target, source.labels, name, source.notes)
