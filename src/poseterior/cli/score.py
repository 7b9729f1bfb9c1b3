"""`poseterior score`: anyone's predictions against a target."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

__all__ = ["Score"]


@dataclass(frozen=True)
class Score:
    """Score a predictions file: accuracy beside calibration."""

    predictions: tyro.conf.Positional[Path]
    """The predictions .npz."""
    target: Path | None = None
    """An .npz with the target, where the predictions have none or another is wanted."""
    json: Path | None = None
    """Where to write every number as JSON."""
    report: Path | None = None
    """Where to write one self-contained HTML page."""
    plots: Path | None = None
    """A folder for PNG plots."""
    hypotheses: int | None = None
    """Score only the first so many hypotheses."""

    def run(self) -> None:
        """Score, print the main numbers and write what was asked for."""
        from poseterior.batch.examples import ExampleRows
        from poseterior.batch.score import score
        from poseterior.cli.console import bar, show_result
        from poseterior.cli.reporting import require_writable, write_outputs
        from poseterior.data.predictions import open_predictions

        require_writable(self.json, self.report)
        with open_predictions(self.predictions, self.target) as opened, bar("scoring") as advance:
            examples = ExampleRows(opened.poses)
            result = score(
                opened, None, self.hypotheses, progress=advance, examples=examples
            )
        show_result(result)
        write_outputs(result, examples, self.json, self.report, self.plots)
