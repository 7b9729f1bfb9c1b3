"""The factor that a spread must be multiplied by, from the squared normal scores of ranks.

If the target's spread is s times the hypotheses' own, the squared score has the expectation
g(s), which rises from g(0) > 0 through g(1) = 1 to its largest value, that of the outermost rank.
It is computed exactly for normal numbers and inverted; for others s is the factor of the normal
posterior that would look as far off.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from scipy.stats import binom, norm
from torch import Tensor

from poseterior.metrics.rank_cells import squared_score

__all__ = ["spread_factor"]

# Factors that can be told apart from none and from infinity.
_LEAST, _MOST = 0.02, 50.0
# More hypotheses change g by less than its table's own error.
_LARGEST = 1000


def spread_factor(mean_square: Tensor, hypotheses: float) -> Tensor:
    """The factor s at which g(s) is the mean squared score (...), between 0.02 and 50.

    Above 1 the posterior is overconfident (too narrow), below it is underconfident.

    >>> spread_factor(torch.tensor([1.0]), 200)
    tensor([1.], dtype=torch.float64)
    """
    factors, expected = _table(min(max(round(hypotheses), 2), _LARGEST))
    found = np.interp(mean_square.double().numpy(), expected, np.log(factors))
    return torch.as_tensor(np.exp(found))


@lru_cache(maxsize=8)
def _table(hypotheses: int) -> tuple[np.ndarray, np.ndarray]:
    """Factors, 1 among them, and g of each, ascending."""
    ends = torch.arange(hypotheses + 1, dtype=torch.float64) / (hypotheses + 1)
    scores = squared_score((ends, ends + 1 / (hypotheses + 1))).numpy()
    share = (np.arange(2000) + 0.5) / 2000
    # The target at its own quantiles; a hypothesis is below it with the chance Phi(s z).
    expected_at = _expected_score(scores, hypotheses)
    factors = np.exp(np.linspace(np.log(_LEAST), np.log(_MOST), 401))
    expected = np.array([expected_at(s * norm.ppf(share)).mean() for s in factors])
    # The nodes' own error is taken off, so that g(1) is 1 to the last digit.
    right = expected_at(norm.ppf(share)).mean()
    return factors, np.maximum.accumulate(expected / right)


def _expected_score(scores: np.ndarray, hypotheses: int) -> Callable[[np.ndarray], np.ndarray]:
    """From z to the mean squared score of a target at z among standard normal hypotheses."""
    grid = np.linspace(-9, 9, 721)
    ranks = np.arange(hypotheses + 1)
    chance = binom.pmf(ranks[None], hypotheses, norm.cdf(grid)[:, None])
    values = chance @ scores
    return lambda z: np.interp(z, grid, values)
