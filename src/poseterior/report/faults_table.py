"""Which diagnostic sees which fault, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from poseterior.data.npz_writer import replacing

__all__ = ["faults_table", "save_table"]


def faults_table(result: Mapping[str, Any]) -> str:
    """Two tables: the share of seeds in which each diagnostic fires, and the verdicts."""
    posteriors = list(result["expected"])
    head = f"| diagnostic | {' | '.join(posteriors)} |"
    rule = "|---|" + "---|" * len(posteriors)
    rows = [
        f"| {name} | {' | '.join(f'{shares[p]:.0%}' for p in posteriors)} |"
        for name, shares in result["fires"].items()
    ]
    verdicts = [
        f"| {p} | {result['expected'][p]} | {_counted(result['verdicts'][p])} |" for p in posteriors
    ]
    right = result["right"]
    return "\n".join([
        f"{result['poses']} poses x {result['hypotheses']} hypotheses, {result['seeds']} seeds "
        f"from {result['seed']} of each posterior: the share in which a diagnostic fires.",
        "", head, rule, *rows, "",
        "| posterior | expected | verdicts |", "|---|---|---|", *verdicts,
        f"| right, other seeds | calibrated | {_counted(right['verdicts'])} |",
    ])  # fmt: skip


def _counted(verdicts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in verdicts.items())


def save_table(result: Mapping[str, Any], path: Path) -> Path:
    """Write `faults_table` to `path`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(faults_table(result) + "\n", encoding="utf-8")
    return path
