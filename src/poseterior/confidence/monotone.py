"""Isotonic regression as a continuous curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

__all__ = ["Monotone"]


@dataclass(frozen=True, eq=False)
class Monotone:
    """A rising curve: straight between the centres (x, y) of isotonic regression's blocks.

    The step function of least squares is flat within its blocks, where it would make people
    equal whom the score tells apart; between the blocks' mean scores the line keeps their order.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]

    @staticmethod
    def fit(
        x: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64] | None = None
    ) -> Monotone:
        """The curve of values y (N,) at scores x (N,), N > 0; equal scores are one point.

        >>> curve = Monotone.fit(np.array([1.0, 2, 3, 4]), np.array([0.0, 0.6, 0.4, 1]))
        >>> curve(np.array([1, 2.5, 3.25]))  # 2 and 3 are one block at 2.5
        array([0.  , 0.5 , 0.75])
        """
        weight = np.ones_like(y) if weight is None else weight
        levels, place = np.unique(x, return_inverse=True)
        total = np.bincount(place, weight)
        kept = total > 0
        mean = np.bincount(place, weight * y)[kept] / total[kept]
        levels, total = levels[kept], total[kept]
        blocks = isotonic_regression(mean, weights=total).blocks
        mass = np.add.reduceat(total, blocks[:-1])
        centres = [np.add.reduceat(total * of, blocks[:-1]) / mass for of in (levels, mean)]
        return Monotone(centres[0], centres[1])

    def __call__(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """The curve at scores of any shape, level beyond its ends."""
        return np.interp(x, self.x, self.y)
