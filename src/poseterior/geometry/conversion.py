"""Conversions between skeletons that say which joints are exact, approximated or missing.

*Exact* means that both skeletons name the same point of the body. Annotators and models still
differ by a few centimetres, most at the hips and the top of the head. *Approximated* joints
are fixed weighted sums of the source's; `how` says which (`conversion_rules.py`). *Missing*
ones cannot be had.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.geometry.conversion_rules import RULES, points_of
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
    """

    source: Skeleton
    target: Skeleton
    weights: Tensor
    quality: tuple[Quality, ...]
    how: tuple[str, ...]

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
    weights = torch.zeros(len(target), len(source), dtype=torch.float64)
    qualities: list[Quality] = []
    hows: list[str] = []
    for joint, point in enumerate(points_of(target)):
        row, quality, how = _row(point, at, source)
        for index, weight in row.items():
            weights[joint, index] = weight
        qualities.append(quality)
        hows.append(how)
    return Conversion(source, target, weights, tuple(qualities), tuple(hows))


def _row(point: str, at: dict[str, int], source: Skeleton) -> tuple[dict[int, float], Quality, str]:
    """Weights of the source's joints, quality and words for one target point."""
    if point in at:
        return {at[point]: 1.0}, "exact", source.joints[at[point]]
    found = _approximated(point, at)
    if found is None:
        return {}, "missing", f"{source.name} has nothing to tell it from"
    row, how = found
    terms = (f"{weight:.3g} {source.joints[index]}" for index, weight in row.items())
    return row, "approximated", f"{how}: {' + '.join(terms)}"


def _approximated(point: str, at: dict[str, int]) -> tuple[dict[int, float], str] | None:
    """Weights and words by the first rule whose parts can be had.

    A part may itself be approximated, unless it is all of the rule.
    """
    for rule in RULES.get(point, ()):
        row: dict[int, float] = {}
        for part, share in rule.parts:
            direct = {at[part]: 1.0} if part in at else None
            nested = None if direct or len(rule.parts) == 1 else _approximated(part, at)
            found = direct or (nested[0] if nested else None)
            if found is None:
                break
            for index, weight in found.items():
                row[index] = row.get(index, 0.0) + share * weight
        else:
            return row, rule.how
    return None
