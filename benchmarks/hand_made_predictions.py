"""Predictions whose calibration error is known beforehand, to hold `poseterior score` against.

    python benchmarks/hand_made_predictions.py OUT
    poseterior score OUT/calibrated.npz
    poseterior score OUT/overconfident.npz

Nothing is lifted here. Each joint of each pose is a normal variable around a known centre, with
a standard deviation of its own (20 to 120 mm). The target is one draw of it; the hypotheses are
draws with that standard deviation times `spread`: 1 is calibrated, 0.5 overconfident, 2
underconfident. Files are written with NumPy alone, as anybody would write them.

What theory says: a distance from the centre, in standard deviations, has the distribution F (chi
with three degrees of freedom). The region of level q reaches to spread * F^-1(u) and covers a
share F(spread * F^-1(u)) of the targets, where u is q for ever so many hypotheses, and for H of
them the order statistic (H - 1) q of H uniform numbers, a beta variable. The calibration error is
the mean distance of that coverage from q over the 21 levels 0, 0.05, ..., 1. What is left out: the
centre is estimated too, and targets are few; together less than 0.01 with 200 hypotheses of 1,000
poses.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, chi

from poseterior.data.demo_clip import demo_motion

__all__ = ["SPREADS", "coverage_in_theory", "ece_in_theory", "predictions"]

SPREADS = {"calibrated": 1.0, "overconfident": 0.5, "underconfident": 2.0}
LEVELS = np.linspace(0, 1, 21)


def coverage_in_theory(spread: float, hypotheses: int) -> NDArray[np.float64]:
    """Share of the targets within the region of each level, around the true centre.

    >>> coverage_in_theory(0.5, hypotheses=200)[[0, 10, 18, 20]].round(2)
    array([0.  , 0.1 , 0.33, 0.67])
    """
    order = (hypotheses - 1) * LEVELS
    share = ((np.arange(2000) + 0.5) / 2000)[:, None]
    u = beta.ppf(share, order + 1, hypotheses - order)
    return chi.cdf(spread * chi.ppf(u, 3), 3).mean(0)


def ece_in_theory(spread: float, hypotheses: int) -> float:
    """Mean distance of that coverage from the levels.

    >>> [round(ece_in_theory(spread, hypotheses=200), 3) for spread in (1.0, 0.5, 2.0)]
    [0.003, 0.347, 0.342]
    """
    return float(np.abs(coverage_in_theory(spread, hypotheses) - LEVELS).mean())


def predictions(spread: float, poses: int, hypotheses: int, seed: int) -> dict[str, object]:
    """The arrays of a predictions file; the same seed gives the same poses for every spread."""
    rng = np.random.default_rng(seed)
    motion = demo_motion().numpy()[np.arange(poses) % 90]
    x, y, z = np.moveaxis(motion - motion[:, :1], -1, 0)
    centre = np.stack([x, -z, y], -1)  # camera axes
    sigma = np.exp(rng.uniform(np.log(0.02), np.log(0.12), (poses, 17, 1)))
    sigma[:, 0] = 0  # the root is the origin
    target = centre + sigma * rng.normal(size=(poses, 17, 3))
    noise = rng.standard_normal((poses, hypotheses, 17, 3), dtype=np.float32)
    drawn = centre[:, None] + spread * sigma[:, None] * noise
    return {
        "hypotheses": drawn.astype(np.float32),
        "target": target.astype(np.float32),
        "skeleton": "h36m_17",
    }


def main() -> None:
    """Write the files and print what to expect of them."""
    parser = argparse.ArgumentParser(description="Predictions of known calibration.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--poses", type=int, default=1000)
    parser.add_argument("--hypotheses", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    print(f"{options.poses} poses, {options.hypotheses} hypotheses, seed {options.seed}")
    for name, spread in SPREADS.items():
        path = options.out / f"{name}.npz"
        arrays = predictions(spread, options.poses, options.hypotheses, options.seed)
        np.savez(path, **arrays)  # type: ignore[arg-type]
        inside = coverage_in_theory(spread, options.hypotheses)[18]
        error = ece_in_theory(spread, options.hypotheses)
        print(f"{path}: spread x {spread:g}; in theory ECE {error:.3f}, "
              f"90% regions contain the target {inside:.0%} of the time")  # fmt: skip


if __name__ == "__main__":
    main()
