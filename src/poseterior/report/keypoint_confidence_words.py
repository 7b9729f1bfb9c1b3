"""A repair of confidences in words: what the scores were, what changed, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from poseterior.report.diagnosis_read import part, rounded
from poseterior.report.keypoint_confidence_read import measure, moved, pair
from poseterior.report.numbers import finite
from poseterior.report.parts import card

__all__ = ["cards", "header", "reliability_words"]

_STATES = {  # verdict: (in words, colour)
    "calibrated": ("calibrated", "right"),
    "overconfident": ("overconfident", "over"),
    "underconfident": ("underconfident", "under"),
    "both": ("overconfident in part, underconfident in part", "uneven"),
}
_NEARLY = 0.02  # ECE up to which scores are called nearly calibrated
_FIRST_NOTES = ("score", "instance score", "order", "ids")
_CARDS = ("map", "mar", "ause", "pearson")
_SAME = 0.05  # points of mAP


def header(result: Mapping[str, Any]) -> str:
    """What the scores were, what repair changed, the threshold to take, and what to know."""
    state, css = _state(result)
    facts = "".join(f"<li>{escape(fact)}</li>" for fact in _facts(result))
    notes = part(result, "notes")
    known = [f"{_topic(name)}: {notes[name]}." for name in _FIRST_NOTES if notes.get(name)]
    return (
        f'<p class="brand">Poseterior confidence</p><h1 class="verdict-of {css}">'
        f'{escape(state + _effect(result))}</h1><ul class="facts">{facts}</ul>'
        + _list("found", list(_sentences(result)))
        + _advice(result)
        + _list("caveats", known)
    )


def _list(css: str, said: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(words)}</li>" for words in said)
    return f'<ul class="{css}">{items}</ul>' if items else ""


def _topic(name: str) -> str:
    names = {"score": "The scores", "instance score": "People's scores", "order": "Order",
             "ids": "Annotations"}  # fmt: skip
    return names.get(name, name.capitalize())


def _state(result: Mapping[str, Any]) -> tuple[str, str]:
    before, after = pair(result, "brier_keypoint")
    if before is None and after is not None:
        return "The keypoint scores were uncalibrated: not all from 0 to 1", "uneven"
    said, css = _verdict(part(result, "before"))
    known = f"The keypoint scores were {said}" if said else "Too few people to judge the scores"
    return known, css


def _verdict(told: Mapping[str, Any]) -> tuple[str, str]:
    """The verdict on `before` or `after` in words, empty if there is none, and its colour."""
    said, css = _STATES.get(str(told.get("verdict_keypoint")), ("", "none"))
    if said not in ("", "calibrated") and (finite(told.get("ece_keypoint")) or 1.0) < _NEARLY:
        return "nearly calibrated", "right"
    return said, css


def _effect(result: Mapping[str, Any]) -> str:
    before, after = pair(result, "map")
    if before is None or after is None:
        return ""
    points = 100 * (after - before)
    if abs(points) < _SAME:
        return "; repair leaves mAP as it was"
    said = f"{rounded(abs(points))} point{'s' * (rounded(abs(points)) != '1.0')} of mAP"
    return f"; repair {'adds' if points > 0 else 'costs'} {said} at the same mAR"


def _sentences(result: Mapping[str, Any]) -> Iterator[str]:
    (before, after), (_, bound) = pair(result, "map"), pair(result, "mar")
    if before is not None and after is not None:
        yield (
            f"mAP was {rounded(before, 3)} and is {rounded(after, 3)}; no order could bring more "
            f"than about {rounded(bound, 3)}, the mAR, which stays as it was: no pose has moved."
        )
    told = [_from_to(result, key, name) for key, name in (
        ("ause", "AUSE, what the order of people loses against the ideal one,"),
        ("pearson", "Pearson's correlation of their confidence and OKS"),
    )]  # fmt: skip
    if any(told):
        yield "; ".join(filter(None, told)) + "."
    yield from _of_keypoints(result)


def _from_to(result: Mapping[str, Any], key: str, name: str) -> str:
    of, (before, after) = measure(key), pair(result, key)
    if before is None or after is None:
        return ""
    change = moved(of, before, after)
    if not change.side:
        return f"{name} stays at {rounded(after, of.digits)}"
    way = "rises" if after > before else "falls"
    share = f" ({change.words})" if change.words.endswith("%") else ""
    return f"{name} {way} from {rounded(before, of.digits)} to {rounded(after, of.digits)}{share}"


def _of_keypoints(result: Mapping[str, Any]) -> Iterator[str]:
    (before, after), ece = pair(result, "bias_keypoint"), pair(result, "ece_keypoint")
    if after is None:
        return
    was = "no probabilities" if before is None else f"{_too(before)}, {_off(ece[0])}"
    said, _ = _verdict(part(result, "after"))
    yield (
        f"Keypoints' scores were {was}; their confidence is {_too(after)}, {_off(ece[1])}"
        f"{f': {said}' if said else ''}."
    )


def _too(bias: float) -> str:
    if abs(bias) < 0.0005:
        return "right on average"
    return f"{rounded(abs(bias), 3)} too {'high' if bias > 0 else 'low'} on average"


def _off(ece: float | None) -> str:
    return f"off by {rounded(ece, 3)} (ECE)"


def reliability_words(result: Mapping[str, Any], when: str) -> str:
    """The verdict, ECE, Brier score and bias of `before` or `after`."""
    told = part(result, when)
    if finite(told.get("brier_keypoint")) is None:
        return "Scores that are not all from 0 to 1 are no probabilities: there is no diagram."
    said = _verdict(told)[0] or "too few people to tell"
    keys = {"ECE": "ece", "Brier score": "brier", "bias": "bias"}
    numbers = (f"{name} {rounded(told.get(f'{key}_keypoint'), 3)}" for name, key in keys.items())
    return f"{said[:1].upper()}{said[1:]}: {', '.join(numbers)}."


def _facts(result: Mapping[str, Any]) -> Iterator[str]:
    for key, name in (("detections", "detection"), ("people", "person"), ("images", "image")):
        count = finite(result.get(key))
        if count is not None:
            many = "people" if name == "person" else f"{name}s"
            yield f"{count:,.0f} {name if count == 1 else many}"
    options = part(result, "options")
    method = str(result.get("method") or "")
    if method == "closed_form" and options.get("area"):
        method += f", area {options['area']}"
    yield from filter(None, (method, str(options.get("detector") or "")))


def _advice(result: Mapping[str, Any]) -> str:
    said = list(_warnings(result)) or list(_thresholds(result))
    if not said:
        return ""
    words = "".join(f"<p>{escape(each)}</p>" for each in said)
    return f'<div class="advice"><h2>What to do</h2>{words}</div>'


def _thresholds(result: Mapping[str, Any]) -> Iterator[str]:
    before, after = (part(result, when, "threshold") for when in ("before", "after"))
    wanted, score = finite(after.get("precision_wanted")), finite(after.get("score"))
    if wanted is None:
        return
    right = (
        f"at least {wanted:.0%} of the detections are right (OKS {rounded(after.get('oks'), 2)})"
    )
    if score is None:
        yield f"There is no score from which on {right}: these poses are not that good."
        return
    first = f"Keep repaired scores from {rounded(score, 3)} on: {right}, {_kept(after)}."
    old = finite(before.get("score"))
    same = "no detector's score was as precise" if old is None else (
        f"the detector's own, from {rounded(old, 3)} on, kept {_kept(before)}"
    )  # fmt: skip
    yield f"{first} For the same precision {same}."


def _kept(threshold: Mapping[str, Any]) -> str:
    count, recall = finite(threshold.get("detections")), finite(threshold.get("recall"))
    found = f", {recall:.0%} of the people" if recall is not None else ""
    return f"{count or 0:,.0f} detection{'s' * (count != 1)}{found}"


def _warnings(result: Mapping[str, Any]) -> Iterator[str]:
    sides = {key: moved(measure(key), *pair(result, key)).side for key in ("map", "ause")}
    if "worse" not in sides.values():
        return
    names = " and ".join(measure(key).label.split(",")[0] for key in sides if sides[key] == "worse")
    other = "the method isotonic or temperature, or fit on more images"
    if part(result, "options").get("method") == "closed_form":
        other = "another area, or the method isotonic"
    yield f"By {names} people are ranked worse than before: keep the detector's scores."
    yield f"Or try {other}."


def cards(result: Mapping[str, Any]) -> str:
    """mAP, mAR, AUSE, Pearson's correlation and the threshold, after repair."""
    return "".join(_cards(result))


def _cards(result: Mapping[str, Any]) -> Iterator[str]:
    for key in _CARDS:
        of, (before, after) = measure(key), pair(result, key)
        if after is None:
            continue
        change, was = moved(of, before, after), f"before: {rounded(before, of.digits)}"
        yield card(of.label, of.meaning, rounded(after, of.digits),
                   was, change.words if change.side else "unchanged")  # fmt: skip
    threshold = part(result, "after", "threshold")
    score = finite(threshold.get("score"))
    if score is not None:
        wanted, recall = (finite(threshold.get(key)) for key in ("precision_wanted", "recall"))
        meaning = "The lowest score from which on so many of the detections are right."
        found = f"{recall:.0%} of the people" if recall is not None else ""
        label = f"Threshold for {wanted:.0%} right" if wanted is not None else "Threshold"
        yield card(label, meaning, rounded(score, 3), found)
