"""Calibration of parts of the data: by what was seen, by depth, by joint and by clip.

A stratum may be made of the observation, or of anything in which target and hypotheses enter
alike: in such a part a right posterior is right too. The error itself is no such thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from poseterior.metrics.bootstrap import GroupSums
from poseterior.metrics.chunk import Chunk
from poseterior.metrics.cluster_test import GroupedMean
from poseterior.metrics.rank_sums import LEVELS
from poseterior.metrics.spread_factor import spread_factor

__all__ = ["OCCLUSION", "STRATA", "Strata", "stratum"]

# Joints not seen in a pose: upper ends of the parts.
OCCLUSION = ((0, "all joints seen"), (3, "1 to 3 joints not seen"), (10**6, "4 or more not seen"))
_NEAR = 0.1
STRATA = (
    ("occlusion", "joint seen"),
    ("occlusion", "joint not seen"),
    *(("occlusion", name) for _, name in OCCLUSION),
    ("depth", "0.1 m or more in front of the root"),
    ("depth", "within 0.1 m of the root's depth"),
    ("depth", "0.1 m or more behind the root"),
)
# Normal score, its square, and coverage at LEVELS, each a mean over axes; then the count.
_COLUMNS = 2 + len(LEVELS)


class Strata:
    """Streams pieces with the scores of their ranks."""

    def __init__(self, joints: Sequence[int]) -> None:
        self._free = list(joints)
        self._sums = GroupSums(len(STRATA), _COLUMNS + 1)

    def update(self, piece: Chunk, scores: Tensor, valid: Tensor) -> None:
        """Add a piece; scores (M, K, 3, >= 4) as of `RankSums.update`, valid (M, K)."""
        members = self._members(piece) & valid
        axes = scores[..., :_COLUMNS].mean(2)
        values = torch.cat([axes, torch.ones_like(axes[..., :1])], dim=-1)
        self._sums.add(piece.group, torch.einsum("smk,mkc->msc", members.double(), values))

    def _members(self, piece: Chunk) -> Tensor:
        """(S, M, K) bool: which joint of which pose is in which stratum."""
        shape = (len(piece.target), len(self._free))
        none = torch.zeros(shape, dtype=torch.bool)
        occlusion = [none] * (2 + len(OCCLUSION))
        if piece.observed is not None:
            seen = piece.observed[:, self._free]
            missing = (~seen).sum(1)
            parts, least = [], 0
            for most, _ in OCCLUSION:
                parts.append(((missing >= least) & (missing <= most))[:, None].expand(shape))
                least = most + 1
            occlusion = [seen, ~seen, *parts]
        depth = self._depth(piece)
        front, behind = depth < -_NEAR, depth > _NEAR
        return torch.stack([*occlusion, front, ~(front | behind), behind])

    def _depth(self, piece: Chunk) -> Tensor:
        """Depth (M, K) behind the root, the mean over hypotheses and target alike."""
        depths = piece.hypotheses[:, :, self._free, 2]
        count = depths.shape[1]
        if piece.weights is None:
            mean = depths.mean(1)
        else:
            mean = (piece.weights[..., None].to(depths.dtype) * depths).sum(1)
        return (mean * count + piece.target[:, self._free, 2]) / (count + 1)

    def compute(self, hypotheses: float) -> list[dict[str, Any]]:
        """Strata that have poses, as `stratum` describes each."""
        sums, counts = self._sums.sums[..., :_COLUMNS], self._sums.sums[..., _COLUMNS:]
        return [
            stratum(by, name, sums[:, s], counts[:, s], hypotheses)
            for s, (by, name) in enumerate(STRATA)
            if bool(counts[:, s].any())
        ]


def stratum(by: str, name: str, sums: Tensor, counts: Tensor, hypotheses: float) -> dict[str, Any]:
    """One stratum: how many joints of poses, spread factor, coverages, bias.

    Args:
        by: what it is a part by.
        name: of the part.
        sums: (G, 4) by group: normal score, its square, coverage at 50 % and at 90 %.
        counts: (G, 1) joints of poses.
        hypotheses: of a pose.
    """
    mean = GroupedMean.of(sums, counts)
    score, square, half, most = mean.estimate.tolist()
    low, high = (ends[1] for ends in mean.interval())
    ends = torch.stack([mean.estimate[1], low.clamp(min=0.0), high.clamp(max=1e6)])
    factor, least, largest = spread_factor(ends, hypotheses).tolist()
    return {
        "by": by, "name": name, "poses": int(counts.sum()), "groups": int((counts > 0).sum()),
        "factor": factor, "interval": [least, largest], "coverage_50": half, "coverage_90": most,
        "bias_sigma": score / max(square - score**2, 1e-6) ** 0.5,
    }  # fmt: skip
