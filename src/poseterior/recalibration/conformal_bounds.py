"""Bounds of the scores of new poses at all levels, counted from held-out scores as they come.

Scores are counted in a histogram for each clip, on a fixed logarithmic scale, so that memory does
not grow with the poses. A score counts as the upper edge of its bin: bounds are up to 1 % larger
than without bins, and what a rule guarantees holds.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from poseterior.errors import InputError, known, require
from poseterior.metrics.bootstrap import ClipGroups
from poseterior.recalibration.conformal_levels import check_level, fewest
from poseterior.recalibration.conformal_rules import RULES
from poseterior.recalibration.parameters import only

__all__ = ["DEFAULT_RULE", "LEVELS", "Bounds", "ScoreHistograms"]

LEVELS = (*(step / 100 for step in range(1, 100)), 0.995, 0.999)
DEFAULT_RULE = "held_out_frames"
# Clips with histograms of their own; more of them share these, each then a clip in the rules.
_CLIPS = 512
_LEAST, _MOST, _STEP = 1e-2, 1e3, 0.01


class ScoreHistograms:
    """Streams scores into one histogram for each clip and kind of score.

    `counts` is (clips, S, B) int32 over bins up to `edges` (B,), the last of which is infinite.

    >>> scores = ScoreHistograms(1)
    >>> scores.add(torch.tensor([[0.001], [2.0], [9e9], [math.nan]]), ["a", "a", "b", "b"])
    >>> scores.counts.sum(-1).tolist(), scores.edges[scores.counts.any(0)[0]].tolist()
    ([[2], [1]], [0.01, 2.0..., inf])
    """

    def __init__(self, kinds: int) -> None:
        steps = math.ceil(math.log(_MOST / _LEAST) / math.log1p(_STEP))
        edges = _LEAST * (1 + _STEP) ** torch.arange(steps + 1, dtype=torch.float64)
        self.edges = torch.cat([edges, torch.full((1,), torch.inf, dtype=torch.float64)])
        self.counts = torch.zeros(0, kinds, len(self.edges), dtype=torch.int32)
        self.poses = 0
        self._groups = ClipGroups(_CLIPS)

    def add(self, scores: Tensor, clip: Any = None) -> None:
        """Count scores (N, S) of poses of these clips (N,); NaN is not counted.

        Poses without clips form blocks of 50 consecutive ones, each taken as a clip.
        """
        group = self._groups(clip, len(scores))
        missing = int(group.max()) + 1 - len(self.counts) if len(group) else 0
        if missing > 0:
            new = self.counts.new_zeros(missing, *self.counts.shape[1:])
            self.counts = torch.cat([self.counts, new])
        pose, kind = (~scores.isnan()).nonzero(as_tuple=True)
        place = torch.searchsorted(self.edges, scores[pose, kind].double())
        one = torch.ones((), dtype=torch.int32)
        self.counts.index_put_((group[pose], kind, place), one, accumulate=True)
        self.poses += len(scores)


@dataclass(frozen=True, eq=False)
class Bounds:
    """What a new pose's scores are at most, by one of the `RULES`.

    Attributes:
        rule: what the coverage is right for; see `conformal_rules`.
        kinds: names of the S kinds of score.
        levels: (L,) ascending.
        values: (S, L); infinite where the held-out poses were too few.
        poses: that were held out.
        clips: that they were from.
    """

    rule: str
    kinds: tuple[str, ...]
    levels: tuple[float, ...]
    values: Tensor
    poses: int
    clips: int

    @classmethod
    def fit(
        cls,
        scores: ScoreHistograms,
        kinds: Sequence[str],
        rule: str = DEFAULT_RULE,
        levels: Sequence[float] = LEVELS,
    ) -> Self:
        """The bounds that held-out scores give; `InputError` for an unknown rule or level."""
        known("conformal: rule", rule, RULES)
        for level in levels:
            check_level(level)
        edges = torch.nn.functional.pad(scores.edges, (0, 1), value=torch.inf)
        values = edges[RULES[rule](scores.counts, levels)]
        return cls(rule, tuple(kinds), tuple(levels), values, scores.poses, len(scores.counts))

    def at(
        self, level: float, needed: Tensor | None = None, source: object = "conformal"
    ) -> Tensor:
        """Bounds (S,) at the first of `levels` that is not below `level`.

        `InputError` where a kind that is needed, (S,) bool, all if None, has no finite one: it
        says how many poses or clips the level takes.
        """
        index = bisect_left(self.levels, check_level(level) - 1e-9)
        require(
            index < len(self.levels), source, "level",
            expected=f"at most {self.levels[-1]:g}", found=f"{level:g}",
        )  # fmt: skip
        values = self.values[:, index]
        missing = values.isinf() if needed is None else values.isinf() & needed
        if missing.any():
            kind = self.kinds[int(missing.nonzero()[0])]
            raise self._too_few(self.levels[index], kind, source)
        return values

    def _too_few(self, level: float, kind: str, source: object) -> InputError:
        unit, count = ("poses", self.poses) if self.rule == "frames" else ("clips", self.clips)
        expected = f"{fewest(level)} or more held-out {unit} with {kind} for level {level:g}"
        found = str(count)
        if count >= fewest(level):
            found += f", {kind} valid in too few or targets beyond {_MOST:g} spreads"
        return InputError(source, "level", expected=f"{expected} (rule {self.rule})", found=found)

    def parameters(self) -> dict[str, Any]:
        """Everything as JSON takes it: None for an infinite bound."""
        values = {
            kind: [bound if math.isfinite(bound) else None for bound in row]
            for kind, row in zip(self.kinds, self.values.tolist(), strict=True)
        }
        own = {name: getattr(self, name) for name in ("rule", "poses", "clips")}
        return own | {"levels": list(self.levels), "bounds": values}

    @classmethod
    def from_parameters(
        cls, parameters: Mapping[str, Any], kinds: Sequence[str], source: object
    ) -> Self:
        """The inverse of `parameters`; `InputError` for other kinds or anything but bounds."""
        only(parameters, ("rule", "poses", "clips", "levels", "bounds"), source)
        rule = known(f"{source}: rule", str(parameters["rule"]), RULES)
        levels = _ascending(parameters["levels"], source, "levels")
        inside = bool(levels) and levels[0] > 0 and levels[-1] < 1
        require(inside, source, "levels", expected="above 0, below 1", found=levels)
        bounds = parameters["bounds"]
        bounds = bounds if isinstance(bounds, Mapping) else {}
        names = list(bounds)
        require(names == list(kinds), source, "bounds", expected=f"{list(kinds)}", found=names)
        rows = [_ascending(bounds[kind], source, f"bounds: {kind}") for kind in kinds]
        lengths = {len(row) for row in rows}
        require(
            lengths == {len(levels)}, source, "bounds",
            expected=f"{len(levels)} of each, one a level", found=sorted(lengths),
        )  # fmt: skip
        poses, clips = (_count(parameters[name], source, name) for name in ("poses", "clips"))
        values = torch.tensor(rows, dtype=torch.float64)
        return cls(rule, tuple(kinds), tuple(levels), values, poses, clips)


def _ascending(values: Any, source: object, field: str) -> list[float]:
    """A list of ascending numbers >= 0, None as infinity; else `InputError`."""
    found = values if isinstance(values, list) else [values]
    numbers = [math.inf if value is None else value for value in found]
    good = isinstance(values, list) and all(
        type(value) in (int, float) and value >= 0 for value in numbers
    )
    good = good and all(a <= b for a, b in itertools.pairwise(numbers))
    require(good, source, field, expected="a list of ascending numbers >= 0", found=values)
    return numbers


def _count(value: Any, source: object, field: str) -> int:
    good = type(value) is int and value > 0
    require(good, source, field, expected="a whole number above 0", found=value)
    return int(value)
