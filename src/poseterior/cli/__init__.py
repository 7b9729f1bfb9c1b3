"""The command line, one command a file: parse -> Config -> run -> report."""

from __future__ import annotations

import sys
from typing import Annotated, Any

from poseterior.cli.angles import Angles
from poseterior.cli.confidence import Confidence
from poseterior.cli.data import DataCommand
from poseterior.cli.demo import Demo
from poseterior.cli.diagnose import Diagnose
from poseterior.cli.evaluate import Evaluate
from poseterior.cli.info import Info
from poseterior.cli.lift import Lift
from poseterior.cli.mesh import Mesh
from poseterior.cli.outcome import run_to_exit_code
from poseterior.cli.probability import Probability
from poseterior.cli.recalibrate import Recalibrate
from poseterior.cli.render import Render
from poseterior.cli.score import Score
from poseterior.cli.smooth import Smooth
from poseterior.cli.study import StudyCommand
from poseterior.cli.train import Train

__all__ = ["COMMANDS", "main", "parse"]

COMMANDS: dict[str, Any] = {
    "demo": Demo,
    "lift": Lift,
    "mesh": Mesh,
    "score": Score,
    "diagnose": Diagnose,
    "angles": Angles,
    "probability": Probability,
    "recalibrate": Recalibrate,
    "confidence": Confidence,
    "smooth": Smooth,
    "render": Render,
    "train": Train,
    "evaluate": Evaluate,
    "study": StudyCommand,
    "data": DataCommand,
    "info": Info,
}


def parse(arguments: list[str] | None = None) -> Any:
    """The command's dataclass, filled from the command line; exits with 2 on a wrong one."""
    import tyro

    choices = tuple(
        Annotated[command, tyro.conf.subcommand(name, prefix_name=False)]
        for name, command in COMMANDS.items()
    )
    union: Any = choices[0]
    for choice in choices[1:]:
        union = union | choice
    return tyro.cli(
        union,
        prog="poseterior",
        description="Human pose with honest uncertainty: 2D keypoints in, posteriors out.",
        args=arguments,
        config=(tyro.conf.OmitArgPrefixes,),
    )


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code, see `poseterior.cli.outcome`."""
    return run_to_exit_code(lambda: parse(arguments).run())


if __name__ == "__main__":
    sys.exit(main())
