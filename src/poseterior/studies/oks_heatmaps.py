"""Rows of `oks_theory` on a fine grid: what a heatmap off the mean learns (Eq. 64-110), lemmas."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.optimize import brentq, minimize, minimize_scalar
from torch import Tensor

from poseterior.confidence import imperfect
from poseterior.studies.oks_rows import searched

__all__ = ["CASES", "Grid", "rows_on_a_grid"]

# sigma and Delta, px; targets have l~ = 2 px.
CASES = ((1.5, 1.0), (1.5, 4.0), (4.0, 6.0))
_TARGET = 2.0
_STEP, _HALF = 0.5, 40.0

Rows = Iterator[dict[str, Any]]


@dataclass(frozen=True, eq=False)
class Grid:
    """The expected target heatmap on a fine grid, by quadrature; no closed form enters.

    Attributes:
        sigma: px, of the annotation about the origin.
        delta: px, x of the prediction.
        apart: (P,) px², squared distance of each pixel from the prediction.
        expected: (P,) mean target.
    """

    sigma: float
    delta: float
    apart: Tensor
    expected: Tensor

    @staticmethod
    def of(sigma: float, delta: float) -> Grid:
        line = np.arange(-_HALF, _HALF + _STEP / 2, _STEP)
        nodes, weights = np.polynomial.hermite_e.hermegauss(60)
        targets = np.exp(-((line[:, None] - sigma * nodes) ** 2) / (2 * _TARGET**2))
        along = torch.from_numpy(targets @ weights / weights.sum())
        places = torch.from_numpy(line)
        apart = (places[:, None] - delta).square() + places.square()
        return Grid(sigma, delta, apart.reshape(-1), torch.outer(along, along).reshape(-1))

    @property
    def given(self) -> dict[str, float]:
        return {"sigma": self.sigma, "delta": self.delta, "l~": _TARGET}

    @property
    def args(self) -> tuple[Tensor, Tensor]:
        """Variance and deviation, as the closed forms take them."""
        return (torch.tensor(self.sigma**2, dtype=torch.float64),
                torch.tensor(self.delta, dtype=torch.float64))  # fmt: skip

    def shape(self, fitted: Tensor) -> Tensor:
        """The Gaussian of variance `fitted` and height 1 about the prediction, (P,)."""
        return (-self.apart / (2 * fitted)).exp()

    def area(self, values: Tensor) -> float:
        """Their integral over the plane, px²."""
        return float(values.sum()) * _STEP**2

    def loss(self, height: Tensor, fitted: Tensor) -> Tensor:
        """Eq. 65 but for what no heatmap changes; an integral."""
        drawn = height * self.shape(fitted)
        return (drawn.square() - 2 * drawn * self.expected).sum() * _STEP**2

    def best_height(self, fitted: Tensor) -> float:
        """Least squares in the height alone."""
        shape = self.shape(fitted)
        return self.area(shape * self.expected) / self.area(shape.square())

    def slopes(self, height: float, fitted: float) -> tuple[float, float]:
        """Derivatives of the loss by the height and by the variance, automatic."""
        inputs = [torch.tensor(v, dtype=torch.float64, requires_grad=True)
                  for v in (height, fitted)]  # fmt: skip
        by_height, by_fitted = torch.autograd.grad(self.loss(*inputs), inputs)
        return by_height.item(), by_fitted.item()


def rows_on_a_grid() -> Rows:
    """Sums, derivatives and optima of each case, then the lemmas' integrals."""
    for sigma, delta in CASES:
        grid = Grid.of(sigma, delta)
        yield from _sums(grid)
        yield from _conditions(grid)
        yield from _optimum(grid)
    yield from _largest(Grid.of(1.0, 8.0))
    yield from _lemmas()


def _sums(grid: Grid) -> Rows:
    """The four integrals, with heatmap variance 6 px² and height 0.7."""
    fitted, height = torch.tensor(6.0, dtype=torch.float64), 0.7
    s, tilde, d2 = 6.0, grid.sigma**2 + _TARGET**2, grid.delta**2
    both = s + tilde
    decay = math.exp(-d2 / (2 * both))
    shape, given = grid.shape(fitted), {**grid.given, "sigma^": math.sqrt(s)}
    drawn = height * shape
    cross = 2 * math.pi * _TARGET**2
    for equation, what, closed, measured in (
        ("73, 80-81", "sum of G", math.pi * s, shape.square()),
        ("74-76, 82-86", "sum of H", cross * s / both * decay, shape * grid.expected),
        ("95-96", "sum of h^2 |m - p|²", math.pi * height**2 * s**2, drawn.square() * grid.apart),
        ("97-103", "sum of h^ E h |m - p|²",
         cross * height * s**2 * (2 * tilde / both**2 + s * d2 / both**3) * decay,
         drawn * grid.expected * grid.apart),
    ):  # fmt: skip
        yield searched(equation, what, given, closed, grid.area(measured))


