"""`poseterior evaluate`: a lifter against observations with a target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from poseterior.cli.options import (
    Count,
    Json,
    LifterName,
    Name,
    Plots,
    Report,
    Root,
    SeenPath,
    check_draws,
)

if TYPE_CHECKING:
    from poseterior.data.keypoint_source import KeypointSource

__all__ = ["Evaluate"]


@dataclass(frozen=True)
class Evaluate:
    """Lift observations whose target is known, and score the hypotheses."""

    lifter: tyro.conf.Positional[LifterName]
    """A lifter that comes with the package, or the folder of a run."""
    data: Literal["cmu"] = "cmu"
    """The data set."""
    root: Root = None
    split: Name = None
    """train, val, test or test_dance; test, or val with --limb-scale, if not given."""
    observations: SeenPath = None
    """An observations .npz with a target, instead of a data set."""
    limb_scale: Annotated[float | None, tyro.conf.arg(metavar="S", help_behavior_hint="")] = None
    """Observe the split anew, each bone's length times U(1 - S, 1 + S)."""
    hypotheses: Count = 200
    """Poses to draw for each observation."""
    seed: Count = 0
    """Seed of all draws."""
    json: Json = None
    report: Report = None
    plots: Plots = None

    def run(self) -> None:
        """Evaluate, write what was asked for and print the main numbers."""
        check_draws(self.hypotheses, self.seed)

        from poseterior.batch.examples import ExampleRows
        from poseterior.batch.score import evaluate
        from poseterior.cli.console import bar, show_notes, show_result
        from poseterior.cli.reporting import check_outputs, write_outputs
        from poseterior.training.shipped import open_lifter

        inputs = (self.observations,)
        check_outputs(self.json, self.report, folder=self.plots, inputs=inputs)
        lifter, source = open_lifter(self.lifter), self._source()
        examples = ExampleRows(source.rows)
        with bar("evaluating") as advance:
            result = evaluate(
                lifter, source, self.hypotheses, self.seed, progress=advance, examples=examples
            )
        write_outputs(result, examples, self.json, self.report, self.plots)
        show_notes(source.notes)
        show_result(result)

    def _source(self) -> KeypointSource:
        """The file given, else the split's fixed observations, else the split observed anew."""
        from poseterior.data.cmu import cmu_root, load_cmu, observations_path
        from poseterior.data.observations import open_observations
        from poseterior.data.observed_anew import observed_anew
        from poseterior.errors import require

        if self.observations is not None:
            for name, value in (("--split", self.split), ("--limb-scale", self.limb_scale)):
                expected = "nothing beside --observations"
                require(value is None, name, "", expected=expected, found=value)
            return open_observations(self.observations)
        root, split = cmu_root(self.root), self.split or ("val" if self._anew else "test")
        fixed = observations_path(root, split)
        if not self._anew and fixed.is_file():
            return open_observations(fixed)
        source = observed_anew(load_cmu(root, split), self.limb_scale or 0.0, self.seed)
        if not self._anew:
            text = f"{root} has no {fixed.name}; {source.rows} poses seen by the simulated detector"
            source.notes["observations"] = text
        return source

    @property
    def _anew(self) -> bool:
        return self.limb_scale is not None
