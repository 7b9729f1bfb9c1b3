"""Gaussian fits of heatmaps against `scipy.optimize.curve_fit`, and what the decoders give.

    OMP_NUM_THREADS=1 python benchmarks/heatmaps.py [--maps 2048] [--fits 150] [--rounds 15]

Simulated 64 x 64 float32 heatmaps (`tests/oracles/gaussian_heatmaps.py`), 15 % with two peaks.
Rounds of ours on all maps and of scipy on some take turns on one thread; medians are compared.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.special import expi
from torch import Tensor

from poseterior.heatmaps import GaussianFit, decode, fit_gaussians
from poseterior.heatmaps.gaussian_fit import SECOND_MODE

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from oracles.gaussian_heatmaps import Simulated, curve_fitted, gaussians, simulate

WINDOWS = (24, 32, 64)


def seconds(function: Callable[[], object]) -> float:
    """Processor time of one call, which other programs disturb less than wall time."""
    start = time.process_time()
    function()
    return time.process_time() - start


def speed(maps: Tensor, fits: int, rounds: int) -> list[np.ndarray | None]:
    """Print times of a map, ours and scipy's, of the same runs; gives scipy's fits."""
    arrays = maps[:fits].double().numpy()
    found: list[np.ndarray | None] = []
    ours: dict[int, list[float]] = {window: [] for window in WINDOWS}
    whole, cut, image = [], [], []
    for turn in np.array_split(np.arange(fits), rounds):
        for window, taken in ours.items():
            taken.append(seconds(lambda w=window: fit_gaussians(maps, w)) / len(maps))
        for index in turn:
            whole.append(seconds(lambda i=index: found.append(curve_fitted(arrays[i]))))
            cut.append(seconds(lambda i=index: curve_fitted(arrays[i], 32)))
        image.append(seconds(lambda: fit_gaussians(maps[:17])))
    scipy, windowed = statistics.median(whole), statistics.median(cut)
    print(
        f"scipy, whole map: {1e3 * scipy:.2f} ms a map; its window of 32: {1e3 * windowed:.2f} ms"
    )
    for window, taken in ours.items():
        median = statistics.median(taken)
        print(
            f"ours, window {window}: {1e6 * median:.0f} us a map, {scipy / median:.0f} times faster"
            + f" ({windowed / median:.0f} than scipy's window)" * (window == 32)
        )
    print(f"17 maps alone: {1e3 * statistics.median(image):.1f} ms")
    return found


def agreement(fit: GaussianFit, truth: Simulated, found: list[np.ndarray | None]) -> None:
    """Print the differences in sigma from scipy, and the errors of both, on one-peaked maps."""
    rows = [i for i, row in enumerate(found) if row is not None and not truth.two[i]]
    scipy = np.sort(np.abs(np.stack([found[i][3:5] for i in rows])))
    ours = np.sort(torch.stack([fit.sigma_x, fit.sigma_y], -1)[rows].double().numpy())
    true = np.sort(truth.sigmas[rows].numpy())
    gap = np.abs(ours - scipy).max(1)
    median, high = np.quantile(gap, [0.5, 0.99])
    print(f"sigma, {len(rows)} one-peaked: ours - scipy median {median:.1e} px, p99 {high:.1e} px")
    exact = [curve_fitted(truth.maps[i].float().double().numpy(), tolerance=1e-12) for i in rows]
    gap = np.abs(ours - np.sort(np.abs(np.stack(exact)[:, 3:5]))).max(1)
    median, high = np.median(gap), gap.max()
    print(f"ours - scipy of ftol = xtol = 1e-12: median {median:.1e} px, largest {high:.1e} px")
    errors = (np.median(np.abs(some - true)) for some in (ours, scipy))
    print("sigma, error of ours and of scipy: {:.4f} and {:.4f} px".format(*errors))


def flags(fit: GaussianFit, two: Tensor) -> None:
    """Print how well the second mode's mass tells two peaks, and what did not converge."""
    flagged = fit.two_peaked | ~fit.converged
    right = (flagged & two).sum()
    print(
        f"two peaks by second mode > {SECOND_MODE} or no fit: "
        f"precision {right / flagged.sum():.3f}, recall {right / two.sum():.3f} of {int(two.sum())}"
    )
    lost = [int((~fit.converged & chosen).sum()) for chosen in (~two, two)]
    print(f"not converged: {lost[0]} of one peak, {lost[1]} of two")


def finite(maps: Tensor) -> None:
    """Print how many numbers are not finite, of these maps and of all that is odd."""
    generator = torch.Generator().manual_seed(1)
    some = maps[:256]
    odd = [torch.zeros_like(some), torch.ones_like(some), -some.abs(), 1e-30 * some, 1e30 * some]
    odd += [torch.randn(some.shape, generator=generator), some.roll(32, -1), some > 0.5]
    fits = [fit_gaussians(part.float()) for part in (maps, *odd)]
    names = ("mean", "covariance", "amplitude", "residual", "second_mode", "covering", "angle")
    bad = sum(int((~getattr(fit, name).isfinite()).sum()) for fit in fits for name in names)
    count = len(maps) + sum(map(len, odd))
    print(f"not finite: {bad} numbers of {count} maps, flat, negative, tiny and noise among them")


def decoders(truth: Simulated, fit: GaussianFit) -> None:
    """Print each decoder's median error on one-peaked maps, and the bias of soft-argmax."""
    maps, one = truth.maps.float(), ~truth.two
    names = ("highest_pixel", "quarter_offset", "dark", "soft_argmax")
    points = {name: getattr(decode, name)(maps).points for name in names}
    errors = {
        name: (found - truth.mean).norm(dim=-1)[one].median()
        for name, found in (*points.items(), ("fit_gaussians", fit.mean))
    }
    print("median error, px: " + ", ".join(f"{name} {error:.3f}" for name, error in errors.items()))
    mean, one_of = torch.tensor([[11.5, 31.5]]).double(), torch.ones(1).double()
    peak = gaussians(mean, torch.full((1, 2), 2.0).double(), 0 * one_of, one_of, 64, 64)
    for beta in (1.0, 10.0, 20.0):
        mass = 8 * math.pi * (expi(beta) - math.log(beta) - np.euler_gamma)
        measured = float(decode.soft_argmax(peak, beta).points[0, 0]) - 11.5
        closed = 20 * 4096 / (4096 + mass)
        print(f"soft-argmax, beta {beta:g}, 20 px off the middle: drawn in by {measured:.4f} px,"
              f" closed form {closed:.4f}")  # fmt: skip


def main() -> None:
    """Run all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--maps", type=int, default=2048)
    parser.add_argument("--fits", type=int, default=150, help="maps that scipy fits too")
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    torch.set_num_threads(1)
    truth = simulate(given.maps, seed=0)
    maps = truth.maps.float()
    fit = fit_gaussians(maps)
    found = speed(maps, given.fits, given.rounds)
    agreement(fit, truth, found)
    flags(fit, truth.two)
    finite(maps)
    decoders(truth, fit)


if __name__ == "__main__":
    main()
