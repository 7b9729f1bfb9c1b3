"""The command line, one command a file: parse -> Config -> run -> report."""

from __future__ import annotations

import sys
from typing import Annotated, Any

from poseterior.cli.data import CheckData
from poseterior.cli.demo import Demo
from poseterior.cli.evaluate import Evaluate
from poseterior.cli.info import Info
from poseterior.cli.lift import Lift
from poseterior.cli.score import Score
from poseterior.cli.train import Train

__all__ = ["COMMANDS", "main"]

COMMANDS: dict[str, Any] = {
    "demo": Demo,
    "lift": Lift,
    "score": Score,
    "train": Train,
    "evaluate": Evaluate,
    "data": CheckData,
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
        description="Human pose with honest uncertainty.",
        args=arguments,
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagConversionOff),
    )


def main(arguments: list[str] | None = None) -> int:
    """Run a command. 0; 2 for input that cannot be used; 1 for a run that failed; 130 stopped."""
    command = parse(arguments)
    from poseterior.errors import InputError
    from poseterior.training.fit import Diverged, Interrupted

    try:
        command.run()
    except InputError as error:
        return _fail(error, 2)
    except OSError as error:
        return _fail(error, 2)
    except Diverged as error:
        return _fail(error, 1)
    except (Interrupted, KeyboardInterrupt) as error:
        return _fail(str(error) or "stopped", 130)
    return 0


def _fail(message: object, code: int) -> int:
    print(f"poseterior: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
