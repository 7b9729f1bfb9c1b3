"""`poseterior evaluate`: a lifter against observations with a target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro

from poseterior.cli.options import (
    Count,
    Data,
    Detections,
    Json,
    LifterName,
    Name,
    Plots,
    Protocol,
    Recalibration,
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
    data: Data = "cmu"
    """The data set: cmu, human36m, mpi_inf_3dhp or 3dpw."""
    root: Root = None
    split: Name = None
    """Of cmu: train, val, test or test_dance; of others: train, validation or test. test, or val with --limb-scale, if not given."""  # noqa: E501
    protocol: Protocol = None
    keypoints: Detections = None
    subset: Annotated[
        str | None, tyro.conf.arg(metavar="ambiguous|PATH", help_behavior_hint="")
    ] = None
    """Only the ambiguous frames of human36m, or those that a file lists."""
    observations: SeenPath = None
    """An observations .npz with a target, instead of a data set."""
    limb_scale: Annotated[float | None, tyro.conf.arg(metavar="S", help_behavior_hint="")] = None
    """Observe the split anew, each bone's length times U(1 - S, 1 + S)."""
    hypotheses: Count = 200
    """Poses to draw for each observation."""
    seed: Count = 0
    """Seed of all draws."""
    recalibration: Recalibration = None
    json: Json = None
    report: Report = None
    plots: Plots = None

    def run(self) -> None:
        """Evaluate, write what was asked for and print the main numbers."""
        check_draws(self.hypotheses, self.seed)

        from poseterior.batch.examples import ExampleRows
        from poseterior.batch.score import evaluate
        from poseterior.cli.console import bar, show_notes, show_result
        from poseterior.cli.groups import show_groups
        from poseterior.cli.lifters import opened_lifter
        from poseterior.cli.reporting import check_outputs, write_outputs

        inputs = (self.observations, self.recalibration)
        check_outputs(self.json, self.report, folder=self.plots, inputs=inputs)
        source = self._source()
        lifter = opened_lifter(self.lifter, self.recalibration, self.hypotheses, source)
        examples = ExampleRows(source.rows)
        with bar("evaluating") as advance:
            result = evaluate(
                lifter, source, self.hypotheses, self.seed, progress=advance, examples=examples
            )
        write_outputs(result, examples, self.json, self.report, self.plots)
        show_notes(source.notes)
        show_result(result)
        show_groups(result)

    def _source(self) -> KeypointSource:
        """The file given, else the data set's split."""
        from poseterior.data.datasets import DATA_SETS
        from poseterior.data.observations import open_observations
        from poseterior.errors import known, require

        if self.observations is not None:
            parts = {"split": self.split, "limb-scale": self.limb_scale, **self._options}
            for name, value in parts.items():
                expected = "nothing beside --observations"
                require(value is None, f"--{name}", "", expected=expected, found=value)
            return open_observations(self.observations)
        data = DATA_SETS[known("--data", self.data, DATA_SETS)]
        if self.data == "cmu" and not any(self._options.values()):
            return self._cmu()
        expected = f"none, for the poses of {data.title} are seen as they are"
        require(self.limb_scale is None, "--limb-scale", "", expected=expected,
                found=self.limb_scale)  # fmt: skip
        split = known("--split", self.split or "test", data.splits)
        return data.open(data.folder(self.root), split, self._options)

    @property
    def _options(self) -> dict[str, str | None]:
        return {"protocol": self.protocol, "keypoints": self.keypoints, "subset": self.subset}

    def _cmu(self) -> KeypointSource:
        from poseterior.data.cmu import cmu_root
        from poseterior.data.datasets import open_cmu

        split = self.split or ("test" if self.limb_scale is None else "val")
        return open_cmu(cmu_root(self.root), split, self.limb_scale, self.seed)
