"""Gaussians by natural parameters: the log of a Gaussian is a quadratic polynomial.

    g(x, y) = exp(theta . m),   m = (1, x, y, x², xy, y²)

so g at all pixels is one product with the constant matrix of their monomials, and so are the
sums that a Gauss-Newton step needs, since dg / dtheta = g m:

    sum g² m mᵀ   moments of g² up to degree 4, 15 of them
    sum g (h - g) m   moments of g h and of g² up to degree 2
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from poseterior.heatmaps.ellipse import inverse
from poseterior.heatmaps.maps import blocks

__all__ = ["Monomials", "from_gaussian", "monomials", "peaked", "to_gaussian", "window_monomials"]

_CACHED = 2**17  # pixels
# Exponents (of x, of y), by degree: the first 6 are the parameters'.
_EXPONENTS = [(degree - k, k) for degree in range(5) for k in range(degree + 1)]
_PRODUCT = [_EXPONENTS.index((a + c, b + d)) for a, b in _EXPONENTS[:6] for c, d in _EXPONENTS[:6]]


def monomials(x: Tensor, y: Tensor) -> Tensor:
    """Those up to degree 4 (15, h w) on the grid of columns x (w,) and rows y (h,)."""
    return torch.stack([x**a * y[:, None] ** b for a, b in _EXPONENTS]).flatten(1)


@dataclass(frozen=True)
class Monomials:
    """Monomials of the pixels of a window of h x w, about its middle, in float64.

    Attributes:
        powers: (15, h w), up to degree 4.
        centre: (2,) position (x, y) of the origin, in px from the first pixel.
        product: (36,) which of the 15 is the product of two of the first 6.
    """

    powers: Tensor
    centre: Tensor
    product: Tensor

    def moments(self, values: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Moments (N, 6) of g h and (N, 15) of g², for maps h (N, h w) and g of theta (N, 6)."""
        first = self.powers[:6]
        with_map, with_itself = [], []
        # On a CPU, what its cache holds at once.
        budget = _CACHED if values.device.type == "cpu" else max(1, values.numel())
        for rows in blocks(len(values), values.shape[1], budget):
            gaussian = (theta[rows] @ first).exp_()
            with_map.append((gaussian * values[rows]) @ first.mT)
            with_itself.append(gaussian.square_() @ self.powers.mT)
        return torch.cat(with_map), torch.cat(with_itself)

    def normal_matrix(self, moments: Tensor) -> Tensor:
        """Sums of g² m mᵀ (N, 6, 6) from the moments of g² (N, 15)."""
        return moments.index_select(1, self.product).view(-1, 6, 6)


@lru_cache(maxsize=16)
def window_monomials(height: int, width: int, device: torch.device) -> Monomials:
    """Those of a window of `height` rows and `width` columns."""
    centre = torch.tensor([(width - 1) / 2, (height - 1) / 2], dtype=torch.float64)
    x = torch.arange(width, dtype=torch.float64) - centre[0]
    y = torch.arange(height, dtype=torch.float64) - centre[1]
    product = torch.tensor(_PRODUCT, device=device)
    return Monomials(monomials(x, y).to(device), centre.to(device), product)


def from_gaussian(mean: Tensor, covariance: Tensor, amplitude: Tensor) -> Tensor:
    """Parameters (N, 6) of mean (N, 2), covariance (N, 2, 2) and positive amplitude (N,)."""
    precision = inverse(covariance)
    linear = (precision @ mean[..., None])[..., 0]
    level = amplitude.log() - (linear * mean).sum(-1) / 2
    xx, xy, yy = precision[:, 0, 0], precision[:, 0, 1], precision[:, 1, 1]
    return torch.stack([level, linear[:, 0], linear[:, 1], -xx / 2, -xy, -yy / 2], -1)


def peaked(theta: Tensor) -> Tensor:
    """Where (N,) the parameters are those of a Gaussian, falling in all directions."""
    _, _, _, xx, xy, yy = theta.unbind(-1)
    return (xx < 0) & (4 * xx * yy > xy.square())


def to_gaussian(theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (N, 2), covariance (N, 2, 2) and amplitude (N,) of parameters (N, 6)."""
    level, linear, (xx, xy, yy) = theta[:, 0], theta[:, 1:3], theta[:, 3:].unbind(-1)
    covariance = inverse(-torch.stack([2 * xx, xy, xy, 2 * yy], -1).reshape(-1, 2, 2))
    mean = (covariance @ linear[..., None])[..., 0]
    return mean, covariance, (level + (linear * mean).sum(-1) / 2).exp()
