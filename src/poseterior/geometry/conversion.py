"""Conversions between skeletons that say which joints are exact, approximated or missing.

*Exact* means that both skeletons name the same point of the body. Annotators and models still
differ by a few centimetres, most at the hips. *Approximated* joints are fixed weighted sums of
the source's; `how` says which and `sigma` how far off they are (`conversion_rules.py`).
*Missing* ones cannot be had.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.geometry.conversion_rules import RULES, Rule, points_of
from poseterior.geometry.skeleton import Skeleton, get_skeleton

__all__ = ["Conversion", "Quality", "conversion"]

Quality = Literal["exact", "approximated", "missing"]


@dataclass(frozen=True, eq=False)
class Conversion:
    """Joints of `target` as weighted sums of those of `source`.

    Attributes:
        source: skeleton of the positions given.
        target: skeleton of the positions wanted.
        weights: (J_target, J_source) float64; a row sums to one, or is zero where missing.
        quality: of each target joint, "exact", "approximated" or "missing".
        how: of each target joint, in words.
        sigma: (J_target,) float64, standard deviation of the approximation's own error along
            an axis of the image, over the torso's length; zero where exact or missing.
    """

    source: Skeleton
    target: Skeleton
    weights: Tensor
    quality: tuple[Quality, ...]
    how: tuple[str, ...]
    sigma: Tensor

    def named(self, quality: Quality) -> tuple[str, ...]:
        """Target joints of that quality."""
        joints = zip(self.target.joints, self.quality, strict=True)
        return tuple(joint for joint, found in joints if found == quality)

    @property
    def uses(self) -> Tensor:
        """(J_target, J_source) bool, which source joints each target joint needs."""
        return self.weights != 0

    def known(self, valid: Tensor) -> Tensor:
        """(..., J_target) bool: the joints that can be had from `valid` (..., J_source)."""
        lacking = (self.uses.to(valid.device) & ~valid[..., None, :]).any(-1)
        missing = torch.tensor([q == "missing" for q in self.quality], device=valid.device)
        return ~(lacking | missing)

    def apply(self, positions: Tensor) -> Tensor:
        """Positions (..., J_target, D) from (..., J_source, D), D usually 2 or 3.

        A missing joint, or one that needs a source joint with NaN, is NaN: no place in the
        image or the room says "missing".
        """
        shape = tuple(positions.shape)
        require(
            len(shape) >= 2 and shape[-2] == len(self.source) and positions.is_floating_point(),
            "conversion", "positions",
            expected=f"floating (..., {len(self.source)}, D) for {self.source.name}",
            found=f"{shape} {positions.dtype}",
        )  # fmt: skip
        known = self.known(positions.isfinite().all(-1))
        summed = self.weights.to(positions) @ positions.nan_to_num(0.0, 0.0, 0.0)
        return torch.where(known[..., None], summed, torch.nan)


def conversion(source: Skeleton | str, target: Skeleton | str) -> Conversion:
    """The conversion between two skeletons, or names of skeletons.

    Raises:
        InputError: for an unknown name.

    >>> change = conversion("coco_17", "h36m_17")
    >>> change.named("missing")
    ('head_top',)
    >>> change.how[0]
    'midpoint of the hips: 0.5 left_hip + 0.5 right_hip'
    """
    source = get_skeleton(source) if isinstance(source, str) else source
    target = get_skeleton(target) if isinstance(target, str) else target
    at = {point: j for j, point in enumerate(points_of(source))}
    found = [_find(point, at, source) for point in points_of(target)]
    weights = torch.zeros(len(target), len(source), dtype=torch.float64)
    for joint, each in enumerate(found):
        for index, weight in each.row.items():
            weights[joint, index] = weight
    sigma = torch.tensor([each.variance for each in found], dtype=torch.float64).sqrt()
    quality, how = tuple(each.quality for each in found), tuple(each.how for each in found)
    return Conversion(source, target, weights, quality, how, sigma)


@dataclass(frozen=True)
class _Found:
    """Weights of the source's joints, and the variance of the approximation itself."""

    quality: Quality
    how: str
    row: dict[int, float]
    variance: float = 0.0


def _find(point: str, at: dict[str, int], source: Skeleton) -> _Found:
    """How a point is had from the source's."""
    if point in at:
        return _Found("exact", source.joints[at[point]], {at[point]: 1.0})
    found = _approximated(point, at)
    if found is None:
        return _Found("missing", f"{source.name} has nothing to tell it from", {})
    terms = (f"{weight:.3g} {source.joints[index]}" for index, weight in found.row.items())
    return replace(found, how=f"{found.how}: {' + '.join(terms)}")


def _approximated(point: str, at: dict[str, int]) -> _Found | None:
    """A point by the first of its rules whose parts can be had."""
    candidates = (_by(rule, at) for rule in RULES.get(point, ()))
    return next((found for found in candidates if found is not None), None)


def _by(rule: Rule, at: dict[str, int]) -> _Found | None:
    """A point by one rule. A part may itself be approximated, unless it is all of the rule."""
    row: dict[int, float] = {}
    variance = rule.sigma**2
    for part, share in rule.parts:
        found = _Found("exact", part, {at[part]: 1.0}) if part in at else None
        if found is None and len(rule.parts) > 1:
            found = _approximated(part, at)
        if found is None:
            return None
        variance += share**2 * found.variance
        for index, weight in found.row.items():
            row[index] = row.get(index, 0.0) + share * weight
    return _Found("approximated", rule.how, row, variance)
