"""Lifters by name or folder: the weights that come with the package, or a run of one's own."""

from __future__ import annotations

import difflib
import os
from importlib.resources import files
from pathlib import Path

from poseterior.errors import InputError
from poseterior.posterior import Lifter
from poseterior.training.checkpoint import CONFIG_FILE, load_lifter
from poseterior.training.known_lifters import KNOWN_LIFTERS

__all__ = ["open_lifter", "shipped_lifters"]


def _weights() -> Path:
    return Path(str(files("poseterior"))) / "weights"


def shipped_lifters() -> tuple[str, ...]:
    """Names of the lifters whose weights come with the package."""
    return tuple(sorted(path.parent.name for path in _weights().glob(f"*/{CONFIG_FILE}")))


def open_lifter(name: str | os.PathLike[str] = "coupling_flow") -> Lifter:
    """A trained lifter in eval mode on the CPU.

    Args:
        name: one of `shipped_lifters()`, or the folder of a run that `poseterior train` wrote.

    Raises:
        InputError: neither of these, or a folder that is no whole checkpoint.
    """
    shipped = shipped_lifters()
    if str(name) in shipped:
        return load_lifter(_weights() / str(name), KNOWN_LIFTERS)
    if Path(name).exists():
        return load_lifter(Path(name), KNOWN_LIFTERS)
    near = difflib.get_close_matches(str(name), shipped, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    untrained = ": it has no weights in the package, train it" if str(name) in KNOWN_LIFTERS else ""
    raise InputError(
        "lifter", str(name),
        expected=f"one of {', '.join(shipped)} or the folder of a run{hint}",
        found=f"neither{untrained}",
    )  # fmt: skip
