"""The one training loop, for every lifter.

What a step does depends only on the config, the step's index and the state, never on a random
state carried along: the batch comes from `source.batch(index)`, every other draw from
generators seeded by (seed, index). So a run that was stopped goes on to the same weights.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from poseterior.errors import require
from poseterior.keypoints import Keypoints
from poseterior.posterior import Lifter
from poseterior.training.average import Average
from poseterior.training.checkpoint import MODEL_FILE, config_to_json, load_weights, save_model
from poseterior.training.fit_config import FitConfig
from poseterior.training.log import Means, append_log, plain, truncate_log
from poseterior.training.ranks import Ranks, launch
from poseterior.training.signals import Interrupted, Stop, stop_on_signals
from poseterior.training.state import (
    STATE_FILE,
    Progress,
    flatten_optimiser,
    read_state,
    restore_optimiser,
    section,
    write_state,
)

if TYPE_CHECKING:
    import rich.progress

__all__ = ["Diverged", "FitConfig", "Interrupted", "Source", "fit"]

Validation = Callable[[Lifter], Mapping[str, Any]]


class Source(Protocol):
    """Where training poses come from: batch `index`, the same whenever it is asked for."""

    def batch(self, index: int) -> tuple[Keypoints, Tensor]:
        """Keypoints with batch shape (B,) and their poses (B, J, 3), metres, root-relative."""
        ...


class Diverged(Exception):
    """A loss or gradient is not finite; the last checkpoint is kept."""


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
        Diverged: a loss or gradient is not finite.
        Interrupted: SIGINT or SIGTERM came; the step was finished and the state saved.
    """
    ranks = Ranks(fabric if fabric is not None else launch(config.devices))
    ranks.place(lifter)
    run = _Run(lifter, source, Path(out), config, ranks, provenance)
    run.resume() if resume else run.begin()
    with stop_on_signals() as stop, _bar(progress, config.steps, run.progress) as advance:
        run.train(stop, validation, advance)
    run.average.swap()
    lifter.eval()
    return dict(run.progress.validation or {})


