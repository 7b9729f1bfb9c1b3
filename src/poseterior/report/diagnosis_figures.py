"""The sections of a diagnosis: each has its words, its charts, and a reason where it has none."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from poseterior.report import diagnosis_charts as charts
from poseterior.report import diagnosis_ranks as ranks
from poseterior.report import diagnosis_tables as tables
from poseterior.report.diagnosis_body import body_figure
from poseterior.report.diagnosis_read import AXES, joint_words, part, rounded
from poseterior.report.diagnosis_words import skill_sentence
from poseterior.report.numbers import finite
from poseterior.report.parts import chart, missing, section
from poseterior.report.study_charts import bar_chart

__all__ = [
    "evidence", "perfect", "rank_section", "scores", "skill", "spread_skill", "strata",
    "whole_pose", "width",
]  # fmt: skip

_REGIONS = {
    "radius": (
        "Distance from the centre",
        "Regions about the centre of the hypotheses. Below the dashes: too narrow, or shifted; "
        "above: too wide.",
    ),
    "tarp": (
        "Any direction (TARP)",
        "Balls about points drawn at random. Below the dashes: too narrow, or shifted; above: too "
        "wide.",
    ),
    "density": (
        "Highest-density regions",
        "Regions by the posterior's own density. Below the dashes: too sure of itself; above: not "
        "sure enough.",
    ),
}
_TOGETHER = {
    "together_x": ("All joints along x (right)", ""),
    "together_y": ("All joints along y (down)", ""),
    "together_z": ("All joints along z (depth)", ""),
    "bones": (
        "Neighbouring joints",
        "The share in which neighbours differ. Above the dashes: they move apart less than the "
        "hypotheses' do; below: more.",
    ),
}
_COMMON = (
    "The share of the deviations that all joints have in common. Below the dashes: they move "
    "together more than the hypotheses' do; above: less."
)


def _lead(words: str) -> str:
    return f'<p class="lead">{escape(words)}</p>'


def evidence(result: Mapping[str, Any]) -> str:
    """What each test found."""
    title, found = "The evidence", result.get("evidence")
    if not found:
        return missing(title, "The result holds no tests.")
    words = (
        "Each test asks one question. p is corrected for the number of tests of its kind. A small "
        "effect can be sure and yet not matter: the verdict asks for both. Small print: 95% "
        "interval."
    )
    return section(title, _lead(words), tables.evidence_table(found))


def rank_section(result: Mapping[str, Any]) -> str:
    """Rank histograms over all joints, then joint by joint."""
    title, found = "Where the truth falls among the hypotheses", part(result, "ranks")
    each = ranks.joint_histograms(found)
    if not each:
        return missing(title, "The result holds no rank histograms: they need several hypotheses "
                              "and a target for each pose.")  # fmt: skip
    words = (
        "Of each target's coordinate, the share of the hypotheses that lie below it. If the "
        "posterior is right all ranks are equally frequent, and every bar stays within the grey "
        "band in 95% of such reports. Orange bars are outside of it; an open tip means that the "
        "bar goes on."
    ) + _as_good_as(found)
    pooled = ranks.pooled_histograms(found)
    shown = f'<div class="chart"><h3>All joints together</h3>{pooled}</div>' if pooled else ""
    joints = (
        '<div class="chart"><h3>Joint by joint</h3><p>Along x (right), y (down) and z (depth); p '
        f"small: not by chance.</p>{each}</div>"
    )
    return section(title, _lead(words), ranks.pictograms(), shown, joints)


def _as_good_as(found: Mapping[str, Any]) -> str:
    """How many poses the band is for."""
    count = finite(found.get("independent_poses"))
    if count is None:
        return ""
    return (
        f" Frames of one clip resemble each other: the band is that of {rounded(count, 0)} "
        "independent poses."
    )


def width(result: Mapping[str, Any]) -> str:
    """Spread factor and bias of each joint."""
    title = "How wide, and how far off, joint by joint"
    drawn = charts.factor_chart(part(result, "factors"))
    bias = charts.bias_chart(part(result, "bias"), finite(result.get("alpha")) or 0.05)
    if not drawn and not bias:
        return missing(title, "The result holds neither spread factors nor biases.")
    body = body_figure(result)
    words = (
        "What each joint's spread must be multiplied by. 1 is right; right of it the joint is too "
        "sure of itself, left of it not sure enough. Lines: 95% intervals."
    )
    shown = chart("Spread factor", words, drawn)
    if body:
        told = (
            "The same on a body that faces you. Orange joints are too sure of themselves, blue "
            "ones not sure enough."
        )
        shown = f'<div class="two">{shown}{chart("On the body", told, body)}</div>'
    told = (
        "Mean of target minus predicted mean. A filled dot off the dashed line is a shift that is "
        "hardly chance."
    )
    shown += chart("Bias", told, charts.axis_legend() + bias if bias else "")
    return section(title, shown)


def whole_pose(result: Mapping[str, Any]) -> str:
    """Coverage of regions of whole poses."""
    title, found = "The whole pose at once", part(result, "whole_pose")
    if not found:
        return missing(title, "The result holds no regions of whole poses.")
    words = (
        "How often regions that should hold a share of the targets hold them, for all joints at "
        "once. Dashed: a right posterior; grey: its reach by chance."
    )
    known = _REGIONS | _TOGETHER
    others = {key: (joint_words(key), "") for key in found if key not in known}
    regions = [_curve(found, key, *told) for key, told in _REGIONS.items()]
    together = [
        _curve(found, key, name, told or _COMMON)
        for key, (name, told) in (_TOGETHER | others).items()
        if key in found
    ]
    return section(
        title,
        _lead(words),
        f'<div class="curves">{"".join(regions)}</div>',
        '<h3 class="over">Do joints move together as the hypotheses say?</h3>' * bool(together),
        f'<div class="curves small">{"".join(together)}</div>' if together else "",
    )


def _curve(found: Mapping[str, Any], key: str, name: str, told: str) -> str:
    """One coverage curve, or why there is none."""
    curve, small = part(found, key), key not in _REGIONS
    if not curve and key == "density":
        told = "They need the density of the target and of each hypothesis, which the file lacks."
    return chart(name, told, charts.coverage_chart(curve, name, small=small))


def spread_skill(result: Mapping[str, Any]) -> str:
    """Whether a large spread tells of a large error, and what that is worth."""
    title = "Does the spread know where the errors are?"
    drawn = []
    for key, name in {"pose": "Error against spread, by pose", "joint": "By joint"}.items():
        picture = charts.spread_skill_chart(part(result, "spread_skill", key), name)
        if picture:
            words = (
                f"{'Poses' if key == 'pose' else 'Joints'} of like spread together. On the dashed "
                "line the error is as large as predicted; above it, larger."
            )
            drawn.append(chart(name, words, picture))
    risk = part(result, "risk_coverage")
    picture = charts.risk_chart(risk)
    if picture:
        words = (
            "Keep only the most certain poses: how small does the error become? Orange: what is "
            "lost against knowing the error."
        )
        drawn.append(chart("Use as a confidence", words, picture))
    if not drawn:
        return missing(title, "The result holds neither spread against error nor risk-coverage.")
    words = "1 is the right slope; a correlation of 0 says that the spread knows nothing."
    drawn.append(chart("In numbers", words, tables.confidence_table(result)))
    return section(title, f'<div class="two">{"".join(drawn)}</div>')


def skill(result: Mapping[str, Any]) -> str:
    """Energy score and spread beside those of the data's own marginal."""
    title, found = "Does it use its input?", part(result, "skill_scores")
    if finite(found.get("value")) is None:
        return missing(title, "The result holds no skill against the data's own marginal.")
    groups = {
        name: {said: value for said, key in keys.items()
               if (value := finite(found.get(key))) is not None}
        for name, keys in {
            "Energy score": {"this one": "energy_mm", "the marginal": "marginal_energy_mm"},
            "Spread": {"this one": "sharpness_mm", "the marginal": "marginal_sharpness_mm"},
        }.items()
    }  # fmt: skip
    groups = {name: values for name, values in groups.items() if values}
    top = max((v for values in groups.values() for v in values.values()), default=0.0)
    bars = bar_chart(groups, "mm", top) if top > 0 else ""
    first = chart(
        "Against ignoring the input",
        "The marginal takes other poses of the data as "
        "its hypotheses. Shorter bars than its are what the input is worth.",
        bars,
    )
    crps = {f"{a}, {words}": v for a, words in AXES.items()
            if (v := finite(part(found, "crps").get(a))) is not None}  # fmt: skip
    second = _crps(crps)
    return section(title, _lead(skill_sentence(result)), f'<div class="two">{first}{second}</div>')


