"""Tables of a repair of confidences: every number before and after, by part, by joint."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from poseterior.report.diagnosis_read import joint_words, part, rounded, tinted
from poseterior.report.diagnosis_tables import table
from poseterior.report.keypoint_confidence_read import MEASURES, Measure, measure, moved, pair
from poseterior.report.numbers import finite
from poseterior.report.parts import missing, section

__all__ = ["joint_table", "numbers", "parts"]

_BETTER = {"high": "Higher is better.", "low": "Lower is better.", "zero": "Nearer 0 is better."}
_ARROWS = {"high": "↑", "low": "↓", "zero": "→ 0"}
_OF_PARTS = ("map", "mar", "ause", "pearson")
_FULL = 0.3  # a bias that is drawn in the full colour


def numbers(result: Mapping[str, Any]) -> str:
    """Every number before and after, which way is better and whether it went there."""
    title = "Before and after"
    rows = [_number(result, of) for of in MEASURES if of.key in part(result, "after")]
    if not rows:
        return missing(title, "The result holds no numbers.")
    head = ("Number", "Before", "After", "Change")
    lead = (
        '<p class="lead">A dash: not to be had here, as from scores that are no probabilities.</p>'
    )
    return section(title, lead, table(head, rows, "evidence wide-first"))


def _number(result: Mapping[str, Any], of: Measure) -> str:
    before, after = pair(result, of.key)
    change = moved(of, before, after)
    side = f"<small>{change.side}</small>" if change.side else ""
    return (
        f'<th scope="row">{escape(of.label)} {_ARROWS[of.better]}'
        f"<p>{escape(of.meaning)} {_BETTER[of.better]}</p></th>"
        f"<td>{rounded(before, of.digits)}</td><td>{rounded(after, of.digits)}</td>"
        f'<td class="moved {change.side}">{change.words}{side}</td>'
    )


def parts(result: Mapping[str, Any]) -> str:
    """Body, feet, face and hands of whole bodies; empty where there are no parts."""
    names = list(part(result, "after", "parts"))
    if not names:
        return ""
    head = ["Part"]
    for key in _OF_PARTS:
        of = measure(key)
        label = f"{of.label.split(',')[0]} {_ARROWS[of.better]}"
        head += [label] if key == "mar" else [f"{label} before", "after"]
    words = (
        "Each part has a confidence of its own after repair; before, it is ranked by the person's "
        "score, as COCO-WholeBody does. Both hands are one part."
    )
    rows = [_part(result, name) for name in names]
    return section("Parts of the body", f'<p class="lead">{words}</p>', table(head, rows))


def _part(result: Mapping[str, Any], name: str) -> str:
    cells = [f'<th scope="row">{escape(joint_words(name))}</th>']
    for key in _OF_PARTS:
        of, (before, after) = measure(key), pair(result, key, "parts", name)
        side = moved(of, before, after).side
        if key != "mar":
            cells.append(f"<td>{rounded(before, of.digits)}</td>")
        cells.append(f'<td class="moved {side}">{rounded(after, of.digits)}</td>')
    return "".join(cells)


def joint_table(curves: Mapping[str, Any]) -> str:
    """Bias of every joint before and after; empty where they are not known."""
    joints = part(curves, "joints")
    columns = [joints.get("count"), joints.get("oks"),
               *(part(curves, when).get("bias_joint") for when in ("before", "after"))]  # fmt: skip
    names = joints.get("names") or []
    filled = [each if isinstance(each, list) and len(each) == len(names) else [None] * len(names)
              for each in columns]  # fmt: skip
    rows = [
        f'<th scope="row">{escape(joint_words(name))}</th><td>{rounded(count, 0)}</td>'
        f"<td>{rounded(oks, 3)}</td>{_bias(before)}{_bias(after)}"
        for name, count, oks, before, after in zip(names, *filled, strict=True)
    ]
    return table(("Joint", "Labelled", "Mean OKS", "Bias before", "Bias after"), rows)


def _bias(value: object) -> str:
    known = finite(value) or 0.0
    said = f"{'+' if known >= 0.0005 else ''}{rounded(value, 3)}"
    return tinted(said, abs(known) / _FULL, "warm" if known > 0 else "cold")