class _Run:
    """A training under way: the lifter and everything that goes into a checkpoint."""

    def __init__(
        self,
        lifter: Lifter,
        source: Source,
        out: Path,
        config: FitConfig,
        ranks: Ranks,
        provenance: Mapping[str, Any] | None,
    ) -> None:
        self.lifter, self.source, self.out = lifter, source, out
        self.config, self.ranks = config, ranks
        self.provenance = {
            "torch": torch.__version__, "fit": config_to_json(config), **(provenance or {}),
        }  # fmt: skip
        self.device = next(lifter.parameters()).device
        self.average = Average(lifter, config.ema)
        self.progress, self.means = Progress(), Means()
        adversary: Any = lifter if hasattr(lifter, "critic_parameters") else None
        critic = list(adversary.critic_parameters()) if adversary else []
        others = {id(p) for p in critic}
        own = [p for p in lifter.parameters() if p.requires_grad and id(p) not in others]
        self.optimisers = {"optimiser": _optimiser(own, config, config.learning_rate)}
        if critic:
            rate = config.critic_learning_rate or config.learning_rate
            self.optimisers["critic_optimiser"] = _optimiser(critic, config, rate)

    # -- state ------------------------------------------------------------------------------

    def begin(self) -> None:
        for name in (STATE_FILE, MODEL_FILE):
            there = self.ranks.index == 0 and (self.out / name).exists()
            require(
                not there,
                self.out, "", expected="a new folder, or to resume the run there", found=name,
            )  # fmt: skip
        self.save()
        if self.ranks.index == 0:
            truncate_log(self.out, -1)

    def resume(self) -> None:
        path = self.out / STATE_FILE
        self.progress, fitted, tensors = read_state(self.out, self.lifter.name)
        _require_same(fitted, config_to_json(self.config), path)
        load_weights(self.lifter, section(tensors, "model"), path)
        average = section(tensors, "average")
        for name, value in self.average.values.items():
            same = name in average and average[name].shape == value.shape
            require(same, path, f"average/{name}", expected=tuple(value.shape), found="not that")
            value.copy_(average[name])
        for name, optimiser in self.optimisers.items():
            restore_optimiser(optimiser, section(tensors, name), path)
        self.means = Means(self.progress.sums, self.progress.count)
        if self.ranks.index == 0:
            truncate_log(self.out, self.progress.step)

    def save(self) -> None:
        if self.ranks.index != 0:
            return
        self.progress.sums, self.progress.count = self.means.sums, self.means.count
        made = {**self.provenance, "step": self.progress.step}
        with self.average.swapped():
            save_model(self.lifter, self.out, provenance=made)
        write_state(
            self.out, self.lifter.name, self.progress, config_to_json(self.config),
            model=self.lifter.state_dict(), average=self.average.values,
            **{name: flatten_optimiser(o) for name, o in self.optimisers.items()},
        )  # fmt: skip

    # -- steps ------------------------------------------------------------------------------

    def train(
        self, stop: Stop, validation: Validation | None, advance: Callable[[str], None]
    ) -> None:
        config, progress = self.config, self.progress
        begun, saved = time.monotonic() - progress.seconds, time.monotonic()
        while progress.step < config.steps:
            numbers, stopping = self.step(stop)
            progress.step += 1
            progress.seconds = time.monotonic() - begun
            self.means.add(numbers)
            last = progress.step == config.steps
            if last or progress.step % config.log_every == 0:
                self.log(advance)
            if validation and (last or _due(progress.step, config.validate_every)):
                self.validate(validation)
            late = 0 < config.save_seconds <= time.monotonic() - saved
            if last or late or stopping or _due(progress.step, config.save_every):
                self.save()
                saved = time.monotonic()
            if stopping and not last:
                at = f"step {progress.step} of {config.steps}"
                raise Interrupted(f"stopped at {at}, saved in {self.out}: resume to go on")

    def step(self, stop: Stop) -> tuple[dict[str, float], bool]:
        """One update (and the critic's before it): its numbers, and whether to stop after it."""
        index, config = self.progress.step, self.config
        numbers: dict[str, float] = {}
        adversarial = "critic_optimiser" in self.optimisers
        batches = config.critic_steps + 1 if adversarial else 1
        self.lifter.train()
        with _seeded(self.device, config.seed, index, self.ranks.index) as generator:
            for batch in range(index * batches, (index + 1) * batches - 1):
                numbers |= self.update("critic_optimiser", batch, generator, stop)
            numbers |= self.update("optimiser", (index + 1) * batches - 1, generator, stop)
        self.average.update(index)
        return numbers, numbers.pop("stop") > 0

    def update(
        self, which: str, batch: int, generator: torch.Generator, stop: Stop
    ) -> dict[str, float]:
        """Backward and step of one optimiser on one batch; names get `critic_` for the critic."""
        optimiser, own = self.optimisers[which], which == "optimiser"
        keypoints, pose = self.ranks.part(*self.source.batch(batch))
        keypoints, pose = keypoints.to(self.device), pose.to(self.device)
        lifter: Any = self.lifter
        losses = lifter.losses if own else lifter.critic_losses
        with self.autocast():
            terms = losses(keypoints, pose, generator)
        numbers = self.agreed(terms, "" if own else "critic_", stop)
        optimiser.zero_grad()
        torch.stack([term.float() for term in terms.values()]).sum().backward()
        norm = self.finish_gradient(optimiser)
        self.require_finite({"gradient": norm})
        for group in optimiser.param_groups:
            group["lr"] = group["base_lr"] * self.config.learning_rate_at(self.progress.step)
        optimiser.step()
        return numbers | ({"gradient_norm": norm} if own else {})

    def agreed(self, terms: Mapping[str, Tensor], prefix: str, stop: Stop) -> dict[str, float]:
        """Every term, their sum and the wish to stop, the same on all processes."""
        values = [term.detach().float() for term in terms.values()]
        flag = torch.tensor(float(bool(stop)), device=self.device)
        *means, stopping = self.ranks.mean(torch.stack([*values, flag])).tolist()
        numbers = {prefix + name: mean for name, mean in zip(terms, means, strict=True)}
        self.require_finite(numbers)
        return {prefix + "loss": sum(means), **numbers, "stop": stopping}

    def finish_gradient(self, optimiser: torch.optim.Optimizer) -> float:
        """Average over the processes, clip; the norm before clipping."""
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        self.ranks.average_gradients(parameters)
        limit = math.inf if self.config.clip_norm is None else self.config.clip_norm
        norm = nn.utils.clip_grad_norm_(parameters, limit)
        if self.config.clip_value is not None:
            nn.utils.clip_grad_value_(parameters, self.config.clip_value)
        return float(norm)

    def require_finite(self, numbers: Mapping[str, float]) -> None:
        for name, number in numbers.items():
            if not math.isfinite(number):
                raise Diverged(
                    f"{name} is {number} at step {self.progress.step + 1}: training stopped; the "
                    f"last checkpoint is kept in {self.out}. Try a lower learning rate or clipping."
                )

    def autocast(self) -> AbstractContextManager[Any]:
        enabled = self.config.precision == "bfloat16"
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=enabled)

    # -- reporting --------------------------------------------------------------------------

    def log(self, advance: Callable[[str], None]) -> None:
        means = self.means.flush()
        rate = self.config.learning_rate * self.config.learning_rate_at(self.progress.step - 1)
        advance(f"loss {means['loss']:.4g}")
        self.write({**means, "learning_rate": rate, "seconds": round(self.progress.seconds, 3)})

    def validate(self, validation: Validation) -> None:
        """Only the first process validates; the others wait at their next step."""
        if self.ranks.index != 0:
            return
        self.lifter.eval()
        with self.average.swapped(), torch.no_grad():
            self.progress.validation = plain(validation(self.lifter))
        self.write({"validation": self.progress.validation})

    def write(self, record: Mapping[str, Any]) -> None:
        if self.ranks.index == 0:
            append_log(self.out, {"step": self.progress.step, **record})


