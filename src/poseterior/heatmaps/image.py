"""From the pixels of a heatmap to those of the image that its crop was cut from."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.heatmaps.gaussian_fit import GaussianFit

__all__ = ["box_affine", "to_image"]


def box_affine(box: Tensor, height: int, width: int) -> Tensor:
    """Affine maps (..., 2, 3) from px of heatmaps of height x width to px of the image.

    The map covers the box edge to edge: its first pixel is centred half a heatmap pixel inside.

        x = x1 - 1/2 + (u + 1/2) (x2 - x1) / width

    Args:
        box: (..., 4) edges x1, y1, x2, y2 in px of the image, where pixel i reaches from i to
            i + 1: 0, 0, W, H is the whole image. It may reach beyond.
        height: rows of the heatmap.
        width: its columns.

    Raises:
        InputError: a box is not finite, or has x2 <= x1 or y2 <= y1.

    >>> box_affine(torch.tensor([0.0, 0.0, 192.0, 256.0]), 64, 48)
    tensor([[4.0000, 0.0000, 1.5000],
            [0.0000, 4.0000, 1.5000]])
    """
    first, last = box[..., :2], box[..., 2:]
    right = bool(((first < last) & box.isfinite().all(-1, keepdim=True)).all())
    expected = "finite x1 < x2, y1 < y2"
    require(right, "box_affine", "box", expected=expected, found=box.tolist())
    scale = (last - first) / torch.tensor([width, height]).to(box)
    shift = first - 0.5 + scale / 2
    return torch.cat([torch.diag_embed(scale), shift[..., None]], -1)


def to_image(fit: GaussianFit, affine: Tensor) -> GaussianFit:
    """The fits in px of the original image: A mean + t, A covariance Aᵀ.

    Args:
        fit: in heatmap px, (...) of them.
        affine: (A | t), (..., 2, 3) that broadcasts against the fits: of crops (B,) and their
            joints (B, J) give (B, 1, 2, 3). Any rotation or shear is kept.

    Raises:
        InputError: the affine maps have another shape.
    """
    shape = tuple(affine.shape)
    right = shape[-2:] == (2, 3)
    require(right, "to_image", "affine", expected="shape (..., 2, 3)", found=shape)
    affine = affine.to(fit.mean)
    linear, shift = affine[..., :2], affine[..., 2]

    def moved(points: Tensor) -> Tensor:
        return (linear @ points[..., None])[..., 0] + shift

    return replace(
        fit,
        mean=moved(fit.mean),
        covariance=linear @ fit.covariance @ linear.mT,
        second_mean=moved(fit.second_mean),
    )
