"""The diagnosis in words: the verdict, what to do about it, and the numbers to see first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from poseterior.report.diagnosis_read import (
    joint_words,
    part,
    rounded,
    span,
    span_text,
)
from poseterior.report.numbers import finite
from poseterior.report.parts import card
from poseterior.report.study_series import Span

__all__ = ["cards", "header", "skill_sentence"]

_FIT = "poseterior recalibrate VAL.npz --method {} --out R.json"
_APPLY = "poseterior recalibrate PRED.npz --apply R.json --out FIXED.npz"


class _Verdict(NamedTuple):
    """A verdict's headline, its mark, what to do, and the methods that repair it."""

    title: str
    css: str
    advice: str
    methods: tuple[str, ...] = ()


_VERDICTS = {
    "calibrated": _Verdict(
        "Calibrated: no fault was found", "right",
        "Checked were the shift, the spread of each joint and of all, the ranks along each axis, "
        "the regions of whole poses and how joints vary together. Not to be seen this way: a "
        "fault smaller than the intervals below, one that only some kinds of pose have (see the "
        "strata), and whether other data than these would show the same.",
    ),
    "overconfident": _Verdict(
        "Overconfident: the spread is too narrow", "over",
        "Its regions hold fewer targets than they say: do not use them as they are. One factor "
        "widens the spread of all joints; fit it on held-out predictions:", ("spread",),
    ),
    "underconfident": _Verdict(
        "Underconfident: the spread is too wide", "under",
        "Its regions hold more targets than they say: safe, but vaguer than need be. One factor "
        "narrows the spread of all joints; fit it on held-out predictions:", ("spread",),
    ),
    "wrong_by_joint": _Verdict(
        "Wrong by joint: each needs a factor of its own", "uneven",
        "No common factor makes all joints right, and an average over joints hides it. Fit one "
        "factor for each joint, or one that adapts to the observation, on held-out predictions:",
        ("spread_joint", "adaptive"),
    ),
    "miscorrelated": _Verdict(
        "Miscorrelated: right joint by joint, wrong together", "uneven",
        "Each joint can be trusted by itself. Quantities of several joints (limb lengths, angles, "
        "distances) cannot, although each joint can: their intervals rest on how joints vary "
        "together. No recalibration of the spread repairs that.",
    ),
    "biased": _Verdict(
        "Biased: the target lies to one side of the hypotheses", "over",
        "No recalibration of the spread repairs a bias: the lifter or the data's convention is at "
        "fault. Look first for another definition of a joint, another root, a flipped axis or "
        "side, or a camera that differs between training and these data.",
    ),
    "undecided": _Verdict(
        "Undecided: too few poses to tell", "none",
        "Score more poses, of more clips or people: frames of one clip resemble each other, so "
        "that more of them add little.",
    ),
}  # fmt: skip


def header(result: Mapping[str, Any]) -> str:
    """The verdict, what was found, what to do, and what was judged."""
    known = _verdict(result)
    facts = "".join(f"<li>{escape(fact)}</li>" for fact in _facts(result))
    return (
        f'<p class="brand">Poseterior diagnosis</p><h1 class="verdict-of {known.css}">'
        f'{escape(known.title)}{escape(_by_how_much(result))}</h1><ul class="facts">{facts}</ul>'
        + _list("found", _sentences(result, known))
        + _advice(known)
        + _list("caveats", [f"Assumed: {note}." for note in part(result, "notes").values()])
    )


def _list(css: str, said: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(words)}</li>" for words in said)
    return f'<ul class="{css}">{items}</ul>' if items else ""


def _sentences(result: Mapping[str, Any], known: _Verdict) -> list[str]:
    """The result's own words, less a first sentence that says what the headline says."""
    said = [str(words) for words in result.get("words") or ()]
    headline = known.title.partition(":")[0]
    return said[1:] if said and said[0].partition(":")[0] == headline else said


def _verdict(result: Mapping[str, Any]) -> _Verdict:
    name = str(result.get("verdict") or "no verdict")
    unknown = _Verdict(name.replace("_", " ").capitalize(), "none", "The result gives no verdict.")
    return _VERDICTS.get(name, unknown)


def _by_how_much(result: Mapping[str, Any]) -> str:
    """The common factor, for the verdicts that it is about."""
    factor = finite(part(result, "factors", "common").get("factor"))
    if factor is None or result.get("verdict") not in ("overconfident", "underconfident"):
        return ""
    return f" (multiply it by {rounded(factor, 2)})"


def _advice(known: _Verdict) -> str:
    lines = [_FIT.format(method) for method in known.methods]
    commands = f"<pre><code>{escape(chr(10).join([*lines, _APPLY]))}</code></pre>" if lines else ""
    either = "<p>One of the first two lines, then the last.</p>" if len(lines) > 1 else ""
    return (
        f'<div class="advice"><h2>What to do</h2><p>{escape(known.advice)}</p>'
        f"{commands}{either}</div>"
    )


