"""`poseterior train`: any lifter on motion capture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

if TYPE_CHECKING:
    from poseterior.data.keypoint_source import MemorySource
    from poseterior.data.pose_source import PoseSource
    from poseterior.posterior import Lifter
    from poseterior.training.fit_config import FitConfig

__all__ = ["Train"]

_VALIDATION_POSES, _VALIDATION_HYPOTHESES = 500, 50
_VALIDATED = ("nll", "ece_median", "ece_joint_max", "mpjpe_mean_mm", "min_mpjpe_mm")


@dataclass(frozen=True)
class Train:
    """Train a lifter; stop it any time and go on with --resume."""

    lifter: tyro.conf.Positional[str]
    """Name of the lifter (see `poseterior info`)."""
    out: Path
    """Folder of the run."""
    data: Literal["cmu"] = "cmu"
    """The data set."""
    root: Path | None = None
    """Its folder; else the environment variable POSETERIOR_CMU."""
    preset: str = "small"
    """Sizes and recipe: small for a computer without a GPU, paper for the published ones."""
    steps: int | None = None
    """Updates; the recipe's if not given."""
    seed: int = 0
    """Seed of weights, batches and draws."""
    resume: bool = False
    """Go on from the run in the folder."""
    base: Path | None = None
    """Run of the lifter that this one builds on (gaussian: a simple_baseline); trained first,
    in OUT/base, if not given."""
    validate_every: int = 2000
    """Steps between validations."""
    device: str = "cpu"
    """Where to train: cpu, cuda."""
    devices: int = 1
    """Processes that share each batch (extra `scale`)."""

    def run(self) -> None:
        """Train, with a bar, and print the last validation."""
        import torch

        from poseterior.data.cmu import load_cmu
        from poseterior.data.pose_source import PoseSource
        from poseterior.training.recipes import recipe

        config = replace(
            recipe(self.lifter, self.preset),
            seed=self.seed, devices=self.devices, validate_every=self.validate_every,
        )  # fmt: skip
        config = config if self.steps is None else replace(config, steps=self.steps)
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            lifter = self._lifter()
        clips = load_cmu(self.root, "train")
        source = PoseSource(clips.positions, clips.skeleton, config.batch_size, self.seed)
        if hasattr(lifter, "use_base"):
            lifter.use_base(self._base(lifter, source))
        numbers = self._fit(lifter, source, self.out, config)
        print(f"{self.out}: {config.steps} steps")
        for name, value in numbers.items():
            print(f"  {name:18}{value:.4g}" if value is not None else f"  {name:18}-")

    def _lifter(self) -> Lifter:
        from poseterior.lifters import LIFTERS

        cls: Any = LIFTERS[_known("lifter", self.lifter, LIFTERS)]
        return cls(cls.PRESETS[_known("preset", self.preset, cls.PRESETS)])

    def _base(self, lifter: Any, source: PoseSource) -> Lifter:
        """The trained lifter that `lifter` builds on."""
        from poseterior.training.checkpoint import load_lifter
        from poseterior.training.recipes import recipe

        cls, folder = type(lifter).base, self.base or self.out / "base"
        if self.base is None:
            base = cls(lifter.base_config)
            config = replace(
                recipe(cls.name, self.preset.split("_")[0]), seed=self.seed, validate_every=0
            )
            config = config if self.steps is None else replace(config, steps=self.steps)
            self._fit(base, replace(source, batch_size=config.batch_size), folder, config)
        return load_lifter(folder, {cls.name: cls})

    def _fit(
        self, lifter: Lifter, source: PoseSource, out: Path, config: FitConfig
    ) -> Mapping[str, Any]:
        import torch

        from poseterior.cli.console import progress
        from poseterior.errors import require
        from poseterior.training.fit import fit

        there = self.device == "cpu" or torch.cuda.is_available()
        require(there, "train", "device", expected="cpu, or cuda with a GPU", found=self.device)
        lifter.to(self.device)
        made = {"data": self.data, "preset": self.preset, "device": self.device}
        with progress() as display:
            return fit(
                lifter, source, out, config, self._validation(),
                resume=self.resume and (out / "training.json").exists(),
                progress=display, provenance=made,
            )  # fmt: skip

    def _validation(self) -> Any:
        """NLL, ECE and MPJPE on poses of the val split, observed once."""
        from poseterior.batch.score import evaluate
        from poseterior.data.cmu import load_cmu
        from poseterior.data.observed_anew import observed_anew

        source: MemorySource = observed_anew(
            load_cmu(self.root, "val"), poses=_VALIDATION_POSES
        )

        def validate(lifter: Lifter) -> dict[str, Any]:
            result = evaluate(lifter, source, _VALIDATION_HYPOTHESES)
            return {key: result[key] for key in _VALIDATED}

        return validate


def _known(what: str, name: str, names: Mapping[str, Any]) -> str:
    """`name`, if it is one; else `InputError` with the known ones and the nearest."""
    import difflib

    from poseterior.errors import InputError

    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise InputError("train", what, expected=f"one of {', '.join(names)}{hint}", found=name)
    return name
