"""What the commands show: a progress bar and short summaries."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

__all__ = ["bar", "bars", "one_thread", "progress", "show_notes", "show_result"]

_SHOWN = {
    "mpjpe_mean_mm": ("MPJPE of the mean", "mm"),
    "mpjpe_mode_mm": ("MPJPE of the mode", "mm"),
    "expected_mpjpe_mm": ("expected MPJPE", "mm"),
    "min_mpjpe_mm": ("min MPJPE", "mm"),
    "min_pa_mpjpe_mm": ("min PA-MPJPE", "mm"),
    "pck150": ("PCK at 150 mm, best hypothesis", ""),
    "cps_mm": ("CPS", "mm"),
    "ece_median": ("ECE (median centre)", ""),
    "ece_joint_max": ("ECE of the worst joint", ""),
    "energy_score_mm": ("energy score", "mm"),
    "crps_mm": ("CRPS", "mm"),
    "sharpness_mm": ("sharpness", "mm"),
    "nll": ("negative log-likelihood", "nats"),
}


@contextmanager
def progress() -> Iterator[Any]:
    """A rich progress display on standard error; silent where that is no terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as display:
        yield display


@contextmanager
def bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar as a function of (rows done, rows in all)."""
    with progress() as display:
        task = display.add_task(what, total=None)
        yield lambda done, total: display.update(task, completed=done, total=total)


@contextmanager
def bars(*steps: str) -> Iterator[list[Callable[[int, int], None]]]:
    """A bar for each of several steps, under each other; each shows once its step has begun."""
    with progress() as display:
        tasks = [display.add_task(step, total=None, visible=False) for step in steps]
        yield [partial(_advance, display, task) for task in tasks]


def _advance(display: Any, task: Any, done: int, total: int) -> None:
    display.update(task, completed=done, total=total, visible=True)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute in one thread inside the block.

    For many small steps: a second thread saves little on a machine that is idle, and where
    others use its core each step waits for it, several times as long as one thread takes.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def show_notes(notes: Mapping[str, str]) -> None:
    """What had to be assumed, on standard error."""
    for name, text in notes.items():
        print(f"assumed {name}: {text}", file=sys.stderr)


def show_result(result: Mapping[str, Any]) -> None:
    """The verdict, what to know before trusting it, and the main numbers of a score."""
    from poseterior.report.verdict import caveats, verdict

    print(
        f"{result['poses']} poses scored ({result['invalid']} invalid), "
        f"{result['hypotheses']} hypotheses each, {result['skeleton']}"
    )
    print(verdict(result), *caveats(result), sep="\n")
    intervals = result.get("intervals") or {}
    if intervals:
        print(f"{'':47}95 % interval")
    for key, (name, unit) in _SHOWN.items():
        if result.get(key) is not None:
            print(_line(name, unit, result[key], intervals.get(key)))


def _line(name: str, unit: str, value: float, interval: tuple[float, float] | None) -> str:
    digits = 1 if unit else 4
    low_high = interval or (None, None)
    spread = "" if None in low_high else " to ".join(f"{end:.{digits}f}" for end in low_high)
    return f"  {name:31}{value:9.{digits}f} {unit:5}{spread}".rstrip()
