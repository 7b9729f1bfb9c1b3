"""Bootstrap intervals that resample clips, because frames of one clip are not independent.

A metric that is a ratio of sums (a mean, a coverage) needs only each clip's sums: those are
what is kept, never the poses. Above `LIMIT` clips several share a group of sums, so memory is
flat however many poses or clips there are; a union of clips is as independent as a clip is.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["LIMIT", "ClipGroups", "GroupSums", "interval", "resamples"]

LIMIT = 1024


class ClipGroups:
    """Gives each row of a stream the index of its group, equal for rows of one clip.

    Rows without a clip form blocks of `block` consecutive rows, each taken as a clip: such
    an interval is honest only if what depends on what lies within so many rows.

    >>> groups = ClipGroups()
    >>> groups(["walk", "walk", "jump"], 3).tolist(), groups(["jump", "run"], 2).tolist()
    ([0, 0, 1], [1, 2])
    """

    def __init__(self, limit: int = LIMIT, block: int = 50) -> None:
        self.limit, self.block = limit, block
        self._groups: dict[str, int] = {}
        self._rows = 0

    def __call__(self, clip: Sequence[object] | None, rows: int) -> Tensor:
        """Group indices (rows,) int64 below `limit`; `clip` (rows,) of labels, or None."""
        if clip is None:
            first, self._rows = self._rows, self._rows + rows
            labels = [f"block {row // self.block}" for row in range(first, first + rows)]
        else:
            values = clip.tolist() if hasattr(clip, "tolist") else clip
            labels = [f"clip {value}" for value in values]
        return torch.tensor([self._group(label) for label in labels], dtype=torch.long)

    @property
    def names(self) -> dict[int, str]:
        """The clip of each group that is one clip's alone; empty where no clips were given."""
        if len(self._groups) >= self.limit:
            return {}
        return {
            group: label.removeprefix("clip ")
            for label, group in self._groups.items()
            if label.startswith("clip ")
        }

    def _group(self, label: str) -> int:
        if len(self._groups) < self.limit:
            return self._groups.setdefault(label, len(self._groups))
        known = self._groups.get(label)
        return zlib.crc32(label.encode()) % self.limit if known is None else known


class GroupSums:
    """Sums of values per group: `sums` is (G, *shape) float64, G the groups seen so far."""

    def __init__(self, *shape: int) -> None:
        self.sums = torch.zeros(0, *shape, dtype=torch.float64)

    def add(self, group: Tensor, values: Tensor) -> None:
        """Add values (N, *shape) to the groups (N,) of their rows."""
        missing = int(group.max()) + 1 - len(self.sums) if len(group) else 0
        if missing > 0:
            self.sums = torch.cat([self.sums, self.sums.new_zeros(missing, *self.sums.shape[1:])])
        self.sums.index_add_(0, group, values.detach().to("cpu", torch.float64))


def resamples(groups: int, replicates: int = 1000, seed: int = 0) -> Tensor:
    """How often each group is drawn, (R, G): G draws with replacement in each replicate.

    >>> resamples(3, replicates=2).sum(1)
    tensor([3., 3.], dtype=torch.float64)
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(max(groups, 1), (replicates, groups), generator=generator)
    counts = torch.zeros(replicates, groups, dtype=torch.float64)
    return counts.scatter_add_(1, drawn, torch.ones_like(drawn, dtype=torch.float64))


def interval(
    replicates: Tensor, estimate: float, confidence: float = 0.95, least: float = 0.0
) -> list[float] | None:
    """The central interval [low, high] of resampled values (R,), centred on the estimate.

    Resampling biases a calibration error upward, since noise in the coverage only adds to
    it: the quantiles are shifted so that the replicates' mean falls on the estimate (which
    changes nothing for a mean), and cut at `least`. None without two distinct replicates.
    """
    replicates = replicates[replicates.isfinite()]
    if len(replicates) < 2 or bool((replicates == replicates[0]).all()):
        return None
    tail = (1 - confidence) / 2
    ends = torch.quantile(replicates, torch.tensor([tail, 1 - tail], dtype=replicates.dtype))
    low, high = (ends - replicates.mean() + estimate).tolist()
    return [max(low, least), max(high, least)]
