"""Which score bounds those of new poses at a level, where frames of one clip are alike.

Every rule takes the histograms of the scores of each clip, counts (G, S, B) for S kinds of score
over B ascending bins, and gives for each level the bin whose upper edge is the bound, (S, L); B
stands for "none": the held-out poses are too few for that level. Rounding a score up to its edge
keeps every guarantee. What a rule guarantees:

- `frames`: all poses pooled; the k-th smallest of n, k = ceil((n + 1) level). At least `level` of
  the time for a new frame, if frames are exchangeable. Those of a video are not: then nothing is
  guaranteed, and with few clips it covers too little.
- `clips`: each clip has the same weight, and so has a clip yet unseen, at infinity. At least
  `level` for a random frame of a new clip, if clips are exchangeable (Lee, Barber & Willett,
  Distribution-free inference with hierarchical data, 2023; before, with a frame of each clip,
  Dunn, Wasserman & Ramdas 2022). The price is cover to spare, at most 2 / (clips + 1).
- `held_out_frames`, `held_out_clips`: the quantile that held at `level` when each clip was left
  out in turn and judged by the others. Right on average, to first order in 1 / clips, counting
  all frames alike or all clips alike; not guaranteed. With one frame a clip it is `frames`,
  and exact.

All of it is marginal: on average over held-out sets and new poses, not in each clip, nor given
the observation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from types import MappingProxyType

import torch
from torch import Tensor

from poseterior.recalibration.conformal_levels import fewest

__all__ = ["RULES", "clips", "frames", "held_out"]

_ROUNDING = 1e-9


def frames(counts: Tensor, levels: Sequence[float]) -> Tensor:
    """Bins that bound a new frame's score if frames are exchangeable; see the module.

    >>> frames(torch.ones(3, 1, 6), [0.5, 0.9, 0.99])
    tensor([[3, 5, 6]])
    """
    return _bound(counts.sum(0).double(), 1.0, levels)


def clips(counts: Tensor, levels: Sequence[float]) -> Tensor:
    """Bins that bound the score of a random frame of a new clip if clips are exchangeable.

    Three clips bound at most three quarters of a fourth one's frames:

    >>> clips(torch.ones(3, 1, 6), [0.5, 0.75, 0.9])
    tensor([[3, 5, 6]])
    """
    return _bound((counts * _frame_weight(counts)).sum(0), 1.0, levels)


def held_out(counts: Tensor, levels: Sequence[float], *, by_clip: bool) -> Tensor:
    """Bins that held at the levels when each clip was judged by the others; see the module.

    A frame's rank v is the share of the other clips' weight that lies below it, its own weight
    counted. If u is the conformal `level`-quantile of these ranks, frames left out were covered
    by the u-quantile of the other clips at `level`; the bound is the u-quantile of all.

    >>> held_out(torch.ones(3, 1, 6), [0.5, 0.75, 0.99], by_clip=True)
    tensor([[3, 4, 6]])
    """
    weights = _frame_weight(counts) if by_clip else torch.ones(1, 1, 1, dtype=torch.float64)
    found = [
        _held_out_column(column, weight, levels)
        for column, weight in zip(
            counts.double().unbind(1), weights.expand(len(counts), counts.shape[1], 1).unbind(1),
            strict=True,
        )
    ]  # fmt: skip
    return torch.stack(found)


def _held_out_column(counts: Tensor, weight: Tensor, levels: Sequence[float]) -> Tensor:
    """`held_out` of one kind of score, counts (G, B) and weight (G, 1) of a frame, as (L,)."""
    mass = counts * weight
    everything = mass.sum(0).cumsum(0)
    total, bins = everything[-1], counts.shape[1]
    if not counts.any():
        return torch.full((len(levels),), bins)
    others = mass.sum(0) - mass
    below = others.cumsum(1) - others
    ranks = ((below + weight) / (others.sum(1, keepdim=True) + weight))[counts > 0]
    ranks, order = ranks.sort()
    upto = mass[counts > 0][order].cumsum(0)
    # One more frame, unseen, at infinity: nothing with large clips, exactness with clips of one.
    wanted = torch.tensor(levels, dtype=torch.float64) * total * (1 + 1 / counts.sum())
    index = torch.searchsorted(upto, wanted * (1 - _ROUNDING))
    share = ranks[index.clamp(max=len(ranks) - 1)]
    bound = torch.searchsorted(everything, share * total * (1 - _ROUNDING)).clamp(max=bins - 1)
    # Where clips lie beyond all others only their number tells what the largest score bounds.
    clip_count = int(counts.any(1).sum())
    enough = torch.tensor([clip_count >= fewest(level) for level in levels])
    attained = (index < len(ranks)) & ((share < 1 - _ROUNDING) | enough)
    return torch.where(attained, bound, bins)


def _frame_weight(counts: Tensor) -> Tensor:
    """Of a frame where all clips weigh one, (G, S, 1): 1 / frames of its clip."""
    return 1 / counts.sum(-1, keepdim=True).double().clamp(min=1)


def _bound(mass: Tensor, new: float, levels: Sequence[float]) -> Tensor:
    """First bins (S, L) up to which mass (S, B) makes up `level` of it and of the new one's."""
    upto = mass.cumsum(-1)
    at = torch.tensor(levels, dtype=torch.float64).expand(len(mass), -1)
    wanted = at * (upto[:, -1:] + new) * (1 - _ROUNDING)
    return torch.searchsorted(upto, wanted.contiguous())


RULES: MappingProxyType[str, Callable[[Tensor, Sequence[float]], Tensor]] = MappingProxyType(
    {
        "held_out_frames": partial(held_out, by_clip=False),
        "held_out_clips": partial(held_out, by_clip=True),
        "clips": clips,
        "frames": frames,
    }
)
