"""Where the lifters of studies are trained, each once, and found again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from poseterior.posterior import Lifter
from poseterior.studies.alone import alone
from poseterior.studies.study_data import StudyData
from poseterior.studies.temperature import kept_temperature
from poseterior.training.begin import begun, new_lifter
from poseterior.training.fit import fit
from poseterior.training.fit_config import FitConfig
from poseterior.training.known_lifters import KNOWN_LIFTERS
from poseterior.training.log import read_log
from poseterior.training.recipes import recipe

__all__ = ["STUDY_STEPS", "Trained", "Workshop"]

# The recipe of `train` is longer than a table of all lifters can wait for.
STUDY_STEPS = {("coupling_flow", preset): 3000 for preset in ("small", "small_points")}


@dataclass(frozen=True)
class Trained:
    """A trained lifter.

    Attributes:
        lifter: in eval mode.
        seconds: wall time of its training and of those it builds on.
        steps: of its own training.
        temperature: of its latent, where it has one that was chosen.
    """

    lifter: Lifter
    seconds: float
    steps: int
    temperature: float | None = None


@dataclass(frozen=True)
class Workshop:
    """Trains lifters on one data set with one budget, in `out`/checkpoints.

    A training that is complete is read, one that was stopped goes on.

    Attributes:
        data: what to train on.
        out: folder of the study.
        preset: "small" or "paper".
        budget: factor on the steps of every recipe.
        seed: of weights, batches and draws.
        device: "cpu" or "cuda".
        progress: a started `rich.progress.Progress`, or None.
        waits: for a training that another process is at; else that raises `Busy`.
    """

    data: StudyData
    out: Path
    preset: str = "small"
    budget: float = 1.0
    seed: int = 0
    device: str = "cpu"
    progress: Any = field(default=None, compare=False)
    waits: bool = field(default=True, compare=False)

    def trained(
        self, name: str, suffix: str = "", changes: Mapping[str, Any] | None = None, key: str = ""
    ) -> Trained:
        """The lifter `name`, trained or found.

        Where its latent has a temperature, that is chosen on the data's poses held out.

        Args:
            name: in `KNOWN_LIFTERS`.
            suffix: of the preset, as in "small_minmpjpe".
            changes: fields of the preset's config that differ.
            key: folder in which it is kept; the name (and the suffix) if empty.

        Raises:
            Busy: another process trains it, and not `waits`.
            Interrupted: a signal came; the training's state is saved.
            Diverged: it did not converge.
        """
        cls: Any = KNOWN_LIFTERS[name]
        preset = self.preset + suffix
        config = cls.PRESETS[preset]
        own = {key: value for key, value in self.data.config.items() if hasattr(config, key)}
        config = replace(config, **own | dict(changes or {}))
        lifter = new_lifter(cls, config, self.seed, self.data.skeleton)
        before = 0.0
        if hasattr(lifter, "use_base"):
            base = self.trained(lifter.base.name)
            lifter.use_base(base.lifter.cpu())
            before = base.seconds
        out = self.out / "checkpoints" / (key or name + suffix)
        settings = self.settings(name, preset)
        lifter.to(self.device)
        source = self.data.source(settings.batch_size, self.seed)
        about = {"data": self.data.name, "preset": preset, "device": self.device, **self.data.about}
        with alone(out, self.waits):
            fit(
                lifter, source, out, settings, resume=begun(out), progress=self.progress,
                provenance=about,
            )  # fmt: skip
            lifter.cpu()
            temperature = None
            if hasattr(lifter, "temperature") and self.data.held_out is not None:
                temperature = kept_temperature(lifter, self.data.held_out(), out)
        return Trained(lifter, before + _seconds(out), settings.steps, temperature)

    def settings(self, name: str, preset: str) -> FitConfig:
        """The recipe of a lifter's preset, as long as the budget allows."""
        config = recipe(name, preset)
        steps = STUDY_STEPS.get((name, preset), config.steps)
        return replace(
            config, steps=max(1, round(steps * self.budget)), seed=self.seed, validate_every=0
        )


def _seconds(folder: Path) -> float:
    """Wall time that a training took, its interruptions left out."""
    return max((record.get("seconds") or 0.0 for record in read_log(folder)), default=0.0)