def _conditions(grid: Grid) -> Rows:
    """Derivatives away from the optimum, and the heights that make each of them zero."""
    s, height = 6.0, 0.7
    fitted = torch.tensor(s, dtype=torch.float64)
    given = {**grid.given, "sigma^": math.sqrt(s)}
    scale = imperfect.heatmap_scale(fitted, *grid.args)
    still = imperfect.stationary_scale(fitted, *grid.args)
    by_height, by_fitted = grid.slopes(height, s)
    at = {**given, "o": height}
    closed = 2 * math.pi * s * (height - scale)
    yield searched("64-72, 77-78", "derivative by the height", at, closed, by_height)
    closed = math.pi * height * (height - still)
    yield searched("90-94, 104", "derivative by the variance", at, closed, by_fitted)
    yield searched("79, 87", "best height", given, scale, grid.best_height(fitted))
    root = brentq(lambda value: grid.slopes(value, s)[1], 1e-6, 5.0)
    yield searched("105", "height that leaves the variance", given, still, root)


def _optimum(grid: Grid) -> Rows:
    """Height and variance together, by simplex search."""

    def loss(values: Any) -> float:
        height, fitted = torch.tensor(values, dtype=torch.float64).exp()
        return grid.loss(height, fitted).item()

    found = minimize(loss, np.log([0.3, 12.0]), method="Nelder-Mead",
                     options={"xatol": 1e-8, "fatol": 1e-13, "maxiter": 2000}).x  # fmt: skip
    height, fitted = np.exp(found)
    given, args = grid.given, grid.args
    yield searched("106-109", "best variance", given, imperfect.heatmap_variance(*args), fitted)
    yield searched("110, mended", "best height", given, imperfect.heatmap_confidence(*args), height)
    printed = imperfect.heatmap_confidence_printed(*args)
    yield searched("110, printed", "best height", given, printed, height, printed=True)


def _largest(grid: Grid) -> Rows:
    found = minimize_scalar(
        lambda s: -grid.best_height(torch.tensor(s, dtype=torch.float64)),
        bounds=(0.5, 120.0), method="bounded", options={"xatol": 1e-8},
    ).x  # fmt: skip
    closed = imperfect.variance_of_largest_scale(*grid.args)
    yield searched("88-89", "variance of the largest height", grid.given, closed, found)
    printed = grid.delta / 2 - grid.sigma**2 - _TARGET**2
    yield searched("below 89, printed", "variance of the largest height", grid.given, printed,
                   found, printed=True)  # fmt: skip


def _lemmas() -> Rows:
    """Lemma A.1 and A.2 and the standard integral."""
    sigma, reach, delta = 3.0, 2.0, 2.5
    given = {"sigma": sigma, "l": reach, "delta": delta}
    line = torch.arange(-_HALF, _HALF + _STEP / 2, _STEP, dtype=torch.float64)
    place = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1).reshape(-1, 2)
    other = torch.tensor([delta, 0.0], dtype=torch.float64)
    exponent = -place.square().sum(1) / (2 * sigma**2) - (place - other).square().sum(1) / (
        2 * reach**2
    )
    both = sigma**2 + reach**2
    closed = 2 * math.pi * sigma**2 * reach**2 / both * math.exp(-(delta**2) / (2 * both))
    yield searched("25-27", "Lemma A.1", given, closed, float(exponent.exp().sum()) * _STEP**2)
    # Lemma A.2 at one point: the mean is the origin, the prediction `other`.
    d = math.sqrt(both / (2 * sigma**2 * reach**2))
    e = sigma**2 * other / math.sqrt(2 * both * reach**2 * sigma**2)
    f = delta**2 / (2 * both)
    at = int((place - torch.tensor([1.0, -2.0])).norm(dim=1).argmin())
    square = -(d * place[at] - e).square().sum() - f
    yield searched("28-29", "Lemma A.2", given, square, exponent[at])
    total = float((-place.square().sum(1)).exp().sum()) * _STEP**2 / math.pi
    yield searched("36", "standard integral", {}, 1.0, total)
