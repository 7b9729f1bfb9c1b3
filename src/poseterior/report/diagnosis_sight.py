"""What the diagnostics can and cannot see, as they were found on posteriors with known faults."""

from __future__ import annotations

import json
from html import escape

from poseterior.report.diagnosis_tables import table
from poseterior.report.parts import asset, section

__all__ = ["sight"]

_ALWAYS, _NEVER = 0.9, 0.1


def sight() -> str:
    """A table of which diagnostic fires at which fault, from `faults.json` of `study faults`."""
    found = json.loads(asset("faults.json"))
    posteriors = list(found["expected"])
    rows = [
        f'<th scope="row">{escape(name)}</th>{_cells(shares, posteriors)}'
        for name, shares in found["fires"].items()
    ]
    right = found["right"]
    silent = right["verdicts"].get("calibrated", 0)
    words = (
        f"Posteriors with a known fault, {found['poses']:,} poses of {found['hypotheses']} "
        f"hypotheses, {found['seeds']} seeds each. A dot: the diagnostic fires (nearly) always; a "
        "share: sometimes; empty: it is blind to that fault, or silent as it should be. "
        f"{silent} of {right['seeds']} other right posteriors were called calibrated. A posterior "
        "that ignores its input shows it in its skill, and in a spread that is the same for all."
    )
    shown = table(("Diagnostic", *map(escape, posteriors)), rows)
    return section("What the diagnostics can see", f'<p class="lead">{escape(words)}</p>', shown)


def _cells(shares: dict[str, float], posteriors: list[str]) -> str:
    return "".join(f"<td>{_share(shares[name])}</td>" for name in posteriors)


def _share(value: float) -> str:
    if value >= _ALWAYS:
        return "<b>&#9679;</b>"
    return "" if value <= _NEVER else f"{value:.0%}"
