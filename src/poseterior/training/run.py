"""A training under way and its folder: begin, resume, save, log, validate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from poseterior.errors import require
from poseterior.posterior import Lifter
from poseterior.training.average import Average
from poseterior.training.checkpoint import (
    MODEL_FILE,
    config_to_json,
    load_weights,
    make_folder,
    save_model,
)
from poseterior.training.fit_config import FitConfig
from poseterior.training.log import Means, append_log, plain, truncate_log
from poseterior.training.ranks import Ranks
from poseterior.training.state import (
    STATE_FILE,
    Progress,
    flatten_optimiser,
    read_state,
    restore_optimiser,
    section,
    write_state,
)
from poseterior.training.updates import Source, Updates

__all__ = ["Run"]

# A run goes on with the config it began with, but for what does not change a step.
_FREE = ("steps", "devices", "validate_every", "save_every", "save_seconds", "log_every")


class Run:
    """The lifter, its average and optimisers, and the folder `out` that holds them.

    Only the first of several processes writes.
    """

    def __init__(
        self,
        lifter: Lifter,
        source: Source,
        out: Path,
        config: FitConfig,
        ranks: Ranks,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        self.lifter, self.out, self.config = lifter, out, config
        self.writes = ranks.index == 0
        self.updates = Updates(lifter, source, config, ranks)
        self.average = Average(lifter, config.ema)
        self.progress, self.means = Progress(), Means()
        fitted = config_to_json(config)
        self.provenance = {"torch": torch.__version__, "fit": fitted, **(provenance or {})}

    def begin(self) -> None:
        """Start in a folder that holds no model yet, and save the state before the first step."""
        if not self.writes:
            return
        for name in (STATE_FILE, MODEL_FILE):
            require(
                not (self.out / name).exists(),
                self.out, "", expected="a new folder, or to resume the run there", found=name,
            )  # fmt: skip
        make_folder(self.out)
        truncate_log(self.out, -1)
        self.save()

    def resume(self) -> None:
        """Go back to the state in the folder; what was logged after it is dropped."""
        path = self.out / STATE_FILE
        self.progress, fitted, tensors = read_state(self.out, self.lifter.name)
        for name, value in config_to_json(self.config).items():
            same = name in _FREE or fitted.get(name) == value
            require(same, path, name, expected=f"{fitted.get(name)} as before", found=value)
        load_weights(self.lifter, section(tensors, "model"), path)
        self.average.restore(section(tensors, "average"), path)
        for name, optimiser in self.updates.optimisers.items():
            restore_optimiser(optimiser, section(tensors, name), path)
        self.means = Means(self.progress.sums, self.progress.count)
        if self.writes:
            truncate_log(self.out, self.progress.step)
            self.save()  # a kill may have come between the state and what follows it

    def save(self) -> None:
        """Write the state, then the weights for use: averaged where there is an average."""
        if not self.writes:
            return
        self.progress.sums, self.progress.count = self.means.sums, self.means.count
        write_state(
            self.out, self.lifter.name, self.progress, config_to_json(self.config),
            model=self.lifter.state_dict(), average=self.average.values,
            **{name: flatten_optimiser(o) for name, o in self.updates.optimisers.items()},
        )  # fmt: skip
        made = {**self.provenance, "step": self.progress.step}
        with self.average.swapped():
            save_model(self.lifter, self.out, provenance=made)

    def log(self) -> dict[str, float]:
        """Write and return the means of the steps since the last line."""
        means = self.means.flush()
        factor = self.config.learning_rate_at(self.progress.step - 1)
        rate, seconds = self.config.learning_rate * factor, round(self.progress.seconds, 3)
        self._write({**means, "learning_rate": rate, "seconds": seconds})
        return means

    def validate(self, validation: Callable[[Lifter], Mapping[str, Any]]) -> None:
        """On the first process; the others wait at their next step."""
        if not self.writes:
            return
        self.lifter.eval()
        with self.average.swapped(), torch.no_grad():
            self.progress.validation = plain(validation(self.lifter))
        self._write({"validation": self.progress.validation})

    def _write(self, record: Mapping[str, Any]) -> None:
        if self.writes:
            append_log(self.out, {"step": self.progress.step, **record})
