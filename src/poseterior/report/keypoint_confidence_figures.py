"""The sections of the page with charts, and how the result was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from poseterior.report import keypoint_confidence_charts as charts
from poseterior.report.diagnosis_read import joint_words, number_list, part, rounded
from poseterior.report.keypoint_confidence_charts import Line
from poseterior.report.keypoint_confidence_tables import joint_table
from poseterior.report.keypoint_confidence_words import reliability_words
from poseterior.report.numbers import finite
from poseterior.report.parts import chart, missing, section
from poseterior.report.study_charts import dot_chart, series_legend
from poseterior.report.study_series import Dot
from poseterior.report.summary import provenance

__all__ = ["joints", "made", "ranking", "reliability", "threshold"]

_WHEN = {"before": "before repair", "after": "after repair"}
_CSS = {
    "before": ("series s1 path", "s1"), "after": ("series s0 path", "s0"),
    "ideal": ("oracle", "s2"), "random": ("ideal", "random"),
}  # fmt: skip
_MOST_JOINTS = 20
_BIAS = "Mean confidence less mean OKS"


def _two(*shown: str) -> str:
    return f'<div class="two">{"".join(shown)}</div>'


def _lead(words: str) -> str:
    return f'<p class="lead">{escape(words)}</p>'


def reliability(result: Mapping[str, Any]) -> str:
    """Reliability diagrams of keypoints before and after."""
    title = "Do keypoint confidences mean what they say?"
    diagrams = {when: part(result, "curves", when, "reliability") for when in _WHEN}
    if not any(diagrams.values()):
        return missing(title, "The result holds no reliability diagram.")
    words = (
        "Labelled keypoints of people who were found, in bins of their confidence: on the dashed "
        "line their mean OKS is what the confidence says. Lines: 95% intervals."
    )
    shown = [_diagram(result, when, diagrams[when]) for when in _WHEN]
    return section(title, _lead(words), _two(*shown))


def _diagram(result: Mapping[str, Any], when: str, diagram: Mapping[str, Any]) -> str:
    title, words = f"Keypoints {_WHEN[when]}", reliability_words(result, when)
    drawn = charts.reliability_diagram(diagram, f"Reliability {_WHEN[when]}")
    if not drawn:
        return chart(title, "", f'<p class="missing">{escape(words)}</p>')
    return chart(title, words, drawn)


def joints(result: Mapping[str, Any]) -> str:
    """Bias of each joint: a chart of those farthest off before repair, and all in a table."""
    title, curves = "Which joints", part(result, "curves")
    names = part(curves, "joints").get("names") or []
    dots = {when: _dots(curves, when, names) for when in _WHEN}
    if not any(dots.values()):
        return missing(title, "The result holds no biases of joints.")
    words = "Mean confidence less mean OKS. Orange: overconfident, blue: underconfident."
    every = chart("In numbers", words, joint_table(curves))
    if not dots["before"]:
        return section(title, every)
    if len(dots["before"]) <= _MOST_JOINTS:
        return section(title, _two(_bias_chart(dots), every))
    folded = f"<summary>All {len(names)} joints</summary>{joint_table(curves)}"
    return section(title, _bias_chart(dots), f"<details>{folded}</details>")


def _bias_chart(dots: Mapping[str, Sequence[Dot]]) -> str:
    first = {dot.name: dot.value for dot in dots["before"]}
    far = sorted(first, key=lambda name: -abs(first[name]))[:_MOST_JOINTS]
    shown = [dot for name in sorted(far, key=lambda name: -first[name])
             for each in dots.values() for dot in each if dot.name == name]  # fmt: skip
    words = "Right of 0 a joint is overconfident, left of it underconfident. Lines: 95% intervals."
    if len(first) > len(far):
        words += f" Shown are the {len(far)} of {len(first)} joints that were farthest off."
    return chart("Bias", words, series_legend(list(_WHEN.values())) + dot_chart(shown, _BIAS))


def _dots(curves: Mapping[str, Any], when: str, names: Sequence[object]) -> list[Dot]:
    own = part(curves, when)
    values, spans = own.get("bias_joint") or [], own.get("interval_joint") or []
    dots = []
    for name, value, ends in zip(names, values, spans, strict=False):
        known, span = finite(value), number_list(ends)
        if known is not None:
            reach = (span[0], span[1]) if len(span) == 2 else None
            dots.append(Dot(joint_words(name), _WHEN[when], known, reach))
    return dots


def ranking(result: Mapping[str, Any]) -> str:
    """Precision against recall, and sparsification of people and keypoints."""
    title, curves = "Does the confidence know who is right?", part(result, "curves")
    drawn = [
        each for draw in (_precision_recall, _sparsification) if (each := draw(result, curves))
    ]
    if not drawn:
        return missing(title, "The result holds no curves.")
    return section(title, _two(*drawn))


def _precision_recall(result: Mapping[str, Any], curves: Mapping[str, Any]) -> str:
    recall = number_list(curves.get("recall"))
    areas = {when: part(result, when).get("map") for when in _WHEN}
    areas["ideal"] = part(result, "before").get("mar")
    areas["random"] = part(curves, "random").get("map")
    names = {"ideal": "ideal order: mAR", "after": "after: mAP", "before": "before: mAP",
             "random": "random order: mAP"}  # fmt: skip
    lines = []
    for when, name in names.items():
        own = _points(curves, when, "precision")
        lines.append(Line(f"{name} {rounded(areas.get(when), 3)}", recall if own else [], own,
                          *_CSS[when]))  # fmt: skip
    words = (
        "COCO's precision at each recall, the mean over OKS thresholds 0.50 to 0.95; the area "
        "under a line is its mAP. Poses are the same throughout, only their order differs."
    )
    drawn = charts.line_chart(lines, "Recall, %", "Precision", "Precision against recall", top=1)
    return chart("Precision and recall", words, charts.legend(lines) + drawn) if drawn else ""


def _sparsification(result: Mapping[str, Any], curves: Mapping[str, Any]) -> str:
    kept = number_list(curves.get("kept"))
    names = {"after": "after: AUSE", "before": "before: AUSE", "ideal": "ideal order (oracle)"}
    lines = []
    for when, name in names.items():
        own, area = _points(curves, when, "risk"), finite(part(result, when).get("ause"))
        said = name if area is None else f"{name} {rounded(area, 4)}"
        lines.append(Line(said, kept if own else [], own, *_CSS[when]))
    error = finite(part(curves, "random").get("risk"))
    if error is not None:
        lines.append(Line("random order", [kept[0], 1] if kept else [], [error] * 2,
                          *_CSS["random"]))  # fmt: skip
    words = (
        "Keep only the surest people: how large is their mean error, 1 - OKS? AUSE is the area "
        "between a line and the ideal one."
    )
    x_name, y_name = "People kept, the surest first, %", "Mean 1 - OKS of those kept"
    drawn = charts.line_chart(lines, x_name, y_name, "Sparsification")
    return chart("Sparsification", words, charts.legend(lines) + drawn) if drawn else ""


def _points(curves: Mapping[str, Any], when: str, key: str) -> list[float]:
    """A list of `before`, `after`, `random` or `ideal`; empty where it is missing."""
    value = part(curves, when).get(key)
    return number_list(value) if isinstance(value, list) else []


def threshold(result: Mapping[str, Any]) -> str:
    """Precision and recall of the detections from each score on, before and after."""
    title, drawn = "Which threshold to take", []
    for when, name in _WHEN.items():
        curve = part(result, "curves", when, "threshold")
        chosen = part(result, when, "threshold")
        lines = _shares(curve)
        picture = charts.threshold_chart(curve, chosen, lines, f"Thresholds {name}")
        if picture:
            drawn.append(chart(f"Scores {name}", _recommended(chosen),
                               charts.legend(lines) + picture))  # fmt: skip
    if not drawn:
        return missing(title, "The result holds no thresholds.")
    words = (
        "Of the detections with a score or more, those that COCO's matching finds right at OKS 0.5."
    )
    return section(title, _lead(words), _two(*drawn))


def _shares(curve: Mapping[str, Any]) -> list[Line]:
    """Precision and recall over the score, those that are known."""
    scores = number_list(curve.get("score"))
    lines = (
        Line(words, scores, number_list(curve.get(key)), f"series {css} path", css)
        for key, words, css in (
            ("precision", "precision: share of the detections that are right", "s0"),
            ("recall", "recall: share of the people who are found", "s2"),
        )
    )
    return [line for line in lines if line.ys and len(line.ys) == len(scores)]


def _recommended(chosen: Mapping[str, Any]) -> str:
    wanted, score = finite(chosen.get("precision_wanted")), finite(chosen.get("score"))
    if wanted is None:
        return ""
    if score is None:
        return f"No score makes {wanted:.0%} of them right."
    recall = finite(chosen.get("recall"))
    found = f" and {recall:.0%} of the people are found" if recall is not None else ""
    return f"From {rounded(score, 3)} on at least {wanted:.0%} are right{found}."


def made(result: Mapping[str, Any]) -> str:
    """What was assumed, and the command, options, data and versions."""
    notes = part(result, "notes")
    items = "".join(f"<li><b>{escape(str(name))}</b>: {escape(str(words))}</li>"
                    for name, words in notes.items())  # fmt: skip
    assumed = section("What was assumed", f'<ul class="notes">{items}</ul>') if items else ""
    keys = ("command", "options", "data", "versions")
    told = {key: result[key] for key in keys if result.get(key)}
    return assumed + provenance({"provenance": told}, "How it was made")
