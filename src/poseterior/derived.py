"""`posterior.map(f)`: the distribution of a function of the pose, such as a joint angle."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import torch
from torch import Tensor

from poseterior.credible import check_level, fewest_hypotheses, quantiles
from poseterior.errors import require
from poseterior.geometry.circular import circular_mean, from_turn, unrolled

__all__ = ["Derived"]


class Sampled(Protocol):
    """What has hypotheses: a `Posterior`."""

    def sample(
        self, sample_shape: Iterable[int] = (), generator: torch.Generator | None = None
    ) -> Tensor:
        """Hypotheses, (*sample_shape, *batch_shape, J, 3)."""
        ...


class Derived:
    """The distribution of `function(pose)`, known by samples pushed forward.

    Each statistic draws its own `hypotheses`; the same seed draws the same ones, so that
    statistics of one seed agree with each other. Intervals are the posterior's: as honest as it is.

    Args:
        base: what the poses are drawn from.
        function: (..., J, 3) poses -> (..., *event) numbers, or True and False.
        circular: its numbers are angles in degrees of which 180 and -180 are the same; the mean
            and quantiles then are taken about the circular mean.
    """

    def __init__(
        self, base: Sampled, function: Callable[[Tensor], Tensor], circular: bool = False
    ) -> None:
        self.base, self.function, self.circular = base, function, circular

    def sample(
        self, sample_shape: Iterable[int] = (), generator: torch.Generator | None = None
    ) -> Tensor:
        """Draws, (*sample_shape, *batch_shape, *event)."""
        return self.function(self.base.sample(sample_shape, generator))

    def mean(self, hypotheses: int = 200, generator: torch.Generator | None = None) -> Tensor:
        """Mean (*batch_shape, *event), float64."""
        drawn = self._draw(hypotheses, generator)
        return circular_mean(drawn) if self.circular else drawn.double().mean(0)

    def median(self, hypotheses: int = 200, generator: torch.Generator | None = None) -> Tensor:
        """Median (*batch_shape, *event), float64; of angles, from -180 to 180."""
        return self.quantiles((0.5,), hypotheses, generator)[0]

    def interval(
        self, level: float = 0.9, hypotheses: int = 200, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Both ends (*batch_shape, *event) of the equal-tailed credible interval, float64.

        The quantiles (1 - level) / 2 and (1 + level) / 2. An interval of angles may cross 180:
        its ends are beside their median, and may lie beyond -180 or 180.

        Raises:
            InputError: a level not between 0 and 1, or too few hypotheses for it.

        >>> from poseterior.geometry.skeleton import H36M_17
        >>> from poseterior.posteriors import GaussianPosterior
        >>> posterior = GaussianPosterior(torch.zeros(1, 17, 3), torch.tensor([0.1]), H36M_17)
        >>> depth = posterior.map(lambda pose: pose[..., 3, 2])
        >>> low, high = depth.interval(0.9, 10_000, torch.Generator().manual_seed(0))
        >>> low.round(decimals=2).item(), high.round(decimals=2).item()  # 1.645 * 0.1 m
        (-0.16, 0.16)
        """
        check_level(level)
        fewest = fewest_hypotheses(level)
        require(
            hypotheses >= fewest, "interval", "hypotheses",
            expected=f"at least {fewest} for a level of {level:g}", found=hypotheses,
        )  # fmt: skip
        low, high = self.quantiles(((1 - level) / 2, (1 + level) / 2), hypotheses, generator)
        return low, high

    def quantiles(
        self,
        levels: Iterable[float],
        hypotheses: int = 200,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Quantiles (L, *batch_shape, *event) at levels from 0 to 1, all of the same draws."""
        drawn = self._draw(hypotheses, generator)
        wanted = torch.tensor([0.5, *levels], dtype=torch.float64, device=drawn.device)
        bad = wanted[~((wanted >= 0) & (wanted <= 1))].tolist()
        require(not bad, "quantiles", "levels", expected="from 0 to 1", found=bad)
        found = quantiles(unrolled(drawn) if self.circular else drawn, wanted)
        return (from_turn(found, found[0]) if self.circular else found)[1:]

    def probability(
        self,
        holds: Callable[[Tensor], Tensor],
        hypotheses: int = 200,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Share (*batch_shape, *event) of draws for which `holds(draws)`; see `share_interval`."""
        return holds(self._draw(hypotheses, generator)).double().mean(0)

    def _draw(self, hypotheses: int, generator: torch.Generator | None) -> Tensor:
        require(hypotheses >= 1, "map", "hypotheses", expected="at least 1", found=hypotheses)
        return self.sample((hypotheses,), generator)
