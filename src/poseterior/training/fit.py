"""The one training loop, for every lifter.

A step depends only on the config, its index and the state, so a run that was stopped goes on
to the same weights.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poseterior.posterior import Lifter
from poseterior.training.fit_config import FitConfig
from poseterior.training.ranks import Ranks, launch
from poseterior.training.run import Run
from poseterior.training.signals import Interrupted, Stop, stop_on_signals
from poseterior.training.updates import Diverged, Source

if TYPE_CHECKING:
    import rich.progress

__all__ = ["Diverged", "FitConfig", "Interrupted", "Source", "fit"]

Validation = Callable[[Lifter], Mapping[str, Any]]


def fit(
    lifter: Lifter,
    source: Source,
    out: str | Path,
    config: FitConfig,
    validation: Validation | None = None,
    resume: bool = False,
    progress: rich.progress.Progress | None = None,
    provenance: Mapping[str, Any] | None = None,
    fabric: Any = None,
) -> dict[str, Any]:
    """Train `lifter` in place, leave it in eval mode, and return the last validation's numbers.

    The folder `out` gets the weights (the averaged ones with `config.ema`), the log and the
    state to resume from. A lifter that defines `critic_losses(keypoints, pose, generator)` and
    `critic_parameters()` has its critic trained before each step, on batches of its own.

    Args:
        lifter: its `losses` are summed and minimised; on its own device unless `fabric` is given.
        source: see `Source`.
        out: a new folder, or with `resume` one with a run of the same lifter.
        config: when resuming the same as before, but for `steps` (a schedule that depends on
            it goes on from where the new one is), `devices` and when to log, save and validate.
        validation: called with the lifter in eval mode; its numbers go to the log.
        resume: go on from the checkpoint in `out`.
        progress: a started `rich.progress.Progress` to show a bar in.
        provenance: JSON kept in `config.json`: data, versions, whatever made the weights.
        fabric: a launched Lightning Fabric; made if `config.devices` > 1. Each process takes
            its share of every batch; the result is one process's up to rounding, except for
            terms that couple poses of a batch, batch norm and random draws.

    Raises:
        InputError: `out` holds a run and not `resume`, or none and `resume`, or another one.
        Diverged: a loss or gradient is not finite; the last checkpoint is kept.
        Interrupted: SIGINT or SIGTERM came; the step was finished and the state saved.
    """
    ranks = Ranks(fabric if fabric is not None else launch(config.devices))
    ranks.place(lifter)
    run = Run(lifter, source, Path(out), config, ranks, provenance)
    run.resume() if resume else run.begin()
    with stop_on_signals() as stop, _bar(progress, config.steps, run.progress.step) as show:
        _train(run, stop, validation, show)
    run.average.swap()
    lifter.eval()
    return dict(run.progress.validation or {})


def _train(
    run: Run, stop: Stop, validation: Validation | None, show: Callable[[int, str], None]
) -> None:
    """All steps that are left: log, validate and save where they are due."""
    config, progress = run.config, run.progress
    begun, saved = time.monotonic() - progress.seconds, time.monotonic()
    while progress.step < config.steps:
        stopping = _step(run, stop)
        progress.seconds = time.monotonic() - begun
        last = progress.step == config.steps
        if last or progress.step % config.log_every == 0:
            show(progress.step, f"loss {run.log()['loss']:.4g}")
        if validation and (last or _due(progress.step, config.validate_every)):
            run.validate(validation)
        late = 0 < config.save_seconds <= time.monotonic() - saved
        if last or late or stopping or _due(progress.step, config.save_every):
            run.save()
            saved = time.monotonic()
        if stopping and not last:
            at = f"step {progress.step} of {config.steps}"
            raise Interrupted(f"stopped at {at}, saved in {run.out}: resume to go on")


def _step(run: Run, stop: Stop) -> bool:
    """One update, counted in the log's means; whether a signal came on any process."""
    try:
        numbers, stopping = run.updates(run.progress.step, stop)
    except Diverged as error:
        raise Diverged(
            f"{error}: training stopped; the last checkpoint is kept in {run.out}. "
            "Try a lower learning rate or clipping."
        ) from error
    run.average.update(run.progress.step)
    run.progress.step += 1
    run.means.add(numbers)
    return stopping


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


@contextmanager
def _bar(
    progress: rich.progress.Progress | None, steps: int, done: int
) -> Iterator[Callable[[int, str], None]]:
    """A function that moves the bar to a step and shows a text; it does nothing without one."""
    if progress is None:
        yield lambda step, text: None
        return
    task = progress.add_task("training", total=steps, completed=done)
    yield lambda step, text: progress.update(task, completed=step, description=text)
