"""Where the target falls among the hypotheses as a whole pose, and how its joints move together.

A number of a whole pose has a rank as one of a joint has (`rank_cells`), uniform under a right
posterior if target and hypotheses enter it alike. So the centre and spread that a number needs are
those of all H + 1 poses, the target among them, and what is left is exact for any H.

- `radius`: the sum over joints and axes of the squared deviation in its own spread; its small
  ranks are the poses in the middle.
- `tarp`: distance from a reference pose, here a hypothesis drawn for the purpose, among those of
  the others: "tests of accuracy with random points" (Lemos et al. 2023).
- `density`: the posterior's own density, where it has one: the coverage of its highest-density
  regions.
- `together`: for each axis, the share of the deviations that all joints have in common; `bones`:
  the share in which a joint differs from its parent. Neither changes if all spreads are wrong by
  one factor: they tell of wrong dependence only.
- pairs: for each pair of joints and axis the product of their deviations, high where both move
  together.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from poseterior.geometry.skeleton import Skeleton
from poseterior.metrics.rank_cells import Cells, rank_cells

__all__ = ["STATISTICS", "Deviations", "density_cells", "pair_cells", "tarp_cells", "whole_cells"]

STATISTICS = ("radius", "tarp", "density", "together_x", "together_y", "together_z", "bones")
_TINY = 1e-12


@dataclass(frozen=True, eq=False)
class Deviations:
    """Deviations from the centre of all H + 1 poses, in their spread; zero where not valid.

    Attributes:
        hypotheses: (M, K, 3, H).
        target: (M, K, 3).
        weights: (M, H) or None.
    """

    hypotheses: Tensor
    target: Tensor
    weights: Tensor | None

    @staticmethod
    def of(
        columns: Tensor, target: Tensor, weights: Tensor | None, valid: Tensor | None
    ) -> Deviations:
        """From (M, K, 3, H) and (M, K, 3) metres, normalised weights, valid joints (M, K)."""
        if weights is None:
            own = torch.tensor(1 / (columns.shape[-1] + 1))
            shares = columns.new_full((1, columns.shape[-1]), own.item())
        else:
            own = 1 / (1 / weights.square().sum(-1) + 1)
            shares = (weights * (1 - own[:, None])).to(columns.dtype)
        own = own.to(columns.dtype).reshape(-1, 1, 1)
        shares = shares[:, None, :, None].expand(len(columns), columns.shape[1], -1, 1)
        centre = (columns @ shares)[..., 0] + own * target
        away, off = columns - centre[..., None], target - centre
        variance = (away.square() @ shares)[..., 0] + own * off.square()
        scale = variance.clamp(min=_TINY**2).rsqrt()
        if valid is not None:
            scale = scale * valid[..., None]
        return Deviations(away.mul_(scale[..., None]), off * scale, weights)

    def cells(self, hypotheses: Tensor, target: Tensor, generator: torch.Generator) -> Cells:
        """Cells of numbers (M, ..., H) and (M, ...) made of the deviations."""
        return rank_cells(hypotheses, target, self.weights, generator)


def whole_cells(
    deviations: Deviations, skeleton: Skeleton, generator: torch.Generator
) -> dict[str, Cells]:
    """Cells (M,) of `radius`, `together_x`, `together_y`, `together_z` and `bones`."""
    both = torch.cat([deviations.hypotheses, deviations.target[..., None]], dim=-1)
    squares = both.square().sum(1)
    common = both.sum(1).square() / squares.clamp(min=_TINY)
    total = squares.sum(1)
    child, parent = _bones(skeleton)
    differences = (both[:, child] - both[:, parent]).square_().sum((1, 2))
    numbers = {"radius": total, "bones": differences / total.clamp(min=_TINY)}
    numbers |= {f"together_{axis}": common[:, c] for c, axis in enumerate("xyz")}
    return {
        name: deviations.cells(value[..., :-1], value[..., -1], generator)
        for name, value in numbers.items()
    }


def _bones(skeleton: Skeleton) -> tuple[list[int], list[int]]:
    """Places among the free joints of a joint and of its parent, where that is free too."""
    place = {joint: k for k, joint in enumerate(skeleton.free)}
    ends = [(joint, skeleton.parents[joint]) for joint in skeleton.free]
    kept = [(place[joint], place[parent]) for joint, parent in ends if parent in place]
    return [joint for joint, _ in kept], [parent for _, parent in kept]


def pair_cells(deviations: Deviations, joint: int, generator: torch.Generator) -> Cells:
    """Cells (M, K - joint - 1, 3) of the products of a joint's deviations with later joints'."""
    some, point = deviations.hypotheses, deviations.target
    products = some[:, joint, None] * some[:, joint + 1 :]
    return deviations.cells(products, point[:, joint, None] * point[:, joint + 1 :], generator)


def tarp_cells(
    columns: Tensor,
    target: Tensor,
    weights: Tensor | None,
    valid: Tensor | None,
    generator: torch.Generator,
) -> Cells:
    """Cells (M,) of the target's distance from a hypothesis among the other hypotheses' distances.

    Args:
        columns: (M, K, 3, H) metres, H >= 2.
        target: (M, K, 3).
        weights: (M, H) normalised, or None.
        valid: (M, K), joints that count.
        generator: draws the reference, by the weights where there are.
    """
    poses, count = len(columns), columns.shape[-1]
    chances = torch.ones(poses, count) if weights is None else weights
    chosen = torch.multinomial(chances, 1, generator=generator)
    index = chosen[:, None, None].expand(-1, *columns.shape[1:3], 1)
    reference = columns.gather(-1, index)
    off, away = target - reference[..., 0], columns - reference
    if valid is not None:
        off, away = off * valid[..., None], away * valid[..., None, None]
    # The reference itself is no draw any more: its distance of zero is put beyond all others
    # and its place among the H taken away.
    distances = away.square_().sum((1, 2)).scatter_(1, chosen, torch.inf)
    squared = off.square().sum((1, 2))
    if weights is not None:
        rest = weights.scatter(1, chosen, 0.0)
        return rank_cells(distances, squared, rest / rest.sum(1, keepdim=True), generator)
    low, high = rank_cells(distances, squared, None, generator)
    return low * (count + 1) / count, high * (count + 1) / count


def density_cells(
    log_prob: Tensor, target_log_prob: Tensor, weights: Tensor | None, generator: torch.Generator
) -> Cells:
    """Cells (M,) of the share of hypotheses (M, H) that are denser than the target (M,).

    The smallest highest-density region that holds the target has that level.
    """
    return rank_cells(-log_prob, -target_log_prob, weights, generator)
