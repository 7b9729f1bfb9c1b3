"""Heatmaps as one flat batch: checked, cut into windows, and handled some at a time."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from poseterior.errors import InputError, require

__all__ = ["blocks", "flat_maps", "windows"]


def flat_maps(heatmaps: Tensor, source: str) -> Tensor:
    """Heatmaps (..., h, w) as (N, h, w) of at least single precision, all finite.

    `InputError` where they are not floating point, have no pixels, or are not finite; the
    latter names the index of the map and of the pixel.
    """
    shape = tuple(heatmaps.shape)
    enough = len(shape) >= 2 and min(shape[-2:]) > 0
    require(enough, source, "heatmaps", expected="shape (..., h, w)", found=shape)
    floating = heatmaps.is_floating_point()
    require(floating, source, "heatmaps", expected="a floating dtype", found=heatmaps.dtype)
    maps = heatmaps.detach().reshape(-1, *shape[-2:])
    maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
    # One sum tells whether all are finite (unless it overflows) far faster than asking each.
    if not maps.sum().isfinite():
        _require_finite(maps.reshape(shape), source)
    return maps


def _require_finite(heatmaps: Tensor, source: str) -> None:
    bad = (~heatmaps.isfinite()).nonzero()
    if len(bad):
        *index, y, x = bad[0].tolist()
        value = heatmaps[tuple(bad[0])].item()
        where = f"heatmaps{index or ''}"
        found = f"{value} at x = {x}, y = {y}"
        raise InputError(source, where, expected="finite values", found=found)


def windows(
    maps: Tensor, rows: Tensor, peak: Tensor, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Windows (M, *size) of some rows (M,) of maps (N, h, w), about peaks (M, 2).

    Those that reach over the border are moved inside the map. Also the position (M, 2) of
    their first pixels; both positions are (x, y).
    """
    room = torch.tensor([maps.shape[2] - size[1], maps.shape[1] - size[0]], device=peak.device)
    half = torch.tensor([size[1] // 2, size[0] // 2], device=peak.device)
    first = (peak - half).clamp_min(0).minimum(room)
    every = maps.unfold(1, size[0], 1).unfold(2, size[1], 1)
    return every[rows, first[:, 1], first[:, 0]], first


def blocks(rows: int, pixels: int, budget: int) -> Iterator[slice]:
    """Slices of `rows` rows of `pixels` each, at most `budget` pixels; one if there are none."""
    count = max(1, budget // pixels)
    for start in range(0, max(1, rows), count):
        yield slice(start, start + count)
