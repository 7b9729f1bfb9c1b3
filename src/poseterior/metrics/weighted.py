"""Mean, median and quantiles over the hypotheses of a pose, weighted where they have weights.

Everything in `metrics` takes hypotheses in the layout of a predictions file, pose first:
(M, H, J, 3) in metres, with weights (M, H) or None for equal ones, and a target (M, J, 3).
Weights need not sum to one; a hypothesis of weight zero is as good as absent.

One rule gives every weighted quantile (Akinshin, Weighted quantile estimators, 2023, type 7):
with n = (sum w)² / sum w², the effective number of hypotheses, the q-quantile is the mean of
the weighted inverse CDF over the window [q (1 - 1/n), q (1 - 1/n) + 1/n]. At equal weights
that is `numpy.quantile`'s linear interpolation; it does not depend on the order of ties.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from poseterior.errors import require

__all__ = [
    "hypotheses_last",
    "normalised",
    "row_pieces",
    "sort_last",
    "weighted_mean",
    "weighted_median",
    "weighted_quantile",
]

# Joint positions worked on at a time: some ten MB of temporaries, however many poses come.
_POSITIONS = 2**18


def row_pieces(hypotheses: Tensor) -> Iterator[slice]:
    """Slices of the poses of (M, H, J, 3) that are worked on at a time, to stay in the cache."""
    poses, count, joints = hypotheses.shape[:3]
    size = max(1, _POSITIONS // (count * joints))
    for start in range(0, poses, size):
        yield slice(start, start + size)


def normalised(weights: Tensor | None) -> Tensor | None:
    """Weights (M, H) as float64 that sum to one, or None where they are all equal.

    None sends equal weights through the unweighted formulas, to identical numbers.

    Raises:
        InputError: for a negative or non-finite weight, or a pose whose weights are all zero.

    >>> normalised(torch.tensor([[1.0, 3.0]]))
    tensor([[0.2500, 0.7500]], dtype=torch.float64)
    >>> normalised(torch.ones(4, 10)) is None
    True
    """
    if weights is None:
        return None
    weights = weights.double()
    total = weights.sum(-1, keepdim=True)
    good = bool((weights >= 0).all() and total.isfinite().all() and (total > 0).all())
    require(
        good, "metrics", "weights", expected="finite weights >= 0, not all zero",
        found=f"values from {weights.min().item():g} to {weights.max().item():g}, "
        f"least sum {total.min().item():g}",
    )  # fmt: skip
    if bool((weights == weights[:, :1]).all()):
        return None
    return weights / total


def hypotheses_last(hypotheses: Tensor, joints: Sequence[int] | None = None) -> Tensor:
    """The same (M, H, J, 3), or some of its joints, with H contiguous in memory.

    Orders and sums over hypotheses run along that axis. A copy is made only if need be;
    NumPy transposes several times faster than `Tensor.contiguous`.
    """
    columns = hypotheses.permute(0, 2, 3, 1)
    if joints is not None:
        columns = columns[:, list(joints)]
    if not columns.is_contiguous():
        columns = (
            torch.from_numpy(np.ascontiguousarray(columns.detach().numpy()))
            if columns.device.type == "cpu"
            else columns.contiguous()
        )
    return columns.permute(0, 3, 1, 2)


def sort_last(values: Tensor) -> Tensor:
    """Sorted along the last axis; on the CPU by NumPy, many times faster than `torch.sort`."""
    if values.device.type == "cpu":
        return torch.from_numpy(np.sort(values.detach().numpy(), axis=-1))
    return values.sort(-1).values


def weighted_mean(hypotheses: Tensor, weights: Tensor | None = None) -> Tensor:
    """(M, H, J, 3) -> (M, J, 3), float64, metres."""
    weights = normalised(weights)
    if weights is None:
        return hypotheses.mean(1, dtype=torch.float64)
    return torch.einsum("mh,mhjc->mjc", weights, hypotheses.double())


def weighted_median(hypotheses: Tensor, weights: Tensor | None = None) -> Tensor:
    """Coordinate-wise median, (M, H, J, 3) -> (M, J, 3), float64, metres.

    The mean of the two middle values for an even number of equal weights, as `numpy.median`.
    """
    columns = hypotheses_last(hypotheses).permute(0, 2, 3, 1)
    weights = normalised(weights)
    if weights is None:
        return _median_last(columns)
    half = torch.tensor([0.5], dtype=torch.float64, device=columns.device)
    return weighted_quantile(columns, half, weights[:, None, None]).squeeze(-1)


def _median_last(values: Tensor) -> Tensor:
    """A partition, not a sort, gives the upper middle value; the lower is the most below it."""
    upper = values.shape[-1] // 2
    if values.device.type == "cpu":
        values = torch.from_numpy(np.partition(values.detach().numpy(), upper, axis=-1))
    else:
        values = values.sort(-1).values
    middle = values[..., upper].double()
    if values.shape[-1] % 2:
        return middle
    return (values[..., :upper].amax(-1).double() + middle) / 2


def weighted_quantile(values: Tensor, levels: Tensor, weights: Tensor) -> Tensor:
    """Quantiles (..., L) at levels (L,) of values (..., H) with weights that broadcast to them.

    The rule is the module's; `weights` sum to one along the last axis.

    >>> x, q = torch.tensor([4.0, 1.0, 2.0]), torch.tensor([0.0, 0.25, 0.5, 1.0])
    >>> weighted_quantile(x, q, torch.full((3,), 1 / 3))
    tensor([1.0000, 1.5000, 2.0000, 4.0000], dtype=torch.float64)
    >>> weighted_quantile(x, q, torch.tensor([0.5, 0.0, 0.5]))
    tensor([2.0000, 2.5000, 3.0000, 4.0000], dtype=torch.float64)
    """
    values, order = values.double().sort(-1)
    weights = weights.double().expand(values.shape).gather(-1, order)
    width = weights.square().sum(-1, keepdim=True)
    start = levels.double() * (1 - width)
    upto, area = _cumulative(weights), _cumulative(weights * values)

    def integral(end: Tensor) -> tuple[Tensor, Tensor]:
        """Of the inverse CDF from 0 to `end`, and its value there."""
        index = torch.searchsorted(upto, end.contiguous(), right=True) - 1
        index = index.clamp(max=values.shape[-1] - 1)
        here = values.gather(-1, index)
        return area.gather(-1, index) + (end - upto.gather(-1, index)) * here, here

    below, least = integral(start)
    above, most = integral(start + width)
    # A mean over a window lies within it, whatever the rounding of the areas.
    return torch.clamp((above - below) / width, least, most)


def _cumulative(values: Tensor) -> Tensor:
    """Cumulative sums that start at zero, (..., H) -> (..., H + 1)."""
    return torch.nn.functional.pad(values.cumsum(-1), (1, 0))