def _group_name(result: Mapping[str, Any]) -> str:
    return str(part(result, "groups").get("by") or "group")


def skill_sentence(result: Mapping[str, Any]) -> str:
    """Whether the posterior uses its input, in words; empty where that is unknown."""
    skill = part(result, "skill_scores")
    value, ends = finite(skill.get("value")), span(skill)
    if value is None:
        return ""
    low = ends[0] if ends else value
    if low <= 0:
        return (
            f"It cannot be shown to use its input: its energy score is no better than that of "
            f"the data's own marginal (skill {rounded(value, 2)}{_between(ends)})."
        )
    return (
        f"It uses its input: its energy score is {value:.0%} lower than that of the data's own "
        f"marginal, which ignores the input (skill {rounded(value, 2)}{_between(ends)})."
    )


def _between(ends: Span) -> str:
    return f", {span_text(ends, 2)}" if ends else ""


def _facts(result: Mapping[str, Any]) -> Iterator[str]:
    poses, hypotheses = finite(result.get("poses")), finite(result.get("hypotheses"))
    invalid, groups = finite(result.get("invalid")), part(result, "groups")
    count, effective = finite(groups.get("count")), finite(groups.get("effective"))
    if poses is not None:
        left = f" ({invalid:,.0f} left out)" if invalid else ""
        yield f"{poses:,.0f} pose{'s' * (poses != 1)}{left}"
    if hypotheses is not None:
        yield f"{hypotheses:,.0f} hypotheses each"
    if count is not None:
        worth = f", worth {rounded(effective)} independent ones" if effective else ""
        yield f"{count:,.0f} {_group_name(result)}{'s' * (count != 1)}{worth}"
    made = part(result, "provenance")
    known = (result.get("skeleton"), *map(made.get, ("lifter", "source", "predictions")))
    yield from (value for value in known if isinstance(value, str) and value)


def cards(result: Mapping[str, Any]) -> str:
    """The few numbers to look at first; those that are known."""
    return "".join(_cards(result))


def _cards(result: Mapping[str, Any]) -> Iterator[str]:
    common, worst = part(result, "factors", "common"), _worst_joint(result)
    if finite(common.get("factor")) is not None:
        meaning = (
            "What the spread of all joints must be multiplied by to be right: above 1 it is too "
            "narrow (overconfident), below 1 too wide."
        )
        yield _card("Spread factor", meaning, "× " + rounded(common["factor"], 2), span(common), 2)
    if worst:
        joint, entry = worst
        meaning = f"The factor farthest from 1 of any joint: that of the {joint}."
        yield _card(f"Worst joint: {joint}", meaning, "× " + rounded(entry["factor"], 2),
                    span(entry), 2)  # fmt: skip
    skill = part(result, "skill_scores")
    if finite(skill.get("value")) is not None:
        meaning = (
            "How much lower the energy score is than that of the data's own marginal: 0 is no "
            "better than ignoring the input, 1 would be perfect."
        )
        yield _card("Skill", meaning, rounded(skill["value"], 2), span(skill), 2)
    yield from _score_cards(result)


def _score_cards(result: Mapping[str, Any]) -> Iterator[str]:
    energy, sharpness = part(result, "scores", "energy_mm"), part(result, "sharpness_mm")
    if finite(energy.get("value")) is not None:
        meaning = "A proper score of the whole pose: lowest in expectation for the true posterior."
        yield _card("Energy score", meaning, _mm(energy["value"]), span(energy), 1)
    if finite(sharpness.get("value")) is not None:
        meaning = "Typical distance of a joint's hypotheses from their mean."
        yield _card("Spread", meaning, _mm(sharpness["value"]), span(sharpness), 1)
    risk = part(result, "risk_coverage")
    if finite(risk.get("ause_share")) is not None:
        meaning = (
            "How far ordering the poses by their spread is from ordering them by their error: 0 "
            "is as good as knowing the error, 1 no better than chance."
        )
        yield _card("Lost ordering (AUSE)", meaning, f"{risk['ause_share']:.0%}", None, 0)


def _card(label: str, meaning: str, value: str, ends: Span, digits: int) -> str:
    between = f"95%: {span_text(ends, digits)}" if ends else ""
    return card(label, meaning, value, between)


def _mm(value: object) -> str:
    return f"{rounded(value)}<small> mm</small>"


def _worst_joint(result: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    """The joint whose factor is farthest from 1 on a logarithmic scale."""
    per_joint = part(result, "factors", "per_joint")
    known = {
        joint: entry
        for joint in per_joint
        if (finite((entry := part(per_joint, joint)).get("factor")) or 0) > 0
    }
    if not known:
        return None
    worst = max(known, key=lambda joint: abs(math.log(known[joint]["factor"])))
    return joint_words(worst), known[worst]
