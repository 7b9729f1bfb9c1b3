"""Keypoints of one skeleton as keypoints of another."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from poseterior.geometry.conversion import Conversion, conversion
from poseterior.geometry.skeleton import Skeleton
from poseterior.keypoints import Keypoints

__all__ = ["convert_keypoints"]


def convert_keypoints(keypoints: Keypoints, target: Skeleton | str) -> Keypoints:
    """The same observation with the joints of another skeleton.

    A joint that is a sum of w_s x_s of the source's has covariance sum w_s² C_s, as of
    independent errors; what the approximation itself is off by is not in it. It is valid where
    all that it needs is, visible where all are, and as confident as the least confident.
    Missing joints are not valid, with zeros elsewhere.

    Raises:
        InputError: for an unknown skeleton.
    """
    change = conversion(keypoints.skeleton, target)
    valid = change.known(keypoints.valid)
    weights = change.weights.to(keypoints.pixels)
    pixels = weights @ torch.where(keypoints.valid[..., None], keypoints.pixels, 0.0)
    known = torch.where(keypoints.valid[..., None, None], keypoints.covariance, 0.0)
    covariance = torch.einsum("ts,...sab->...tab", weights.square(), known)
    return replace(
        keypoints,
        pixels=torch.where(valid[..., None], pixels, 0.0),
        covariance=torch.where(valid[..., None, None], covariance, 0.0),
        valid=valid,
        skeleton=change.target,
        confidence=_least(keypoints.confidence, change, valid),
        visible=_least(keypoints.visible, change, valid),
    )


def _least(values: Tensor | None, change: Conversion, valid: Tensor) -> Tensor | None:
    """Least value (..., J_target) of the source joints that each needs, zero where not valid."""
    if values is None:
        return None
    uses = change.uses.to(values.device)
    needed = torch.where(uses, values[..., None, :].double(), torch.inf).amin(-1)
    return torch.where(valid, needed, 0.0).to(values.dtype)
