"""From tests to one word on a posterior, and to sentences.

A fault is named if its test is significant and its effect is worth naming; of several, the first
in the order of `FAULTS` is the verdict. "calibrated" is said only if no fault is named and the
intervals leave room for none that matters: with little data neither is so, and the verdict is
"undecided".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from poseterior.metrics.evidence import Evidence

__all__ = ["FAULTS", "VERDICTS", "Limits", "Verdict", "decide", "named", "skill_words"]

FAULTS = ("biased", "wrong_by_joint", "overconfident", "underconfident", "miscorrelated")
VERDICTS = ("calibrated", *FAULTS, "undecided")


@dataclass(frozen=True)
class Limits:
    """When an effect is worth naming, and what an interval must exclude to call all well.

    The defaults of bias, spread and coverage do about the same harm: the 90 % interval of a
    coordinate contains the target 86 % of the time at the first, 80 % at the second.

    Attributes:
        alpha: share of right posteriors in which any fault is named, at most; each of the five
            families of tests has a fifth of it.
        bias: sigmas, (worth naming, to be excluded).
        joint: factor of a joint over the common one.
        spread: common factor.
        dependence: sigmas of a product's or share's normal score.
        whole_pose: sigmas of a whole pose's normal score.
        coverage: share by which the coverage at 90 % is off.
    """

    alpha: float = 0.01
    bias: tuple[float, float] = (0.5, 0.75)
    joint: tuple[float, float] = (1.25, 1.5)
    spread: tuple[float, float] = (1.1, 1.25)
    dependence: tuple[float, float] = (0.25, 0.5)
    whole_pose: tuple[float, float] = (0.3, 0.6)
    coverage: tuple[float, float] = (0.04, 0.1)

    @property
    def each(self) -> float:
        """Significance level of a family."""
        return self.alpha / 5

    def size(self, evidence: Evidence) -> float:
        """How large an effect is; factors as logarithms."""
        return _size(evidence.unit, evidence.effect)

    def worst(self, evidence: Evidence) -> float:
        """The largest effect in its interval."""
        if evidence.interval is None:
            return math.inf
        return max(_size(evidence.unit, end) for end in evidence.interval)

    def margins(self, evidence: Evidence) -> tuple[float, float]:
        """What is worth naming, and what must be excluded, comparable with `size`."""
        named, excluded = getattr(self, evidence.test)
        if evidence.unit != "x":
            return named, excluded
        return math.log(named), math.log(excluded)


def _size(unit: str, effect: float) -> float:
    if math.isnan(effect):
        return math.inf
    return abs(math.log(max(effect, 1e-9))) if unit == "x" else abs(effect)


@dataclass(frozen=True)
class Verdict:
    """One of `VERDICTS`, and sentences that say why."""

    verdict: str
    words: list[str]


def decide(tests: Sequence[Evidence], limits: Limits, groups: float) -> Verdict:
    """The verdict of all tests.

    Args:
        tests: of all families.
        limits: what counts.
        groups: effective number of independent groups.
    """
    seen = [test for test in tests if named(test, limits)]
    faults = {test.fault for test in seen if test.test != "whole_pose"}
    whole = [test for test in seen if test.test == "whole_pose"]
    if whole and not faults:
        faults.add(_whole_fault(whole, tests, limits))
        seen = [replace(test, fault=fault) for test in whole for fault in faults]
    for fault in FAULTS:
        if fault in faults:
            return Verdict(fault, _fault_words(fault, seen))
    open_ = [test for test in tests if limits.worst(test) > limits.margins(test)[1]]
    if open_ or not tests:
        return Verdict("undecided", _undecided_words(open_, limits, groups))
    return Verdict("calibrated", _calibrated_words(tests))


def named(test: Evidence, limits: Limits) -> bool:
    """Whether a test is significant and its effect worth naming."""
    return test.p_value < limits.each and limits.size(test) >= limits.margins(test)[0]


def _whole_fault(whole: list[Evidence], tests: Iterable[Evidence], limits: Limits) -> str:
    """A fault of whole poses where no joint's is named.

    Many joints of a spread that is a little wrong make a region that is much too small or large;
    if it is not the spread, it is how the joints depend on each other.
    """
    spread = next(test for test in tests if test.test == "spread")
    direction = max(whole, key=limits.size).fault
    return direction if spread.p_value < limits.each and spread.fault == direction else (
        "miscorrelated"
    )  # fmt: skip


# Effective groups below which no variance between groups can be told.
_SEVERAL = 1.5

_FIRST = {
    "biased": "Biased: the target lies to one side of the hypotheses too often for chance.",
    "wrong_by_joint": "Wrong by joint: no one factor puts the spread of all joints and axes right.",
    "overconfident": "Overconfident: the hypotheses spread too little.",
    "underconfident": "Underconfident: the hypotheses spread too much.",
    "miscorrelated": "Miscorrelated: each joint's spread is right, how joints depend on each "
    "other is not.",
}


def _fault_words(fault: str, seen: list[Evidence]) -> list[str]:
    own = sorted(
        (test for test in seen if test.fault == fault),
        key=lambda test: (test.p_value, -_size(test.unit, test.effect)),
    )
    said = [_FIRST[fault], *(_sentence(test.says) for test in own[:3])]
    # A fault shows in the tests of those after it too: they can be told only when it is gone.
    later = {test.fault for test in seen} & set(FAULTS[FAULTS.index(fault) + 1 :])
    if later:
        said.append(
            "What comes after this fault (spread, dependence) can be judged without it only."
        )
    return said


def _undecided_words(open_: list[Evidence], limits: Limits, groups: float) -> list[str]:
    if groups < _SEVERAL:
        return [
            "Undecided: all poses, or nearly all, are of one group (clip), so that nothing tells "
            "how much they depend on each other.",
            "If they do not, say so: by row.",
        ]
    first = f"Undecided: {groups:.0f} independent groups of poses are too few to tell."
    if not open_:
        return [first]
    worst = max(open_, key=lambda test: limits.worst(test) / limits.margins(test)[1])
    # A margin is excluded when the interval has shrunk to it; its width falls as 1 / sqrt(n).
    excess = limits.worst(worst) / limits.margins(worst)[1]
    kinds = ", ".join(dict.fromkeys(test.test.replace("_", " ") for test in open_))
    wanted = math.ceil(groups * min(excess, 100.0) ** 2)
    return [
        first,
        f"No fault is shown, and none is ruled out: of {kinds}.",
        f"About {wanted} independent groups (clips, or rows that do not depend on each other) "
        "would be needed.",
    ]


def _calibrated_words(tests: Sequence[Evidence]) -> list[str]:
    spread = next(test for test in tests if test.test == "spread")
    low, high = spread.interval or (math.nan, math.nan)
    return [
        "Calibrated: no fault was found, and the data would have shown one that matters.",
        f"The spread's factor is {spread.effect:.2f} (95% interval {low:.2f} to {high:.2f}; 1 is "
        "right).",
        "Checked: bias and spread of each joint and axis, pairs of joints, regions of the whole "
        "pose.",
    ]


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


# Below this a posterior tells hardly more than the data's own marginal does.
_USELESS = 0.05


def skill_words(skill: Mapping[str, Any] | None) -> list[str]:
    """A sentence on whether the posterior uses its input; none where that is not known."""
    value = None if skill is None else skill["value"]
    if value is None:
        return []
    known = skill["interval"] if skill is not None else None
    within = f" (95% interval {known[0]:.2f} to {known[1]:.2f})" if known else ""
    if value < _USELESS:
        return [
            f"It ignores its input, or might as well: skill {value:.2f}{within}, 0 being a draw "
            "from all poses."
        ]
    return [
        f"It uses its input: its energy score is {value:.0%} below that of a draw from all "
        f"poses{within}."
    ]