def _crps(by_axis: Mapping[str, float]) -> str:
    words = (
        "Share of the marginal's CRPS that the input saves along each axis, in %: 0 is no better "
        "than ignoring it. Depth is what one image says least about."
    )
    percent = {name: max(100 * value, 0.0) for name, value in by_axis.items()}
    bars = (
        bar_chart({"Skill": percent}, "Saved, %", max([*percent.values(), 1.0])) if percent else ""
    )
    return chart("Along each axis", words, bars)


def scores(result: Mapping[str, Any]) -> str:
    """Proper scores and spread by axis and by joint."""
    title = "Scores by joint and axis"
    whole, each = tables.score_table(result), tables.joint_table(result)
    if not whole and not each:
        return missing(title, "The result holds no scores.")
    words = (
        "Lower scores are better; a narrow spread is good only where it is calibrated. Orange: "
        "too narrow, blue: too wide, grey: the larger the darker."
    )
    return section(
        title, _lead(words), whole, '<div class="gap"></div>' * bool(whole and each), each
    )


def strata(result: Mapping[str, Any]) -> str:
    """Factor and coverage of poses of a kind."""
    title, found = "Which poses", result.get("strata")
    if not found:
        return missing(title, "The result is not split: it holds no strata.")
    words = (
        "The same factor for a part of the poses: a posterior can be right on average and wrong "
        "where it matters. Orange: too narrow, blue: too wide. Small: 95% interval."
    )
    return section(title, _lead(words), tables.strata_tables(found))


def perfect(result: Mapping[str, Any]) -> str:
    """What to compare the numbers with."""
    title, shown = "What a perfect posterior would score", tables.perfect_table(result)
    if not shown:
        return missing(title, "The result does not say.")
    words = (
        "With as many hypotheses and poses as here, drawn from the right distribution: finite "
        "numbers alone move the scores this far. Frames of one clip resemble each other, so that "
        "fewer poses count as independent."
    )
    return section(title, _lead(words), shown)
