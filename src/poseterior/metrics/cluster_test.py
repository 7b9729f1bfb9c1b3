"""Tests of means whose poses come in groups, such as clips, that are independent of each other.

A mean is a ratio of sums over groups; how much it would change if a group had been another one
(its influence) tells its standard error, whatever the dependence inside the groups (Liang and
Zeger, 1986). Any smooth function of such means has an influence too, the chain rule's.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.stats import t as student
from torch import Tensor

__all__ = ["GroupedMean", "effective_groups", "holm"]


def effective_groups(counts: Tensor) -> Tensor:
    """(sum n)² / sum n² over the first axis of (G, ...): G where all have as many poses.

    >>> effective_groups(torch.tensor([10.0, 10.0])), effective_groups(torch.tensor([98.0, 1.0]))
    (tensor(2.), tensor(1.0204))
    """
    return counts.sum(0).square() / counts.square().sum(0).clamp(min=1e-12)


@dataclass(frozen=True, eq=False)
class GroupedMean:
    """Estimates (...), the influence (G, ...) of each group on them, and degrees of freedom (...).

    The t distribution has one degree less than the effective number of groups: a few long clips
    count as few.

    >>> sums, counts = torch.tensor([1.0, 3.0, 2.0]), torch.ones(3)
    >>> mean = GroupedMean.of(sums, counts)
    >>> mean.estimate.item(), round(mean.error.item(), 4), mean.freedom.item()
    (2.0, 0.5774, 2.0)
    """

    estimate: Tensor
    influence: Tensor
    freedom: Tensor

    @staticmethod
    def of(sums: Tensor, counts: Tensor) -> GroupedMean:
        """Means of values with sums (G, ...) over counts (G, ...) of poses."""
        counts = counts.double().expand(sums.shape)
        total = counts.sum(0)
        estimate = sums.sum(0) / total
        influence = (sums - counts * estimate) / total
        return GroupedMean(estimate, influence, effective_groups(counts) - 1)

    def change(self, estimate: Tensor, influence: Tensor) -> GroupedMean:
        """Another estimate from the same groups, with its own influence."""
        freedom = self.freedom
        if freedom.shape != estimate.shape:
            # The fewest of those that any group has: the others are left out of the estimate.
            known = freedom[freedom > -1]
            least = known.min() if len(known) else freedom.new_tensor(-1.0)
            freedom = least.expand(estimate.shape)
        return GroupedMean(estimate, influence, freedom)

    def average(self, dim: int) -> GroupedMean:
        """The mean over an axis of the estimates, negative, NaN left out."""
        known = ~self.estimate.isnan()
        share = known / known.sum(dim, keepdim=True)
        estimate = (self.estimate.nan_to_num(0.0) * share).sum(dim)
        return self.change(estimate, (self.influence.nan_to_num(0.0) * share).sum(dim))

    @property
    def error(self) -> Tensor:
        """Standard error (...); infinite with fewer than two groups."""
        groups = len(self.influence)
        if groups < 2:
            return torch.full_like(self.estimate, torch.inf)
        return (self.influence.square().sum(0) * groups / (groups - 1)).sqrt()

    def statistic(self, null: float | Tensor = 0.0) -> Tensor:
        """Student's t (...) of the estimates against `null`; 0 where nothing varies."""
        return ((self.estimate - null) / self.error).nan_to_num(0.0)

    def p_value(self, null: float | Tensor = 0.0) -> Tensor:
        """Two-sided; 1 where there are too few groups to tell."""
        tail = 2 * student.sf(self.statistic(null).abs().numpy(), self._freedom())
        return torch.as_tensor(tail).nan_to_num(1.0)

    def interval(self, confidence: float = 0.95) -> tuple[Tensor, Tensor]:
        """Ends (...) of the two-sided interval; infinite with too few groups."""
        reach = torch.as_tensor(student.ppf((1 + confidence) / 2, self._freedom())) * self.error
        reach = reach.nan_to_num(torch.inf)
        return self.estimate - reach, self.estimate + reach

    def _freedom(self) -> object:
        """Below one the t distribution has hardly any power left; NaN where there is none."""
        return self.freedom.where(self.freedom > 0, torch.nan).numpy()


def holm(p_values: Tensor) -> Tensor:
    """P-values (N,) corrected for N tests, at whatever dependence (Holm, 1979).

    >>> holm(torch.tensor([0.01, 0.04, 0.03]))
    tensor([0.0300, 0.0600, 0.0600])
    """
    order = p_values.argsort()
    factors = torch.arange(len(p_values), 0, -1, dtype=p_values.dtype)
    corrected = (p_values[order] * factors).cummax(0).values.clamp(max=1.0)
    return torch.empty_like(corrected).scatter(0, order, corrected)
