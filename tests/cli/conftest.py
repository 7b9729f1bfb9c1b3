"""What the tests of the command line share: running a command, a small lifter, small data."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cli_files import Ended, save_tiny_lifter, tiny_cmu

from poseterior.cli import main


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Runs a command in this process."""

    def command(*arguments: object) -> Ended:
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as ended:  # how the parser ends: help, or a usage error
            code = int(ended.code or 0)
        return Ended(code, *capsys.readouterr())

    return command


@pytest.fixture(scope="session")
def tiny_lifter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a `coupling_flow` with few and untrained weights."""
    return save_tiny_lifter(tmp_path_factory.mktemp("tiny") / "lifter")


@pytest.fixture(scope="session")
def cmu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like that of the CMU arrays, of made-up motion."""
    return tiny_cmu(tmp_path_factory.mktemp("cmu"))