def _optimiser(
    parameters: list[nn.Parameter], config: FitConfig, rate: float
) -> torch.optim.Optimizer:
    """Adam or AdamW; `base_lr` keeps what the schedule multiplies."""
    cls = torch.optim.AdamW if config.optimiser == "adamw" else torch.optim.Adam
    groups = [{"params": parameters, "base_lr": rate}]
    return cls(
        groups, lr=rate, betas=config.betas, weight_decay=config.weight_decay, fused=True
    )


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


_FREE = ("steps", "devices", "validate_every", "save_every", "save_seconds", "log_every")


def _require_same(before: Mapping[str, Any], now: Mapping[str, Any], source: Path) -> None:
    """A run goes on with the config it began with, but for what does not change its steps."""
    for name, value in now.items():
        if name not in _FREE:
            found = before.get(name)
            require(found == value, source, name, expected=f"{found} as before", found=value)


@contextmanager
def _seeded(device: torch.device, seed: int, index: int, rank: int) -> Iterator[torch.Generator]:
    """A generator for the losses' draws; inside, torch's global one (dropout) is seeded too.

    The global state is put back after.
    """
    own, shared = np.random.SeedSequence((seed, index, rank)).generate_state(2, np.uint64)
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.random.default_generator.manual_seed(int(shared))
        for cuda in devices:
            with torch.cuda.device(cuda):
                torch.cuda.manual_seed(int(shared))
        yield torch.Generator(device=device).manual_seed(int(own))


@contextmanager
def _bar(
    progress: rich.progress.Progress | None, steps: int, done: Progress
) -> Iterator[Callable[[str], None]]:
    """A function that moves the bar to the step reached and shows a text; nothing without one."""
    if progress is None:
        yield lambda text: None
        return
    task = progress.add_task("training", total=steps, completed=done.step)
    yield lambda text: progress.update(task, completed=done.step, description=text)
