"""Fixtures of all tests: torch's global state is left alone, data is found or its tests skip."""

from __future__ import annotations

import contextlib
import io
import os
import re
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

# One worker a core (`-n auto`) and one thread a worker: more threads than cores wait for each
# other. The variable is for the commands that tests start.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)

# What a library must not change behind its user's back, by the words of the failure.
GLOBAL_STATE = {
    "default dtype": torch.get_default_dtype,
    "default device": lambda: str(torch.get_default_device()),
    "number of threads": torch.get_num_threads,
    "number of inter-op threads": torch.get_num_interop_threads,
    "grad mode": torch.is_grad_enabled,
    "anomaly detection": torch.is_anomaly_enabled,
    "deterministic algorithms": torch.are_deterministic_algorithms_enabled,
    "deterministic algorithms (warn only)": (torch.is_deterministic_algorithms_warn_only_enabled),
    "float32 matmul precision": torch.get_float32_matmul_precision,
    "cudnn flags": lambda: (
        torch.backends.cudnn.enabled,
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.deterministic,
    ),
    "seed of the global generator": torch.initial_seed,
    "NumPy's global generator": lambda: _numpy_state(),
}


def _numpy_state() -> int:
    """A checksum of the state of NumPy's global generator."""
    state = np.random.get_state(legacy=False)["state"]  # noqa: NPY002
    return zlib.crc32(state["key"].tobytes()) + state["pos"]


def changes(before: dict[str, object], after: dict[str, object]) -> list[str]:
    """One line for each entry of `GLOBAL_STATE` that is not what it was."""
    return [f"{k}: {before[k]} -> {after[k]}" for k in before if before[k] != after[k]]


def snapshot() -> dict[str, object]:
    """The present value of every entry of `GLOBAL_STATE`."""
    return {name: read() for name, read in GLOBAL_STATE.items()}


@pytest.fixture(autouse=True)
def torch_state_is_left_alone() -> Iterator[None]:
    """Fail any test after which torch's global state is not what it was.

    Each test runs in a fork of the global generator that starts from the same seed, because
    initialising a module draws from it; seeding it outside `torch.random.fork_rng` fails.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        before = snapshot()
        yield
        found = changes(before, snapshot())
    if found:
        pytest.fail("the test changed global state: " + "; ".join(found), pytrace=False)


@pytest.fixture(scope="session")
def cmu_root() -> Path:
    """Folder of the CMU arrays and fixed observations, from the variable POSETERIOR_CMU."""
    named = os.environ.get("POSETERIOR_CMU")
    if not named:
        pytest.skip("needs the CMU data: set POSETERIOR_CMU to its folder")
    root = Path(named)
    if not (root / "test_observations.npz").is_file():
        pytest.fail(f"POSETERIOR_CMU={named} has no test_observations.npz")
    return root


@pytest.fixture(scope="session")
def command_faults() -> Callable[[str], list[str]]:
    """What is wrong with a `poseterior ...` command of a document, by the command's own help."""
    command_line = pytest.importorskip("poseterior.cli")

    @cache
    def help_of(*name: str) -> str:
        text = io.StringIO()
        with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
            command_line.parse([*name, "--help"])
        return text.getvalue()

    def faults(command: str) -> list[str]:
        name, *rest = command.split()[1:]
        if name not in command_line.COMMANDS:
            return [f"no command {name}"]
        options = {word.split("=")[0] for word in rest if word.startswith("--")}
        part = [] if not rest or rest[0].startswith("-") else rest[:1]  # such as `data people`
        known = set(re.findall(r"--[a-z0-9-]+", help_of(name, *part)))
        return sorted(f"{name} has no option {option}" for option in options - known)

    return faults
