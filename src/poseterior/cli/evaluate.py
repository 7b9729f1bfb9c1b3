"""`poseterior evaluate`: a lifter against observations with a target."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

if TYPE_CHECKING:
    from poseterior.data.keypoint_source import KeypointSource

__all__ = ["Evaluate"]


@dataclass(frozen=True)
class Evaluate:
    """Lift observations whose target is known, and score the hypotheses."""

    lifter: tyro.conf.Positional[str]
    """Name of a lifter that comes with the package, or the folder of a run."""
    data: Literal["cmu"] = "cmu"
    """The data set."""
    root: Path | None = None
    """Its folder; else the environment variable POSETERIOR_CMU."""
    split: str = "test"
    """Which part of it: train, val, test, test_dance."""
    observations: Path | None = None
    """Observations with a target, instead of a data set."""
    limb_scale: float | None = None
    """Observe the split anew, each bone's length times U(1 - s, 1 + s); 0 for no change."""
    hypotheses: int = 200
    """How many poses to draw for each observation."""
    seed: int = 0
    """Seed of all draws."""
    json: Path | None = None
    """Where to write every number as JSON."""
    report: Path | None = None
    """Where to write one self-contained HTML page."""
    plots: Path | None = None
    """A folder for PNG plots."""

    def run(self) -> None:
        """Evaluate, print the main numbers and write what was asked for."""
        from poseterior.batch.examples import ExampleRows
        from poseterior.batch.score import evaluate
        from poseterior.cli.console import bar, show_notes, show_result
        from poseterior.cli.reporting import require_writable, write_outputs
        from poseterior.training.shipped import open_lifter

        require_writable(self.json, self.report)
        lifter, source = open_lifter(self.lifter), self._source()
        examples = ExampleRows(source.rows)
        with bar("evaluating") as advance:
            result = evaluate(
                lifter, source, self.hypotheses, self.seed, progress=advance, examples=examples
            )
        show_notes(source.notes)
        show_result(result)
        write_outputs(result, examples, self.json, self.report, self.plots)

    def _source(self) -> KeypointSource:
        from poseterior.data.cmu import load_cmu, load_observations
        from poseterior.data.observations import open_observations
        from poseterior.data.observed_anew import observed_anew

        if self.observations is not None:
            return open_observations(self.observations)
        if self.limb_scale is not None:
            clips = load_cmu(self.root, self.split)
            return observed_anew(clips, self.limb_scale, self.seed)
        return open_observations(load_observations(self.root, self.split))
