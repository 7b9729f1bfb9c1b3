"""Sums over poses of the scores of ranks, by group, for joints, axes, pairs and whole poses."""

from __future__ import annotations

import torch
from torch import Tensor

from poseterior.geometry.skeleton import Skeleton
from poseterior.metrics.bootstrap import GroupSums
from poseterior.metrics.chunk import Chunk
from poseterior.metrics.cluster_test import GroupedMean
from poseterior.metrics.rank_cells import (
    Cells,
    bin_shares,
    inside,
    normal_score,
    rank_cells,
    squared_score,
)
from poseterior.metrics.weighted import hypotheses_last, normalised, weighted_mean
from poseterior.metrics.whole_pose import (
    STATISTICS,
    Deviations,
    density_cells,
    pair_cells,
    tarp_cells,
    whole_cells,
)

__all__ = ["BINS", "LEVELS", "RankSums"]

BINS = 20
LEVELS = (0.5, 0.9)
# What is summed of each rank: its scores, its coverage at LEVELS, and its bins.
_COLUMNS = 2 + len(LEVELS) + BINS


def _columns(cells: Cells) -> Tensor:
    """Scores of cells (...), as (..., _COLUMNS)."""
    scores = [normal_score(cells), squared_score(cells), *(inside(cells, q) for q in LEVELS)]
    return torch.cat([torch.stack(scores, dim=-1), bin_shares(cells, BINS)], dim=-1)


class RankSums:
    """Streams pieces of `Chunk.pieces`; the root is left out.

    Memory is that of the groups, some 80 kB each, however many poses come.

    Args:
        skeleton: of the poses.
        seed: of the order of ties, and of the reference poses of TARP.
    """

    def __init__(self, skeleton: Skeleton, seed: int = 0) -> None:
        self.skeleton, self._free = skeleton, list(skeleton.free)
        joints = len(self._free)
        self.pairs_of = torch.triu_indices(joints, joints, offset=1)
        self._joints = GroupSums(joints, 3, _COLUMNS)
        self._counts = GroupSums(joints)
        self._offsets = GroupSums(joints, 3)
        self._pairs = GroupSums(self.pairs_of.shape[1], 4)
        self._whole = GroupSums(len(STATISTICS), _COLUMNS + 1)
        self._generator = torch.Generator().manual_seed(seed)
        self._effective = torch.zeros(2, dtype=torch.float64)

    def update(self, piece: Chunk) -> tuple[Tensor, Tensor]:
        """Add a piece; returns its scores (M, K, 3, columns) and the valid free joints (M, K)."""
        free = hypotheses_last(piece.hypotheses, self._free)
        columns, target = free.permute(0, 2, 3, 1), piece.target[:, self._free].to(free.dtype)
        weights = normalised(piece.weights)
        every = torch.ones(target.shape[:2], dtype=torch.bool)
        valid = every if piece.valid_joints is None else piece.valid_joints[:, self._free]
        scores = self._add_joints(piece.group, columns, target, weights, valid)
        self._offsets.add(piece.group, (target - weighted_mean(free, weights)) * valid[..., None])
        masked = None if valid.all() else valid
        self._add_whole(piece, columns, target, weights, masked)
        count = free.shape[1]
        chances = columns.new_tensor([count]) if weights is None else 1 / weights.square().sum(-1)
        self._effective += torch.tensor([chances.expand(len(target)).sum(), len(target)])
        return scores, valid

    def _add_joints(
        self, group: Tensor, columns: Tensor, target: Tensor, weights: Tensor | None, valid: Tensor
    ) -> Tensor:
        scores = _columns(rank_cells(columns, target, weights, self._generator))
        scores = scores * valid[..., None, None]
        self._joints.add(group, scores)
        self._counts.add(group, valid)
        return scores

    def _add_whole(
        self,
        piece: Chunk,
        columns: Tensor,
        target: Tensor,
        weights: Tensor | None,
        valid: Tensor | None,
    ) -> None:
        draw = self._generator
        deviations = Deviations.of(columns, target, weights, valid)
        found = whole_cells(deviations, self.skeleton, draw)
        if columns.shape[-1] > 2:
            found["tarp"] = tarp_cells(columns, target, weights, valid, draw)
        if piece.log_prob is not None and piece.target_log_prob is not None:
            found["density"] = density_cells(piece.log_prob, piece.target_log_prob, weights, draw)
        several = torch.ones(len(target)) if valid is None else (valid.sum(1) > 1).double()
        self._whole.add(piece.group, torch.stack([
            torch.cat([_columns(found[name]), torch.ones(len(target), 1)], dim=-1)
            * several[:, None]
            if name in found else torch.zeros(len(target), _COLUMNS + 1)
            for name in STATISTICS
        ], dim=1))  # fmt: skip
        self._add_pairs(piece.group, deviations, valid)

    def _add_pairs(self, group: Tensor, deviations: Deviations, valid: Tensor | None) -> None:
        joints = range(deviations.target.shape[1] - 1)
        cells = [pair_cells(deviations, joint, self._generator) for joint in joints]
        scores = torch.cat([normal_score(some) for some in cells], dim=1)
        first, second = self.pairs_of
        both = torch.ones(scores.shape[:2]) if valid is None else valid[:, first] & valid[:, second]
        counted = torch.cat([scores, torch.ones_like(scores[..., :1])], dim=-1)
        self._pairs.add(group, counted * both[..., None])

    @property
    def hypotheses(self) -> float:
        """Hypotheses of a pose; with weights the mean of their effective number."""
        return (self._effective[0] / self._effective[1]).item()

    @property
    def counts(self) -> Tensor:
        """(G, K) poses in which a joint is valid."""
        return self._counts.sums

    def score(self, column: int) -> GroupedMean:
        """Means (K, 3): column 0 the normal score, 1 its square, then coverage at `LEVELS`."""
        return GroupedMean.of(self._joints.sums[..., column], self.counts[..., None])

    def joint_sums(self, column: int) -> Tensor:
        """Sums (G, K) of a column of `score` over axes."""
        return self._joints.sums[..., column].sum(-1)

    def bins(self) -> GroupedMean:
        """Shares (K, 3, BINS) of the rank histograms."""
        return GroupedMean.of(self._joints.sums[..., -BINS:], self.counts[..., None, None])

    def offsets(self) -> GroupedMean:
        """Mean of target - mean (K, 3), metres."""
        return GroupedMean.of(self._offsets.sums, self.counts[..., None])

    def pairs(self) -> GroupedMean:
        """Mean normal scores (pairs, 3) of the products of deviations."""
        return GroupedMean.of(self._pairs.sums[..., :3], self._pairs.sums[..., 3:])

    def whole_poses(self, statistic: str) -> float:
        """Poses that have a whole-pose statistic."""
        return self._whole.sums[:, STATISTICS.index(statistic), -1].sum().item()

    def whole(self, statistic: str) -> GroupedMean | None:
        """Means (columns,) of a whole-pose statistic; None where it was never computed."""
        sums = self._whole.sums[:, STATISTICS.index(statistic)]
        if not bool(sums[:, -1].any()):
            return None
        return GroupedMean.of(sums[:, :-1], sums[:, -1:])
