"""`poseterior study`: a paper's comparison, trained and scored under one protocol."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from poseterior.cli.options import (
    MOST,
    BodyModel,
    Count,
    Data,
    Detections,
    Folder,
    Name,
    Protocol,
    Root,
    Whole,
    check_draws,
    check_range,
)
from poseterior.errors import known, require

__all__ = ["StudyCommand"]

_MOST_SEED = (1 << 24) - 1


@dataclass(frozen=True)
class StudyCommand:
    """Train and score the rows of a study; stop it any time, run it again to go on.

    Several processes may work in one folder: each takes rows that no other is at.
    """

    study: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME")]
    """table1, ambiguous, ablation, samples, diversity; mesh_table, mesh_ablation, mesh_samples, mesh_gallery, mesh_fitting; ccnet_table, ccnet_aggregation, ccnet_ablation, ccnet_occlusion, ccnet_mesh; sigma, faults and oks_theory need no data."""  # noqa: E501
    out: Path
    """Folder of rows, checkpoints and results; studies in one folder share their trainings."""
    data: Data = "cmu"
    """The data set: cmu (motion capture seen by a simulated detector), human36m (its pairs); of meshes also 3dpw; of ccnet studies people."""  # noqa: E501
    root: Root = None
    protocol: Protocol = None
    keypoints: Detections = None
    body: BodyModel = None
    detectors: Folder = None
    """Of ccnet studies: a folder of trained detectors, `sbl` and `rle`, not to train them here."""
    preset: Literal["small", "paper"] = "small"
    """Sizes and recipes: small for a computer without a GPU, paper for the published ones."""
    only: Name = None
    """The one row to run."""
    budget: Annotated[float, tyro.conf.arg(metavar="FACTOR")] = 1.0
    """Factor on the steps of every training."""
    hypotheses: Count = 200
    """Poses to draw for each observation."""
    every: Whole = None
    """Score every so many of the test observations; 4 of cmu and 1 of human36m if not given."""
    seed: Count = 0
    """Seed of weights, batches and draws."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where to train."""

    def run(self) -> None:
        """Run what is left, write the results and print the table."""
        self._check()
        from poseterior.cli.computed_study import COMPUTED
        from poseterior.cli.console import progress
        from poseterior.cli.training_job import told
        from poseterior.report.study_page import write_study
        from poseterior.report.study_tables import markdown_table
        from poseterior.studies import STUDIES
        from poseterior.studies.study import Scoring, run_study
        from poseterior.studies.workshop import Workshop

        if known("study", self.study, [*STUDIES, *COMPUTED]) in COMPUTED:
            expected = f"none, for {self.study} has no rows"
            require(self.only is None, "--only", "", expected=expected, found=self.only)
            COMPUTED[self.study](self.out, self.seed)
            return
        study = STUDIES[self.study]
        fits = self.detectors is None or self.study.startswith("ccnet_")
        require(fits, "--detectors", "", expected=f"none, for {self.study}", found=self.detectors)
        if self.only is not None:
            known("--only", self.only, [row.name for row in study.rows])
        options = {"protocol": self.protocol, "keypoints": self.keypoints, "body": self.body,
                   "detectors": self.detectors}  # fmt: skip
        data = study.data(self.data, self.root, options, self.out)
        scoring = Scoring(self.hypotheses, self.every or data.every, self.seed)
        with told("run it again"), progress() as display:
            workshop = Workshop(
                data, self.out, self.preset, self.budget, self.seed, self.device, display
            )
            result = run_study(study, workshop, scoring, self.only, _announced(display))
        files = write_study(result, self.out)
        print(markdown_table(result), *result["notes"], sep="\n")
        print("written:", ", ".join(str(path) for path in files))
        if result["missing"]:
            print("rows still to run:", ", ".join(result["missing"]))

    def _check(self) -> None:
        check_draws(self.hypotheses, self.seed)
        check_range(0, _MOST_SEED, seed=self.seed)
        check_range(1, MOST, every=self.every)
        require(0 < self.budget < 1e6, "--budget", "", expected="above 0", found=self.budget)
        import torch

        there = self.device == "cpu" or torch.cuda.is_available()
        require(there, "--device", "", expected="cpu, for no GPU is found", found=self.device)


def _announced(display: Any) -> Any:
    """Say on the console which row begins."""
    return lambda name, number, count: display.console.print(f"{name} ({number + 1} of {count})")
