"""Tests of a posterior for named faults, from the sums of its ranks' scores.

Each test has its null hypothesis, true of every right posterior, and an effect in a unit that
tells how much it matters. Families of tests are corrected for their number (Holm), so that the
smallest corrected p-value of a family is below alpha in a share alpha of right posteriors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from poseterior.metrics.cluster_test import GroupedMean, holm
from poseterior.metrics.rank_sums import RankSums
from poseterior.metrics.spread_factor import spread_factor

__all__ = [
    "Evidence",
    "all_tests",
    "bias_tests",
    "centred_squares",
    "dependence_tests",
    "factor_interval",
    "joint_tests",
    "spread_tests",
    "whole_pose_tests",
]

AXES = "xyz"
_DIRECTIONS = {"x": ("right", "left"), "y": ("down", "up"), "z": ("far", "near")}


@dataclass(frozen=True)
class Evidence:
    """One test.

    Attributes:
        test: the family: bias, joint, spread, dependence or whole_pose.
        fault: what it speaks for if significant.
        joint, axis: what it is of, or None for all.
        statistic: Student's t.
        p_value: two-sided, corrected for the tests of the family.
        effect: how large the fault is, in `unit`; `interval` its own 95 % interval, not
            corrected for the number of tests.
        unit: "sigma", "x" (a factor) or "share".
        says: the same in words.
    """

    test: str
    fault: str
    joint: str | None
    axis: str | None
    statistic: float
    p_value: float
    effect: float
    interval: tuple[float, float] | None
    unit: str
    says: str

    def plain(self, alpha: float) -> dict[str, Any]:
        """For JSON, with whether it is significant at `alpha`."""
        found = asdict(self) | {"significant": self.p_value < alpha}
        return found | {"interval": None if self.interval is None else list(self.interval)}


def bias_tests(sums: RankSums) -> Iterator[Evidence]:
    """Mean normal score of each joint and axis, and of each axis over joints, against 0.

    The effect is the mean over the scores' own standard deviation, so that it does not grow
    where the spread is too small.
    """
    scores = sums.score(0)
    scatter = (sums.score(1).estimate - scores.estimate.square()).clamp(min=1e-6).sqrt()
    means = scores.average(-2)
    over = scatter.nanmean(-2)
    names = [sums.skeleton.joints[joint] for joint in sums.skeleton.free]
    corrected = holm(torch.cat([scores.p_value().flatten(), means.p_value()]))
    for n, (k, c) in enumerate((k, c) for k in range(len(names)) for c in range(3)):
        if scatter[k, c].isnan():  # a joint that no pose has
            continue
        yield _bias(scores, (k, c), scatter[k, c], names[k], AXES[c], corrected[n].item())
    for c, axis in enumerate(AXES):
        yield _bias(means, (c,), over[c], None, axis, corrected[c - 3].item())


def _bias(
    mean: GroupedMean,
    at: tuple[int, ...],
    scatter: Tensor,
    joint: str | None,
    axis: str,
    p_value: float,
) -> Evidence:
    low, high = mean.interval()
    effect = (mean.estimate[at] / scatter).item()
    where = _DIRECTIONS[axis][effect < 0]
    return Evidence(
        "bias", "biased", joint, axis, mean.statistic()[at].item(), p_value, effect,
        ((low[at] / scatter).item(), (high[at] / scatter).item()), "sigma",
        f"the target's {_words(joint) or 'joints'} lie{'s' * bool(joint)} {abs(effect):.2f} sigma "
        f"more to the {where} side than the hypotheses",
    )  # fmt: skip


def centred_squares(sums: RankSums) -> GroupedMean:
    """Mean squared normal score about the mean score, of each joint and axis, (K, 3)."""
    squares, scores = sums.score(1), sums.score(0)
    estimate = squares.estimate - scores.estimate.square()
    influence = squares.influence - 2 * scores.estimate * scores.influence
    return squares.change(estimate, influence)


def factor_interval(mean: GroupedMean, hypotheses: float) -> tuple[Tensor, Tensor, Tensor]:
    """The factor that would put the spread right, and its 95 % interval."""
    low, high = mean.interval()
    least = torch.zeros_like(low)
    found = (mean.estimate, torch.maximum(low, least), high.clamp(max=1e6))
    factor, below, above = (spread_factor(value, hypotheses) for value in found)
    return factor, below, above


def joint_tests(sums: RankSums) -> Iterator[Evidence]:
    """Each joint's squared score, and each axis's, against the mean of all.

    The effect is the joint's, or the axis's, factor over the common one.
    """
    squares = centred_squares(sums)
    names = [sums.skeleton.joints[joint] for joint in sums.skeleton.free]
    parts = [(squares.average(-1), names), (squares.average(-2), AXES)]
    common = parts[0][0].average(-1)
    over = spread_factor(common.estimate, sums.hypotheses).item()
    apart = [
        mean.change(mean.estimate - common.estimate, mean.influence - common.influence[:, None])
        for mean, _ in parts
    ]
    corrected = iter(holm(torch.cat([mean.p_value().nan_to_num(1.0) for mean in apart])))
    for (mean, whose), contrast in zip(parts, apart, strict=True):
        factor, low, high = factor_interval(mean, sums.hypotheses)
        for k, name in enumerate(whose):
            p_value = next(corrected).item()
            if factor[k].isnan():
                continue
            of_axis = name in AXES
            yield Evidence(
                "joint", "wrong_by_joint", None if of_axis else name, name if of_axis else None,
                contrast.statistic()[k].item(), p_value, factor[k].item() / over,
                (low[k].item() / over, high[k].item() / over), "x",
                f"the spread {'along ' + name if of_axis else 'of the ' + _words(name)} must be "
                f"multiplied by {factor[k]:.2f}, that of all joints by {over:.2f}",
            )  # fmt: skip


def spread_tests(sums: RankSums) -> Iterator[Evidence]:
    """The squared score of all joints and axes against 1, and their coverage at 90 %."""
    squares = centred_squares(sums).average(-1).average(-1)
    covered = sums.score(3).average(-1).average(-1)
    corrected = holm(torch.stack([squares.p_value(1.0), covered.p_value(0.9)]))
    factor, low, high = factor_interval(squares, sums.hypotheses)
    seen = covered.estimate.item()
    yield Evidence(
        "spread", "overconfident" if factor > 1 else "underconfident", None, None,
        squares.statistic(1.0).item(), corrected[0].item(), factor.item(),
        (low.item(), high.item()), "x",
        f"the spread must be multiplied by {factor:.2f} to be right",
    )  # fmt: skip
    yield Evidence(
        "coverage", "overconfident" if seen < 0.9 else "underconfident", None, None,
        covered.statistic(0.9).item(), corrected[1].item(), seen - 0.9,
        tuple(end.item() - 0.9 for end in covered.interval()), "share",  # type: ignore[arg-type]
        f"90% intervals of single coordinates contain the target {seen:.0%} of the time",
    )  # fmt: skip


def dependence_tests(sums: RankSums) -> Iterator[Evidence]:
    """How joints move together: pairs, the share common to all, and that between neighbours."""
    pairs = sums.pairs()
    others = {
        name: sums.whole(name) for name in ("together_x", "together_y", "together_z", "bones")
    }
    known = {name: mean for name, mean in others.items() if mean is not None}
    extra = [mean.p_value()[0].reshape(1) for mean in known.values()]
    corrected = holm(torch.cat([pairs.p_value().flatten().nan_to_num(1.0), *extra]))
    tested = pairs.estimate.numel()
    yield from _pair_evidence(sums, pairs, corrected[:tested].reshape(pairs.estimate.shape))
    for n, (name, mean) in enumerate(known.items()):
        effect = mean.estimate[0].item()
        axis = name[-1] if name != "bones" else None
        yield Evidence(
            "dependence", "miscorrelated", None, axis, mean.statistic()[0].item(),
            corrected[tested + n].item(), effect, _ends(mean, 0), "sigma",
            _together(name, axis, effect),
        )  # fmt: skip


def _together(name: str, axis: str | None, effect: float) -> str:
    if name == "bones":
        how = "more" if effect > 0 else "less"
        return f"neighbouring joints of the target move apart {how} than the hypotheses' do"
    how = "more" if effect > 0 else "less"
    return f"the target's joints move together along {axis} {how} than the hypotheses' do"


def _pair_evidence(sums: RankSums, pairs: GroupedMean, corrected: Tensor) -> Iterator[Evidence]:
    names = [sums.skeleton.joints[joint] for joint in sums.skeleton.free]
    statistic, (low, high) = pairs.statistic(), pairs.interval()
    for p, (j, k) in enumerate(sums.pairs_of.T.tolist()):
        for c, axis in enumerate(AXES):
            effect = pairs.estimate[p, c].item()
            if math.isnan(effect):
                continue
            how = "more" if effect > 0 else "less"
            yield Evidence(
                "dependence", "miscorrelated", f"{names[j]}, {names[k]}", axis,
                statistic[p, c].item(), corrected[p, c].item(), effect,
                (low[p, c].item(), high[p, c].item()), "sigma",
                f"{_words(names[j])} and {_words(names[k])} of the target move together along "
                f"{axis} {how} than the hypotheses' do",
            )  # fmt: skip


def whole_pose_tests(sums: RankSums) -> Iterator[Evidence]:
    """Regions of the whole pose: mean normal score of the level that reaches the target.

    The effect is the surplus of the coverage at 90 %.
    """
    found = {name: sums.whole(name) for name in ("radius", "tarp", "density")}
    known = {name: mean for name, mean in found.items() if mean is not None}
    if not known:
        return
    corrected = holm(torch.stack([mean.p_value()[0] for mean in known.values()]))
    for n, (name, mean) in enumerate(known.items()):
        # The level q region holds the ranks below q: 18 of 20 bins at 90 %.
        share = mean.estimate[-20:][:18].sum().item()
        low, high = _ends(mean, 0)
        effect = mean.estimate[0].item()
        yield Evidence(
            "whole_pose", "overconfident" if effect > 0 else "underconfident", None, None,
            mean.statistic()[0].item(), corrected[n].item(), effect, (low, high), "sigma",
            f"90% regions of the whole pose by {_REGIONS[name]} contain the target {share:.0%} "
            "of the time",
        )  # fmt: skip


def all_tests(sums: RankSums) -> list[Evidence]:
    """All tests, in the order in which a fault makes those after it hard to read."""
    families = (bias_tests, joint_tests, spread_tests, dependence_tests, whole_pose_tests)
    return [test for family in families for test in family(sums)]


_REGIONS = {
    "radius": "distance from the centre",
    "tarp": "distance from a random pose (TARP)",
    "density": "density",
}


def _ends(mean: GroupedMean, column: int) -> tuple[float, float]:
    low, high = mean.interval()
    return low[column].item(), high[column].item()


def _words(name: str | None) -> str:
    return (name or "").replace("_", " ")
