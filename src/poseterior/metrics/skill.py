"""Skill: does the posterior use its input at all, or only know what poses people take?

A predictor that answers every image with the distribution of all poses is perfectly calibrated.
What gives it away is a score set against that distribution's own: the energy score of the
marginal, whose hypotheses are the targets of other clips. Skill is 1 - score / score of the
marginal: 1 perfect, 0 no better than to ignore the input, negative worse (Murphy 1988).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from poseterior.geometry.skeleton import Skeleton
from poseterior.geometry.units import mm
from poseterior.metrics.bootstrap import GroupSums, interval
from poseterior.metrics.joint_table import AXES, number
from poseterior.metrics.scores import crps, energy_score, joint_variance
from poseterior.metrics.weighted import hypotheses_last
from poseterior.seeding import generator_from

__all__ = ["PosteriorSkill", "Reservoir"]

# What is scored, of the posterior and of the marginal: metres, but for the variance.
_SCORES = ("energy", "variance", *AXES)


class Reservoir:
    """A uniform random sample, of at most `size` rows, of a stream of rows and their groups.

    Each row has a random key, and those of the smallest keys are kept.

    >>> kept = Reservoir(3, seed=0)
    >>> kept.add(torch.arange(100.0)[:, None], torch.zeros(100, dtype=torch.long))
    >>> kept.rows.shape
    torch.Size([3, 1])
    """

    def __init__(self, size: int, seed: int) -> None:
        self._size, self._generator = size, generator_from(seed)
        self.clear()

    def clear(self) -> None:
        """Forget all rows."""
        self.rows, self.group = torch.zeros(0), torch.zeros(0, dtype=torch.long)
        self._keys = torch.zeros(0, dtype=torch.float64)

    def add(self, rows: Tensor, group: Tensor) -> None:
        """Offer rows (N, ...) of groups (N,)."""
        drawn = torch.rand(len(rows), generator=self._generator, dtype=torch.float64)
        keys = torch.cat([self._keys, drawn])
        kept = keys.argsort()[: self._size]
        rows = rows.detach().cpu()
        self.rows = torch.cat([self.rows, rows] if len(self.rows) else [rows])[kept]
        self.group, self._keys = torch.cat([self.group, group])[kept], keys[kept]


class PosteriorSkill:
    """Streams poses into the skill of energy score, sharpness and CRPS over the marginal.

    The marginal's score is half the mean distance between targets of different groups: those
    of one clip resemble each other, and would make the marginal look better than it is at a
    new clip. With one group it is between its rows. Targets are taken from a random sample, so
    that memory is flat.

    A pose counts if it has all free joints that any pose has, since the energy of a part of
    the body compares with nothing: where a joint comes in that was never valid before, the
    count starts anew.

    Args:
        skeleton: of the poses; the root is left out.
        seed: of the sample.
        targets: of the sample.

    >>> from poseterior.geometry.skeleton import H36M_17
    >>> generator = torch.Generator().manual_seed(0)
    >>> truth = 0.3 * torch.randn(300, 1, 17, 3, generator=generator)
    >>> draw = truth + 0.1 * torch.randn(300, 51, 17, 3, generator=generator)
    >>> skill = PosteriorSkill(H36M_17)
    >>> skill.update(draw[:, 1:], draw[:, 0], group=torch.arange(300) // 10)
    >>> round(skill.compute(torch.ones(1, 30, dtype=torch.float64))["value"], 1)  # 1 - sqrt(0.1)
    0.7
    """

    def __init__(self, skeleton: Skeleton, *, seed: int = 0, targets: int = 2000) -> None:
        self._free = list(skeleton.free)
        self._targets = Reservoir(targets, seed)
        self._joints = torch.zeros(len(self._free), dtype=torch.bool)
        self._sums = self._no_sums()

    @staticmethod
    def _no_sums() -> GroupSums:
        return GroupSums(1 + len(_SCORES))

    @torch.no_grad()
    def update(
        self,
        hypotheses: Tensor,
        target: Tensor,
        *,
        weights: Tensor | None = None,
        valid_joints: Tensor | None = None,
        group: Tensor,
        energy: Tensor | None = None,
    ) -> None:
        """Add poses, checked and masked as the pieces of a `Chunk` are.

        Args:
            hypotheses: (M, H, J, 3) metres, the root included.
            target: (M, J, 3) metres.
            weights: (M, H).
            valid_joints: (M, J) bool.
            group: (M,) int64, of clips.
            energy: (M,) metres, `energy_score` of these poses' free joints where it is known.
        """
        if valid_joints is None:
            valid = target.new_ones(len(target), len(self._free), dtype=torch.bool)
        else:
            valid = valid_joints[:, self._free]
        valid = valid.cpu()
        self._expect(valid.any(0))
        whole = (valid == self._joints).all(-1)
        if not bool(whole.any()):
            return
        chosen = (None if value is None else value[whole] for value in (weights, energy))
        joints = [joint for joint, kept in zip(self._free, self._joints, strict=True) if kept]
        free = hypotheses_last(hypotheses[whole], joints)
        truth, group = target[whole][:, joints], group[whole]
        self._sums.add(group, _scores(free, truth, *chosen))
        self._targets.add(truth, group)

    def _expect(self, joints: Tensor) -> None:
        """Start anew if there are joints (K,) that no pose had so far."""
        if bool((joints & ~self._joints).any()):
            self._joints = self._joints | joints
            self._sums = self._no_sums()
            self._targets.clear()

    def compute(self, draws: Tensor) -> dict[str, Any] | None:
        """The result's `skill`; None below two poses, without two hypotheses, or without spread.

        `value` is the skill of the energy score over whole poses with its 95 % `interval` by
        clip; `energy_mm` and `marginal_energy_mm` what it is made of; `sharpness_mm` and
        `marginal_sharpness_mm` the spread of a joint beside that of the marginal (a posterior
        as wide as that does not use its input); `crps` the skill of CRPS along x, y and z;
        `poses` scored, and `targets` that stand for the marginal.

        Args:
            draws: (R, G) from `bootstrap.resamples`.
        """
        sums = self._sums.sums
        total = sums.sum(0)
        if total[0] < 2 or not bool(total.isfinite().all()):
            return None
        marginal = _Marginal(self._targets.rows, self._targets.group, len(sums))
        posterior, other = total[1:] / total[0], marginal.scores
        if not other[0] > 0:
            return None
        draws = draws[:, : len(sums)]
        resampled = draws @ sums[:, :2]
        replicates = 1 - resampled[:, 1] / resampled[:, 0] / marginal.energy(draws)
        skill = 1 - posterior / other
        value = skill[0].item()
        return {
            "value": value,
            "interval": interval(replicates, value, least=-math.inf),
            "energy_mm": number(mm(posterior[0])),
            "marginal_energy_mm": number(mm(other[0])),
            "sharpness_mm": number(mm(posterior[1].sqrt())),
            "marginal_sharpness_mm": number(mm(other[1].sqrt())),
            "crps": dict(zip(AXES, map(number, skill[2:]), strict=True)),
            "poses": int(total[0]),
            "targets": len(self._targets.rows),
        }


def _scores(free: Tensor, target: Tensor, weights: Tensor | None, energy: Tensor | None) -> Tensor:
    """One, and the posterior's `_SCORES`, (M, 6); variance and CRPS are means over joints."""
    if energy is None:
        energy = energy_score(free, target, weights=weights)
    variance = joint_variance(free, weights).mean(-1)
    by_axis = crps(free, target, weights=weights).mean(1)
    ones = torch.ones_like(variance)
    return torch.cat([torch.stack([ones, energy, variance], dim=-1), by_axis], dim=-1)


class _Marginal:
    """Scores of the marginal, from targets (N, K, 3) of groups (N,) below `groups`.

    The mean over a target y of E|Y - y| - E|Y - Y'| / 2, with Y and Y' of other groups, is half
    of the mean distance between targets of different groups; so for each score its own distance.
    """

    def __init__(self, targets: Tensor, group: Tensor, groups: int) -> None:
        joints = targets.shape[1]
        points = targets.flatten(1)
        # Not by a matrix product, whose rounding makes near points far.
        distance = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
        by_axis = (torch.cdist(x, x, p=1) / joints for x in targets.unbind(-1))
        self._one = bool((group == group[0]).all())
        counts = torch.bincount(group, minlength=groups).double()
        self._pairs = self._different(torch.outer(counts, counts), counts)
        tables = [
            self._different(_between(values, group, groups), torch.zeros_like(counts))
            for values in (distance, distance.square() / joints, *by_axis)
        ]
        self._energy = tables[0]
        self.scores = torch.stack([table.sum() for table in tables]) / self._pairs.sum() / 2

    def _different(self, table: Tensor, same: Tensor) -> Tensor:
        """Sums over pairs of groups (G, G) without those of one group, or of a row with itself."""
        table = table.clone()
        table.diagonal().sub_(same) if self._one else table.fill_diagonal_(0.0)
        return table

    def energy(self, draws: Tensor) -> Tensor:
        """The energy score with the groups drawn as often as `draws` (R, G) says, (R,)."""
        sums = ((draws @ table * draws).sum(-1) for table in (self._energy, self._pairs))
        total, pairs = sums
        return total / pairs / 2


def _between(values: Tensor, group: Tensor, groups: int) -> Tensor:
    """Sums of values (N, N) by the groups of row and column, (G, G), float64."""
    rows = torch.zeros(groups, len(values), dtype=torch.float64)
    rows.index_add_(0, group, values.double())
    return torch.zeros(groups, groups, dtype=torch.float64).index_add_(1, group, rows)
