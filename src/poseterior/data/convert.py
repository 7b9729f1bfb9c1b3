"""Keypoints of one skeleton as keypoints of another, with what the conversion is off by."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from poseterior.geometry.conversion import Conversion, conversion
from poseterior.geometry.skeleton import Skeleton
from poseterior.keypoints import Keypoints

__all__ = ["convert_keypoints", "torso_length"]

# The torso's length over that of what else tells a person's size, in the CMU motion capture.
_TORSO_OVER_SHOULDERS = 1.3
_TORSO_OVER_BOX = 0.27


def convert_keypoints(keypoints: Keypoints, target: Skeleton | str) -> Keypoints:
    """The same observation with the joints of another skeleton.

    A joint t that is a sum of w_ts x_s of the source's has covariance

        sum_s w_ts² C_s + (sigma_t L)² I,

    the first term as of independent detection errors, the second what the approximation is
    off by: `Conversion.sigma` times the torso's length L in px (`torso_length`). That joints
    had from the same others err together is not told, for `Keypoints` cannot. A joint is
    valid where all that it needs is, visible where all are, and as confident as the least
    confident. Missing joints are not valid, with zeros elsewhere.

    Raises:
        InputError: for an unknown skeleton.
    """
    change = conversion(keypoints.skeleton, target)
    valid = change.known(keypoints.valid)
    weights = change.weights.to(keypoints.pixels)
    pixels = weights @ torch.where(keypoints.valid[..., None], keypoints.pixels, 0.0)
    known = torch.where(keypoints.valid[..., None, None], keypoints.covariance, 0.0)
    covariance = torch.einsum("ts,...sab->...tab", weights.square(), known) + _own(
        change, torso_length(keypoints)
    )
    return replace(
        keypoints,
        pixels=torch.where(valid[..., None], pixels, 0.0),
        covariance=torch.where(valid[..., None, None], covariance, 0.0),
        valid=valid,
        skeleton=change.target,
        confidence=_least(keypoints.confidence, change, valid),
        visible=_least(keypoints.visible, change, valid),
        doubtful=_any(keypoints.doubtful, change, valid),
    )


def _own(change: Conversion, length: Tensor) -> Tensor:
    """Covariances (..., J_target, 2, 2) px² of the approximations' own errors."""
    sigma = change.sigma.to(length) * length[..., None]
    return sigma.square()[..., None, None] * torch.eye(2).to(length)


def torso_length(keypoints: Keypoints) -> Tensor:
    """Length (...,) in px that an upright torso of the person would have where they stand.

    The greatest of those of three lengths whose joints are valid, which a turned or bent body
    only makes shorter: from the middle of the shoulders to that of the hips; 1.3 times the
    distance of the shoulders; 0.27 times the longer side of the keypoints' box. Zero where no
    joint is valid.
    """
    left, right = (_ends(keypoints, side) for side in ("left", "right"))
    middle = (left + right) / 2
    lengths = [
        (middle[..., 0, :] - middle[..., 1, :]).norm(dim=-1),
        _TORSO_OVER_SHOULDERS * (left - right)[..., 0, :].norm(dim=-1),
        _TORSO_OVER_BOX * _longer_side(keypoints.pixels, keypoints.valid),
    ]
    return torch.stack(lengths).nan_to_num(0.0).amax(0)


def _ends(keypoints: Keypoints, side: str) -> Tensor:
    """Shoulder and hip of a side, (..., 2, 2) px; NaN where not valid or not in the skeleton."""
    pixels = torch.where(keypoints.valid[..., None], keypoints.pixels, torch.nan)
    joints = keypoints.skeleton.joints
    absent = torch.full_like(pixels[..., 0, :], torch.nan)
    found = [
        pixels[..., joints.index(name), :] if name in joints else absent
        for name in (f"{side}_shoulder", f"{side}_hip")
    ]
    return torch.stack(found, dim=-2)


def _longer_side(pixels: Tensor, valid: Tensor) -> Tensor:
    """Longer side (...,) of the box around the valid of (..., J, 2); zero where there is none."""
    inside = valid[..., None]
    low = torch.where(inside, pixels, torch.inf).amin(-2)
    high = torch.where(inside, pixels, -torch.inf).amax(-2)
    return torch.where(valid.any(-1), (high - low).amax(-1), 0.0)


def _least(values: Tensor | None, change: Conversion, valid: Tensor) -> Tensor | None:
    """Least value (..., J_target) of the source joints that each needs, zero where not valid."""
    if values is None:
        return None
    uses = change.uses.to(values.device)
    needed = torch.where(uses, values[..., None, :].double(), torch.inf).amin(-1)
    return torch.where(valid, needed, 0.0).to(values.dtype)


def _any(values: Tensor | None, change: Conversion, valid: Tensor) -> Tensor | None:
    """Where (..., J_target) any of the source joints that each needs is True, if it is valid."""
    if values is None:
        return None
    uses = change.uses.to(values.device)
    return valid & (uses & values[..., None, :]).any(-1)
