"""`poseterior diagnose`: whether to trust a predictions file, and why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from poseterior.cli.options import Count, Json, Name, Plots, Report, SeenPath, Whole, check_range

__all__ = ["Diagnose"]


@dataclass(frozen=True)
class Diagnose:
    """Say whether hypotheses are calibrated and, if not, which fault they have."""

    predictions: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="PRED.npz")]
    """The predictions .npz."""
    target: SeenPath = None
    """An .npz with the target, where the predictions have none or another is wanted."""
    by: Name = None
    """clip, person or frame: rows that share it depend on each other; or row: none does."""
    json: Json = None
    report: Report = None
    plots: Plots = None
    hypotheses: Whole = None
    """Look at the first N hypotheses only."""
    seed: Count = 0
    """Seed of the order of ties and of random reference poses."""

    def run(self) -> None:
        """Diagnose, write what was asked for and print the verdict."""
        from poseterior.batch.diagnose import diagnose
        from poseterior.cli.console import bar, one_thread, show_notes
        from poseterior.cli.options import MOST
        from poseterior.cli.reporting import check_outputs
        from poseterior.data.predictions import open_predictions

        check_range(0, MOST, seed=self.seed)
        inputs = (self.predictions, self.target)
        check_outputs(self.json, self.report, folder=self.plots, inputs=inputs)
        with (
            open_predictions(self.predictions, self.target, sums_to_one=True) as opened,
            bar("diagnosing") as advance,
            one_thread(),
        ):
            result = diagnose(
                opened, by=self.by, hypotheses=self.hypotheses, seed=self.seed, progress=advance
            )
        self._write(result)
        show_notes(result["notes"])
        show_diagnosis(result)

    def _write(self, result: Mapping[str, Any]) -> None:
        from poseterior.batch.score import save_result
        from poseterior.cli.reporting import naming
        from poseterior.report.diagnosis_page import write_diagnosis
        from poseterior.report.diagnosis_plots import write_diagnosis_plots

        writers = (
            (self.json, lambda path: save_result(result, path)),
            (self.report, lambda path: write_diagnosis(path, result)),
            (self.plots, lambda path: write_diagnosis_plots(path, result)),
        )
        for path, write in writers:
            if path is not None:
                with naming(path):
                    write(path)


def show_diagnosis(result: Mapping[str, Any]) -> None:
    """The verdict in words and the figures behind it."""
    groups, score = result["groups"], result["score"]
    print(
        f"{result['poses']} poses ({result['invalid']} invalid), {result['hypotheses']} "
        f"hypotheses each, {result['skeleton']}; {groups['count']} independent groups by "
        f"{groups['by']} (effective {groups['effective']:.1f})"
    )
    print(f"verdict: {result['verdict']}", *result["words"], sep="\n  ")
    common, skill = result["factors"]["common"], result["skill_scores"] or {}
    perfect, risk = result["perfect"], result["risk_coverage"]
    ece = _number(score["ece_median"], score["intervals"]["ece_median"], 3)
    lines = {
        "spread factor (1 is right)": _number(common["factor"], common["interval"], 2),
        "ECE (median centre)": ece + (f"; perfect: {perfect['ece_median']:.3f}" if perfect else ""),
        "skill (0: ignores its input)": _number(skill.get("value"), skill.get("interval"), 2),
        "AUSE, mm": _number(risk["ause_mm"], risk["intervals"]["ause_mm"], 1) if risk else "-",
    }
    for name, text in lines.items():
        print(f"  {name:31}{text}")


def _number(value: float | None, interval: list[float] | None, digits: int) -> str:
    if value is None:
        return "-"
    ends = f" ({interval[0]:.{digits}f} to {interval[1]:.{digits}f})" if interval else ""
    return f"{value:.{digits}f}{ends}"
