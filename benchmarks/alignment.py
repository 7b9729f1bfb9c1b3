"""Time of PA-MPJPE's joint distances against the same formula with `torch.linalg.svd`.

    python benchmarks/alignment.py [--poses 100] [--hypotheses 200] [--repeats 9]

Both run on the same float32 sets of 17 joints, in turns; medians and their ratio are printed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from poseterior.geometry.alignment import aligned_distances

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from oracles import umeyama


def by_svd(prediction: Tensor, target: Tensor) -> Tensor:
    """The distances by the textbook formula."""
    return (umeyama.align(prediction, target) - target).norm(dim=-1)


def seconds(function: Callable[[Tensor, Tensor], Tensor], *sets: Tensor) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    function(*sets)
    return time.perf_counter() - start


def main() -> None:
    """Print medians and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--poses", type=int, default=100)
    parser.add_argument("--hypotheses", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    generator = torch.Generator().manual_seed(0)
    body = torch.tensor([0.2, 0.5, 0.1])
    target = body * torch.randn(options.poses, 1, 17, 3, generator=generator)
    noise = torch.randn(options.poses, options.hypotheses, 17, 3, generator=generator)
    prediction = target + 0.05 * noise
    difference = (aligned_distances(prediction, target) - by_svd(prediction, target)).abs().max()
    times: dict[str, list[float]] = {"polynomial": [], "svd": []}
    for _ in range(options.repeats):
        times["polynomial"].append(seconds(aligned_distances, prediction, target))
        times["svd"].append(seconds(by_svd, prediction, target))
    medians = {name: statistics.median(values) for name, values in times.items()}
    sets = options.poses * options.hypotheses
    print(f"{sets} sets of 17 joints, {torch.get_num_threads()} threads")
    print(f"largest difference {difference:.1e} m")
    for name, median in medians.items():
        print(f"{name:>10}: {1e3 * median:8.1f} ms, {1e9 * median / sets:6.0f} ns a set")
    print(f"     ratio: {medians['svd'] / medians['polynomial']:8.2f}")


if __name__ == "__main__":
    main()
