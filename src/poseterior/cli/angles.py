"""`poseterior angles`: joint angles of a predictions file, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

__all__ = ["Angles"]


@dataclass(frozen=True)
class Angles:
    """Knee, hip, elbow, shoulder and trunk angles with 50 and 90 % intervals, as CSV."""

    predictions: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="POSTERIOR.npz")]
    """A predictions file, as `lift` writes it."""
    out: Path
    """The table: one line for each pose and angle, degrees."""
    widest: Annotated[float, tyro.conf.arg(metavar="DEG")] = 40.0
    """Widest 90 % interval of an angle that is usable."""

    def run(self) -> None:
        """Write the table and say how much of it can be used."""
        from poseterior.batch.angles import write_angles
        from poseterior.cli.console import bar
        from poseterior.cli.reporting import check_outputs
        from poseterior.data.predictions import open_predictions

        check_outputs(self.out, inputs=(self.predictions,))
        with open_predictions(self.predictions) as opened, bar("angles") as advance:
            lines, usable = write_angles(opened, self.out, self.widest, advance)
            poses = opened.poses
        print(f"{self.out}: {lines} angles of {poses} poses, {usable} usable")
