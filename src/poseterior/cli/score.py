"""`poseterior score`: anyone's predictions against a target."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from poseterior.cli.options import Json, Plots, Report, SeenPath, Whole

__all__ = ["Score"]


@dataclass(frozen=True)
class Score:
    """Score a predictions file: accuracy beside calibration."""

    predictions: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="PRED.npz")]
    """The predictions .npz."""
    target: SeenPath = None
    """An .npz with the target, where the predictions have none or another is wanted."""
    json: Json = None
    report: Report = None
    plots: Plots = None
    hypotheses: Whole = None
    """Score only the first N hypotheses."""

    def run(self) -> None:
        """Score, write what was asked for and print the main numbers."""
        from poseterior.batch.examples import ExampleRows
        from poseterior.batch.score import score
        from poseterior.cli.console import bar, show_result
        from poseterior.cli.reporting import check_outputs, write_outputs
        from poseterior.data.predictions import open_predictions

        inputs = (self.predictions, self.target)
        check_outputs(self.json, self.report, folder=self.plots, inputs=inputs)
        with open_predictions(self.predictions, self.target) as opened, bar("scoring") as advance:
            examples = ExampleRows(opened.poses)
            result = score(opened, None, self.hypotheses, progress=advance, examples=examples)
        write_outputs(result, examples, self.json, self.report, self.plots)
        show_result(result)
