"""`poseterior demo`: lift the bundled clip and show what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from poseterior.cli.options import Count, check_draws

__all__ = ["Demo"]


@dataclass(frozen=True)
class Demo:
    """Lift a short clip that comes with the package and write a report on it."""

    out: Path
    """Folder for posterior.npz, report.json, report.html and PNG plots."""
    hypotheses: Count = 200
    """Poses to draw for each observation."""
    seed: Count = 0
    """Seed of all draws."""

    def run(self) -> None:
        """Lift, score, report."""
        check_draws(self.hypotheses, self.seed)

        from poseterior.batch.examples import ExampleRows
        from poseterior.batch.lift import lift
        from poseterior.batch.score import score
        from poseterior.cli.console import bar, show_result
        from poseterior.cli.reporting import check_outputs, write_outputs
        from poseterior.data.demo_clip import demo_observations
        from poseterior.data.npz_writer import make_folder
        from poseterior.training.shipped import open_lifter

        names = ("posterior.npz", "report.json", "report.html")
        posterior, numbers, page = (make_folder(self.out) / name for name in names)
        check_outputs(posterior, numbers, page)
        with demo_observations() as source, bar("lifting") as advance:
            lift(source, open_lifter(), posterior, self.hypotheses, self.seed, progress=advance)
            examples = ExampleRows(source.rows)
        with bar("scoring") as advance:
            result = score(posterior, progress=advance, examples=examples)
        write_outputs(result, examples, numbers, page, self.out)
        show_result(result)
        print(f"open {page} in a browser")
