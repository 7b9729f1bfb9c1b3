"""Which score makes the better conformal region of a joint: three of them, on predictions files.

    python benchmarks/conformal_scores.py PRED.npz ... [--level 0.9] [--out FILE.md]

- distance: of the target from the hypotheses' mean, in mm: one radius for all poses;
- spread: that divided by the hypotheses' spread, as `poseterior recalibrate` does;
- rank: the level of the hypotheses' own distances at which the target's lies, linear between
  them, and beyond the farthest of H its distance over theirs, times H / (H + 1).

Each region is fitted on all frames and covers them at the level on average. What differs is its
size (mean radius in mm, and the mean of its log as a radius) and how evenly it covers: the share of
the fifth of frames with the least spread of a joint, and of the fifth with the largest.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from poseterior.data.predictions import open_predictions
from poseterior.metrics.weighted import sort_last
from poseterior.recalibration.conformal_levels import conformal_quantile
from poseterior.recalibration.conformal_regions import centre_and_spread

FIFTH = 0.2


def read(path: Path) -> tuple[Tensor, Tensor, Tensor]:
    """Distances of targets (M, K), spreads (M, K), hypotheses' sorted distances (M, K, H), mm."""
    found = []
    with open_predictions(path) as opened:
        free = list(opened.skeleton.free)
        for rows in opened.chunks():
            centre, spread = centre_and_spread(rows, opened.skeleton, path)
            middle, target = centre[:, free], rows.target[:, free].double()
            own = (rows.hypotheses[:, :, free] - middle[:, None].float()).norm(dim=-1)
            ordered = sort_last(own.transpose(1, 2).contiguous())
            found.append(((target - middle).norm(dim=-1), spread, ordered))
    return tuple(1e3 * torch.cat(part) for part in zip(*found, strict=True))  # type: ignore[return-value]


def rank_of(distance: Tensor, ordered: Tensor) -> Tensor:
    """The score `rank` (M, K)."""
    count, distance = ordered.shape[-1], distance.to(ordered.dtype)
    place = torch.searchsorted(ordered, distance[..., None])
    low = ordered.gather(-1, (place - 1).clamp(min=0)) * (place > 0)
    high = ordered.gather(-1, place.clamp(max=count - 1))
    inside = (place + (distance[..., None] - low) / (high - low)) / (count + 1)
    beyond = count / (count + 1) * distance[..., None] / ordered[..., -1:]
    return torch.where(place < count, inside, beyond)[..., 0]


def radius_of(rank: Tensor, ordered: Tensor) -> Tensor:
    """Radii (M, K) of the regions whose bounds of the score `rank` are (K,)."""
    count = ordered.shape[-1]
    position = (rank * (count + 1)).clamp(max=count)
    place = position.long().expand(ordered.shape[:2])[..., None]
    low = ordered.gather(-1, (place - 1).clamp(min=0)) * (place > 0)
    high = ordered.gather(-1, place.clamp(max=count - 1))
    inside = (low + (position[:, None] - place) * (high - low))[..., 0]
    return inside * (rank * (count + 1) / count).clamp(min=1)


def row(name: str, radius: Tensor, distance: Tensor, spread: Tensor) -> str:
    """One line of the table."""
    covered = (distance <= radius).double()
    order = spread.argsort(0)
    fifth = int(FIFTH * len(spread))
    numbers = [
        covered.mean().item(),
        covered.gather(0, order[:fifth]).mean().item(),
        covered.gather(0, order[-fifth:]).mean().item(),
    ]
    cells = [name, *(f"{x:.3f}" for x in numbers), f"{radius.mean():.1f}"]
    return f"| {' | '.join([*cells, f'{radius.log().mean().exp():.1f}'])} |"


def compare(path: Path, level: float) -> str:
    """The table of a file."""
    distance, spread, ordered = read(path)
    radii = {
        "distance": conformal_quantile(distance, level).expand(distance.shape),
        "spread": conformal_quantile(distance / spread, level) * spread,
        "rank": radius_of(conformal_quantile(rank_of(distance, ordered), level), ordered),
    }
    head = ["score", "covered", "least spread", "largest spread", "radius_mm", "log radius_mm"]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return "\n".join([*lines, *(row(name, r, distance, spread) for name, r in radii.items())])


def main() -> None:
    """Compare, print, and keep the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("predictions", type=Path, nargs="+")
    parser.add_argument("--level", type=float, default=0.9)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    text = [f"# Scores of conformal regions at {given.level:g}"]
    for path in given.predictions:
        text += [f"## {path.stem}", compare(path, given.level)]
    page = "\n\n".join(text) + "\n"
    print(page, end="")
    if given.out:
        given.out.write_text(page)


if __name__ == "__main__":
    main()
