"""How people differ in Anny: phenotypes by standard-normal scores, and what they make of shapes.

    phenotype = low + (high - low) Phi(beta)

with Phi the standard normal distribution function, so that scores drawn from N(0, 1) are
people spread evenly over `RANGES`. Anny (Brégier et al., ECCV 2026) interpolates linearly
between anchors of each phenotype, and multiplies: a shape is then an average of the shapes at
the corners of a grid, one corner for each choice of an anchor for every phenotype.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["PHENOTYPES", "RANGES", "PhenotypeShapes", "corners"]


class Range(NamedTuple):
    """Lowest and highest value of a phenotype."""

    low: float
    high: float


# Adults. Of Anny's [0, 1] the ends are caricatures (a height of 0 is 1.3 m, of 1 is 2.4 m).
# The gender goes from male to female. The age is 16 to about 90 years by Anny's own calibration.
RANGES: dict[str, Range] = {
    "gender": Range(0.0, 1.0),
    "age": Range(2 / 3, 0.93),
    "muscle": Range(0.1, 0.8),
    "weight": Range(0.4, 1.0),
    "height": Range(0.23, 0.53),
    "proportions": Range(0.0, 1.0),
}
PHENOTYPES = tuple(RANGES)
# Where Anny's interpolation has a kink, other than at 0 and 1.
_KINKS: dict[str, tuple[float, ...]] = {
    "age": (0.0, 1 / 3, 2 / 3), "muscle": (0.5,), "weight": (0.5,)
}  # fmt: skip


def _anchors(name: str) -> list[float]:
    low, high = RANGES[name]
    return [low, *(kink for kink in _KINKS.get(name, ()) if low < kink < high), high]


def corners() -> Tensor:
    """(N, 6) phenotypes of every corner of the grid, float64, the last changing fastest."""
    return torch.tensor(
        list(itertools.product(*map(_anchors, PHENOTYPES))), dtype=torch.float64
    )  # fmt: skip


class PhenotypeShapes(nn.Module):
    """Scores (B, 6), one for each of `PHENOTYPES` -> coefficients (B, C) of blend shapes.

    Args:
        table: (N, C) coefficients at the corners, as `corners` has them.
    """

    table: Tensor
    low: Tensor
    span: Tensor

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        low, high = table.new_tensor([RANGES[name] for name in PHENOTYPES]).T
        self.register_buffer("table", table, persistent=False)
        self.register_buffer("low", low.clone(), persistent=False)
        self.register_buffer("span", high - low, persistent=False)
        for name in PHENOTYPES:
            self.register_buffer(f"at_{name}", table.new_tensor(_anchors(name)), persistent=False)

    def phenotypes(self, betas: Tensor) -> Tensor:
        """(B, 6) values of Anny's own scale."""
        return self.low + self.span * torch.special.ndtr(betas)

    def corner_weights(self, betas: Tensor) -> Tensor:
        """(B, N) weights of the corners, none negative, that sum to 1."""
        weights = torch.ones_like(betas[:, :1])
        for name, value in zip(PHENOTYPES, self.phenotypes(betas).unbind(1), strict=True):
            parts = _interpolation(value, getattr(self, f"at_{name}"))
            weights = (weights[:, :, None] * parts[:, None]).flatten(1)
        return weights

    def forward(self, betas: Tensor) -> Tensor:
        """(B, C)."""
        return self.corner_weights(betas) @ self.table


def _interpolation(value: Tensor, anchors: Tensor) -> Tensor:
    """(B, n) weights of ascending anchors (n,) that give `value` (B,); one-sided at an anchor."""
    value = value[:, None]
    start = (value > anchors[1:-1]).sum(1, keepdim=True)  # the piece it lies in
    low, high = anchors[start], anchors[start + 1]
    along = (value - low) / (high - low)
    index = torch.arange(len(anchors), device=value.device)
    return (index == start) * (1 - along) + (index == start + 1) * along
