"""One or two trainings on the same data, shown on the console: what `poseterior train` runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from poseterior.batch.score import evaluate
from poseterior.cli.console import progress
from poseterior.cli.outcome import Failed
from poseterior.data.keypoint_source import MemorySource
from poseterior.posterior import Lifter
from poseterior.studies.training_data import TrainingData
from poseterior.training.begin import begun, new_lifter
from poseterior.training.fit import Diverged, Interrupted, fit
from poseterior.training.log import LOG_FILE
from poseterior.training.recipes import recipe

__all__ = ["TrainingJob", "told"]

_POSES, _HYPOTHESES = 500, 50
_VALIDATED = ("nll", "ece_median", "ece_joint_max", "mpjpe_mean_mm", "min_mpjpe_mm")


@dataclass(frozen=True)
class TrainingJob:
    """What the trainings of one command share.

    Attributes:
        data: what they train on and are validated on.
        settings: what the user says of the recipe: `seed`, and `FitConfig` fields.
        device: "cpu" or "cuda".
        resume: go on where there is a run.
        fabric: a launched Lightning Fabric, or None.
        about: kept in each run's `config.json`.
    """

    data: TrainingData
    settings: Mapping[str, Any]
    device: str
    resume: bool
    fabric: Any
    about: Mapping[str, Any]

    def fit_base(self, lifter: Any, preset: str, out: Path) -> Lifter:
        """The lifter that `lifter` builds on, trained in a folder of its own."""
        base = new_lifter(lifter.base, lifter.base_config, self.settings["seed"])
        self.fit(base, preset, out)
        return base.cpu()

    def fit(self, lifter: Any, preset: str, out: Path) -> dict[str, Any]:
        """Train, or go on where there is a run to resume; the last validation's numbers."""
        config = replace(recipe(lifter.name, preset), **self.settings)
        if self._speaks:
            what = f"{lifter.name} ({preset}): {config.steps} steps of {config.batch_size} poses"
            print(f"{what}; log in {out / LOG_FILE}", flush=True)
        source = self.data.source(config.batch_size, config.seed)
        lifter.to(self.device)
        with told(), progress() as display:
            return fit(
                lifter, source, out, config, self._validate, progress=display,
                resume=self.resume and begun(out), fabric=self.fabric,
                provenance={**self.about, "preset": preset, **self._made},
            )  # fmt: skip

    def show(self, numbers: Mapping[str, Any], out: Path) -> None:
        """The last validation, on standard output."""
        if self._speaks:
            print(f"{out}: validation")
            for name, value in numbers.items():
                print(f"  {name:16}" + ("-" if value is None else f"{value:.4g}"))

    @property
    def _speaks(self) -> bool:
        """One of several processes does."""
        return self.fabric is None or self.fabric.global_rank == 0

    @property
    def _made(self) -> dict[str, Any]:
        return {**self.data.about, "device": self.device}

    def _validate(self, lifter: Lifter) -> dict[str, Any]:
        """NLL, ECE and MPJPE on poses held out, observed once; or as the data has it."""
        if self.data.validation is not None:
            return self.data.validation(lifter)
        result = evaluate(lifter, self._held_out, _HYPOTHESES)
        numbers = {key: result[key] for key in _VALIDATED}
        return {"poses": result["poses"], "hypotheses": _HYPOTHESES, **numbers}

    @cached_property
    def _held_out(self) -> MemorySource:
        assert self.data.held_out is not None  # validated otherwise
        return self.data.held_out(_POSES)


@contextmanager
def told(again: str = "--resume") -> Iterator[None]:
    """Turn the ways in which a training ends early into those of a command.

    `again` is what a user does to go on.
    """
    try:
        yield
    except Interrupted as stopped:
        raise KeyboardInterrupt(str(stopped).replace("resume to", f"{again} to")) from stopped
    except Diverged as error:
        raise Failed(str(error)) from error
