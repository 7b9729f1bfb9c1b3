"""`poseterior demo`: lift the bundled clip and show what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Demo"]


@dataclass(frozen=True)
class Demo:
    """Lift a short clip that comes with the package and write a report on it."""

    out: Path
    """Folder for posterior.npz, report.json, report.html and PNG plots."""
    hypotheses: int = 200
    """How many poses to draw for each observation."""
    seed: int = 0
    """Seed of all draws."""

    def run(self) -> None:
        """Lift, score, report."""
        from poseterior.batch.examples import ExampleRows
        from poseterior.batch.lift import lift
        from poseterior.batch.score import evaluate
        from poseterior.cli.console import bar, show_result
        from poseterior.cli.reporting import write_outputs
        from poseterior.data.demo_clip import demo_observations
        from poseterior.data.npz_writer import make_folder
        from poseterior.training.shipped import open_lifter

        make_folder(self.out)
        source, lifter = demo_observations(), open_lifter()
        with bar("lifting") as advance:
            posterior = self.out / "posterior.npz"
            lift(source, lifter, posterior, self.hypotheses, self.seed, progress=advance)
        examples = ExampleRows(source.rows)
        result = evaluate(lifter, source, self.hypotheses, self.seed, examples=examples)
        show_result(result)
        write_outputs(
            result, examples, self.out / "report.json", self.out / "report.html", self.out
        )
        print(f"open {self.out / 'report.html'} in a browser")
