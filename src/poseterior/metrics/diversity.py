"""What hypotheses differ in, and whether each of them could be a person."""

from __future__ import annotations

import torch
from torch import Tensor

from poseterior.geometry.kinematics import bone_lengths
from poseterior.geometry.skeleton import Skeleton

__all__ = ["asymmetry", "bone_length_spread", "image_covariance", "sigma_agreement", "spread"]


def spread(hypotheses: Tensor) -> Tensor:
    """Standard deviation over hypotheses (H, ..., J, 3) by joint and axis, (..., J, 3) metres.

    Paper 001, Section 4.5.
    """
    return hypotheses.std(0)


def bone_length_spread(hypotheses: Tensor, skeleton: Skeleton) -> Tensor:
    """Standard deviation over hypotheses of each bone's length over its mean, (..., bones).

    One person has one length of each bone, but its size is not known from one image: small
    values are plausible, 0 is not asked for.
    """
    lengths = bone_lengths(hypotheses, skeleton)
    return lengths.std(0) / lengths.mean(0).clamp_min(1e-9)


def asymmetry(hypotheses: Tensor, skeleton: Skeleton) -> Tensor:
    """Mean absolute difference of left and right bones over their mean length, (H, ...)."""
    lengths = bone_lengths(hypotheses, skeleton)
    bones = list(skeleton.free)
    pairs = [
        (n, bones.index(skeleton.index(name.replace("left", "right", 1))))
        for n, joint in enumerate(bones)
        if "left" in (name := skeleton.joints[joint])
        and name.replace("left", "right", 1) in skeleton.joints
    ]
    if not pairs:
        return lengths.new_zeros(lengths.shape[:-1])
    left, right = (lengths[..., list(side)] for side in zip(*pairs, strict=True))
    return ((left - right).abs() / (0.5 * (left + right)).clamp_min(1e-9)).mean(-1)


def image_covariance(hypotheses: Tensor) -> Tensor:
    """Covariance over hypotheses (H, ..., J, 3) of x and y, (..., J, 2, 2) m²."""
    centred = hypotheses[..., :2] - hypotheses[..., :2].mean(0)
    return torch.einsum("h...i,h...j->...ij", centred, centred) / (len(hypotheses) - 1)


def sigma_agreement(found: Tensor, wanted: Tensor) -> tuple[float, float]:
    """Correlation of log sigmas and median ratio found / wanted, from covariances (..., 2, 2).

    sigma is the root of the mean of both variances. A right posterior may be narrower than the
    detector's uncertainty, since other joints tell of this one: the correlation says whether
    it is wider where the detector is.
    """
    sigmas = [
        (0.5 * c.diagonal(dim1=-2, dim2=-1).sum(-1)).clamp_min(1e-12).sqrt().flatten().log()
        for c in (found, wanted)
    ]
    correlation = torch.corrcoef(torch.stack(sigmas))[0, 1]
    return correlation.item(), (sigmas[0] - sigmas[1]).median().exp().item()
