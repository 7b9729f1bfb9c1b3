"""How fast the metrics are beside what they replace, and how much memory a stream of them takes.

    python benchmarks/metrics.py [--poses 256] [--repeats 7] [--stream 10000]

Contenders take turns and the median of each is compared, so that a busy machine slows both.
Each comparison first checks that the numbers agree.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import scoringrules
import torch

from poseterior.geometry.alignment import aligned_distances
from poseterior.geometry.skeleton import H36M_17
from poseterior.metrics.coverage import LEVELS, Coverage
from poseterior.metrics.scores import energy_score
from poseterior.metrics.summary import ScoreAccumulator

FREE = list(H36M_17.free)


def draw(poses: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """200 hypotheses of each pose and its target, (M, 200, 17, 3) and (M, 17, 3), metres."""
    generator = torch.Generator().manual_seed(seed)
    target = 0.3 * torch.randn(poses, 17, 3, generator=generator)
    hypotheses = target[:, None] + 0.05 * torch.randn(poses, 200, 17, 3, generator=generator)
    target += 0.05 * torch.randn(poses, 17, 3, generator=generator)
    hypotheses[:, :, 0] = target[:, 0] = 0
    return hypotheses, target


def coverage_by_loop(hypotheses: torch.Tensor, target: torch.Tensor) -> np.ndarray:
    """Counts (J-1, 21) by `numpy.median` and `numpy.quantile`, a pose at a time, in float64."""
    counts = np.zeros((16, 21), dtype=np.int64)
    for some, truth in zip(hypotheses.numpy(), target.numpy(), strict=True):
        some, truth = some[:, FREE].astype(np.float64), truth[FREE].astype(np.float64)
        centre = np.median(some, axis=0)
        distances = np.linalg.norm(some - centre, axis=-1)
        own = np.linalg.norm(truth - centre, axis=-1)
        counts += own[:, None] < np.quantile(distances, LEVELS, axis=0).T
    return counts


def coverage(hypotheses: torch.Tensor, target: torch.Tensor) -> np.ndarray:
    """The same by `Coverage`, in chunks as `score` gives them."""
    accumulator = Coverage(H36M_17)
    for some, truth in zip(hypotheses.split(64), target.split(64), strict=True):
        accumulator.update(some, truth)
    return accumulator.compute().counts.numpy()


def pa_mpjpe_by_svd(hypotheses: torch.Tensor, target: torch.Tensor) -> np.ndarray:
    """PA-MPJPE (M, H) by one batched SVD in float64."""
    x, y = hypotheses.double(), target.double()[:, None]
    x, y = x - x.mean(-2, keepdim=True), y - y.mean(-2, keepdim=True)
    left, values, right = torch.linalg.svd(y.mT @ x)
    sign = torch.ones_like(values)
    sign[..., 2] = torch.linalg.det(left @ right).sign()
    scale = (values * sign).sum(-1) / x.square().sum((-1, -2))
    laid = scale[..., None, None] * (x @ (left * sign[..., None, :] @ right).mT)
    return (laid - y).norm(dim=-1).mean(-1).numpy()


def pa_mpjpe(hypotheses: torch.Tensor, target: torch.Tensor) -> np.ndarray:
    """The same by the package's closed form."""
    return aligned_distances(hypotheses, target[:, None]).mean(-1).numpy()


def energy_by_scoringrules(hypotheses: torch.Tensor, target: torch.Tensor) -> np.ndarray:
    """Fair energy score (M,) of eight poses at a time, which bounds its (M, H, H, D) arrays."""
    free = hypotheses[:, :, FREE].flatten(2).double(), target[:, FREE].flatten(1).double()
    return np.concatenate([
        scoringrules.es_ensemble(y.numpy(), x.numpy(), estimator="fair", backend="numpy")
        for x, y in zip(*(part.split(8) for part in free), strict=True)
    ])  # fmt: skip


def energy(hypotheses: torch.Tensor, target: torch.Tensor) -> np.ndarray:
    """The same by the package."""
    return energy_score(hypotheses[:, :, FREE], target[:, FREE]).numpy()


def interleaved(contenders: list[Callable[[], object]], repeats: int) -> list[float]:
    """Median seconds of each, taking turns."""
    seconds: list[list[float]] = [[] for _ in contenders]
    for _ in range(repeats):
        for taken, contender in zip(seconds, contenders, strict=True):
            start = time.perf_counter()
            contender()
            taken.append(time.perf_counter() - start)
    return [statistics.median(taken) for taken in seconds]


def compare(name: str, ours: Callable, theirs: Callable, poses: int, repeats: int) -> None:
    """Check that two functions agree, and print the ratio of their times."""
    rows = draw(poses)
    found, expected = ours(*rows), theirs(*rows)
    if np.issubdtype(found.dtype, np.integer):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    fast, slow = interleaved([lambda: ours(*rows), lambda: theirs(*rows)], repeats)
    print(f"{name}: {1e3 * fast:.1f} ms, {1e3 * slow:.1f} ms, {slow / fast:.1f} times faster")


def stream(poses: int) -> None:
    """Score many poses in chunks of 256, and print the time and the most memory resident."""
    scores = ScoreAccumulator(H36M_17)
    taken = 0.0
    for start in range(0, poses, 256):
        hypotheses, target = draw(min(256, poses - start), seed=start)
        begin = time.perf_counter()
        scores.update(hypotheses, target)
        taken += time.perf_counter() - begin
    begin = time.perf_counter()
    found = scores.compute()
    taken += time.perf_counter() - begin
    unit = 2**20 if sys.platform == "darwin" else 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    print(f"all scores of {found['poses']} x 200 x 17: {taken:.1f} s, peak {peak:.0f} MiB resident")


def main() -> None:
    """Run all comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--poses", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--stream", type=int, default=10_000)
    given = parser.parse_args()
    stream(given.stream)
    compare("ECE counts, numpy.quantile", coverage, coverage_by_loop, given.poses, given.repeats)
    compare("PA-MPJPE, batched SVD", pa_mpjpe, pa_mpjpe_by_svd, given.poses, given.repeats)
    few = max(8, given.poses // 16)
    compare("energy, scoringrules", energy, energy_by_scoringrules, few, given.repeats)


if __name__ == "__main__":
    main()
